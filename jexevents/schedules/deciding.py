"""What becomes of each due time, and why."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import Enum
from typing import NamedTuple

from jexevents import rfc3339
from jexevents.schedules.times import MOST, Backlog, Span, backlog
from jexevents.schedules.values import Due, Misfire, Schedule

# How late a run may begin and still be on time; the second where a newer one is due already,
# so that a pause of a minute does not make a job of every second begin sixty times.
ON_TIME = timedelta(seconds=60)
ON_TIME_WITH_NEWER = timedelta(seconds=5)


class Outcome(str, Enum):
    """What became of a due time."""

    RAN = "ran"
    LATE = "late"
    MISSED = "missed"
    STILL_RUNNING = "still-running"
    PAUSED = "paused"
    SKIPPED_HOUR = "skipped-hour"


class Decision(NamedTuple):
    """What becomes of a due time, with the reason in words."""

    outcome: Outcome
    reason: str

    @property
    def runs(self) -> bool:
        """Whether a run begins now."""
        return self.outcome in (Outcome.RAN, Outcome.LATE)


class Settlement(NamedTuple):
    """What becomes of all that has come due: of the newest one by one, of those before as one."""

    older: tuple[Span, Decision] | None
    decisions: tuple[tuple[Due, Decision], ...]


class _Look(NamedTuple):
    """What a look at a schedule knows beside the due time."""

    now: datetime
    last_seen: datetime | None
    paused: bool
    active_since: datetime | None


def settle(
    schedule: Schedule,
    after: datetime,
    now: datetime,
    *,
    last_seen: datetime | None = None,
    paused: bool = False,
    active_since: datetime | None = None,
    running: str | None = None,
    forbids: bool = False,
    limit: int = MOST,
) -> Settlement:
    """Decide about all due times behind ``after``, up to and with ``now``.

    ``last_seen`` is the end of the last look that any daemon took. ``paused`` says that the job is
    off the active list, ``active_since`` when it was put back. ``running`` names the execution
    of the job that goes on, None if none does; it matters only where the job ``forbids`` a second
    one. Whoever cannot write the row of a decision leaves it: another daemon has decided.
    """
    return settle_found(
        schedule,
        backlog(schedule, after, now, limit),
        now,
        last_seen=last_seen,
        paused=paused,
        active_since=active_since,
        running=running,
        forbids=forbids,
    )


def settle_found(
    schedule: Schedule,
    found: Backlog,
    now: datetime,
    *,
    last_seen: datetime | None = None,
    paused: bool = False,
    active_since: datetime | None = None,
    running: str | None = None,
    forbids: bool = False,
) -> Settlement:
    """Decide, as ``settle`` does, about due times that were found: those that have no row yet."""
    look = _Look(now, last_seen, paused, active_since)
    busy = running if forbids else None
    newest = next((due for due in reversed(found.dues) if due.runs), None)
    decisions = []
    for due in found.dues:
        newer = newest if newest is not None and due.at < newest.at else None
        decision = _decide(schedule, due, look, newer, busy)
        if decision.runs and forbids:
            busy = f"the run that was due at {_told(due.at)}"
        decisions.append((due, decision))
    older = None if found.older is None else (found.older, _of_span(schedule, found.older, look))
    return Settlement(older, tuple(decisions))


def decide(
    schedule: Schedule,
    due: Due,
    now: datetime,
    *,
    last_seen: datetime | None = None,
    newer: Due | None = None,
    paused: bool = False,
    active_since: datetime | None = None,
    running: str | None = None,
) -> Decision:
    """Decide about one due time, as ``settle`` does.

    ``newer`` is the newest due time of the schedule that has come and runs, None if this is it;
    ``running`` names what goes on and forbids a second run. Raises ValueError for one that is
    not due yet.
    """
    return _decide(schedule, due, _Look(now, last_seen, paused, active_since), newer, running)


def _decide(
    schedule: Schedule, due: Due, look: _Look, newer: Due | None, busy: str | None
) -> Decision:
    if due.at > look.now:
        raise ValueError(f"{due.identity} is not due yet: it is {_told(look.now)}.")
    if not due.runs:
        return Decision(Outcome.SKIPPED_HOUR, _why_skipped(due, schedule))
    stopped = _paused(due.at, look)
    if stopped is not None:
        return stopped
    missed = _missed(schedule, due, look, newer)
    if missed is not None:
        return missed
    if busy is not None:
        return Decision(Outcome.STILL_RUNNING, f"{busy} is not at its end, and one at a time runs.")
    late = look.now - due.at
    if not _is_late(due, look, newer):
        return Decision(Outcome.RAN, f"Began on time, {_seconds(late)} after it was due.")
    return Decision(
        Outcome.LATE,
        f"{_absence(schedule, due, look)} Began {_seconds(late)} late ({_allowed(schedule, due)}).",
    )


def _paused(at: datetime, look: _Look) -> Decision | None:
    if look.paused:
        return Decision(Outcome.PAUSED, "The job is off the active list.")
    if look.active_since is not None and at < look.active_since:
        since = _told(look.active_since)
        return Decision(Outcome.PAUSED, f"The job was off the active list until {since}.")
    return None


def _is_late(due: Due, look: _Look, newer: Due | None) -> bool:
    return look.now - due.at > (ON_TIME if newer is None else ON_TIME_WITH_NEWER)


def _missed(schedule: Schedule, due: Due, look: _Look, newer: Due | None) -> Decision | None:
    """Say why a due time that is late does not run, None where it does or is on time."""
    if not _is_late(due, look, newer):
        return None
    late = (look.now - due.at).total_seconds()
    why = None
    if schedule.misfire is Misfire.SKIP:
        why = "What is missed is not made up for (misfire: skip)."
    elif schedule.window_seconds is not None and late > schedule.window_seconds:
        why = f"That is longer ago than its window of {schedule.window_seconds:g} s."
    elif due.at < schedule.first_seen and schedule.window_seconds is None:
        return Decision(Outcome.MISSED, _over(schedule))
    elif schedule.misfire is Misfire.RUN_ONCE and newer is not None:
        why = f"The one of {_told(newer.at)} stands for all that were missed (misfire: run-once)."
    if why is None:
        return None
    return Decision(Outcome.MISSED, f"{_absence(schedule, due, look)} {why}")


def _of_span(schedule: Schedule, span: Span, look: _Look) -> Decision:
    """Decide about the due times that are too many to be told one by one."""
    stopped = _paused(span.until, look)
    if stopped is not None:
        return stopped
    why = f"So long ago: only the newest are looked at one by one ({_rule(schedule)})."
    return Decision(Outcome.MISSED, f"{_nobody(look)} {why}")


def _absence(schedule: Schedule, due: Due, look: _Look) -> str:
    if due.at < schedule.first_seen:
        return _over(schedule)
    if look.last_seen is not None and look.last_seen >= due.at:
        return "It was not decided when it was looked at."
    return _nobody(look)


def _over(schedule: Schedule) -> str:
    return f"It was over when the schedule was first seen, at {_told(schedule.first_seen)}."


def _nobody(look: _Look) -> str:
    if look.last_seen is None:
        return "Nobody had looked at the schedule yet."
    return (
        f"Nobody looked from {_told(look.last_seen)} to {_told(look.now)}: no daemon ran, none "
        "reached the database, or the clock was set forward."
    )


def _why_skipped(due: Due, schedule: Schedule) -> str:
    reading = due.reading.isoformat(" ", "minutes")
    skipped = f"The clock of {due.zone} was set forward over {reading}, at {_told(due.at)}."
    if schedule.runs_skipped:
        return f"{skipped} Another one begins a run then, which stands for it."
    return f"{skipped} Such times of this schedule do not run."


def _told(at: datetime) -> str:
    return rfc3339.format_utc(at)


def _rule(schedule: Schedule) -> str:
    return f"misfire: {schedule.misfire.value}"


def _allowed(schedule: Schedule, due: Due) -> str:
    """Say by which rule one that is late runs: one that was over before, by its window alone."""
    if due.at < schedule.first_seen and schedule.window_seconds is not None:
        return f"window: {schedule.window_seconds:g} s"
    return _rule(schedule)


def _seconds(length: timedelta) -> str:
    seconds = length.total_seconds()
    return f"{seconds:.3g} s" if length < ON_TIME else f"{seconds:.0f} s"
