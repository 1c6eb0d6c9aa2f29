"""Every sample against what HTCondor's own reader takes out of it.

All that the reader has must be there, with the same value and the same type. What differs
stands in the tables below, each with its reason; a guard test fails for an entry that no
sample needs any more.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timezone

import pytest

from jexevents.sources.condor.event import CondorEvent
from jexevents.sources.condor.times import resolve
from tests.unit.condor_samples import NAMES, events, oracle, split

REFERENCE = datetime(2026, 6, 1, tzinfo=timezone.utc)

RESOURCES = (
    "Bandwidth",
    *(f"{name}{kind}" for name in ("Cpus", "Disk", "Gpus", "Memory") for kind in ("", "Usage")),
    *(f"Request{name}" for name in ("Cpus", "Disk", "Gpus", "Memory")),
    "AssignedGpus",
    "GPUs",
    "TimeExecuteUsage",
    "TimeSlotBusyUsage",
)
NO_TABLE_IN_004 = "the reader skips the table of resources of an evicted job"
BLANK_TABLE = (
    "the reader wants a tab before the table (logs copied with blanks have none), and of a JSON "
    "event takes only resources that have a request"
)
UNREAD = "the reader drops lines that it does not understand"
GLOBUS = "the reader of 9.0 and later no longer knows Globus; names as older ones gave them"
TICKET = "the reader drops who ended the job (versions 8.9 to 23.x)"

# (number, attribute) -> why we have it and the reader has not
MORE: dict[tuple[int, str], str] = {
    **{
        (4, name): NO_TABLE_IN_004
        for name in RESOURCES
        if "Gpus" not in name and name != "Bandwidth"
    },
    **{(5, name): BLANK_TABLE for name in RESOURCES},
    **{(number, "UnreadLines"): UNREAD for number in (0, 1, 5, 99)},
    (5, "ToE"): TICKET,
    (9, "ToE"): TICKET,
    (5, "ReturnValue"): "the reader drops a negative return value, which Windows has",
    (17, "RMContact"): GLOBUS,
    (17, "JMContact"): GLOBUS,
    (17, "RestartableJM"): GLOBUS,
    (18, "Reason"): GLOBUS,
    (19, "RMContact"): GLOBUS,
    (20, "RMContact"): GLOBUS,
    (21, "CriticalError"): "the reader leaves the default out, also where the log has it",
    (33, "PriorValue"): "the reader drops the value before",
}
# (number, what) -> why ours is another value
OTHER: dict[tuple[int, str], str] = {
    (33, "Attribute"): "the reader gives empty text for an attribute set for the first time",
    (33, "Value"): "the reader gives empty text for an attribute set for the first time",
    (47, "proc"): "the reader gives -1 for every negative id; the log says -1000",
}
# sample -> how many more events than the reader, and why
MORE_EVENTS = {
    "hta--abnormal_term_no_desc": (1, "the last line '...' has no newline"),
    "hta--gpu_usage.v3": (1, "the last line '...' has no newline"),
    "htc--test_condor_history": (1, "the last line '...' has no newline"),
    "live23--exit3.nofinalnl": (1, "the last line '...' has no newline"),
    "hta--my_own_log.logging": (2, "the reader refuses a 007 and a 005 with other words"),
    "hta--wrong_termination": (1, "the reader refuses a 005 without its first line"),
    "htc--condor_event_h-07": (1, "the reader refuses a 000 with the words of a 035"),
    "rendered--numbers-a": (2, "the reader refuses 042 and 044 as HTCondor writes them"),
    "vsc--new": (1, "the reader stops at the rest of an event before it"),
}
# sample -> bytes of a last event that is cut
CUT = {
    "gohtc--userlog_test-07": 87,
    "htc--job_core_macros_sched.cut1500": 108,
    "live23--notes.cututf8": 182,
    "live23--sig11.cut330": 162,
    "live23--sig11.cut40": 40,
    "live23--sig11.cut900": 7,
}
# sample -> pieces that are no event
FAULTS = {"vsc--new": 1}
# samples whose times have numeric offsets, which the reader ignores
OFFSETS = {"gohtc--userlog_test-05"}

Difference = tuple[int, str, str]  # number, "more" or "other" or "missing", name


def _pairs(name: str) -> Iterator[tuple[dict, CondorEvent]]:
    ours = events(name)
    for theirs in oracle(name)["events"]:
        yield theirs, ours[theirs["offset_after"]]


def _differences(name: str) -> Iterator[Difference]:
    for theirs, ours in _pairs(name):
        number = theirs["event_number"]
        for field in ("my_type", "cluster", "proc", "subproc"):
            if theirs[field] != getattr(ours, field):
                yield number, "other", field
        yield from _ad_differences(number, theirs["ad"], ours.ad)


def _ad_differences(number: int, theirs: dict, ours: dict) -> Iterator[Difference]:
    for key in theirs.keys() - ours.keys():
        yield number, "missing", key
    for key in ours.keys() - theirs.keys():
        yield number, "more", key
    for key in ours.keys() & theirs.keys():
        # As JSON, so that 1, 1.0 and true are three values.
        if json.dumps(ours[key], sort_keys=True) != json.dumps(theirs[key], sort_keys=True):
            yield number, "other", key


def _clock(ours: CondorEvent, with_offset: bool) -> str:
    stamp = ours.stamp._replace(offset=None) if with_offset else ours.stamp
    at = resolve(stamp, timezone.utc, REFERENCE).at.replace(tzinfo=None)
    milliseconds = at.microsecond // 1000
    return at.replace(microsecond=0).isoformat() + (f".{milliseconds:03d}" if milliseconds else "")


def test_there_are_samples():
    assert len(NAMES) == 122


@pytest.mark.parametrize("name", NAMES)
def test_every_event_is_found(name):
    expected = oracle(name)
    found = Counter(f"{event.number:03d}" for event in events(name).values())
    if expected["format"] == "text":
        assert found == expected["regexp_split"]["counts_by_number"]
    more, _ = MORE_EVENTS.get(name, (0, ""))
    assert sum(found.values()) == expected["n_events"] + more
    assert not Counter(expected["counts_by_number"]) - found


@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_event_is_known(name):
    pieces, remaining = split(name)
    assert len([piece for piece in pieces if piece.fault]) == FAULTS.get(name, 0)
    assert remaining == CUT.get(name, 0)


@pytest.mark.parametrize("name", NAMES)
def test_ends_and_numbers_are_those_of_the_reader(name):
    for theirs, ours in _pairs(name):
        assert ours.number == theirs["event_number"]
        assert ours.form == oracle(name)["format"]


@pytest.mark.parametrize("name", NAMES)
def test_times_are_those_of_the_reader(name):
    for theirs, ours in _pairs(name):
        assert (ours.stamp.offset not in (None, "Z")) == (name in OFFSETS)
        clock = _clock(ours, name in OFFSETS)
        expected = theirs["event_time"]
        if ours.stamp.year is None:
            clock, expected = clock[5:], expected[5:]
        assert clock == expected


@pytest.mark.parametrize("name", NAMES)
def test_ads_are_those_of_the_reader(name):
    for number, kind, attribute in _differences(name):
        known = {"more": MORE, "other": OTHER}.get(kind, {})
        assert (number, attribute) in known, f"{number:03d} {kind} {attribute}"


def test_every_exception_is_needed():
    found = {difference for name in NAMES for difference in _differences(name)}
    assert {(n, a) for n, kind, a in found if kind == "more"} == MORE.keys()
    assert {(n, a) for n, kind, a in found if kind == "other"} == OTHER.keys()
    assert {name for name in NAMES if _has_offset(name)} == OFFSETS
    assert MORE_EVENTS.keys() | CUT.keys() | FAULTS.keys() <= set(NAMES)


def _has_offset(name: str) -> bool:
    return any(event.stamp.offset not in (None, "Z") for event in events(name).values())


@pytest.mark.parametrize("name", NAMES)
def test_ads_can_be_stored(name):
    for event in events(name).values():
        text = json.dumps(event.ad, allow_nan=False, ensure_ascii=False)
        assert "\\u0000" not in text
        text.encode("utf-8")
