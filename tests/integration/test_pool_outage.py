"""After an outage the pool fails one caller at most, not one for each connection it had."""

from contextlib import ExitStack, closing

import pytest

from jexevents.errors import StoreUnavailable
from jexevents.store.database import Database
from tests.support import administer


def ping(connection):
    with connection.cursor() as cursor:
        cursor.execute("select 1")
        return cursor.fetchone()[0]


def test_one_broken_connection_takes_the_idle_ones_with_it(database):
    with closing(Database(database, size=4, name="pool under test")) as pool:
        with ExitStack() as stack:
            for _ in range(4):
                ping(stack.enter_context(pool.transaction()))
        administer(
            database,
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
            " where application_name = 'pool under test'"
            " and datname = current_database()",
        )
        with pytest.raises(StoreUnavailable):
            pool.run(ping)
        assert [pool.run(ping) for _ in range(4)] == [1, 1, 1, 1]
