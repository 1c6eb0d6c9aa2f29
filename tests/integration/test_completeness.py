"""What is incomplete in a ledger is found, and nothing that is whole."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from jexevents.auditing.audit import Audit, Bounds
from jexevents.auditing.finding import Finding, Lack
from jexevents.store import completeness
from jexevents.store.completeness import Completeness
from tests.integration.web import JOB
from tests.ledger import (
    NOON,
    TestLedger,
    aborted,
    executing,
    held,
    message,
    open_ledger,
    submitted,
    terminated,
    text,
)

LATER = NOON + timedelta(days=30)


def header(sequence: int, ctime: int, **members: Any) -> bytes:
    info = f"Global JobLog: ctime={ctime} id=0.{ctime}.{sequence} sequence={sequence} size=0"
    return message(text(8, info, job="-01.-01.-01"), **members)


def findings(
    ledger: TestLedger, source: str | None = None, now: datetime = LATER, **bounds: Any
) -> list[Finding]:
    audit = Audit(Completeness(ledger.database, source), Bounds(**bounds), now)
    return list(audit.findings())


def lacks(found: list[Finding]) -> Counter[str]:
    return Counter(one.lack.value for one in found)


def test_a_whole_ledger_has_none(ledger: TestLedger) -> None:
    ledger.send(
        header(1, 1772366400, Log="a", Offset=0),
        message(submitted(), Log="a", Offset=300),
        message(executing(second=2), Log="a", Offset=500),
        message(terminated(second=20), Log="a", Offset=900),
        header(2, 1772366500, Log="b", Offset=0),
    )
    ledger.send(message(submitted(job="223.000.000"), Log="b", Offset=300))
    assert findings(ledger, now=NOON + timedelta(days=6)) == []


def test_jobs_without_submit_or_end(ledger: TestLedger) -> None:
    ledger.send(
        message(executing(job="1.0.0", second=5)),
        message(terminated(job="1.0.0", second=9)),
        message(submitted(job="2.0.0")),
        message(text(6, "Image size of job updated: 9", job="2.0.0", second=60)),
        message(held(job="3.0.0"), Source="pool"),
        message(text(6, "Image size of job updated: 9", job="4.0.0")),
        message(submitted(job="5.0.0")),
        message(aborted(job="5.0.0", second=3)),
    )
    assert ledger.post("/jobs", {**JOB, "CondorID": "6"}).status == 201
    found = findings(ledger)
    told = sorted((one.lack.value, one.source, one.key, one.at.second) for one in found)
    assert told == [
        ("no-end", "", "2", 0),
        ("no-end", "", "4", 0),
        ("no-end", "pool", "pool#3", 0),
        ("no-submit", "", "1", 5),
        ("no-submit", "", "4", 0),
        ("no-submit", "pool", "pool#3", 0),
    ]
    # The last that was heard counts, whether it moved the job or not.
    (second,) = [one for one in found if one.key == "2"]
    assert second.at == NOON + timedelta(minutes=1)
    assert second.detail["state"] == "Submitted"
    long_after = datetime.now(timezone.utc) + timedelta(days=8)
    (never,) = [one for one in findings(ledger, now=long_after) if one.lack is Lack.NO_EVENT]
    assert never.key == "6"
    assert lacks(findings(ledger, source="pool")) == {"no-end": 1, "no-submit": 1}
    assert lacks(findings(ledger, silent=timedelta(days=40))) == {"no-submit": 3}


def test_what_is_looked_at_is_chosen_by_time(ledger: TestLedger) -> None:
    ledger.send(
        message(executing(job="1.0.0", second=5)), message(executing(job="2.0.0", second=65))
    )
    minute = NOON + timedelta(minutes=1)
    for bounds, keys in (({"since": minute}, {"2"}), ({"until": minute}, {"1"})):
        assert {one.key for one in findings(ledger, **bounds)} == keys


def test_pages_leave_no_job_out(ledger: TestLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completeness, "_PAGE", 3)
    for size in range(1, 8):
        ledger.send(message(executing(job=f"{size}.0.0")), message(submitted(job=f"9{size}.0.0")))
        gone: list[int] = []
        look = Completeness(ledger.database)
        audit = Audit(look, Bounds(), NOON, gone.append)
        assert lacks(list(audit.findings())) == {"no-submit": size}
        assert sum(gone) == look.count_jobs() == 2 * size


def test_a_sealed_job_is_passed_over(ledger: TestLedger) -> None:
    ledger.send(message(aborted(job="1.0.0")))
    assert lacks(findings(ledger)) == {"no-submit": 1}
    with ledger.database.transaction() as connection, connection.cursor() as cursor:
        cursor.execute("update jobs set sealed_seq = (select seq from events)")
    assert findings(ledger) == []


def test_files_that_are_missing_and_come_later(ledger: TestLedger) -> None:
    ledger.send(*(header(number, 1772366400 + number) for number in (3, 4, 7)))
    ledger.send(header(9, 1772366405), source="other")
    (gap,) = findings(ledger)
    assert (gap.lack, gap.count, gap.log) == (Lack.GAP, 2, "0.1772366407.7")
    assert (gap.detail["from_sequence"], gap.detail["to_sequence"]) == (5, 6)
    assert gap.at == datetime.fromtimestamp(1772366407, timezone.utc)
    ledger.send(header(6, 1772366406), header(5, 1772366405))
    assert findings(ledger) == []


def test_what_a_monitor_said(ledger: TestLedger) -> None:
    info = "jexevents log gap: log=EventLog bytes=700"
    ledger.send(message(text(8, info, job="-01.-01.-01"), Source="pool"))
    (told,) = findings(ledger)
    assert (told.lack, told.source, told.log, told.at) == (Lack.TOLD_GAP, "pool", "EventLog", NOON)
    assert told.detail["bytes"] == "700"
    # A job may write what it likes into its own log.
    ledger.send(message(text(8, info)), message(submitted()))
    assert lacks(findings(ledger, silent=timedelta(days=90))) == {"told-gap": 1}


def test_clocks_that_leap(ledger: TestLedger) -> None:
    def event(second: float, offset: int, log: str = "a", **more: Any) -> bytes:
        job = {"job": "1.0.0"}
        image = text(6, f"Image size of job updated: {offset}", second=second, **job)
        return message(image, Log=log, Offset=offset, **more)

    ledger.send(
        message(submitted(job="1.0.0")),
        event(3000, 100), event(2710, 200), event(2390, 300), event(2990, 400),
        # Of another log, and of another source, the time is another matter.
        event(0, 500, "b"), event(3000, 600, "b"), event(10, 50, Source="pool"),
    )  # fmt: skip
    (back,) = [one for one in findings(ledger) if one.lack is Lack.CLOCK_BACK]
    assert (back.log, back.offset, back.detail["seconds"]) == ("a", 300, -320.0)
    assert back.at == NOON + timedelta(seconds=2390)
    found = findings(ledger, back=timedelta(seconds=280), ahead=timedelta(minutes=20))
    assert [(one.lack.value, one.log, one.offset) for one in found if one.log] == [
        ("clock-back", "a", 200), ("clock-back", "a", 300), ("clock-ahead", "b", 600)
    ]  # fmt: skip
    since = findings(ledger, back=timedelta(seconds=280), since=NOON + timedelta(seconds=2500))
    assert [one.offset for one in since if one.log] == [200]
    ahead = findings(ledger, ahead=timedelta(minutes=20), since=NOON + timedelta(seconds=1000))
    assert [one.offset for one in ahead if one.lack is Lack.CLOCK_AHEAD] == [600]


@pytest.mark.parametrize("arrival", [NOON, datetime(2025, 10, 26, 2, tzinfo=timezone.utc)])
def test_an_hour_that_is_repeated_is_no_leap(database: str, arrival: datetime) -> None:
    with open_ledger(database, ZoneInfo("Europe/Berlin")) as berlin:
        for number, clock in enumerate(("02:50:00", "02:05:00", "03:01:00")):
            body = f"006 (1.0.0) 2025-10-26 {clock} Image size of job updated: {number}\n...\n"
            berlin.send(message(body, Log="a", Offset=number), at=arrival)
        assert Lack.CLOCK_BACK not in {one.lack for one in findings(berlin)}


def test_what_was_rejected(ledger: TestLedger) -> None:
    ledger.send(b"{", b"rubbish", b"more rubbish", source="pool", at=NOON)
    ledger.send(b"{", at=NOON + timedelta(days=1))
    found = findings(ledger)
    told = [(one.source, one.day, one.detail["reason"], one.count) for one in found]
    assert told == [
        ("", "2026-03-02", "not-json", 1),
        ("pool", "2026-03-01", "not-json", 1),
        ("pool", "2026-03-01", "unreadable-event", 2),
    ]
    assert len(findings(ledger, since=NOON + timedelta(hours=1))) == 1
