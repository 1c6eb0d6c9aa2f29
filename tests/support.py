"""Helpers that several tests share."""

from __future__ import annotations

import os
import re
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NoReturn, TypeVar

import psycopg2
import pytest

from jexevents import processes
from jexevents.processes import ProcessId
from jexevents.store.database import Database
from jexevents.store.migrate import migrate
from jexevents.tryout.private import free_port

__all__ = [
    "ROOT",
    "Clock",
    "administer",
    "assert_nothing_runs",
    "database_uri",
    "describe",
    "fill_template",
    "free_port",
    "missing",
    "running_in",
    "unique",
    "wait_until",
]


class Clock:
    """A clock that goes on when a test says so; in seconds."""

    now = 1000.0

    def __call__(self) -> float:
        """Give the time."""
        return self.now


ROOT = Path(__file__).resolve().parent.parent
T = TypeVar("T")


def missing(what: str, reason: object) -> NoReturn:
    """Skip for want of a service; under CI (the variable is set) that is a failure."""
    message = f"{what} is missing: {reason}"
    if os.environ.get("CI"):
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def wait_until(predicate: Callable[[], T], timeout: float, what: str) -> T:
    """Ask until the answer is true and give it; fail after ``timeout`` seconds."""
    pause, deadline = threading.Event(), time.monotonic() + timeout
    while not (answer := predicate()):
        if time.monotonic() > deadline:
            pytest.fail(f"after {timeout:g} s still waiting for {what}")
        pause.wait(0.02)
    return answer


def unique(prefix: str) -> str:
    """Give a name that no other run uses."""
    return f"{prefix}_{secrets.token_hex(5)}"


def running_in(folder: Path) -> list[ProcessId]:
    """List the running processes, zombies left out, that name or stand in ``folder``."""
    place = str(folder)

    def belongs(pid: int) -> bool:
        where = processes.working_folder(pid)
        return place in processes.command_line(pid) or where.startswith(place)

    return processes.select(belongs)


def describe(found: list[ProcessId]) -> str:
    """Give the processes' command lines, one a line, for a message."""
    return "\n".join(f"{each.pid}: {processes.command_line(each.pid)}" for each in found)


def assert_nothing_runs(folder: Path) -> None:
    """Assert that no process names or stands in ``folder``."""
    found = running_in(folder)
    assert not found, f"left behind in {folder}:\n{describe(found)}"


def database_uri(uri: str, database: str) -> str:
    """Give ``uri`` with another database's name."""
    server, _, query = re.fullmatch(r"(\w+://[^/?]*)(/[^?]*)?(\?.*)?", uri).groups()
    return f"{server}/{database}{query or ''}"


def administer(uri: str, statement: str) -> None:
    """Run one statement outside of any transaction, as CREATE DATABASE demands."""
    with closing(psycopg2.connect(uri)) as connection:
        connection.autocommit = True
        connection.cursor().execute(statement)


def fill_template(uri: str) -> None:
    """Bring the database that all tests' databases are copied from to the current schema."""
    with closing(Database(uri)) as database:
        migrate(database)
