"""Ways to break a ledger's database from inside: failing statements, locks, lost sessions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg2
import pytest

from tests.faults.servers import ask, session
from tests.support import wait_until

_FAILING = """
create schema faults;
create sequence faults.failed;
create function faults.fail() returns trigger language plpgsql as $$
begin
    if random() < tg_argv[0]::float then
        perform nextval('faults.failed');
        {how};
    end if;
    return null;
end $$;
"""
_FAILING_STATEMENT = """
create trigger fail after insert or update on jex.{table}
    for each statement execute function faults.fail(0.01);
"""
# Rows are counted here: of the COMMITs it is about one in a hundred too.
_FAILING_COMMIT = """
create constraint trigger fail_late after insert on jex.events deferrable initially deferred
    for each row execute function faults.fail(0.0002);
"""
# To drop triggers takes locks that look-ups wait behind, too: they must not for as long as whoever
# holds the table now may take.
_MENDED = "set lock_timeout = '250ms'; drop schema if exists faults cascade"
_TABLES = ("jobs", "condor_jobs", "events", "event_positions", "invocations")
SESSIONS = (
    "select pid from pg_stat_activity"
    " where datname = current_database() and application_name like 'jexevents %'"
)
HOW = {
    "disk_full": "raise exception 'could not extend file' using errcode = '53100'",
    "serialisation_failure": "raise exception 'could not serialize' using errcode = '40001'",
    "deadlock": "raise exception 'deadlock detected' using errcode = '40P01'",
    "statement_timeout": "perform pg_sleep(30)",
}


@contextmanager
def failing(uri: str, what: str) -> Iterator[None]:
    """Have PostgreSQL fail one statement in a hundred of those that write, and some COMMITs.

    A ``statement_timeout`` is a real one: the statement sleeps until the server ends it.
    """
    script = _FAILING.format(how=HOW[what])
    script += "".join(_FAILING_STATEMENT.format(table=table) for table in _TABLES)
    if what != "statement_timeout":
        # No time limit of the server's holds for a COMMIT.
        script += _FAILING_COMMIT
    wait_until(lambda: _done(uri, script), 20, "the triggers")
    yield
    wait_until(lambda: _done(uri, _MENDED), 60, "their end")


def failures(uri: str) -> int:
    """How many statements have failed so far."""
    last, called = ask(uri, "select last_value, is_called from faults.failed")[0]
    return last if called else 0


def lock_crosswise(uri: str) -> None:
    """Lock a late key, wait until the daemon waits for it, then lock an early one.

    Where the daemon holds that, it is a deadlock, and the daemon's session is ended by it: ours
    looks for one much later.
    """
    keys = [key for (key,) in ask(uri, "select key from jex.jobs where not closed")]
    if len(keys) < 2:
        return
    lock = "select 1 from jex.jobs where key = %s for update"
    with session(uri) as cursor, suppress(psycopg2.Error):
        cursor.execute("set deadlock_timeout = '20s'; set statement_timeout = '5s'")
        cursor.execute(lock, (max(keys),))
        with suppress(pytest.fail.Exception):
            wait_until(lambda: waiting(uri), 0.5, "the daemon")
        cursor.execute(lock, (min(keys),))


def waiting(uri: str) -> list[tuple]:
    """List the sessions of this database that wait for a lock."""
    query = (
        "select pid from pg_stat_activity"
        " where wait_event_type = 'Lock' and datname = current_database()"
    )
    return ask(uri, query)


def deadlocks(uri: str) -> int:
    """How many deadlocks the server has ended in this database."""
    query = "select deadlocks from pg_stat_database where datname = current_database()"
    return ask(uri, query)[0][0]


@contextmanager
def locked(uri: str, mode: str) -> Iterator[None]:
    """Hold a lock on the tables."""
    with session(uri) as cursor:
        cursor.execute(f"lock table jex.jobs, jex.events in {mode} mode")
        yield


def _done(uri: str, script: str) -> bool:
    """Whether a script was run; what is under way there may have been in its way."""
    with suppress(psycopg2.Error):
        ask(uri, script)
        return True
    return False
