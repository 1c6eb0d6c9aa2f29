"""A schedule out of a git repository, as the daemon puts its parts together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jexevents import wiring
from jexevents.config import from_mapping
from jexevents.store.database import Database
from tests.gitting import Origin
from tests.scheduling import START_OF_TESTS, Place
from tests.support import wait_until

EACH_SECOND = "command: echo done\nschedule: {frequency: 1}\n"
NEVER = "command: echo done\nschedule: {time: 2100-01-01}\n"


@pytest.fixture
def place(database: str) -> Iterator[Place]:
    made = Place(database, START_OF_TESTS)
    yield made
    made.database.close()


def test_what_is_pushed_is_due(place: Place, database: str, tmp_path: Path) -> None:
    origin = Origin(tmp_path / "origin")
    origin.commit(tick__yml=EACH_SECOND)
    config = from_mapping(
        {"DBURI": database, "JobsRepository": origin.url, "JobsDir": str(tmp_path / "jobs")}
    )
    pool = Database(database)
    links = wiring.Links(wiring.repository(config))
    running = wiring.running(config, pool, links, lambda _hooks: None, lambda: None)
    for service in running.services:
        service.start()
    try:
        wait_until(
            lambda: place.ask("select from jobs where state = 'COMPLETE' limit 1"),
            60,
            "a scheduled run to complete",
        )
        origin.commit(tick__yml=NEVER)
        assert links.fetching.refresh(60)
        wait_until(
            lambda: place.ask("select from schedules where members ? 'time'"),
            60,
            "the new schedule to be in force",
        )
        last = place.told()
        wait_until(
            lambda: not place.ask("select from execution_queue limit 1"), 60, "all to be over"
        )
        assert place.told() == last
    finally:
        for service in reversed(list(running.services)):
            service.stop()
        for service in running.services:
            assert service.join(30)
        pool.close()
    assert {outcome for _, outcome in last} <= {"ran", "late", "missed"}
    assert len(place.executions()) == sum(outcome in ("ran", "late") for _, outcome in last)
    assert {row["state"] for row in place.ask("select state from jobs")} == {"COMPLETE"}
