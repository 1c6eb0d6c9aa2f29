"""What is pruned is sealed: its state stays, its events are gone, and nothing changes it."""

from __future__ import annotations

import itertools
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jexevents import wiring
from jexevents.model import SEALED, Event, Kind, Outcome
from jexevents.sources.condor.message import job_key
from jexevents.store import prune
from jexevents.store.ledger import Ledger
from jexevents.store.outbox import DEAD, DELIVERED, PENDING, Result
from jexevents.store.prune import JOBS, Prune, Step
from jexevents.store.rows import StoredEvent
from tests.integration.test_verify import HEADER, INVOCATION, differences, tamper
from tests.integration.web import JOB
from tests.ledger import (
    NOON,
    TestLedger,
    executing,
    held,
    message,
    named,
    open_ledger,
    submitted,
    terminated,
)
from tests.outbox import put, rows
from tests.unit.test_condor_lifecycle import ended, stories

LATER = NOON + timedelta(days=1)
_clusters = itertools.count(1000)


def pruned(ledger: TestLedger, before: datetime = LATER) -> dict[str, int]:
    """Prune; give how much of each thing was."""
    done: dict[str, int] = {}
    for step in Prune(ledger.database, before, wiring.recognise).steps():
        done[step.thing] = done.get(step.thing, 0) + step.done
    return done


def story(job: str) -> list[bytes]:
    """Give the messages of a job that ends."""
    return [
        message(submitted(job=job), Log="log", Offset=1),
        message(named(INVOCATION, job=job)),
        message(executing(job=job, second=5)),
        message(terminated(3, job=job, second=20)),
    ]


def events_of(story: list[StoredEvent], cluster: int) -> list[Event]:
    """Give the events of a generated story as those of the job with this cluster."""
    return [
        Event(
            kind=Kind.CONDOR,
            job=job_key("", cluster, 0),
            source="",
            name=one.name,
            occurred_at=one.occurred_at,
            occurred_alt=one.occurred_alt,
            received_at=NOON,
            data=one.data,
            raw=b"",
            checksum=one.checksum,
            position=one.position,
        )
        for one in story
    ]


def recognised(*_identity: Any) -> bool:
    """Take any identity: those of generated events are of no text."""
    return True


def whole(ledger: TestLedger, key: str) -> tuple[dict, dict]:
    """Give all that the ledger says of a job, save that it is sealed."""
    (row,) = ledger.jobs(key=key)
    return {name: value for name, value in row.items() if name != "sealed"}, dict(ledger.job(key))


@given(stories(), stories(), st.randoms())
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_sealing_keeps_every_state_and_late_events_change_nothing(
    ledger: TestLedger, told: list[StoredEvent], late: list[StoredEvent], draw: random.Random
) -> None:
    cluster = next(_clusters)
    key, writer = str(cluster), Ledger(ledger.database)
    events = events_of([*told, ended(draw.randint(0, 6))], cluster)
    for event in draw.sample(events, len(events)):
        writer.apply([event])
    before = whole(ledger, key)
    steps = list(Prune(ledger.database, LATER, recognised).steps())
    assert [step.differences for step in steps if step.thing == JOBS] == [[]]
    assert whole(ledger, key) == before
    (sealed,) = ledger.story(key)
    for event in [*events_of(late, cluster), *events]:
        (applied,) = writer.apply([event])
        assert (applied.outcome, applied.seq) == (Outcome.DUPLICATE, sealed["seq"])
    assert whole(ledger, key) == before
    assert ledger.story(key) == [sealed]
    assert differences(ledger) == []


def test_jobs_that_ended_before_are_sealed_and_no_others(ledger: TestLedger) -> None:
    ledger.send(*story("222.000.000"), HEADER.encode(), b"no event")
    ledger.send(
        message(submitted(job="223.000.000")),
        message(held(job="223.000.000", second=1)),  # failed, but not closed
        *(body.replace(b"2026-03-01", b"2026-03-05") for body in story("224.000.000")),
    )
    ledger.send(HEADER.replace("ctime", "other").encode(), b"none either", at=LATER)
    before = whole(ledger, "222")
    assert Prune(ledger.database, LATER, wiring.recognise).counts() == {
        JOBS: 1, "events of no job": 1, "rejects": 1, "deliveries": 0,
        "audit entries": 0, "due times": 0,
    }  # fmt: skip
    assert pruned(ledger) == {JOBS: 1, "events of no job": 1, "rejects": 1}
    assert whole(ledger, "222") == before
    assert {job["key"]: job["sealed"] for job in ledger.jobs()} == {
        "222": True, "223": False, "224": False,
    }  # fmt: skip
    assert [event["name"] for event in ledger.story("223")] == ["SUBMIT", "JOB_HELD"]
    assert len(ledger.story("224")) == 4
    assert [ledger.count(table) for table in ("events", "rejects", "invocations")] == [8, 1, 2]
    assert ledger.count("event_positions") == 1
    assert pruned(ledger) == {}
    assert differences(ledger) == []


def test_old_audit_entries_go_and_its_own_stay(ledger: TestLedger) -> None:
    now = datetime.now(timezone.utc)
    assert pruned(ledger, now) == {}
    assert ledger.count("audit") == 2
    assert pruned(ledger, now + timedelta(minutes=1)) == {"audit entries": 3}
    with ledger.database.transaction() as connection, connection.cursor() as cursor:
        cursor.execute("select action, detail ->> 'audit entries' from audit")
        assert cursor.fetchall() == [("prune", "3")]


def test_old_deliveries_go_and_what_waits_stays(ledger: TestLedger) -> None:
    ledger.send(*story("222.000.000"))
    put(ledger, "a", [1] * 1200 + [2, 3])
    while taken := ledger.outbox.claim("a", "me", 1000, 60):
        states = (DELIVERED, DEAD, PENDING)
        ledger.outbox.finish([Result(one, states[one.id % 3], 600) for one in taken[:600]])
    waiting = [number for number, row in rows(ledger).items() if row["state"] == PENDING]
    assert waiting
    now = datetime.now(timezone.utc)
    assert "deliveries" not in pruned(ledger, now - timedelta(minutes=1))
    assert pruned(ledger, now + timedelta(minutes=1))["deliveries"] == 1202 - len(waiting)
    assert list(rows(ledger)) == waiting
    # The event of one that waits may go before it.
    assert {row["seq"] for row in rows(ledger).values()} == {0}
    assert differences(ledger) == []


def test_it_is_seen_over_http(ledger: TestLedger) -> None:
    ledger.send(*story("222.000.000"))
    job_id = ledger.jobs()[0]["id"]
    records = [f"/jobs/{job_id}", f"/invocations/{INVOCATION}", f"/last-events/{INVOCATION}"]
    before = [ledger.get(path) for path in records]
    assert ledger.get(f"/ledger/jobs/{job_id}")["sealed"] is False
    pruned(ledger)
    assert ledger.get(f"/ledger/jobs/{job_id}")["sealed"] is True
    assert [ledger.get(path) for path in records] == before
    (event,) = ledger.get(f"/ledger/jobs/{job_id}/events")["items"]
    assert (event["name"], event["raw"]) == (SEALED, "")
    assert event["data"]["state"] == "Failed"
    assert event["data"]["finished_at"] == "2026-03-01T12:00:20Z"
    assert event["data"]["invocations"] == [INVOCATION]
    answer = ledger.post("/jobs", JOB, HTTP_IDEMPOTENCY_KEY="k")
    assert (answer.status, answer.json()["Result"]) == (200, "unchanged")


def test_a_job_that_is_not_what_its_events_say_is_left(ledger: TestLedger) -> None:
    ledger.send(*story("222.000.000"), *story("223.000.000"))
    tamper(ledger, "update jobs set exit_code = 0 where key = '223'")
    (step,) = (
        step
        for step in Prune(ledger.database, LATER, wiring.recognise).steps()
        if step.thing == JOBS
    )
    assert (step.done, step.events) == (1, 4)
    assert [(one.key, one.column, one.stored, one.folded) for one in step.differences] == [
        ("223", "jobs.exit_code", 0, 3)
    ]
    assert len(ledger.story("223")) == 4


@pytest.mark.parametrize(
    ("statement", "column"),
    [
        ("update jobs set exit_code = 0", "jobs.exit_code"),
        ("update jobs set sealed_seq = null", "jobs.sealed_seq"),
        ("update condor_jobs set starts = 9", "condor_jobs.starts"),
        ("delete from invocations", "invocations"),
        ("delete from events", "events"),
        ("update events set data = data || '{\"exit_code\": 0}'", "jobs.exit_code"),
        ("update events set checksum = sha256('x')", "events.checksum"),
    ],
)
def test_tampering_with_a_sealed_job_is_found(
    ledger: TestLedger, statement: str, column: str
) -> None:
    ledger.send(*story("222.000.000"))
    pruned(ledger)
    tamper(ledger, statement)
    assert column in {found.column for found in differences(ledger)}


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prune, "_JOBS_AT_ONCE", 5)
    monkeypatch.setattr(prune, "_ROWS_AT_ONCE", 5)


@pytest.mark.usefixtures("small_steps")
def test_broken_off_it_goes_on_where_it_was(ledger: TestLedger) -> None:
    fill(ledger, range(300, 323))
    ledger.send(*(b"no event %d" % number for number in range(23)))
    steps = Prune(ledger.database, LATER, wiring.recognise).steps()
    done = [next(steps), next(steps)]
    steps.close()
    assert [step.done for step in done] == [5, 5]
    assert sum(job["sealed"] for job in ledger.jobs()) == 10
    assert differences(ledger) == []
    assert pruned(ledger) == {JOBS: 13, "rejects": 23}
    assert_all_sealed(ledger, 23)


@pytest.mark.usefixtures("small_steps")
def test_two_at_once_share_the_work(ledger: TestLedger, database: str) -> None:
    fill(ledger, range(300, 360))
    ledger.send(*(b"no event %d" % number for number in range(60)))

    def work(_number: int) -> list[Step]:
        with open_ledger(database) as own:
            return list(Prune(own.database, LATER, wiring.recognise).steps())

    with ThreadPoolExecutor(2) as pool:
        steps = [step for each in pool.map(work, range(2)) for step in each]
    for thing in (JOBS, "rejects"):
        assert sum(step.done for step in steps if step.thing == thing) == 60
    assert ledger.count("rejects") == 0
    assert_all_sealed(ledger, 60)


@pytest.mark.usefixtures("small_steps")
def test_it_runs_beside_writers(ledger: TestLedger, database: str) -> None:
    numbers = range(300, 340)
    fill(ledger, numbers)
    begun, enough = threading.Event(), threading.Event()

    def write(seed: int) -> None:
        draw = random.Random(seed)
        late = [(held, 25), (executing, 7), (submitted, 0), (terminated, 30)]
        with open_ledger(database) as own:
            while not enough.is_set():
                some = draw.sample(numbers, 12)
                own.send(
                    *(
                        message(make(job=f"{number}.000.000", second=second))
                        for number, (make, second) in zip(some, late * 3, strict=True)
                    )
                )
                begun.set()

    with ThreadPoolExecutor(2) as pool:
        writers = [pool.submit(write, seed) for seed in range(2)]
        try:
            assert begun.wait(60)
            for _ in range(3):
                pruned(ledger)
                assert differences(ledger) == []
        finally:
            enough.set()
        for writer in writers:
            writer.result()
    assert_all_sealed(ledger, len(numbers))
    assert {job["state"] for job in ledger.jobs()} == {"Failed"}


def fill(ledger: TestLedger, numbers: range) -> None:
    """Make jobs that have ended."""
    for number in numbers:
        ledger.send(*story(f"{number}.000.000"))


def assert_all_sealed(ledger: TestLedger, count: int) -> None:
    assert [job["sealed"] for job in ledger.jobs()] == [True] * count
    assert ledger.count("events") == count
    assert differences(ledger) == []
