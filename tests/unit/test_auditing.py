"""What is missing between the files of a log is found, and nothing that is not."""

from __future__ import annotations

from datetime import datetime, timezone

from jexevents.auditing.chains import Link, missing_files
from jexevents.auditing.finding import Finding, Lack
from jexevents.auditing.gaps import GAP, gap_said
from jexevents.auditing.tally import OTHERS, Tally
from jexevents.monitor.gaps import MARK
from jexevents.sources.condor.rotation import RotationHeader, header_said
from jexevents.validation import SCHEMAS

NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)


def gaps(*headers: tuple[int, str, int, int, int]) -> list[tuple[int, int, int | None]]:
    """Give (from, to, bytes) of what is missing.

    Headers are (ctime, id, sequence, offset, size).
    """
    links = [
        Link(RotationHeader(ctime, name, sequence, size, 0, offset, 0, 1), number)
        for number, (ctime, name, sequence, offset, size) in enumerate(headers)
    ]
    return [
        (one.before.header.sequence + 1, one.after.header.sequence - 1, one.size)
        for one in missing_files(links)
    ]


def test_files_in_a_row_miss_nothing() -> None:
    assert gaps((1, "a", 1, 0, 10), (2, "b", 2, 10, 10), (3, "c", 3, 20, 0)) == []


def test_what_is_skipped_is_missing() -> None:
    assert gaps((1, "a", 1, 0, 10), (2, "d", 4, 40, 10), (3, "e", 5, 50, 0)) == [(2, 3, 30)]
    assert gaps((1, "a", 1, 0, 0), (2, "d", 3, 40, 10)) == [(2, 2, None)]


def test_the_first_one_known_may_have_any_number() -> None:
    assert gaps((1, "x", 57, 900, 10), (2, "y", 58, 910, 0)) == []


def test_the_same_header_again_is_no_other_file() -> None:
    twice = (2, "b", 2, 10, 0)
    assert gaps((1, "a", 1, 0, 10), twice, twice, (3, "c", 3, 20, 0)) == []


def test_numbers_that_begin_anew_miss_nothing() -> None:
    assert gaps((1, "a", 7, 0, 10), (2, "b", 1, 0, 0), (3, "c", 2, 0, 0)) == []


def test_two_logs_of_a_source_are_told_apart() -> None:
    headers = [
        (1, "a40", 40, 0, 10), (2, "b3", 3, 0, 10), (3, "a41", 41, 10, 10), (4, "b4", 4, 10, 10),
        (5, "a43", 43, 30, 10), (6, "b5", 5, 20, 10),
    ]  # fmt: skip
    assert gaps(*headers) == [(42, 42, 10)]
    # The header of one, sent again, is not taken for one of the other.
    again = (3, "a41", 41, 10, 10)
    assert gaps(*headers[:3], again, *headers[3:4]) == []


def test_a_header_is_read_as_the_ledger_has_it() -> None:
    info = (
        "Global JobLog: ctime=1795321582 id=0.3135.1.2.3 sequence=2 size=30547 events=9 "
        "offset=30348 event_off=7 max_rotation=8 creator_name=<>   "
    )
    header = header_said(info)
    assert header == RotationHeader(1795321582, "0.3135.1.2.3", 2, 30547, 9, 30348, 7, 8)
    assert header_said("Global JobLog: nothing of the kind") is None


def test_what_a_monitor_said_of_a_gap() -> None:
    info = "jexevents log gap: log=/a/b reason=files lost_files=2 lost_bytes=unknown"
    assert gap_said(info) == {
        "log": "/a/b", "reason": "files", "lost_files": "2", "lost_bytes": "unknown",
        "told": "log=/a/b reason=files lost_files=2 lost_bytes=unknown",
    }  # fmt: skip
    assert GAP == MARK


def test_a_finding_is_as_its_schema_says() -> None:
    full = Finding(Lack.GAP, "s", NOON, "j", "k", "l", 1, 2, 3, {"bytes": None})
    for finding in (full, Finding(Lack.NO_END, "", NOON)):
        assert SCHEMAS.check("audit_finding", finding.document()) == []
    document = SCHEMAS.document("audit_finding")
    assert document["properties"]["finding"]["enum"] == [lack.value for lack in Lack]
    assert full.document()["day"] == "2026-03-01"


def test_counts_are_bounded() -> None:
    tally = Tally()
    for number in range(12_000):
        tally.add(Finding(Lack.NO_END, f"source {number}", NOON))
    tally.add(Finding(Lack.GAP, "source 1", NOON, count=4))
    assert len(tally.rows()) == 10_001
    assert tally.rows()[0][:2] == OTHERS
    assert tally.rows()[0][2][Lack.NO_END] == 2000
    assert tally.total == 12_004
    assert tally.lacks() == [Lack.NO_END, Lack.GAP]
