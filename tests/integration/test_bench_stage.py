"""What the bench checks and makes in a database: lost and doubled events, copies of jobs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from bench import database as bench_database
from bench import publishing
from bench.errors import BenchFailed
from bench.filling import CLUSTERS_APART, multiply
from bench.load import FIRST_CLUSTER, messages
from bench.stage import Stage
from tests.ledger import TestLedger
from tests.support import unique

JOBS = 40
EVENTS = 5 * JOBS


@pytest.fixture
def stage(vhost: str, database: str, ledger: TestLedger, tmp_path: Path) -> Iterator[Stage]:
    """A stage after a round: all events stored, the queue empty."""
    stage = Stage(vhost, database, unique("bench"), tmp_path)
    ledger.send(*messages(JOBS))
    stage.fill([])
    yield stage
    publishing.drop(vhost, stage.exchange, stage.queue)


def change(stage: Stage, statement: str) -> None:
    with bench_database.connected(stage.database) as connection:
        bench_database.ask(connection, statement)


def test_what_is_whole_passes(stage: Stage) -> None:
    stage.check(EVENTS)


def test_events_beside_them_are_counted(stage: Stage, ledger: TestLedger) -> None:
    ledger.send(next(messages(1, first_cluster=7)))
    with pytest.raises(BenchFailed, match=f"{EVENTS + 1} events"):
        stage.check(EVENTS)
    stage.check(EVENTS, others=1)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("delete from events where seq = 3", f"{EVENTS - 1} events"),
        (
            "drop index events_identity; insert into events (job_id, checksum, source, name,"
            " occurred_at, received_at, data, raw) select job_id, checksum, source, name,"
            " occurred_at, received_at, data, raw from events where seq = 3;"
            " delete from events where seq = 4",
            f"{EVENTS - 1} distinct",
        ),
        (f"update jobs set state = 'Failed' where key = '{FIRST_CLUSTER + 1}'", "wrong state"),
        (f"update jobs set key = 'x' where key = '{FIRST_CLUSTER}'", "wrong state"),
    ],
)
def test_what_is_not_whole_is_told(stage: Stage, broken: str, said: str) -> None:
    change(stage, broken)
    with pytest.raises(BenchFailed, match=said):
        stage.check(EVENTS)


def test_messages_that_are_left_are_told(stage: Stage) -> None:
    stage.fill(messages(1))
    with pytest.raises(BenchFailed, match="5 messages are left"):
        stage.check(EVENTS)


def test_copies_are_jobs_like_those_copied(stage: Stage, ledger: TestLedger) -> None:
    with bench_database.connected(stage.database) as connection:
        multiply(connection, 2, lambda _line: None)
        assert bench_database.count_events(connection) == 3 * EVENTS
        checksums = "select count(distinct checksum) from events"
        assert bench_database.ask(connection, checksums) == 3 * EVENTS
    stage.check(EVENTS, others=2 * EVENTS)
    job = ledger.job(str(FIRST_CLUSTER + 2 * CLUSTERS_APART))
    assert (job["state"], job["cluster"]) == ("Failed", FIRST_CLUSTER + 2 * CLUSTERS_APART)
    events = [event["name"] for event in ledger.story(job["key"])]
    assert (len(events), events[0], events[-1]) == (5, "SUBMIT", "JOB_TERMINATED")


def test_ids_of_copies_grow_as_those_of_jobs_do(stage: Stage, ledger: TestLedger) -> None:
    with bench_database.connected(stage.database) as connection:
        multiply(connection, 2, lambda _line: None)
    ids = {int(job["key"]) // CLUSTERS_APART: [] for job in ledger.jobs()}
    for job in ledger.jobs():
        ids[int(job["key"]) // CLUSTERS_APART].append(job["id"])
        assert UUID(job["id"]).version == 7
    first, second, own = sorted(ids[1]), sorted(ids[2]), sorted(ids[0])
    assert first[-1] < second[0] <= second[-1] < own[0]
