"""What a definition may say of a schedule, and what is said where it is wrong."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jexevents.errors import Invalid
from jexevents.schedules import Misfire, Schedule, next_after, read_schedule
from jexevents.schedules.crontab import NICKNAMES
from tests.unit.schedule_reference import utc

SEEN = utc(2026, 11, 26, 9)


def read(**members: Any) -> Schedule:
    return read_schedule(members, SEEN)


def faults(members: Any) -> list[tuple[str, str, str]]:
    with pytest.raises(Invalid) as caught:
        read_schedule(members, SEEN, ("schedule", 0))
    return [(fault.pointer, fault.expected, fault.got) for fault in caught.value.faults]


def test_the_example_of_the_seed() -> None:
    found = read(time=None, priority="0", frequency=3600)
    assert (found.begins, found.every, found.priority) == (SEEN, timedelta(hours=1), 0)


def test_defaults() -> None:
    found = read()
    assert (found.begins, found.once, found.zone.key) == (SEEN, True, "UTC")
    assert (found.misfire, found.window_seconds) == (Misfire.RUN_ONCE, None)
    assert read(misfire="run-all").window_seconds == 86_400
    assert read(misfire="run-all", window="60").window_seconds == 60


@pytest.mark.parametrize(
    ("frequency", "skipped", "twice"),
    [
        ("30 2 * * *", True, False),
        ("0-30 2 * * *", True, False),
        ("*/15 * * * *", False, True),
        ("0 * * * *", False, True),
        ("* 2 * * *", False, True),
        ("@daily", True, False),
    ],
)
def test_the_defaults_for_changes_of_the_clock_are_those_of_cron(
    frequency: str, skipped: bool, twice: bool
) -> None:
    for dst in (None, {}, {"skipped": "cron", "repeated": "cron"}):
        found = read(frequency=frequency, dst=dst)
        assert (found.runs_skipped, found.runs_twice) == (skipped, twice)
    other = read(frequency=frequency, dst={"skipped": "skip", "repeated": "twice"})
    assert (other.runs_skipped, other.runs_twice) == (False, True)


@pytest.mark.parametrize(
    ("given", "at"),
    [
        ("2026-12-01T09:00:00Z", utc(2026, 12, 1, 9)),
        ("2026-12-01 09:00+01:00", utc(2026, 12, 1, 8)),
        (" 2026-12-01T09:00:00.25 +01:00 ", utc(2026, 12, 1, 8, 0, 0, 250_000)),
        ("2026-12-01 09:00", utc(2026, 12, 1, 8)),
        ("2026-12-01t09:00:30", utc(2026, 12, 1, 8, 0, 30)),
        ("2026-12-01", utc(2026, 11, 30, 23)),
        (date(2026, 12, 1), utc(2026, 11, 30, 23)),
        (datetime(2026, 12, 1, 9), utc(2026, 12, 1, 8)),
        (utc(2026, 12, 1, 9), utc(2026, 12, 1, 9)),
        (
            datetime(2026, 12, 1, 9, tzinfo=timezone(timedelta(hours=5, minutes=30))),
            utc(2026, 12, 1, 3, 30),
        ),
        ("", SEEN),
        (None, SEEN),
    ],
)
def test_times(given: Any, at: datetime) -> None:
    assert read(time=given, timezone="Europe/Berlin").begins == at


@pytest.mark.parametrize(
    "given",
    [
        "tomorrow",
        "09:00",
        "2026-12-01Z",
        "2026-02-30",
        "2026-12-01T25:00Z",
        "2026-12-01T09:00:00+25:00",
        "1969-12-31T23:59:59Z",
        "9000-01-01",
        "0001-01-01T00:00:00+01:00",
        datetime.min.replace(tzinfo=timezone(timedelta(hours=1))),
        1_489_895_624.84,
        True,
        ["2026-12-01"],
    ],
)
def test_times_that_are_none(given: Any) -> None:
    ((pointer, expected, _),) = faults({"time": given})
    assert pointer == "/schedule/0/time"
    assert "2026-12-01T09:00:00Z" in expected


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        (3600, 3600),
        ("3600", 3600),
        (" 60 ", 60),
        (1, 1),
        (1.1, 1.1),
        ("1.000001", 1.000001),
        ("3155760000", 3155760000),
    ],
)
def test_seconds(given: Any, seconds: float) -> None:
    found = read(frequency=given)
    assert found.every == timedelta(seconds=seconds)
    assert found.crontab is None


@pytest.mark.parametrize(
    "given",
    [0, 0.999999, "0.5", -60, "-60", 1.0000001, 3155760001, 10**400, 1e300, "9" * 20]
    + [True, False, float("nan"), float("inf"), [60], {"seconds": 60}],
)
def test_seconds_that_are_refused(given: Any) -> None:
    ((pointer, expected, _),) = faults({"frequency": given})
    assert pointer == "/schedule/0/frequency"
    assert expected.startswith("a number of seconds from 1 to 3155760000")


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("30 2 * * MON-FRI", utc(2026, 11, 27, 2, 30)),
        ("30 2 * * mon-fri", utc(2026, 11, 27, 2, 30)),
        ("  0\t0   1 jan *", utc(2027, 1, 1)),
        ("0 0 * * 0", utc(2026, 11, 29)),
        ("0 0 * * 7", utc(2026, 11, 29)),
        ("0 0 13 * FRI", utc(2026, 11, 27)),
        ("0 12 LW * *", utc(2026, 11, 30, 12)),
        ("0 12 * * MON#1", utc(2026, 12, 7, 12)),
        ("0 12 * * 5L", utc(2026, 11, 27, 12)),
        ("*/7 10-11 * * *", utc(2026, 11, 26, 10)),
    ],
)
def test_crontabs(text: str, first: datetime) -> None:
    assert next_after(read(frequency=text), SEEN).at == first


@pytest.mark.parametrize("name", NICKNAMES)
def test_nicknames(name: str) -> None:
    named, written = read(frequency=name.upper()), read(frequency=NICKNAMES[name])
    assert named == written


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 0 30 2 *", "no February has a day of 30"),
        ("0 0 31 4,6,9,11 *", "none of April, June, September, November has a day of 31"),
        ("0 0 31 2 */2", "no February has a day of 31"),
        ("0 0 31 feb,APR *", "none of February, April has a day of 31"),
        ("* * */20 * 1L", "none matches within 50 years"),
        ("60 * * * *", "a minute field of 0 to 59"),
        ("* 24 * * *", "an hour field of 0 to 23"),
        ("* * 0 * *", "a day field of 1 to 31"),
        ("* * 32 * *", "a day field of 1 to 31"),
        ("* * * 13 *", "a month field of 1 to 12"),
        ("* * * JANUARY *", "a month field of 1 to 12"),
        ("* * * * 8", "a weekday field of 0 to 7"),
        ("* * * * FRI-MON", "a weekday field of 0 to 7"),
        ("*/0 * * * *", "a minute field of 0 to 59"),
        ("*/60 * * * *", "with a step below 60"),
        ("0 0,*/24 * * *", "with a step below 24"),
        ("*/" + "9" * 100 + " * * * *", "with a step below 60"),
        ("1- * * * *", "a minute field of 0 to 59"),
        (",,, * * * *", "a minute field of 0 to 59"),
        ("? * * * *", "a minute field of 0 to 59"),
        ("² * * * *", "a minute field of 0 to 59"),
        ("0 0 * * * *", "less than a minute is given in seconds"),
        ("* * * *", "five fields"),
        ("every hour", "five fields"),
        ("1e3", "or a number of seconds"),
        ("nan", "or a number of seconds"),
        ("@reboot", "one of @yearly"),
        ("@", "one of @yearly"),
        ("1," * 200 + "1 * * * *", "at most 200 characters"),
    ],
)
def test_crontabs_that_are_refused(text: str, expected: str) -> None:
    ((pointer, told, _),) = faults({"frequency": text})
    assert pointer == "/schedule/0/frequency"
    assert expected in told


@pytest.mark.parametrize(
    ("name", "near"),
    [("europe/berlin", "Europe/Berlin"), ("Europe/Berln", "Europe/Berlin"), ("utc", "UTC")],
)
def test_a_zone_that_is_nearly_one(name: str, near: str) -> None:
    ((pointer, expected, _),) = faults({"timezone": name})
    assert pointer == "/schedule/0/timezone"
    assert expected.endswith(f"({near}?)")


@pytest.mark.parametrize(
    "name",
    ["Europe", "CET-1", "+01:00", "../UTC", "/etc/localtime", "a\0b", "\ud800", "x" * 10_000]
    + ["localtime", "posixrules", "right/UTC", "posix/UTC", 1, ["UTC"]],
)
def test_zones_that_are_none(name: Any) -> None:
    ((pointer, expected, _),) = faults({"timezone": name})
    assert pointer == "/schedule/0/timezone"
    assert expected.startswith("a time zone such as Europe/Berlin")


@pytest.mark.parametrize(
    ("members", "pointer", "expected"),
    [
        ({"priority": 1.5}, "/priority", "a whole number"),
        ({"priority": True}, "/priority", "a whole number"),
        ({"priority": "high"}, "/priority", "a whole number"),
        ({"priority": 10**10}, "/priority", "a whole number"),
        ({"misfire": "once"}, "/misfire", "one of skip, run-once, run-all"),
        ({"misfire": {}}, "/misfire", "one of skip, run-once, run-all"),
        ({"window": -1}, "/window", "a number of seconds from 0"),
        ({"window": "long"}, "/window", "a number of seconds from 0"),
        ({"window": float("nan")}, "/window", "a number of seconds from 0"),
        ({"dst": "cron"}, "/dst", "an object with skipped, repeated or both"),
        ({"dst": {"skipped": "yes"}}, "/dst/skipped", "one of cron, run, skip"),
        ({"dst": {"repeated": 2}}, "/dst/repeated", "one of cron, once, twice"),
        ({"dst": {"skip": "run"}}, "/dst/skip", "(skipped?)"),
        ({"frequencie": 60}, "/frequencie", "(frequency?)"),
        ({"a/b": 60}, "/a~1b", "no member but time"),
        ({3: 60}, "/3", "no member but time"),
        ({"time": {3: {4}}}, "/time", "a date and time"),
        ({"misfire": {b"a", None}}, "/misfire", "one of skip"),
        ({"priority": date(2026, 1, 1)}, "/priority", "a whole number"),
    ],
)
def test_other_members(members: dict, pointer: str, expected: str) -> None:
    ((place, told, _),) = faults(members)
    assert place == f"/schedule/0{pointer}"
    assert expected in told


def test_priorities() -> None:
    assert [read(priority=one).priority for one in (3, "-2", " 7 ", None)] == [3, -2, 7, 0]


@pytest.mark.parametrize("members", [[], "30 2 * * *", 3600, None])
def test_what_is_no_mapping(members: Any) -> None:
    ((pointer, expected, _),) = faults(members)
    assert pointer == "/schedule/0"
    assert expected.startswith("an object with any of time")


def test_every_fault_is_told_at_once() -> None:
    wrong = {"time": "x", "frequency": 0, "priority": [], "timezone": "x", "more": 1, "window": "x"}
    assert {pointer.rpartition("/")[2] for pointer, _, _ in faults(wrong)} == set(wrong)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=5,
)
NAMES = st.sampled_from(["time", "frequency", "priority", "timezone", "misfire", "window", "dst"])
FIELDS = st.text("0123456789*/-,LW#MONJA ", max_size=30)


@given(st.dictionaries(NAMES, JSON | FIELDS))
@settings(max_examples=400, deadline=None)
def test_anything_is_read_or_refused_in_words_that_can_be_kept(members: dict) -> None:
    try:
        found = read_schedule(members, SEEN)
    except Invalid as exc:
        for fault in exc.faults:
            text = str(fault)
            assert text.encode()
            assert not re.search("[\x00-\x1f\x7f]", text)
            assert len(text) < 600
    else:
        next_after(found, SEEN)


@given(FIELDS)
@settings(max_examples=400, deadline=None)
def test_any_text_is_a_crontab_with_due_times_or_refused(text: str) -> None:
    try:
        found = read(frequency=text)
    except Invalid:
        return
    assert found.once or next_after(found, SEEN) is not None
