"""Migrations wait for each other, however long the other takes."""

from __future__ import annotations

import threading
from contextlib import closing

import psycopg2

from jexevents.store.database import Database
from jexevents.store.migrate import migrate
from tests.support import wait_until

WAITING = "select 1 from pg_locks where locktype = 'advisory' and not granted"


def test_a_migration_waits_for_another_beyond_the_time_of_a_statement(database: str) -> None:
    done: list[int] = []
    with (
        closing(psycopg2.connect(database)) as other,
        other.cursor() as cursor,
        closing(Database(database, statement_timeout_seconds=0.2)) as pool,
    ):
        cursor.execute("select pg_advisory_lock(hashtext('jexevents migrate'))")
        thread = threading.Thread(target=lambda: done.append(migrate(pool)))
        thread.start()

        def waits() -> bool:
            cursor.execute(WAITING)
            return cursor.fetchone() is not None

        wait_until(waits, 10, "the second to wait")
        thread.join(1)
        cursor.execute("select pg_advisory_unlock(hashtext('jexevents migrate'))")
        thread.join(10)
    assert done == [0]
