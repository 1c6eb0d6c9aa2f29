"""The database as the bench sees it. No other module of the bench knows SQL but the naive one."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812 - it is a class

from bench import cpu
from bench.errors import BenchFailed

_POLL_SECONDS = 0.02
_STALL_SECONDS = 60.0
_DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}


def named(uri: str, database: str) -> str:
    """Give ``uri`` with another database's name."""
    found = re.fullmatch(r"(\w+://[^/?]*)(/[^?]*)?(\?.*)?", uri)
    if not found:
        raise BenchFailed("JEXEVENTS_TEST_DB must be a URI, postgres://...")
    return f"{found[1]}/{database}{found[3] or ''}"


@contextmanager
def connected(uri: str) -> Iterator[Connection]:
    """Open a connection that commits each statement."""
    with closing(psycopg2.connect(uri, options="-c search_path=jex,public")) as connection:
        connection.autocommit = True
        yield connection


def ask(connection: Connection, statement: str, *values: Any) -> Any:
    """Give the first column of the first row."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        row = cursor.fetchone() if cursor.description else None
        return row and row[0]


def server(uri: str) -> tuple[str, int | None]:
    """Give the server's version, and its pid if it is a process of this machine.

    Raises BenchFailed unless a commit there waits for the disk.
    """
    with connected(uri) as connection:
        for name, wanted in _DURABLE.items():
            if (found := ask(connection, f"show {name}")) != wanted:
                raise BenchFailed(f"PostgreSQL has {name} = {found}; figures count with {wanted}")
        version = ask(connection, "show server_version")
        return version.split()[0], _postmaster(connection.info.backend_pid)


def create(uri: str, name: str, like: str) -> str:
    """Make a database as a copy of the one named ``like``; give its URI."""
    with connected(uri) as connection:
        ask(connection, f"create database {name} template {like}")
    return named(uri, name)


def drop(uri: str, name: str) -> None:
    """Delete a database."""
    with connected(uri) as connection:
        ask(connection, f"drop database if exists {name} with (force)")


def settle(uri: str) -> None:
    """Have written what is to be written, so that each round begins alike."""
    with connected(uri) as connection:
        ask(connection, "checkpoint")


def last_seq(connection: Connection) -> int:
    """Give the number of the last event that is committed; costs a look into an index."""
    return ask(connection, "select coalesce(max(seq), 0) from events")


def count_events(connection: Connection, behind: int = 0) -> int:
    """Count the events that are committed, those behind a number."""
    return ask(connection, "select count(*) from events where seq > %s", behind)


def count_rejects(connection: Connection) -> int:
    """Count what was not accepted."""
    return ask(connection, "select count(*) from rejects")


def count_deliveries(connection: Connection) -> int:
    """Count what was written for the hooks."""
    return ask(connection, "select count(*) from hook_deliveries")


def count_pending(connection: Connection) -> int:
    """Count what waits to be sent to the hooks."""
    return ask(connection, "select count(*) from hook_deliveries where state = 'pending'")


def watch(
    connection: Connection, count: int, behind: int, on_look: Callable[[], object]
) -> tuple[int, float]:
    """Wait until ``count`` events behind number ``behind`` are committed.

    Gives the number that was committed at the first look, and the time (wall clock) of the
    last, 20 ms apart. Calls ``on_look`` before each. Raises BenchFailed if nothing happens
    for a minute.
    """
    first = stored = last_seq(connection) - behind
    moved = time.monotonic()
    while True:
        on_look()
        at, found = time.time(), last_seq(connection) - behind
        # Numbers are given out in order but with gaps, so it is the count that decides.
        if found >= count and (found := count_events(connection, behind)) >= count:
            return first, at
        if found != stored:
            stored, moved = found, time.monotonic()
        elif time.monotonic() - moved > _STALL_SECONDS:
            raise BenchFailed(f"only {stored} of {count} events are stored, and no more come")
        time.sleep(_POLL_SECONDS)


def states(connection: Connection) -> dict[str, str]:
    """Give the state of every job by its key."""
    with connection.cursor() as cursor:
        cursor.execute("select key, state from jobs")
        return dict(cursor.fetchall())


def distinct_events(connection: Connection) -> int:
    """Count events by their identity."""
    return ask(
        connection, "select count(*) from (select distinct job_id, checksum from events) known"
    )


def dump(connection: Connection, table: str, path: Path) -> None:
    """Write a table's rows into a file."""
    with path.open("wb") as file, connection.cursor() as cursor:
        cursor.copy_expert(f"copy {table} to stdout (format binary)", file)


def load(connection: Connection, table: str, path: Path) -> float:
    """Read a table's rows from a file; give the seconds that it took, commit included."""
    with path.open("rb") as file, connection.cursor() as cursor:
        begin = time.monotonic()
        cursor.copy_expert(f"copy {table} from stdin (format binary)", file)
        return time.monotonic() - begin


def _postmaster(backend: int) -> int | None:
    # A pid of another machine may belong to anything here.
    return cpu.parent(backend) if cpu.command_name(backend).startswith("postgres") else None
