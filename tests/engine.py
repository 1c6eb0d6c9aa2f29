"""A real container engine for tests, an image to run in it, and a registry to pull that from.

The engine is the one that answers at DOCKER_HOST or docker's default socket; else, as root on
Debian, one of our own, whose programs are fetched by apt. Each process of pytest-xdist has its
own: it starts in half a second, and none has to wait for another's end.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.request import urlopen

import docker

from jexevents.engine.client import Engine
from jexevents.engine.containers import Containers
from jexevents.engine.images import Images
from jexevents.engine.specs import Spec
from jexevents.errors import EngineRefused, EngineUnavailable, JexError
from jexevents.tryout import dockerd
from jexevents.tryout.dockerd import PrivateEngine
from jexevents.tryout.enginepackages import Programs
from tests.support import free_port, unique, wait_until

USER, PASSWORD = "somebody", "open sesame"
# By bcrypt, as docker-registry wants it.
HTPASSWD = f"{USER}:$2y$05$abcdefghijklmnopqrstuupx2xBUC4954936wVIjyyPHmUBFu0wCW\n"
LABEL = "jexevents.test"
_BASE_CHARACTERS = 40


class TestEngine:
    """An engine and what tests do with it; its containers have a label of this run's own."""

    __test__ = False

    def __init__(
        self,
        url: str | None,
        how: str,
        private: PrivateEngine | None = None,
        programs: Programs | None = None,
    ) -> None:
        self.url = url
        self.how = how
        self.private = private
        self._programs = programs
        self.mark = unique("run")
        self.client = Engine(url)
        self.containers = Containers(self.client)
        self.images = Images(self.client)
        self._images: set[str] = set()

    @property
    def labels(self) -> dict[str, str]:
        """The labels that say whose a container is."""
        return {LABEL: self.mark}

    def spec(self, image: str, *command: str, **members: object) -> Spec:
        """Describe a container with a name and labels of its own."""
        labels = {**self.labels, **members.pop("labels", {})}
        name = members.pop("name", unique("jexevents"))
        given = list(command) or None
        return Spec(name=name, image=image, command=given, labels=labels, **members)

    def run(self, image: str, *command: str, **members: object) -> str:
        """Make a container and start it; gives its id."""
        made = self.containers.create(self.spec(image, *command, **members))
        self.containers.start(made)
        return made

    def wait_ended(self, container: str, timeout: float = 60):
        """Wait until a container has ended; gives its state."""
        wait_until(lambda: self.containers.inspect(container).ended, timeout, "a container's end")
        return self.containers.inspect(container)

    def lose_end(self, container: str, end: Callable[[], None]) -> None:
        """Kill the engine when ``end`` has ended a container, and start it again.

        dockerd takes what ended out of containerd and then writes it down. This is what is found
        when it was killed between the two: it is frozen, and another takes it out.
        """
        folder = self.private.folder
        os.kill(int((folder / "dockerd.pid").read_text()), signal.SIGSTOP)
        end()
        address = str(folder / "x" / "containerd" / "containerd.sock")
        ctr = [self._programs.find("ctr"), "--address", address, "--namespace", "moby"]

        def taken_out() -> bool:
            # The exit status is that of the container.
            subprocess.run([*ctr, "tasks", "delete", container], capture_output=True, check=False)
            tried = [*ctr, "containers", "delete", container]
            return subprocess.run(tried, capture_output=True, check=False).returncode == 0

        wait_until(taken_out, 30, "the end of the container")
        self.private.kill()
        self.private.start()

    def library(self) -> docker.DockerClient:
        """Give a client of the library itself, for what the product does not do."""
        environment = {**os.environ, **({"DOCKER_HOST": self.url} if self.url else {})}
        return docker.from_env(environment=environment)

    def import_image(self, busybox: bytes, name: str | None = None, changes: tuple = ()) -> str:
        """Make an image of a root file system (a tar); gives its name, unique if none is given."""
        name = name or f"{unique('jexevents')}:latest"
        self.keep_book(name)
        repository, _, tag = name.rpartition(":")
        with self.opened() as library:
            library.api.import_image_from_data(
                busybox, repository=repository, tag=tag, changes=list(changes)
            )
        return name

    @contextmanager
    def opened(self) -> Iterator[docker.DockerClient]:
        """Give such a client, and close it."""
        library = self.library()
        try:
            yield library
        finally:
            library.close()

    def keep_book(self, image: str) -> None:
        """Have an image removed at the end."""
        self._images.add(image)

    def clear(self) -> None:
        """Remove the containers of this run, and its images."""
        for one in self.containers.of_label(self.labels):
            with suppress(EngineRefused):
                self.containers.remove(one.id, force=True)
        while self._images:
            with suppress(EngineRefused):
                self.images.remove(self._images.pop(), force=True)

    def close(self) -> None:
        """Clear it, and end it if it was started here."""
        try:
            with suppress(EngineUnavailable):
                self.clear()
            self.client.close()
        finally:
            if self.private:
                self.private.stop()
                with _one_at_a_time(self._programs), suppress(OSError):
                    self.private.folder.parent.rmdir()


def base_folder(programs: Programs) -> Path:
    """Give the folder of our own engines, one for each cache; its path has to be short."""
    name = f"jexeng-{hashlib.sha256(str(programs.root).encode()).hexdigest()[:6]}"
    base = Path(tempfile.gettempdir()).resolve() / name
    return base if len(str(base)) < _BASE_CHARACTERS else Path("/tmp") / name


@contextmanager
def _one_at_a_time(programs: Programs) -> Iterator[None]:
    """Keep other test processes from taking a folder that is just being made for a left one."""
    with open(programs.root.parent / "engines.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def answering() -> TestEngine | None:
    """Give the engine that answers already; None if none does."""
    found = Engine(connect_seconds=3)
    try:
        found.ping()
        return TestEngine(None, f"the engine at {found.address}")
    except JexError:
        return None
    finally:
        found.close()


def start_own(programs: Programs, **settings: object) -> TestEngine:
    """Start an engine, and end those that killed test runs left. Raises JexError."""
    base = base_folder(programs)
    private = PrivateEngine(base / secrets.token_hex(3), programs, settings)
    with _one_at_a_time(programs):
        dockerd.sweep(base, programs)
        private.start()
    return TestEngine(private.url, private.how, private, programs)


class Registry:
    """A docker-registry on loopback, in a folder of its own; with ``secured`` it wants a user."""

    def __init__(self, folder: Path, programs: Programs, *, secured: bool = False) -> None:
        self.folder = folder
        self.port = free_port()
        self.host = f"127.0.0.1:{self.port}"
        self._programs = programs
        self._secured = secured
        self._child: subprocess.Popen | None = None

    def start(self) -> None:
        """Start it, on the same port and with the same images each time."""
        self.folder.mkdir(exist_ok=True)
        (self.folder / "config.yml").write_text(self._settings())
        (self.folder / "htpasswd").write_text(HTPASSWD)
        with (self.folder / "registry.log").open("ab") as log:
            self._child = subprocess.Popen(
                [self._programs.find("docker-registry"), "serve", f"{self.folder}/config.yml"],
                env=self._programs.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_until(self._answers, 30, "the registry")

    def _settings(self) -> str:
        auth = f"auth: {{htpasswd: {{realm: test, path: {self.folder}/htpasswd}}}}\n"
        return (
            "version: 0.1\nlog: {level: warn}\n"
            f"storage: {{filesystem: {{rootdirectory: {self.folder}/data}}}}\n"
            f"http: {{addr: {self.host}}}\n{auth if self._secured else ''}"
        )

    def _answers(self) -> bool:
        with suppress(OSError), urlopen(f"http://{self.host}/", timeout=5):
            return True
        return False

    def signal(self, number: int) -> None:
        """Send a signal to it: SIGSTOP lets it hang."""
        self._child.send_signal(number)

    def stop(self) -> None:
        """End it; its images stay."""
        if self._child:
            self._child.kill()
            self._child.wait()
            self._child = None

    def push(self, engine: TestEngine, image: str, name: str) -> tuple[str, str]:
        """Push an image of the engine under ``name``; gives its name here and its digest.

        The engine forgets the name again, so that it can be pulled.
        """
        here = f"{self.host}/{name}"
        repository, _, tag = here.rpartition(":")
        who = {"username": USER, "password": PASSWORD} if self._secured else {}
        with engine.opened() as library:
            library.api.tag(image, repository, tag)
            said = list(
                library.api.push(repository, tag, stream=True, decode=True, auth_config=who or None)
            )
            errors = [line["error"] for line in said if "error" in line]
            assert not errors, errors
            library.api.remove_image(here)
        digests = [line["aux"]["Digest"] for line in said if "Digest" in line.get("aux", {})]
        engine.keep_book(here)
        return here, digests[0]
