"""After an outage the pool fails one caller, not one for each connection that it had."""

import os
import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager

import pytest

from jexevents.errors import StoreTooSlow, StoreUnavailable
from jexevents.store.database import Database
from tests.support import administer, missing, wait_until

SIZE = 4
WAIT_SECONDS = 10
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


def test_a_server_that_hangs_holds_nobody_for_ever(database):
    now = 100.0
    with (
        closing(Database(database, statement_timeout_seconds=4, clock=lambda: now)) as pool,
        hanging(pool) as asked,
    ):
        wait_until(lambda: pool._lent, WAIT_SECONDS, "the statement to begin")
        assert pool.cut_overdue() == 0
        now += 7
        wait_until(pool.cut_overdue, WAIT_SECONDS, "the one that waits to be cut off")
        # Less at once might be done in time: several statements can take that long together.
        with pytest.raises(StoreTooSlow):
            asked.result(WAIT_SECONDS)
        use_all(pool)


def test_who_wakes_before_the_cut_is_done_learns_of_it_too(database, monkeypatch):
    now = 100.0
    with (
        closing(Database(database, statement_timeout_seconds=4, clock=lambda: now)) as pool,
        hanging(pool) as asked,
    ):
        shutdown, forget = socket.socket.shutdown, pool._forget_lent
        told = threading.Event()

        def shut_down_and_linger(ours, how):
            shutdown(ours, how)
            assert told.wait(WAIT_SECONDS)

        def note_and_forget(connection):
            told.set()
            forget(connection)

        monkeypatch.setattr(socket.socket, "shutdown", shut_down_and_linger)
        monkeypatch.setattr(pool, "_forget_lent", note_and_forget)
        wait_until(lambda: pool._lent, WAIT_SECONDS, "the statement to begin")
        now += 60
        assert pool.cut_overdue() == 1
        with pytest.raises(StoreTooSlow):
            asked.result(WAIT_SECONDS)


def test_a_conflict_outside_of_run_is_an_outage_for_its_caller(database):
    """As of a look-up on a standby, which loses against what is replayed there."""
    with (
        closing(Database(database)) as pool,
        pytest.raises(StoreUnavailable, match="in the way"),
        pool.look() as connection,
    ):
        connection.cursor().execute(
            "do $$ begin raise 'in the way' using errcode = '40001'; end $$"
        )


@contextmanager
def hanging(pool):
    """Have a statement under way, whose server process is stopped; give its future."""
    with pool.transaction() as connection:
        pid = connection.info.backend_pid
    with ThreadPoolExecutor() as threads:
        try:
            os.kill(pid, signal.SIGSTOP)
        except (ProcessLookupError, PermissionError) as error:
            missing("a PostgreSQL of ours to stop", error)
        try:
            yield threads.submit(pool.run, ping)
        finally:
            os.kill(pid, signal.SIGCONT)


def test_a_pool_says_how_it_is_used(database):
    with closing(Database(database, size=2, wait_seconds=WAIT_SECONDS)) as pool:
        assert pool.use() == (2, 0, 0, 0, 0, 0)
        with ThreadPoolExecutor(1) as other, pool.transaction(), pool.transaction():
            asked = other.submit(pool.run, ping)
            wait_until(lambda: pool.use().waiting == 1, WAIT_SECONDS, "the one that waits")
            assert pool.use() == (2, 2, 0, 1, 1, 0)
        asked.result(WAIT_SECONDS)
        assert pool.use() == (2, 0, 2, 0, 1, 0)
        administer(database, CUT.replace("pool under test", "jexevents"))
        with pytest.raises(StoreUnavailable):
            pool.run(ping)
        assert pool.use().idle == 0
