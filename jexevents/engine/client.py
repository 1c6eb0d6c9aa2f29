"""A container engine, whichever answers the Docker Engine API."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import docker
import docker.errors
import docker.utils
from docker import APIClient

from jexevents.engine.answers import translated
from jexevents.errors import EngineRefused, EngineUnavailable
from jexevents.redaction import redact_uri

_KEPT_CLIENTS = 8


@dataclass(frozen=True, slots=True)
class About:
    """What an engine says of itself: ``name`` is that of its machine, ``product`` its own."""

    id: str
    name: str
    product: str
    version: str
    api_version: str
    os: str
    arch: str
    cpus: int
    memory_bytes: int


@contextmanager
def config_read() -> Iterator[None]:
    """Say that docker's config file is at fault where the library trips over its content."""
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        if isinstance(exc, OSError):  # some errors of requests are both
            raise
        raise EngineUnavailable(
            f"Docker's config file cannot be used: {type(exc).__name__}: {exc}.",
            remedy="It is ~/.docker/config.json, or config.json in the folder DOCKER_CONFIG.",
        ) from exc


class Engine:
    """An engine, connected to when it is first needed; for any number of threads.

    ``url`` is that of the engine; None is what docker's own tools use: DOCKER_HOST, else the
    current context, else the default socket. DOCKER_TLS_VERIFY and DOCKER_CERT_PATH hold for
    either. ``connect_seconds`` bounds a connection and a ``ping``, ``call_seconds`` the wait
    for the answer of any other call.
    """

    def __init__(
        self, url: str | None = None, *, connect_seconds: float = 5.0, call_seconds: float = 120.0
    ) -> None:
        self._url = url or None
        self.connect_seconds = connect_seconds
        self.call_seconds = call_seconds
        self._lock = threading.Lock()
        self._idle: list[APIClient] = []
        self._epoch = 0

    @property
    def address(self) -> str:
        """Where the engine is, for messages."""
        named = self._url or os.environ.get("DOCKER_HOST")
        return redact_uri(named) if named else "docker's default"

    def ping(self) -> None:
        """Ask whether it is there; raises EngineUnavailable within ``connect_seconds`` or so."""
        with self.borrowed() as api:
            api.timeout = self.connect_seconds
            api.ping()

    def about(self) -> About:
        """Ask the engine what it is. Raises EngineUnavailable."""
        with self.borrowed() as api:
            version, info = api.version(), api.info()
            parts = [part.get("Name", "") for part in version.get("Components") or []]
        return About(
            id=info.get("ID") or "",
            name=info.get("Name") or "",
            product=parts[0] if parts else "",
            version=version.get("Version") or "",
            api_version=api.api_version,
            os=version.get("Os") or info.get("OSType") or "",
            arch=version.get("Arch") or info.get("Architecture") or "",
            cpus=info.get("NCPU") or 0,
            memory_bytes=info.get("MemTotal") or 0,
        )

    def close(self) -> None:
        """Close the connections that nobody uses; those in use are closed by their users."""
        self._forget()

    @contextmanager
    def borrowed(self) -> Iterator[APIClient]:
        """Lend a client of the library for the caller's thread alone.

        It is a session of requests, which is not made for several threads. The library's errors
        come out as ours: EngineUnavailable, EngineRefused, NotThere, Clash.
        """
        client, epoch = self._take()
        try:
            with translated(self.address):
                yield client
        except EngineRefused:
            self._give(client, epoch)
            raise
        except EngineUnavailable:
            client.close()
            # It may come back as another version, so nothing is left that knew the old one.
            self._forget()
            raise
        except BaseException:
            client.close()
            raise
        self._give(client, epoch)

    def _take(self) -> tuple[APIClient, int]:
        with self._lock:
            epoch = self._epoch
            if self._idle:
                return self._idle.pop(), epoch
        try:
            with translated(self.address):
                return self._connect(), epoch
        except EngineUnavailable as error:
            # What it was to be asked comes after the version.
            error.unsent = True
            raise

    def _connect(self) -> APIClient:
        environment = dict(os.environ)
        if self._url:
            environment["DOCKER_HOST"] = self._url
        self._check_address(environment.get("DOCKER_HOST"))
        # It asks for the engine's version, which is how the two agree on one.
        with config_read():
            client = docker.from_env(environment=environment, timeout=self.connect_seconds).api
        client.timeout = (self.connect_seconds, self.call_seconds)
        return client

    def _check_address(self, host: str | None) -> None:
        # The library would quote the whole, with what may be secret in it.
        try:
            docker.utils.parse_host(host)
        except (docker.errors.DockerException, ValueError) as exc:
            raise EngineUnavailable(
                f"{self.address} is no address of a container engine.",
                remedy="One is unix:///PATH or tcp://HOST:PORT, without a password.",
            ) from exc

    def _give(self, client: APIClient, epoch: int) -> None:
        client.timeout = (self.connect_seconds, self.call_seconds)
        with self._lock:
            if epoch == self._epoch and len(self._idle) < _KEPT_CLIENTS:
                self._idle.append(client)
                return
        client.close()

    def _forget(self) -> None:
        with self._lock:
            self._epoch += 1
            left, self._idle = self._idle, []
        for client in left:
            client.close()
