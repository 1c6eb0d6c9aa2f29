"""Every difference between the ledger and its events is found, and none that is not there."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from jexevents import wiring
from jexevents.model import Kind
from jexevents.store.examination import Difference
from jexevents.store.verify import Scope, Verification
from tests.integration.web import JOB
from tests.ledger import (
    NOON,
    TestLedger,
    aborted,
    executing,
    held,
    message,
    named,
    open_ledger,
    released,
    submitted,
    terminated,
    text,
)

INVOCATION = "0d1c7a9e-5a0f-44e5-9cf1-1b0a7d3f5c11"
HEADER = text(8, "Global JobLog: ctime=1772366400 id=x sequence=1", job="000.000.000")


def fill(ledger: TestLedger) -> None:
    """Make jobs of every kind of story: whole, held, aborted, inserted, disordered, of sources."""
    ledger.send(
        message(submitted(), Log="log", Offset=0),
        message(named(INVOCATION), Log="log", Offset=300),
        message(executing(second=3600), Log="log", Offset=500),
        message(terminated(second=20), Log="log", Offset=900),
        message(submitted(job="223.000.000", second=60)),
        message(held(job="223.000.000", second=69)),
        message(HEADER),
    )
    ledger.send(message(executing(job="224.003.000", second=5), Source="a#b", Occurrence=17))
    ledger.send(
        message(aborted(job="224.003.000", second=9), Source="a#b"),
        message(submitted(job="224.003.000"), Source="a#b"),
        message(executing(job="223.000.000", second=65)),
    )
    full = {"InvocationID": INVOCATION.upper(), "DateStarted": "2026-03-01T12:00:05.5+02:00"}
    assert ledger.post("/jobs", {**JOB, "CondorID": "225", **full}).status == 201


def differences(ledger: TestLedger, scope: Scope | None = None) -> list[Difference]:
    verification = Verification(ledger.database, scope or Scope(), wiring.recognise)
    return [found for page in verification.pages() for found in page.differences]


def tamper(ledger: TestLedger, statement: str) -> None:
    with ledger.database.transaction() as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        assert cursor.rowcount != 0


def test_there_is_none(ledger: TestLedger) -> None:
    fill(ledger)
    assert differences(ledger) == []
    pages = list(Verification(ledger.database, Scope(), wiring.recognise).pages())
    assert sum(page.jobs for page in pages) == 4
    assert sum(page.events for page in pages) == ledger.count("events")


@pytest.mark.parametrize(
    ("statement", "columns"),
    [
        ("update jobs set state = 'Running' where key = '222'", ["jobs.state"]),
        ("update jobs set phase = 'CANCELLED' where key = '222'", ["jobs.phase"]),
        ("update jobs set closed = false where key = '222'", ["jobs.closed"]),
        ("update jobs set submitter = 'eve' where key = '222'", ["jobs.submitter"]),
        ("update jobs set source = 'eve' where key = '222'", ["jobs.source"]),
        ("update jobs set exit_code = null where key = '222'", ["jobs.exit_code"]),
        ("update jobs set reason = 'x' where key = '223'", ["jobs.reason"]),
        (
            "update jobs set finished_at = finished_at + interval '1 us' where key = '222'",
            ["jobs.finished_at"],
        ),
        ("update jobs set fold_offset = 901 where key = '222'", ["jobs.fold_offset"]),
        ("update jobs set fold_checksum = 'x' where key = '222'", ["jobs.fold_checksum"]),
        ("update jobs set sealed_seq = 1 where key = '222'", ["jobs.sealed_seq"]),
        ("update condor_jobs set held = false where cluster = 223", ["condor_jobs.held"]),
        ("update condor_jobs set proc = 4 where cluster = 224", ["condor_jobs.proc"]),
        ("update condor_jobs set started_offset = 'Z' where cluster = 225",
         ["condor_jobs.started_offset"]),
        ("delete from condor_jobs where cluster = 222", ["condor_jobs"]),
        ("delete from invocations using jobs where id = job_id and key = '222'", ["invocations"]),
        ("delete from events where name = 'EXECUTE' and job_id in "
         "(select id from jobs where key = '222')",
         ["condor_jobs.execute_host", "condor_jobs.starts", "jobs.started_at"]),
        ("delete from event_positions", ["jobs.fold_logs"]),
        ("update events set checksum = sha256('x') where name = 'EXECUTE' and source = ''",
         ["events.checksum"]),
        ("update events set raw = raw || 'x' where name = 'JOB_HELD'", ["events.checksum"]),
        ("update events set source = 'x' where name = 'JOB_HELD'", ["events.checksum"]),
        ("update events set checksum = sha256('x') where job_id is null", ["events.checksum"]),
        ("update events set data = '[]' where name = 'JOB_HELD'", ["events.data"]),
        ("delete from jobs where key = '222'", ["jobs"]),
        ("delete from events where name = 'inserted'", ["events", "jobs.submitter"]),
    ],
)  # fmt: skip
def test_each_kind_of_tampering_is_found(
    ledger: TestLedger, statement: str, columns: list[str]
) -> None:
    fill(ledger)
    tamper(ledger, statement)
    found = {difference.column for difference in differences(ledger)}
    assert found >= set(columns)
    if len(columns) == 1 and not columns[0].startswith(("events", "jobs.fold")):
        assert found == set(columns)


def test_a_difference_says_what_and_where(ledger: TestLedger) -> None:
    fill(ledger)
    tamper(ledger, "update condor_jobs set starts = 7 where cluster = 224")
    job_id = ledger.jobs(key="a#b#224.3")[0]["id"]
    assert differences(ledger) == [
        Difference(job_id, "condor", "a#b#224.3", "condor_jobs.starts", 7, 1)
    ]


def test_the_scope_is_kept(ledger: TestLedger) -> None:
    fill(ledger)
    tamper(ledger, "update jobs set reason = 'x'")
    tamper(ledger, "update events set checksum = sha256('x') where job_id is null")

    def keys(**scope: object) -> list[str | None]:
        return sorted(found.key or "" for found in differences(ledger, Scope(**scope)))

    assert keys() == ["", "222", "223", "225", "a#b#224.3"]
    assert keys(keys=("222", "a#b#224.3", "999")) == ["222", "a#b#224.3"]
    assert keys(kind=Kind.CONDOR, keys=("222",)) == ["222"]
    minute = NOON + timedelta(seconds=60)
    assert keys(until=minute) == ["222", "a#b#224.3"]
    # The inserted job has no date of submission: the time when it was heard of counts.
    assert keys(since=minute) == ["223", "225"]
    assert keys(since=minute, until=minute + timedelta(seconds=1)) == ["223"]


def test_it_goes_over_pages(ledger: TestLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jexevents.store.verify._PAGE", 3)
    ledger.send(*(message(submitted(job=f"{n}.000.000")) for n in range(300, 309)))
    tamper(ledger, "update jobs set reason = 'x'")
    assert len(differences(ledger)) == 9
    assert len(differences(ledger, Scope(kind=Kind.CONDOR))) == 9


def test_no_false_alarm_while_others_write(
    ledger: TestLedger, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jexevents.store.verify._PAGE", 7)
    begun, enough = threading.Event(), threading.Event()
    written = []

    def write() -> None:
        with open_ledger(database) as own:
            for number in range(10_000):
                job = f"{400 + number % 50}.000.000"
                second = number // 50 * 10
                own.send(
                    message(executing(job=job, second=second + 5)),
                    message(held(job=job, second=second + 8)),
                    message(released(job=job, second=second + 9), Log="log", Offset=number),
                )
                written.append(number)
                if number == 60:
                    begun.set()
                if enough.is_set():
                    return

    writer = threading.Thread(target=write)
    writer.start()
    assert begun.wait(60)
    try:
        before = len(written)
        for _ in range(15):
            assert differences(ledger) == []
        assert len(written) > before
    finally:
        enough.set()
        writer.join()
