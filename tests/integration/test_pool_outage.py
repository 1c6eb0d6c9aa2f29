"""After an outage the pool fails one caller, not one for each connection that it had."""

from contextlib import ExitStack, closing

import pytest

from jexevents.errors import StoreUnavailable
from jexevents.store.database import Database
from tests.support import administer

SIZE = 4
CUT = """
select pg_terminate_backend(pid, 5000) from pg_stat_activity
where application_name = 'pool under test' and datname = current_database()
"""


def ping(connection):
    with connection.cursor() as cursor:
        cursor.execute("select 1")


def use_all(pool):
    """Use every connection of the pool at the same time."""
    with ExitStack() as stack:
        for _ in range(SIZE):
            ping(stack.enter_context(pool.transaction()))


def test_one_broken_connection_takes_the_idle_ones_with_it(database):
    with closing(Database(database, size=SIZE, name="pool under test")) as pool:
        use_all(pool)
        administer(database, CUT)
        with pytest.raises(StoreUnavailable):
            pool.run(ping)
        use_all(pool)
