"""Daemons that end with the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.support import Daemon


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


@pytest.fixture
def servers(vhost: str, database: str) -> dict[str, str]:
    """The options that name a virtual host and a database of the test's own."""
    return {"AMQPURI": vhost, "DBURI": database}
