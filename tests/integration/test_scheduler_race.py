"""Several daemons at once, daemons that are killed, and the service as it runs for real."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from itertools import pairwise

import pytest

from jexevents.errors import StoreUnavailable
from jexevents.executions.requests import Asked
from jexevents.runner.scheduler import Looks, Scheduler
from jexevents.store import schedules as store
from jexevents.store.database import Database
from jexevents.store.schedules import Overtaken
from tests.scheduling import Daemon, Place, commit
from tests.support import wait_until
from tests.unit.service_stress import stress

START = datetime(2026, 3, 2, 11, 59, 30, tzinfo=timezone.utc)
MINUTELY = 'command: "true"\nschedule: {frequency: "* * * * *"}\n'
JOBS = {"a": MINUTELY, "b": MINUTELY, "c": MINUTELY + "concurrency: forbid\n"}


@pytest.fixture
def place(database: str) -> Iterator[Place]:
    made = Place(database, START)
    yield made
    made.database.close()


def test_four_daemons_at_once(place: Place, database: str) -> None:
    """Each due time fires once, whoever is first."""
    pools = [Database(database) for _ in range(4)]
    daemons = [Daemon(pool, lambda: place.now, f"n{n}") for n, pool in enumerate(pools)]
    for daemon in daemons:
        daemon.repository.put(commit("c1", **JOBS))
    minutes, barrier = 25, threading.Barrier(len(daemons))

    def work(daemon: Daemon) -> None:
        for minute in range(minutes + 1):
            if barrier.wait(60) == 0:
                place.at(START + timedelta(minutes=minute))
                place.end_all()
            barrier.wait(60)
            daemon.look()

    with ThreadPoolExecutor(len(daemons)) as threads:
        for done in [threads.submit(work, daemon) for daemon in daemons]:
            done.result(120)
    for pool in pools:
        pool.close()
    assert len(place.told()) == 3 * minutes
    assert {outcome for _, outcome in place.told()} == {"ran"}
    assert len(place.executions()) == 3 * minutes
    assert sum(len(daemon.asked) for daemon in daemons) == 3 * minutes
    # More than one of them had a turn, or the test shows nothing.
    assert sum(1 for daemon in daemons if daemon.asked) > 1


def test_whoever_is_overtaken_writes_nothing(place: Place) -> None:
    one, other = place.daemon(commit("c1", a=MINUTELY)), place.daemon(commit("c1", a=MINUTELY))
    one.look()
    other.look()
    place.later(minutes=1)
    request = one.requests.request

    def slowly(asked, also):
        other.look()
        return request(asked, also)

    one.requests.request = slowly
    with pytest.raises(Overtaken):
        one.looks.look()
    assert len(place.executions()) == len(place.told()) == 1
    one.look()
    assert len(place.executions()) == len(place.told()) == 1


def _look_and_die(uri: str, where: str) -> None:
    """Be a daemon that is killed while a due time is decided: in the transaction, or behind it."""
    daemon = Daemon(Database(uri), lambda: START + timedelta(minutes=1))
    daemon.repository.put(commit("c1", a=MINUTELY))

    def die(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    request = daemon.requests.request

    def killed(asked, also):
        if where == "after the executions":
            return request(asked, die)

        def also_and_die(connection, made) -> None:
            also(connection, made)
            die()

        if where == "after the rows":
            return request(asked, also_and_die)
        request(asked, also)
        return die()

    daemon.requests.request = killed
    daemon.looks.look()


@pytest.mark.parametrize("where", ["after the executions", "after the rows", "after the commit"])
def test_a_daemon_that_is_killed(place: Place, database: str, where: str) -> None:
    place.daemon(commit("c1", a=MINUTELY)).look()
    context = multiprocessing.get_context("spawn")
    child = context.Process(target=_look_and_die, args=(database, where))
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL
    made = 1 if where == "after the commit" else 0

    def gone() -> bool:
        return not place.ask(
            "select from pg_stat_activity where datname = current_database()"
            " and pid <> pg_backend_pid() and state like 'idle in%%'"
        )

    wait_until(gone, 10, "the server to see that it is gone")
    assert (len(place.executions()), len(place.told())) == (made, made)
    place.later(minutes=1)
    place.daemon(commit("c1", a=MINUTELY)).look()
    assert place.told() == [("03-02 12:00", "ran")]
    assert place.executions() == ["a"]


# --- the service


class Really:
    """A scheduler as it runs, by PostgreSQL's own clock."""

    def __init__(self, database: Database, **more: Callable[[], None]) -> None:
        self.daemon = Daemon(database, lambda: START)
        self.looks = Looks(
            database, lambda: self.daemon.repository.standing.in_force, self.daemon.request
        )
        self.service = Scheduler(self.looks, **more)

    def __enter__(self) -> Really:
        self.service.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.service.stop()
        assert self.service.join(10)
        assert not self.service.failed


EACH_SECOND = 'command: "true"\nschedule: {frequency: 1, misfire: run-all}\n'


def test_it_runs_each_second_and_is_woken_by_new_definitions(place: Place) -> None:
    with Really(place.database) as really:
        really.daemon.repository.put(commit("c1", a=EACH_SECOND))
        really.service.wake()
        wait_until(lambda: len(place.executions()) >= 3, 20, "three runs")
    rows = place.ask("select due_at, decided_at, outcome from due_times order by id")
    assert [row["outcome"] for row in rows] == ["ran"] * len(rows)
    apart = {later["due_at"] - row["due_at"] for row, later in pairwise(rows)}
    assert apart == {timedelta(seconds=1)}
    assert all(row["decided_at"] >= row["due_at"] for row in rows)


def test_a_database_that_is_away_is_waited_for(place: Place) -> None:
    away = iter([True] * 3)

    def require_store() -> None:
        if next(away, False):
            raise StoreUnavailable()

    with Really(place.database, require_store=require_store) as really:
        really.daemon.repository.put(commit("c1", a=EACH_SECOND))
        really.service.wake()
        wait_until(lambda: place.executions(), 20, "a run")


def test_a_connection_that_breaks_loses_nothing(place: Place) -> None:
    daemon = place.daemon(commit("c1", a=MINUTELY))
    daemon.look()
    place.later(minutes=1)
    request = daemon.requests.request

    def cut(asked, also):
        def also_cut(connection, made) -> None:
            also(connection, made)
            place.ask("select pg_terminate_backend(%(pid)s)", pid=connection.info.backend_pid)

        return request(asked, also_cut)

    daemon.requests.request = cut
    with pytest.raises(StoreUnavailable):
        daemon.looks.look()
    assert place.executions() == place.told() == []
    daemon.requests.request = request
    daemon.look()
    assert (place.executions(), place.told()) == (["a"], [("03-02 12:00", "ran")])


def test_looks_at_which_nothing_is_due_are_noted_now_and_then(place: Place) -> None:
    daemon = place.daemon(commit("c1", a='command: x\nschedule: {frequency: "0 0 * * *"}\n'))
    daemon.look()

    def looked_at() -> datetime:
        with place.database.look() as connection:
            return store.state(connection).looked_at

    place.later(seconds=5)
    daemon.look()
    assert looked_at() == START
    place.later(seconds=6)
    daemon.look()
    assert looked_at() == START + timedelta(seconds=11)


def test_start_stop_and_join_from_everywhere(place: Place) -> None:
    looks = Looks(place.database, lambda: None, lambda *_: [])
    stress(lambda: Scheduler(looks), rounds=50)


def test_what_is_asked_for_is_told_to_the_ledger_as_a_schedule(place: Place) -> None:
    daemon = place.daemon(commit("c1", a=MINUTELY))
    daemon.look()
    place.later(minutes=1)
    daemon.look()
    (asked,) = daemon.asked
    assert isinstance(asked, Asked)
    assert (asked.trigger, asked.by, asked.key) == ("schedule", "schedule", None)
