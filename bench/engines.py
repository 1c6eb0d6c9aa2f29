"""The container engine that is measured: one that answers, else one of our own."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import docker

from bench.children.talk import ROOT
from bench.servers import Say
from jexevents.engine.client import Engine
from jexevents.errors import EngineUnavailable
from jexevents.tryout import dockerd, enginepackages
from jexevents.tryout.rootfs import root_file_system


@dataclass(frozen=True)
class Bared:
    """An engine's URL, empty for docker's default; the name of an image that it has; what it is."""

    url: str
    image: str
    about: str

    def library(self) -> docker.DockerClient:
        """Give a client of the library itself."""
        environment = {**os.environ, **({"DOCKER_HOST": self.url} if self.url else {})}
        return docker.from_env(environment=environment)


@contextmanager
def provided(say: Say) -> Iterator[Bared]:
    """Give an engine with an image of busybox, which is removed at the end."""
    cache = Path(os.environ.get("JEXEVENTS_CACHE") or ROOT / ".cache")
    programs = enginepackages.fetched(cache, say)
    with _engine(programs) as url:
        engine = Engine(url or None)
        about = engine.about()
        engine.close()
        name = f"jexevents-bench:{secrets.token_hex(4)}"
        made = Bared(url, name, f"{about.product} {about.version}".strip())
        library = made.library()
        try:
            repository, _, tag = name.partition(":")
            content = root_file_system(programs)
            library.api.import_image_from_data(content, repository=repository, tag=tag)
            yield made
        finally:
            with suppress(docker.errors.APIError):
                library.images.remove(name, force=True)
            library.close()


@contextmanager
def _engine(programs: enginepackages.Programs) -> Iterator[str]:
    found = Engine(connect_seconds=3)
    try:
        found.ping()
    except EngineUnavailable:
        # The path of a socket has to be short.
        with tempfile.TemporaryDirectory(prefix="jexb", dir="/tmp") as folder:
            private = dockerd.PrivateEngine(Path(folder) / "e", programs)
            private.start()
            try:
                yield private.url
            finally:
                private.stop()
        return
    finally:
        found.close()
    yield os.environ.get("DOCKER_HOST", "")
