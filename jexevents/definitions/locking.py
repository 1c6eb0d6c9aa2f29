"""A lock between the processes of one machine: a file that only one of them may hold."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jexevents.errors import RepositoryUnavailable

_LOOK_SECONDS = 0.05


@contextmanager
def locked(path: Path, seconds: float) -> Iterator[int]:
    """Hold the lock; gives the open file.

    A process that inherits the file holds the lock as well, so what was started under it goes on
    under it, even if who started it is gone. Raises RepositoryUnavailable after ``seconds``.
    """
    number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _wait(number, path, time.monotonic() + seconds)
        yield number
    finally:
        os.close(number)


def _wait(number: int, path: Path, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as exc:
            if time.monotonic() > deadline:
                message = f"Another process has {path} locked, a daemon or git."
                raise RepositoryUnavailable(message, reason="busy") from exc
            time.sleep(_LOOK_SECONDS)
