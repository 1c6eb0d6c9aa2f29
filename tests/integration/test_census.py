"""What is counted of a ledger, and what becomes of the counts while PostgreSQL is away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from jexevents import census as census_module
from jexevents.census import Census
from jexevents.errors import StoreUnavailable
from jexevents.store import census
from jexevents.store.database import Database
from jexevents.store.nodes import NodeName, NodeNote
from tests.acceptance.support import rows
from tests.support import wait_until
from tests.unit.service_stress import stress

GONE = "postgresql://nobody@127.0.0.1:1/nothing?connect_timeout=1"


@pytest.fixture
def pool(database: str) -> Iterator[Database]:
    with closing(Database(database)) as made:
        yield made


def test_an_empty_ledger_has_none_of_anything(pool: Database) -> None:
    counted = census.count(pool)
    assert counted.workers == {"working": 0, "draining": 0, "away": 0}
    assert counted.tasks == {"SUBMITTED": 0, "IMPORTING": 0, "READY": 0, "ERROR": 0}
    assert (counted.slots, counted.schedules, list(counted.disabled)) == (0, 0, [])
    assert counted.counted_at > 1_700_000_000


def test_workers_by_how_they_stand(pool: Database, database: str) -> None:
    rows(
        database,
        """
        insert into jex.nodes (name, role, version, pid, slots, draining, seen_at, ended_at)
        values ('a', 'worker', '0', 1, 4, false, now(), null),
            ('b', 'worker', '0', 1, 2, true, now(), null),
            ('c', 'worker', '0', 1, 8, false, now() - interval '1 minute', null),
            ('ended', 'worker', '0', 1, 16, false, now(), now()),
            ('long ago', 'worker', '0', 1, 16, false, now() - interval '8 days', null),
            ('runs nothing', 'daemon', '0', 1, null, false, now(), null),
            ('a', 'daemon', '0', 1, 32, false, now() - interval '1 hour', null)
        """,
    )
    counted = census.count(pool)
    assert counted.workers == {"working": 1, "draining": 1, "away": 1}
    assert counted.slots == 6


def test_one_that_holds_its_name_is_not_away(pool: Database, database: str) -> None:
    """Its word may be old where it was busy; its session says that it lives."""
    name = NodeName(pool, "held", "worker", None, runs=True)
    name.note = NodeNote(slots=3)
    assert name.hold()
    rows(database, "update jex.nodes set seen_at = now() - interval '5 minutes'")
    assert census.count(pool).workers["working"] == 1
    name.end()


def test_tasks_schedules_and_hooks(pool: Database, database: str) -> None:
    rows(
        database,
        """
        insert into jex.tasks (name, repository, pull, status, credential, deleted_at)
        values ('a', 'x', 'missing', 'READY', 't', null), ('b', 'x', 'missing', 'READY', 't', null),
            ('c', 'x', 'missing', 'ERROR', 't', null), ('d', 'x', 'missing', 'ERROR', 't', now());
        insert into jex.schedules
            (definition, place, members, fingerprint, first_seen, since, decided_until, gone_at)
        values ('a', 0, '{}', '', now(), now(), now(), null),
            ('a', 1, '{}', '', now(), now(), now(), now());
        insert into jex.hooks (name, disabled_at) values ('well', null), ('portal', now())
        """,
    )
    counted = census.count(pool)
    assert counted.tasks == {"SUBMITTED": 0, "IMPORTING": 0, "READY": 2, "ERROR": 1}
    assert counted.schedules == 1
    assert list(counted.disabled) == ["portal"]


def test_it_counts_again_and_again(pool: Database) -> None:
    service = Census(pool, every_seconds=0.01)
    assert service.counts() is None
    service.start()
    first = wait_until(service.counts, 10, "a count")
    wait_until(lambda: service.counts().counted_at > first.counted_at, 10, "another")
    service.stop()
    assert service.join(10)
    assert not service.failed


def test_what_was_counted_long_ago_is_not_shown(
    pool: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = [False]

    def require() -> None:
        if away[0]:
            raise StoreUnavailable("away")

    service = Census(pool, require, every_seconds=0.01)
    service.start()
    wait_until(service.counts, 10, "a count")
    away[0] = True
    monkeypatch.setattr(census_module, "_OLD_SECONDS", 0.05)
    wait_until(lambda: service.counts() is None, 10, "the count to be old")
    away[0] = False
    wait_until(service.counts, 10, "a count again")
    service.stop()
    assert service.join(10)
    assert not service.failed


def test_a_fault_is_no_end(pool: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def broken(_database: Database) -> None:
        calls.append(1)
        raise KeyError("x")

    monkeypatch.setattr(census_module.census, "count", broken)
    service = Census(pool, every_seconds=0.01)
    service.start()
    wait_until(lambda: len(calls) > 2, 10, "three tries")
    service.stop()
    assert service.join(10)
    assert not service.failed


def test_it_starts_and_stops_as_every_service_does() -> None:
    def away() -> None:
        raise StoreUnavailable("away")

    with closing(Database(GONE)) as nowhere:
        stress(lambda: Census(nowhere, away), rounds=50)
