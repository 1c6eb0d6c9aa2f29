"""Sends requests over HTTP, and gives what became of them; raises nothing.

The one place that knows requests and urllib3. A redirect is an answer like others, cookies are
not kept, the environment's proxies and passwords are not looked at.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from http.cookiejar import DefaultCookiePolicy
from ssl import SSLContext
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from jexevents import __version__
from jexevents.errors import ConfigError, JexError
from jexevents.faults import fit, in_words
from jexevents.hooks import network
from jexevents.hooks.heads import WholeHead
from jexevents.hooks.network import Network
from jexevents.redaction import MASK, is_secret_name, without

USER_AGENT = f"jexevents/{__version__}"
# What is read of an answer, so that its connection can be used again; a longer one is closed.
ANSWER_BYTES = 64 << 10
# What is kept of it.
KEPT_BYTES = 1024

_FAILURES = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    OSError,
    # What the libraries let through of what a receiver says.
    ValueError,
    RuntimeError,
)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request to be sent; ``body`` is None where it has none.

    ``secrets`` are the texts of it that nobody may see in what is kept of the answer.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(default=None, repr=False)
    secrets: Sequence[str] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request.

    ``status`` is None where no answer came, and ``error`` says why in a sentence then.
    ``text`` is the first KiB of the answer's body. What the request had in it of secrets is left
    out of all three, as is whatever looks like one.
    """

    status: int | None
    seconds: float
    error: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str = ""

    @property
    def accepted(self) -> bool:
        """Whether the receiver has taken it."""
        return self.status is not None and 200 <= self.status < 300


def tls_context(ca_file: str = "") -> SSLContext:
    """Give a context that verifies receivers, by the file's authorities or those of requests.

    Raises ConfigError where the file cannot be used.
    """
    try:
        return network.tls_context(ca_file or requests.certs.where())
    except OSError as error:
        raise ConfigError(
            f"HookCAFile: {ca_file} cannot be used: {error.strerror or error}.",
            remedy="Name a file that has certificates of authorities in PEM form.",
        ) from error


class Transport:
    """Connections that are kept, for one thread."""

    def __init__(self, forbidden: Sequence[Network], tls: SSLContext) -> None:
        self._adapter = _Adapter(forbidden, tls)
        self._session = _Session()
        self._session.trust_env = False
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.headers.clear()
        self._session.mount("http://", self._adapter)
        self._session.mount("https://", self._adapter)

    def send(self, outgoing: Outgoing, timeout_seconds: float) -> Answer:
        """Send a request; it and its answer take ``timeout_seconds`` at most."""
        began = time.monotonic()
        try:
            with network.deadline(timeout_seconds):
                return self._send(outgoing, began)
        except JexError as error:
            return _failed(began, str(error))
        except (TimeoutError, requests.Timeout):
            return _failed(began, f"No answer in {timeout_seconds:g} s.")
        except _FAILURES as error:
            return _failed(began, _sentence(error, timeout_seconds), outgoing.secrets)

    def close(self) -> None:
        """Close all connections."""
        self._session.close()

    def _send(self, outgoing: Outgoing, began: float) -> Answer:
        opened = self._adapter.opened
        try:
            response = self._asked(outgoing)
        except requests.ConnectionError:
            if self._adapter.opened > opened:
                raise
            # The receiver had closed a connection that was kept: that says nothing about it.
            response = self._asked(outgoing)
        return _answer(response, began, outgoing.secrets)

    def _asked(self, outgoing: Outgoing) -> requests.Response:
        return self._session.request(
            outgoing.method,
            outgoing.url,
            data=outgoing.body,
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **outgoing.headers},
            allow_redirects=False,
            stream=True,
        )


def _answer(response: requests.Response, began: float, secrets: Sequence[str]) -> Answer:
    with response:
        body = _body(response)
    headers = {
        name: MASK if is_secret_name(name) else fit(without(secrets, value), 1000)
        for name, value in response.headers.items()
    }
    error = ""
    if 300 <= response.status_code < 400:
        to = without(secrets, response.headers.get("Location", "nowhere"))
        error = f"It was answered with a redirect to {fit(to, 800)}; those are not followed."
    text = _kept(body, secrets)
    return Answer(response.status_code, time.monotonic() - began, error, headers, text)


def _kept(body: bytes, secrets: Sequence[str]) -> str:
    """Give the beginning of a body that is kept, as it is without secrets."""
    text = without(secrets, body.decode("utf-8", "replace"))
    if len(body) > ANSWER_BYTES:
        # It was not read to its end, which may be the half of a secret.
        text = text[: -max(map(len, secrets), default=0) or None]
    return text.encode()[:KEPT_BYTES].decode("utf-8", "ignore")


def _body(response: requests.Response) -> bytes:
    """Read what is kept of an answer's body, and the rest of it if there is not much.

    Whether it is whole does not matter: the status was there before.
    """
    pieces, size = [], 0
    try:
        while size <= ANSWER_BYTES:
            piece = response.raw.read1(ANSWER_BYTES, decode_content=False)
            if not piece:
                return b"".join(pieces)
            pieces.append(piece)
            size += len(piece)
    except (urllib3.exceptions.HTTPError, OSError, ValueError):
        pass
    response.raw.close()
    return b"".join(pieces)


def _failed(began: float, error: str, secrets: Sequence[str] = ()) -> Answer:
    return Answer(None, time.monotonic() - began, fit(without(secrets, error), 1000))


def _sentence(error: BaseException, timeout_seconds: float) -> str:
    """Say what went wrong, by the first cause: the libraries wrap it several times."""
    seen: list[BaseException] = []
    cause: Any = error
    while isinstance(cause, BaseException) and cause not in seen:
        seen.append(cause)
        inner = [one for one in cause.args if isinstance(one, BaseException)]
        cause = getattr(cause, "reason", None) or (inner[0] if inner else cause.__cause__)
    if any(isinstance(one, TimeoutError) for one in seen):
        return f"No answer in {timeout_seconds:g} s."
    last = seen[-1]
    return f"The connection failed: {in_words(last).rstrip('.')}."


class _Session(requests.Session):
    """Follows no redirect and looks at none: to find the next, requests reads the body whole."""

    def get_redirect_target(self, _response: requests.Response) -> None:
        """Give none."""


class _Adapter(HTTPAdapter):
    """Makes connections by ``network`` alone; ``opened`` counts them."""

    def __init__(self, forbidden: Sequence[Network], tls: SSLContext) -> None:
        self.opened = 0
        self._forbidden = tuple(forbidden)
        self._tls = tls
        super().__init__(pool_connections=4, pool_maxsize=1)

    def open(self, host: str, port: int) -> network.BoundedSocket:
        """Connect, and count it. Raises as ``network.connect``."""
        self.opened += 1
        return network.connect(host, port, self._forbidden)

    def init_poolmanager(self, *arguments: Any, **more: Any) -> None:
        """Make the pools of connections, of our kind."""
        super().init_poolmanager(*arguments, **more)
        self.poolmanager.pool_classes_by_scheme = {
            "http": partial(_pool, HTTPConnectionPool, partial(_Plain, self.open)),
            "https": partial(_pool, HTTPSConnectionPool, partial(_TLS, self.open, self._tls)),
        }

    def cert_verify(self, *_arguments: Any) -> None:
        """Leave it to the context, which verifies always."""


def _pool(kind: type, connection: Any, *arguments: Any, **more: Any) -> Any:
    pool = kind(*arguments, **more)
    pool.ConnectionCls = connection
    return pool


class _Plain(HTTPConnection):
    response_class = WholeHead

    def __init__(self, connect: Any, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._connect = connect

    def _new_conn(self) -> network.BoundedSocket:
        return self._connect(self._dns_host, self.port)


class _TLS(HTTPSConnection):
    response_class = WholeHead

    def __init__(self, connect: Any, tls: SSLContext, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **{**more, "ssl_context": tls, "cert_reqs": tls.verify_mode})
        self._connect = connect

    def _new_conn(self) -> network.BoundedSocket:
        return self._connect(self._dns_host, self.port)
