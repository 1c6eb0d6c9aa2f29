"""Daemons that end with the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.jobs import Jobs
from tests.acceptance.support import Daemon
from tests.conftest import copied_database, own_vhost
from tests.gitting import Origin


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    """Start a daemon with these options, in a folder of its own; see ``Daemon``."""
    started: list[Daemon] = []

    def start_one(
        *program: str, variables: Mapping[str, str] | None = None, **options: Any
    ) -> Daemon:
        folder = tmp_path / f"daemon{len(started)}"
        folder.mkdir()
        extra = {"program": program} if program else {}
        started.append(Daemon(folder, options, variables=variables, **extra))
        return started[-1]

    yield start_one
    for daemon in started:
        daemon.end()


@pytest.fixture(scope="module")
def shared_jobs(
    postgres: str, template: str, broker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Jobs]]:
    """Make the one place where the jobs of all tests of a module are run; see ``jobs``."""
    folder = tmp_path_factory.mktemp("shared")
    started: list[Daemon] = []

    def start_one(**options: Any) -> Daemon:
        place = folder / f"daemon{len(started)}"
        place.mkdir()
        started.append(Daemon(place, options))
        return started[-1]

    with ExitStack() as stack:
        servers = {
            "DBURI": stack.enter_context(copied_database(postgres, template)),
            "AMQPURI": stack.enter_context(own_vhost(broker)),
        }
        yield stack.enter_context(contextmanager(_places)(folder, start_one, servers))
        for daemon in started:
            daemon.end()


@pytest.fixture
def servers(vhost: str, database: str) -> dict[str, str]:
    """The options that name a virtual host and a database of the test's own."""
    return {"AMQPURI": vhost, "DBURI": database}


@pytest.fixture
def jobs(
    start: Callable[..., Daemon], servers: dict[str, str], tmp_path: Path
) -> Iterator[Callable[..., Jobs]]:
    """Make a place where jobs are run: of a repository with these files, by a daemon with these
    options; see ``Jobs``."""
    yield from _places(tmp_path, start, servers)


def _places(
    parent: Path, start: Callable[..., Daemon], servers: dict[str, str]
) -> Iterator[Callable[..., Jobs]]:
    made: list[Jobs] = []

    def make(files: Mapping[str, str], **options: Any) -> Jobs:
        folder = parent / f"place{len(made)}"
        folder.mkdir()
        origin = Origin(folder / "origin")
        for name, text in files.items():
            path = origin.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            if text.startswith("#!"):
                path.chmod(0o755)
        origin.commit("first")
        made.append(Jobs(origin, start, folder, servers, **options))
        return made[-1].wait_ready()

    yield make
    for one in made:
        one.close()
