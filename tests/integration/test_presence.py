"""Whether the process may work: what it makes of a schema that goes, of a server that hangs."""

from __future__ import annotations

import threading
from contextlib import closing

import psycopg2
import pytest

from jexevents import presence as presence_module
from jexevents.ending import Ending
from jexevents.errors import StoreUnavailable
from jexevents.exits import Exit
from jexevents.presence import Presence
from jexevents.store import nodes
from jexevents.store.database import Database
from jexevents.store.migrate import migrate
from jexevents.store.nodes import NodeNote
from jexevents.store.workers import Workers
from tests.acceptance.support import rows
from tests.support import administer, wait_until

SEEN_LONG_AGO = float("-inf")


def test_a_schema_missing_at_the_start_ends_the_process(database: str) -> None:
    administer(database, "drop schema jex cascade")
    ending = Ending()
    with closing(Database(database)) as pool:
        Presence(pool, "n", "daemon", ending).look()
    assert ending.code is Exit.CONFIG


def test_a_schema_that_goes_later_is_a_problem_until_it_is_back(database: str) -> None:
    ending = Ending()
    with closing(Database(database)) as pool:
        presence = Presence(pool, "n", "daemon", ending)
        presence.look()
        assert presence.problem is None
        administer(database, "drop schema jex cascade")
        presence._name._noted_at = SEEN_LONG_AGO
        for _ in range(2):
            presence.look()
        assert "jexevents migrate" in presence.problem
        with pytest.raises(StoreUnavailable):
            presence.require()
        assert not ending.is_set()
        migrate(pool)
        presence.require()
        assert presence.problem is None


def test_a_look_that_hangs_holds_no_other_caller(database: str) -> None:
    with closing(Database(database)) as pool:
        presence = Presence(pool, "n", "daemon", Ending())
        presence.look()
        with presence._looking:
            other = threading.Thread(target=presence.look, args=(0.05,), daemon=True)
            other.start()
            other.join(10)
            assert not other.is_alive()
        assert "long" in presence.problem
        presence.look()
        assert presence.problem is None


def test_a_network_that_swallows_what_is_sent_is_noticed(database: str) -> None:
    with closing(Database(database)) as pool, closing(pool.open()) as connection:
        milliseconds = int(connection.get_dsn_parameters()["tcp_user_timeout"])
    assert 0 < milliseconds <= 30_000


def test_a_look_that_hangs_is_a_problem_while_it_does(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence_module, "_PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr(nodes, "_HOLD_SECONDS", 1.0)
    with closing(Database(database)) as pool, closing(psycopg2.connect(database)) as other:
        presence = Presence(pool, "n", "daemon", Ending())
        presence.look()
        other.cursor().execute("lock table jex.nodes")
        presence._name._noted_at = SEEN_LONG_AGO
        looking = threading.Thread(target=presence.look, daemon=True)
        looking.start()
        wait_until(lambda: presence.problem, 10, "the problem to be said")
        assert "long" in presence.problem
        with pytest.raises(StoreUnavailable):
            presence.require()
        wait_until(pool.cut_overdue, 10, "its session to be cut off")
        looking.join(10)
        assert not looking.is_alive()
        other.rollback()

        def has_the_name_again() -> bool:
            # The server may see a moment late that the session cut off is gone.
            presence.look()
            return presence.problem is None

        wait_until(has_the_name_again, 10, "the name to be taken again")


def test_a_name_that_another_holds_ends_the_process_by_time_not_by_the_number_of_looks(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ending = Ending()
    with closing(Database(database)) as pool, closing(Database(database)) as others:
        other = Presence(others, "n", "daemon", Ending())
        other.look()
        presence = Presence(pool, "n", "daemon", ending)
        for _ in range(20):
            with pytest.raises(StoreUnavailable, match="Another live daemon 'n'"):
                presence.require()
        assert not ending.is_set()
        monkeypatch.setattr(presence_module, "_NAME_PATIENCE_SECONDS", 0.0)
        presence.look()
        assert ending.code is Exit.CONFIG
        other._name.release()


def test_who_runs_executions_holds_its_name_against_other_roles(database: str) -> None:
    with closing(Database(database)) as pool, closing(Database(database)) as others:
        daemon = Presence(others, "n", "daemon", Ending(), runs=True)
        daemon.look()
        worker = Presence(pool, "n", "worker", Ending(), runs=True)
        with pytest.raises(StoreUnavailable, match="'n' and runs executions"):
            worker.require()
        idle = Presence(pool, "n", "worker", Ending())
        idle.require()
        idle._name.release()
        daemon._name.release()
        worker.require()
        worker._name.release()


def test_it_hears_that_it_is_drained_and_its_successor_does_not(database: str) -> None:
    heard: list[bool] = []
    with closing(Database(database)) as pool:
        workers = Workers(pool)
        presence = Presence(pool, "n", "worker", Ending(), runs=True)
        presence.tell = lambda: NodeNote(slots=2, running=1, labels=["a"], kinds=["command"])
        presence.heard = heard.append
        presence.look()
        assert workers.drain("n", draining=True)
        presence.look()
        assert heard == [False, True]
        (row,) = workers.all()
        assert (row["slots"], row["labels"], row["kinds"]) == (2, ["a"], ["command"])
        assert (row["draining"], row["alive"]) == (True, True)
        presence._name.end()
        assert workers.find("n")["alive"] is False
        assert not workers.drain("n", draining=True)
        # One of another role takes the name over, and is neither drained nor a second worker.
        successor = Presence(pool, "n", "daemon", Ending(), runs=True)
        successor.tell = lambda: NodeNote(slots=1)
        successor.heard = heard.append
        successor.look()
        assert heard[-1] is False
        assert [(one["role"], one["draining"]) for one in workers.all()] == [("daemon", False)]
        assert rows(database, "select count(*) from jex.nodes where draining") == [(0,)]
        successor._name.release()


def test_a_worker_lives_while_it_was_seen_or_holds_its_name(database: str) -> None:
    with closing(Database(database)) as pool:
        workers = Workers(pool)
        presence = Presence(pool, "n", "worker", Ending(), runs=True)
        presence.tell = lambda: NodeNote(slots=1)
        presence.look()
        administer(database, "update jex.nodes set seen_at = now() - interval '1 minute'")
        assert workers.find("n")["alive"] is True
        presence._name.release()
        wait_until(lambda: not workers.find("n")["alive"], 10, "the end of its session")
        administer(database, "update jex.nodes set seen_at = now()")
        assert workers.find("n")["alive"] is True
        administer(database, "update jex.nodes set seen_at = now() - interval '8 days'")
        assert workers.all() == []


def test_what_is_new_is_noted_at_the_next_look(database: str) -> None:
    with closing(Database(database)) as pool:
        presence = Presence(pool, "n", "worker", Ending(), runs=True)
        for running in (1, 2):
            presence.tell = lambda running=running: NodeNote(slots=4, running=running)
            presence.look()
            assert rows(database, "select running from jex.nodes") == [(running,)]
        presence._name.release()
