"""What becomes of due times: on time, late, missed, and each with its reason."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jexevents.schedules import (
    Outcome,
    Schedule,
    decide,
    due_between,
    next_after,
    next_look,
    read_schedule,
    settle,
)
from tests.unit.schedule_reference import utc

SEEN = utc(2026, 1, 1)
NIGHT = utc(2026, 3, 2, 2, 30)


def schedule(**members: object) -> Schedule:
    return read_schedule({"frequency": "30 2 * * *", **members}, SEEN)


def outcome(
    made: Schedule, now: datetime, due_at: datetime = NIGHT, **look: object
) -> tuple[Outcome, str]:
    due = next_after(made, due_at - timedelta(seconds=1))
    assert due.at == due_at
    return decide(made, due, now, **look)


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def hours(number: float) -> timedelta:
    return timedelta(hours=number)


def outcomes(found) -> list[tuple[str, str]]:
    return [(due.at.strftime("%H:%M"), decision.outcome.value) for due, decision in found.decisions]


@pytest.mark.parametrize("late", [0, 0.4, 60])
def test_on_time(late: float) -> None:
    found = outcome(schedule(misfire="skip"), NIGHT + seconds(late))
    assert found.outcome is Outcome.RAN
    assert found.runs
    assert f"{late:g} s after it was due" in found.reason


def test_late() -> None:
    found = outcome(schedule(), NIGHT + hours(1), last_seen=NIGHT - hours(2))
    assert (found.outcome, found.runs) == (Outcome.LATE, True)
    assert found.reason == (
        "Nobody looked from 2026-03-02T00:30:00Z to 2026-03-02T03:30:00Z: no daemon ran, none "
        "reached the database, or the clock was set forward. Began 3600 s late (misfire: run-once)."
    )


def test_late_though_it_was_looked_at() -> None:
    """A daemon died between its look and its decision; nothing is missed for that."""
    found = outcome(schedule(), NIGHT + seconds(90), last_seen=NIGHT + seconds(1))
    assert found.outcome is Outcome.LATE
    assert found.reason.startswith("It was not decided when it was looked at.")


def test_what_was_over_before_and_is_within_its_window_says_so() -> None:
    """It was looked at since it was due, but the schedule was not there yet."""
    at = SEEN - hours(1)
    made = read_schedule({"time": at.isoformat(), "window": 7200}, SEEN)
    due = next_after(made, at - hours(1))
    found = decide(made, due, SEEN + seconds(5), last_seen=SEEN)
    assert (found.outcome, found.reason) == (
        Outcome.LATE,
        "It was over when the schedule was first seen, at 2026-01-01T00:00:00Z."
        " Began 3605 s late (window: 7200 s).",
    )


def test_missed_where_what_is_missed_is_skipped() -> None:
    found = outcome(schedule(misfire="skip"), NIGHT + seconds(61), last_seen=NIGHT - hours(1))
    assert (found.outcome, found.runs) == (Outcome.MISSED, False)
    assert found.reason.endswith("What is missed is not made up for (misfire: skip).")


@pytest.mark.parametrize("misfire", ["run-once", "run-all"])
def test_missed_for_longer_than_the_window(misfire: str) -> None:
    made = schedule(misfire=misfire, window=3600)
    assert outcome(made, NIGHT + seconds(3600)).outcome is Outcome.LATE
    found = outcome(made, NIGHT + seconds(3600.5))
    assert found.outcome is Outcome.MISSED
    assert "longer ago than its window of 3600 s" in found.reason


def test_a_month_is_not_too_late_to_run_once() -> None:
    assert outcome(schedule(), NIGHT + hours(700)).outcome is Outcome.LATE


def test_of_all_that_were_missed_the_newest_runs() -> None:
    made = schedule(frequency="0 * * * *")
    found = settle(made, NIGHT, NIGHT + hours(4), last_seen=NIGHT)
    assert found.older is None
    expected = [("03:00", "missed"), ("04:00", "missed"), ("05:00", "missed"), ("06:00", "late")]
    assert outcomes(found) == expected
    assert "The one of 2026-03-02T06:00:00Z stands for all" in found.decisions[0][1].reason


def test_one_that_is_on_time_stands_for_those_that_were_missed() -> None:
    found = settle(schedule(frequency="0 * * * *"), NIGHT, NIGHT + hours(1.51))
    assert outcomes(found) == [("03:00", "missed"), ("04:00", "ran")]


def test_all_that_were_missed_run() -> None:
    made = schedule(frequency="0 * * * *", misfire="run-all", window=7200)
    found = settle(made, NIGHT, NIGHT + hours(3.51))
    expected = [("03:00", "missed"), ("04:00", "missed"), ("05:00", "late"), ("06:00", "ran")]
    assert outcomes(found) == expected


def test_thousands_are_missed_as_one() -> None:
    made = schedule(frequency="* * * * *", misfire="run-all")
    found = settle(made, SEEN, SEEN + timedelta(days=60), last_seen=SEEN, limit=2000)
    span, decision = found.older
    assert (span.after, decision.outcome, decision.runs) == (SEEN, Outcome.MISSED, False)
    assert "only the newest are looked at one by one (misfire: run-all)" in decision.reason
    counted = Counter(decision.outcome for _, decision in found.decisions)
    assert counted[Outcome.RAN] == 1
    assert counted[Outcome.LATE] == len(found.decisions) - 1 - counted[Outcome.MISSED] <= 1440


def test_a_hiccup_makes_a_job_of_every_second_run_a_few_times_and_not_sixty() -> None:
    made = schedule(frequency=1)
    assert len(runs(settle(made, NIGHT, NIGHT + seconds(4)))) == 4
    assert len(runs(settle(made, NIGHT, NIGHT + seconds(50)))) == 6


def runs(found) -> list[datetime]:
    return [due.at for due, decision in found.decisions if decision.runs]


def test_skipped_because_still_running() -> None:
    found = outcome(schedule(), NIGHT, running="1489895624.840211")
    assert found.outcome is Outcome.STILL_RUNNING
    assert found.reason.startswith("1489895624.840211 is not at its end")
    settled = settle(schedule(), NIGHT - hours(1), NIGHT, running="1489895624.840211", forbids=True)
    assert outcomes(settled) == [("02:30", "still-running")]
    free = settle(schedule(), NIGHT - hours(1), NIGHT, running="1489895624.840211")
    assert outcomes(free) == [("02:30", "ran")]


def test_a_run_that_begins_forbids_the_next_one() -> None:
    made = schedule(frequency=2)
    found = settle(made, NIGHT, NIGHT + seconds(4), forbids=True)
    assert [decision.outcome.value for _, decision in found.decisions] == ["ran", "still-running"]
    assert "the run that was due at 2026-03-02T02:30:02Z" in found.decisions[1][1].reason


def test_paused() -> None:
    found = outcome(schedule(), NIGHT, paused=True, running="1.0")
    assert (found.outcome, found.reason) == (Outcome.PAUSED, "The job is off the active list.")
    found = outcome(schedule(), NIGHT + hours(2), active_since=NIGHT + hours(1))
    assert found.outcome is Outcome.PAUSED
    assert found.reason.endswith("until 2026-03-02T03:30:00Z.")
    assert outcome(schedule(), NIGHT, active_since=NIGHT).outcome is Outcome.RAN
    months = settle(schedule(frequency="* * * * *"), SEEN, NIGHT, paused=True)
    assert months.older[1].outcome is Outcome.PAUSED


SPRING = utc(2026, 3, 29, 1)


def test_in_the_skipped_hour() -> None:
    made = schedule(timezone="Europe/Berlin", dst={"skipped": "skip"})
    found = outcome(made, SPRING, SPRING, paused=True)
    assert found.outcome is Outcome.SKIPPED_HOUR
    assert found.reason == (
        "The clock of Europe/Berlin was set forward over 2026-03-29 02:30, at "
        "2026-03-29T01:00:00Z. Such times of this schedule do not run."
    )
    assert outcome(schedule(timezone="Europe/Berlin"), SPRING, SPRING).outcome is Outcome.RAN


def test_of_a_skipped_hour_one_runs() -> None:
    made = schedule(frequency="0,20,40 2 * * *", timezone="Europe/Berlin")
    found = settle(made, SPRING - hours(1), SPRING)
    assert [decision.outcome.value for _, decision in found.decisions] == [
        "skipped-hour",
        "skipped-hour",
        "ran",
    ]
    assert "Another one begins a run then" in found.decisions[0][1].reason


def test_what_was_over_when_it_was_first_seen_does_not_run() -> None:
    made = read_schedule({"time": "2025-12-31T00:00:00Z"}, SEEN)
    found = settle(made, utc(2025, 12, 1), SEEN)
    ((_, decision),) = found.decisions
    assert decision.outcome is Outcome.MISSED
    assert "was over when the schedule was first seen, at 2026-01-01" in decision.reason
    wide = read_schedule({"time": "2025-12-31T00:00:00Z", "window": 10**6}, SEEN)
    assert outcomes(settle(wide, utc(2025, 12, 1), SEEN)) == [("00:00", "late")]
    just = read_schedule({"time": "2025-12-31T23:59:30Z"}, SEEN)
    assert outcomes(settle(just, utc(2025, 12, 1), SEEN)) == [("23:59", "ran")]


def test_what_is_not_due_yet_is_not_decided() -> None:
    with pytest.raises(ValueError, match="is not due yet"):
        outcome(schedule(), NIGHT - seconds(1))
    assert settle(schedule(), NIGHT - hours(1), NIGHT - seconds(1)) == (None, ())
    assert settle(schedule(), NIGHT + hours(1), NIGHT) == (None, ())  # the clock was set back


MADE = st.builds(
    lambda frequency, zone, misfire, dst: read_schedule(
        {"frequency": frequency, "timezone": zone, "misfire": misfire, "dst": dst}, SEEN
    ),
    st.sampled_from(["*/10 * * * *", "30 2 * * *", "15,45 0-3 * * *", 900]),
    st.sampled_from(["Europe/Berlin", "Australia/Lord_Howe", "America/Havana"]),
    st.sampled_from(["skip", "run-once", "run-all"]),
    st.sampled_from([{}, {"skipped": "skip"}, {"repeated": "twice", "skipped": "run"}]),
)
STEPS = st.lists(st.sampled_from([1, 30, 70, 600, 3600, 20_000, 200_000, -5, -4000]), max_size=12)


@given(MADE, st.integers(0, 330 * 86_400), STEPS)
@settings(max_examples=150, deadline=None)
def test_each_due_time_gets_one_outcome_however_the_clock_steps(made, start, steps) -> None:
    """Looks as several daemons take them, with a row for each decision that may be there once."""
    now = last_seen = SEEN + seconds(start)
    rows: dict[str, tuple[datetime, str]] = {}
    begun: list[datetime] = []
    latest = now
    for step in steps:
        now += seconds(step)
        after = next_look(last_seen, now)
        for due, decision in settle(made, after, now, last_seen=last_seen).decisions:
            assert decision.reason
            if due.identity not in rows:
                rows[due.identity] = (due.at, decision.outcome.value)
                begun += [due.at] * decision.runs
        last_seen, latest = now, max(latest, now)
    every = due_between(made, SEEN + seconds(start), latest, 10**9)
    assert set(rows) >= {due.identity for due in every}
    assert len(begun) == len(set(begun))
