"""Due times: beside a reference that looks at every minute, and where clocks are odd."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from functools import cache
from importlib import resources
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jexevents.errors import Invalid
from jexevents.schedules import (
    Due,
    Schedule,
    backlog,
    due_between,
    first_look,
    next_after,
    next_look,
    read_schedule,
    turn,
    upcoming,
)
from jexevents.schedules.crontab import Crontab
from jexevents.schedules.times import LAST, MOST
from tests.unit.schedule_reference import Told, due_times, minutes, seconds_between, utc

SEEN = utc(2020, 1, 1)
EVERYTHING = 10**9


def schedule(first_seen: datetime = SEEN, **members: object) -> Schedule:
    return read_schedule(members, first_seen)


def told(due: Due) -> Told:
    return Told(due.at, due.reading, due.hour.value, due.runs)


# Zones, and a time of some days in which something happens to their clocks.
CHANGES = {
    "spring": ("Europe/Berlin", utc(2026, 3, 27), utc(2026, 4, 1)),
    "autumn": ("Europe/Berlin", utc(2026, 10, 23), utc(2026, 10, 28)),
    "half an hour forward": ("Australia/Lord_Howe", utc(2026, 10, 2), utc(2026, 10, 6)),
    "half an hour back": ("Australia/Lord_Howe", utc(2026, 4, 3), utc(2026, 4, 7)),
    "forward at midnight": ("Africa/Cairo", utc(2026, 4, 22), utc(2026, 4, 26)),
    "back at midnight": ("Africa/Cairo", utc(2026, 10, 28), utc(2026, 11, 1)),
    "forward at midnight, in the south": ("America/Santiago", utc(2026, 9, 4), utc(2026, 9, 8)),
    "back at midnight, in the south": ("America/Santiago", utc(2026, 4, 3), utc(2026, 4, 7)),
    "a whole day": ("Pacific/Apia", utc(2011, 12, 28), utc(2012, 1, 2)),
    "a quarter": ("Asia/Kathmandu", utc(1985, 12, 30), utc(1986, 1, 3)),
    "half an hour, for good": ("Asia/Pyongyang", utc(2018, 5, 3), utc(2018, 5, 6)),
    "back for good": ("Europe/Volgograd", utc(2020, 12, 25), utc(2020, 12, 29)),
    "for Ramadan": ("Africa/Casablanca", utc(2026, 2, 13), utc(2026, 2, 18)),
    "nothing": ("UTC", utc(2028, 2, 27), utc(2028, 3, 2)),
}


@cache
def clock(name: str) -> list[tuple[datetime, datetime, str]]:
    zone, start, end = CHANGES[name]
    # The reference knows what comes twice by having seen it, so it looks a day further.
    return minutes(ZoneInfo(zone), start - timedelta(days=1), end + timedelta(days=1))


def numbers(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    spans = st.tuples(number, number).map(sorted).map(lambda pair: f"{pair[0]}-{pair[1]}")
    steps = st.integers(1, (high - low) // 2 + 1).map("*/{}".format)
    lists = st.lists(number.map(str), min_size=1, max_size=4).map(",".join)
    return st.one_of(st.just("*"), number.map(str), spans, steps, lists)


HOURS = st.one_of(numbers(0, 23), st.sampled_from(["0", "1", "2", "0-3", "1,2", "23,0", "*/2"]))
CRONTABS = st.tuples(numbers(0, 59), HOURS, numbers(1, 31), numbers(1, 12), numbers(0, 7)).map(
    " ".join
) | st.tuples(numbers(0, 59), HOURS).map(" ".join).map("{} * * *".format)


@pytest.mark.parametrize("name", CHANGES)
@given(text=CRONTABS, rule=st.sampled_from([None, True, False]))
@settings(max_examples=60, deadline=None)
def test_they_are_those_of_the_reference(name: str, text: str, rule: bool | None) -> None:
    zone, start, end = CHANGES[name]
    dst = {} if rule is None else {"skipped": "run" if rule else "skip"}
    dst |= {} if rule is None else {"repeated": "twice" if rule else "once"}
    given_schedule = _schedule_or_none(
        first_seen=utc(2011, 1, 1), frequency=text, timezone=zone, dst=dst
    )
    if given_schedule is None:
        return
    expected = due_times(text, clock(name), runs_skipped=rule, runs_twice=rule)
    expected = [one for one in expected if start < one.at <= end]
    # Nepal's change is older than the others.
    made = replace(given_schedule, first_seen=utc(1985, 1, 1))
    found = due_between(made, start, end, EVERYTHING)
    assert [told(due) for due in found] == expected
    assert len({due.identity for due in found}) == len(found)
    assert next_after(made, start) == (found[0] if expected else next_after(made, end))


@pytest.mark.parametrize("name", CHANGES)
def test_a_look_may_begin_at_any_minute(name: str) -> None:
    zone, start, end = CHANGES[name]
    dst = {"skipped": "run", "repeated": "twice"}
    made = schedule(utc(1985, 1, 1), frequency="*/7 * * * *", timezone=zone, dst=dst)
    whole = due_between(made, start, end, EVERYTHING)
    after = start
    while after < end:
        until = min(after + timedelta(hours=1), end)
        found = due_between(made, after, until, EVERYTHING)
        assert found == [due for due in whole if after < due.at <= until]
        after += timedelta(minutes=13)


def _schedule_or_none(**members: object) -> Schedule | None:
    """Give the schedule; None where its day never comes, as 30 February."""
    try:
        return schedule(**members)
    except Invalid as exc:
        if "a day that comes" in exc.faults[0].expected:
            return None
        raise


@pytest.mark.parametrize(
    ("zone", "year"),
    [("Europe/Berlin", 2026), ("America/Havana", 2028)],
)
def test_a_whole_year_minute_by_minute(zone: str, year: int) -> None:
    start, end = utc(year, 1, 1), utc(year + 1, 1, 1)
    year_of_minutes = minutes(ZoneInfo(zone), start, end)
    for text in ("*/15 2 29 2,3,10,11 *", "5 0,1,23 */7 * 1-5", "0 0,12 13 * 5"):
        expected = [one for one in due_times(text, year_of_minutes) if one.at > start]
        found = due_between(schedule(frequency=text, timezone=zone), start, end, EVERYTHING)
        assert [told(due) for due in found] == expected


ALL = st.sampled_from(
    [
        schedule(frequency=text, timezone=zone, dst=dst)
        for text in ("30 2 * * *", "*/20 * * * *", "0,30 0-3 * * *", "59 23 * * *")
        for zone in ("Europe/Berlin", "Australia/Lord_Howe", "Africa/Cairo", "UTC")
        for dst in ({}, {"skipped": "run", "repeated": "twice"})
    ]
    + [schedule(frequency=frequency) for frequency in (3600, "86400", 1234.567891)]
    + [schedule(time="2026-10-25 02:30", timezone="Europe/Berlin")]
)
INSTANTS = st.integers(0, 3 * 31_557_600).map(lambda s: utc(2025, 1, 1) + timedelta(seconds=s))


@given(ALL, INSTANTS, st.lists(st.integers(0, 3 * 86_400), max_size=6), st.integers(1, 50))
@settings(max_examples=150, deadline=None)
def test_looks_that_follow_each_other_leave_no_gap(made, start, steps, limit) -> None:
    """Nor do they find anything twice, wherever they are cut, by time or by number."""
    ends = [start]
    for step in steps:
        ends.append(ends[-1] + timedelta(seconds=step))
    whole = due_between(made, start, ends[-1], EVERYTHING)
    cut = [due for a, b in pairwise(ends) for due in due_between(made, a, b, EVERYTHING)]
    assert cut == whole
    after, walked = start, []
    while part := due_between(made, after, ends[-1], limit):
        walked += part
        after = part[-1].at
    assert walked == whole


@given(ALL, INSTANTS)
@settings(max_examples=100, deadline=None)
def test_the_next_ones_are_in_order_and_each_is_itself(made, now) -> None:
    dues = upcoming(made, now)
    assert len(dues) == (10 if not made.once else len(dues))
    assert [due.at for due in dues] == sorted(due.at for due in dues)
    assert all(due.at > now for due in dues)
    assert len({due.identity for due in dues}) == len(dues)
    assert dues[:1] == [due for due in [next_after(made, now)] if due]
    running = [due.at for due in dues if due.runs]
    assert len(set(running)) == len(running)


@given(ALL, INSTANTS, st.integers(0, 400 * 86_400), st.integers(130, 400))
@settings(max_examples=30, deadline=None)
def test_a_backlog_has_all_that_came_due(made, after, seconds, limit) -> None:
    until = after + timedelta(seconds=seconds)
    older, kept = backlog(made, after, until, limit)
    whole = due_between(made, after, until, EVERYTHING)
    spanned = [] if older is None else [d for d in whole if older.after < d.at <= older.until]
    assert [*spanned, *kept] == whole
    assert len(kept) <= limit
    assert (older is None) == (len(whole) <= limit or not spanned)
    if len(whole) > limit:
        assert len(kept) >= limit // 2


def count_readings(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """Give the list that all readings of crontabs are put into from now on."""
    looked: list[datetime] = []
    original = Crontab.readings

    def counted(self: Crontab, behind: datetime) -> Iterator[datetime]:
        for reading in original(self, behind):
            looked.append(reading)
            yield reading

    monkeypatch.setattr(Crontab, "readings", counted)
    return looked


def test_a_long_absence_is_bounded_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty years of every minute: 26 million due times, of which some thousands are looked at."""
    made = schedule(frequency="* * * * *", timezone="Europe/Berlin")
    looked = count_readings(monkeypatch)
    older, kept = backlog(made, utc(2020, 1, 1), utc(2070, 1, 1))
    assert older is not None
    assert MOST // 2 <= len(kept) <= MOST
    assert len(looked) < 5 * MOST


def test_of_a_burst_the_newest_are_told_and_the_work_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = schedule(frequency="* * 1-7 1 *")
    looked = count_readings(monkeypatch)
    older, kept = backlog(made, utc(2020, 6, 1), utc(2026, 6, 1), 100)
    assert kept[-1].at == utc(2026, 1, 7, 23, 59)
    assert 50 <= len(kept) <= 100
    assert older.until < kept[0].at
    assert len(looked) < 30 * 100


def test_of_one_instant_all_are_given() -> None:
    made = schedule(frequency="*/20 2 * * *", timezone="Europe/Berlin")
    found = due_between(made, utc(2026, 3, 29), utc(2026, 4, 1), 1)
    assert [due.reading.minute for due in found] == [0, 20, 40]
    following = due_between(made, found[-1].at, utc(2026, 4, 1), 1)
    assert [due.at for due in following] == [utc(2026, 3, 30)]


# What clocks and calendars do


def test_a_fixed_time_in_a_skipped_hour_runs_at_its_end() -> None:
    found = upcoming(
        schedule(frequency="30 2 * * *", timezone="Europe/Berlin"), utc(2026, 3, 28, 12)
    )
    assert told(found[0]) == (utc(2026, 3, 29, 1), datetime(2026, 3, 29, 2, 30), "skipped", True)
    assert found[0].identity == "2026-03-29T02:30:00 Europe/Berlin"
    assert found[1].at == utc(2026, 3, 30, 0, 30)


def test_one_run_stands_for_all_that_were_skipped_and_for_the_hour_behind_them() -> None:
    made = schedule(frequency="0,30 2,3 * * *", timezone="Europe/Berlin")
    found = due_between(made, utc(2026, 3, 28, 12), utc(2026, 3, 29, 12), 10)
    assert [(due.reading.strftime("%H:%M"), due.runs) for due in found] == [
        ("02:00", False),
        ("02:30", False),
        ("03:00", True),
        ("03:30", True),
    ]
    assert len({due.at for due in found if due.runs}) == 2


def test_a_fixed_time_in_a_repeated_hour_is_due_once_and_every_so_often_goes_on() -> None:
    night = utc(2026, 10, 24, 23), utc(2026, 10, 25, 3)
    fixed = schedule(frequency="30 2 * * *", timezone="Europe/Berlin")
    assert [due.at for due in due_between(fixed, *night, 10)] == [utc(2026, 10, 25, 0, 30)]
    often = schedule(frequency="*/30 * * * *", timezone="Europe/Berlin")
    found = due_between(often, *night, 20)
    assert [due.at for due in found] == [night[0] + n * timedelta(minutes=30) for n in range(1, 9)]
    again = [due.identity for due in found if due.identity.endswith("again")]
    assert again == [
        "2026-10-25T02:00:00 Europe/Berlin again",
        "2026-10-25T02:30:00 Europe/Berlin again",
    ]


def test_leap_days() -> None:
    found = upcoming(schedule(frequency="0 0 29 2 *"), utc(2095, 1, 1), 3)
    assert [due.at.year for due in found] == [2096, 2104, 2108]
    last = upcoming(schedule(frequency="0 0 L * *"), utc(2028, 1, 31), 2)
    assert [due.at for due in last] == [utc(2028, 2, 29), utc(2028, 3, 31)]
    rare = upcoming(schedule(frequency="0 0 * 2 MON#5"), utc(2020, 1, 1), 4)
    assert [due.at.year for due in rare] == [2044, 2072, 2112, 2140]


def test_seconds_do_not_drift() -> None:
    begins = utc(2026, 1, 1, 0, 0, 7)
    made = schedule(time="2026-01-01T00:00:07Z", frequency="1.1")
    (due,) = due_between(
        made, begins + timedelta(days=3650), begins + timedelta(days=3650, seconds=1), 1
    )
    assert (due.at - begins) % timedelta(seconds=1.1) == timedelta()
    hourly = schedule(time="2026-03-28T00:30:00+01:00", frequency="3600", timezone="Europe/Berlin")
    found = upcoming(hourly, utc(2026, 3, 28, 23), 6)
    assert {b.at - a.at for a, b in pairwise(found)} == {timedelta(hours=1)}


@given(st.integers(1, 5000), st.integers(-20_000, 20_000), st.integers(0, 20_000))
@settings(max_examples=100, deadline=None)
def test_seconds_are_those_of_the_reference(every: int, start: int, length: int) -> None:
    begins = utc(2026, 1, 1)
    after = begins + timedelta(seconds=start)
    until = after + timedelta(seconds=length)
    made = schedule(time="2026-01-01T00:00:00Z", frequency=every)
    found = [due.at for due in due_between(made, after, until, EVERYTHING)]
    assert found == seconds_between(begins, every, after, until)


def test_the_first_run_of_an_empty_time_is_when_it_was_first_seen() -> None:
    seen = utc(2026, 11, 26, 9, 0, 0, 250_000)
    made = schedule(seen, time=None, frequency=3600)
    assert first_look(made, seen, None, seen) < seen
    found = upcoming(made, first_look(made, seen, None, seen), 2)
    assert [due.at for due in found] == [seen, seen + timedelta(hours=1)]
    assert found[0].identity == "2026-11-26T09:00:00.250000 UTC"


def test_a_crontab_begins_at_its_time() -> None:
    made = schedule(time="2026-12-01T09:00:00Z", frequency="0 9 * * *")
    assert next_after(made, utc(2026, 11, 1)).at == utc(2026, 12, 1, 9)
    later = schedule(time="2026-12-01T09:00:01Z", frequency="0 9 * * *")
    assert next_after(later, utc(2026, 11, 1)).at == utc(2026, 12, 2, 9)


def test_a_single_run_is_due_once() -> None:
    made = schedule(time="2026-12-01T09:00:00+01:00")
    assert [due.at for due in upcoming(made, SEEN)] == [utc(2026, 12, 1, 8)]
    assert next_after(made, utc(2026, 12, 1, 8)) is None
    by_clock = schedule(time="2026-03-29 02:30", timezone="Europe/Berlin")
    (due,) = upcoming(by_clock, SEEN)
    assert told(due) == (utc(2026, 3, 29, 1), datetime(2026, 3, 29, 2, 30), "skipped", True)
    never = schedule(time="2026-03-29 02:30", timezone="Europe/Berlin", dst={"skipped": "skip"})
    assert not upcoming(never, SEEN)[0].runs


def test_nothing_is_due_at_the_end_of_all_calendars() -> None:
    for frequency in ("* * * * *", 1, "0 0 1 1 *"):
        made = schedule(frequency=frequency, timezone="Europe/Berlin")
        assert next_after(made, LAST) is None
        assert next_after(made, datetime.max.replace(tzinfo=timezone.utc)) is None
        assert (
            due_between(made, LAST - timedelta(hours=2), LAST + timedelta(days=1), 10**5)[-1].at
            <= LAST
        )
    assert due_between(schedule(frequency=1), utc(2026, 1, 2), utc(2026, 1, 1), 10) == []


# Clocks that are set, and zones that change their rules


def test_after_the_clock_was_set_back_looks_begin_at_now() -> None:
    assert next_look(utc(2036, 1, 1), utc(2026, 1, 1)) == utc(2026, 1, 1)
    assert next_look(utc(2026, 1, 1), utc(2026, 1, 1, 1)) == utc(2026, 1, 1)


def other_rules(key: str, rules_of: str) -> ZoneInfo:
    """Give a zone as a later version of the data might have it: with the rules of another one."""
    place = resources.files("tzdata.zoneinfo").joinpath(*rules_of.split("/"))
    with place.open("rb") as file:
        return ZoneInfo.from_file(file, key=key)


def test_new_rules_of_a_zone_make_nothing_due_twice() -> None:
    old = schedule(frequency="0 9 * * *", timezone="Europe/Berlin")
    new = replace(old, zone=other_rules("Europe/Berlin", "Europe/London"))
    day = utc(2026, 6, 1), utc(2026, 6, 2)
    (before,), (after,) = due_between(old, *day, 5), due_between(new, *day, 5)
    assert (before.at, after.at) == (utc(2026, 6, 1, 7), utc(2026, 6, 1, 8))
    assert before.identity == after.identity


def test_new_rules_of_a_zone_make_nothing_go_missing() -> None:
    """What is due earlier by the new rules than the last look by the old ones is found."""
    old = schedule(frequency="0 9 * * *", timezone="Europe/London")
    new = replace(old, zone=other_rules("Europe/London", "Europe/Berlin"))
    seen, now = utc(2026, 6, 1, 7, 30), utc(2026, 6, 1, 7, 31)
    assert due_between(old, SEEN, seen, EVERYTHING)[-1].at == utc(2026, 5, 31, 8)
    start = first_look(new, SEEN, seen, now)
    assert [due.at for due in due_between(new, start, now, 5)] == [utc(2026, 6, 1, 7)]


def test_a_look_never_goes_back_behind_what_is_in_force() -> None:
    made = schedule(frequency="* * * * *", timezone="Europe/Berlin")
    edited, seen, now = utc(2026, 6, 1, 12), utc(2026, 6, 1, 13), utc(2026, 6, 1, 14)
    assert first_look(made, edited, seen, now) == edited - timedelta(microseconds=1)
    assert first_look(made, edited, utc(2026, 6, 1, 11), now) == edited - timedelta(microseconds=1)
    assert first_look(made, SEEN, seen, now) == utc(2026, 5, 31, 13)
    by_seconds = schedule(frequency=60, timezone="Europe/Berlin")
    assert first_look(by_seconds, SEEN, seen, now) == seen
    # No rules are made for this zone.
    assert first_look(schedule(frequency="* * * * *"), SEEN, seen, now) == seen


def test_a_look_back_never_reaches_what_was_told_as_one() -> None:
    """Else what a span has would be decided once more, one by one."""
    made = schedule(frequency="* * * * *", timezone="Europe/Berlin")
    now = utc(2026, 6, 1)
    older, _ = backlog(made, utc(2025, 1, 1), now)
    assert first_look(made, SEEN, now, now) > older.until


def test_a_single_run_that_is_over_is_looked_at() -> None:
    made = schedule(time="2026-06-01T09:00:00Z")
    seen = utc(2026, 6, 1, 12)
    start = first_look(made, seen, None, seen)
    assert [due.at for due in due_between(made, start, seen, 5)] == [utc(2026, 6, 1, 9)]
    # So is one that was moved there by an edit, after another look at it as it was.
    edited = first_look(made, seen, seen - timedelta(minutes=1), seen)
    assert edited == start


def test_the_fingerprint_is_that_of_the_due_times() -> None:
    said = {"frequency": "0 9 * * *", "timezone": "Europe/Berlin"}
    one = schedule(**said)
    assert (
        one.fingerprint == schedule(utc(2025, 5, 5), **said, priority=3, misfire="skip").fingerprint
    )
    others = [
        {"frequency": "0 10 * * *"},
        {"timezone": "Europe/Paris"},
        {"time": "2026-01-01"},
        {"frequency": 60},
        {"dst": {"skipped": "skip"}},
        {"dst": {"repeated": "twice"}},
    ]
    assert (
        len({one.fingerprint, *(schedule(**{**said, **other}).fingerprint for other in others)})
        == 7
    )


def test_of_one_instant_the_larger_priority_is_first() -> None:
    low, high = schedule(frequency=60, priority="1"), schedule(frequency=60, priority=9)
    due, later = upcoming(low, SEEN, 2)
    turns = [(low, due), (high, later), (high, due)]
    assert sorted(turns, key=lambda pair: turn(*pair)) == [(high, due), (low, due), (high, later)]
