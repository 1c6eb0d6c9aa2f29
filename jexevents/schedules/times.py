"""The due times of a schedule: the next ones, those between two instants, those of a long absence.

Due times come in the order of their instants. What is asked for is always what lies *behind* an
instant, up to and with another one, so that looks which follow each other leave no gap.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from heapq import heappop, heappush
from itertools import islice, takewhile
from typing import NamedTuple

from jexevents.schedules.values import Due, Hour, Schedule, plain_due
from jexevents.schedules.zones import LONGEST_CHANGE, instants, reading_at, shows_again

# Nothing is due behind this: far enough from the end of Python's calendar for all arithmetic.
LAST = datetime(9000, 1, 1, tzinfo=timezone.utc)
# How many due times are told one by one after an absence; more than those of two days of a
# crontab for every minute, so that ``first_look`` never goes back into a span.
MOST = 3000

_INSTANT = timedelta(microseconds=1)
_SECOND = timedelta(seconds=1)
_MINUTE = timedelta(minutes=1)


class Span(NamedTuple):
    """All due times behind ``after``, up to and with ``until``, that are told as one."""

    after: datetime
    until: datetime


class Backlog(NamedTuple):
    """What has come due: the newest one by one, and those before them as one, if there are more."""

    older: Span | None
    dues: tuple[Due, ...]


def next_after(schedule: Schedule, instant: datetime) -> Due | None:
    """Give the first due time behind an instant, None where there is none."""
    return next(_dues(schedule, instant), None)


def due_between(schedule: Schedule, after: datetime, until: datetime, limit: int) -> list[Due]:
    """Give the due times behind ``after``, up to and with ``until``: the first ``limit`` of them.

    Those that have the instant of the last one are given too, so that a caller may go on from
    there.
    """
    found: list[Due] = []
    for due in takewhile(lambda due: due.at <= until, _dues(schedule, after)):
        if len(found) >= limit and due.at != found[-1].at:
            break
        found.append(due)
    return found


def upcoming(schedule: Schedule, now: datetime, count: int = 10) -> list[Due]:
    """Give the next due times behind an instant, those in skipped hours among them."""
    return list(islice(_dues(schedule, now), count))


def backlog(schedule: Schedule, after: datetime, until: datetime, limit: int = MOST) -> Backlog:
    """Give the due times behind ``after``, up to and with ``until``, however many there are.

    The newest are given one by one, at most ``limit`` of them, and fewer than half of it only where
    there are no more or most are of one instant. The work is bounded by the limit, not by the
    length of the absence.
    """
    kept: list[Due] = []
    start, earlier, width = until, until, _SECOND
    while start > after:
        earlier = max(after, _back(until, width))
        found = due_between(schedule, earlier, until, limit + 1)
        if len(found) > limit:
            break
        kept, start, width = found, earlier, 2 * width
    # Where they come in bursts, there may be few or none up to here.
    while len(kept) < limit // 2 and start - earlier > _SECOND:
        middle = earlier + (start - earlier) / 2
        found = due_between(schedule, middle, until, limit + 1)
        if len(found) > limit:
            earlier = middle
        else:
            kept, start = found, middle
    first = next_after(schedule, after) if start > after else None
    older = Span(after, start) if first is not None and first.at <= start else None
    return Backlog(older, tuple(kept))


def first_look(
    schedule: Schedule, in_force_since: datetime, last_seen: datetime | None, now: datetime
) -> datetime:
    """Give the instant behind which a daemon that has just started looks for due times.

    ``in_force_since`` is when the schedule got the due times that it has (its ``fingerprint``),
    ``last_seen`` the end of the last look that any daemon took at it, None where none did.
    Where the clock of a zone decides, that is a day further back: the rules of the zone may be
    newer ones, by which other instants are due. What was decided by then has its row.
    """
    begin = min(in_force_since, now)
    if schedule.once:
        # A single run whose time is over is told, too.
        begin = min(begin, schedule.begins)
    begin -= _INSTANT
    if last_seen is None or last_seen < in_force_since:
        return begin
    seen = next_look(last_seen, now)
    return max(seen - LONGEST_CHANGE if schedule.by_clock else seen, begin)


def next_look(last_seen: datetime, now: datetime) -> datetime:
    """Give the instant behind which the next look is taken.

    If the clock was set back, that is now: else nothing were due before it is as late as it was.
    What comes due a second time has its row.
    """
    return min(last_seen, now)


def turn(schedule: Schedule, due: Due) -> tuple[datetime, int]:
    """Give what sorts due times of several schedules: by instant, of one the larger priority."""
    return due.at, -schedule.priority


def _dues(schedule: Schedule, after: datetime) -> Iterator[Due]:
    """Give all due times behind an instant, which may be without end."""
    behind = max(after, schedule.begins - _INSTANT)
    if schedule.crontab is not None:
        found = _joined(_by_crontab(schedule, behind))
    elif schedule.every is not None:
        found = _by_seconds(schedule.begins, schedule.every, behind)
    else:
        found = _single(schedule)
    yield from takewhile(lambda due: due.at <= LAST, (due for due in found if due.at > behind))


def _single(schedule: Schedule) -> Iterator[Due]:
    if schedule.time is None or schedule.time.tzinfo is not None:
        yield plain_due(schedule.begins)
        return
    at, hour = instants(schedule.time, schedule.zone)[0]
    runs = hour is not Hour.SKIPPED or schedule.runs_skipped
    yield Due(at, schedule.time, schedule.zone.key, hour, runs)


def _by_seconds(begins: datetime, every: timedelta, behind: datetime) -> Iterator[Due]:
    """Count whole intervals from the beginning: nothing drifts."""
    number = max(0, (behind - begins) // every + 1)
    while (LAST - begins) // every >= number:
        yield plain_due(begins + number * every)
        number += 1


def _by_crontab(schedule: Schedule, behind: datetime) -> Iterator[Due]:
    """Give the due times of a crontab in order, some from before ``behind`` among them.

    Readings come in the order of their first instants. Second ones wait until those are past.
    """
    if behind >= LAST:
        return
    zone, waiting = schedule.zone, []
    start = reading_at(behind, zone) - shows_again(behind, zone) - _MINUTE
    for reading in schedule.crontab.readings(start):
        (first, hour), *second = instants(reading, zone)
        while waiting and waiting[0][0] <= first:
            yield heappop(waiting)[2]
        runs = hour is not Hour.SKIPPED or schedule.runs_skipped
        yield Due(first, reading, zone.key, hour, runs)
        if second and schedule.runs_twice:
            at, again = second[0]
            heappush(waiting, (at, reading, Due(at, reading, zone.key, again)))
    while waiting:
        yield heappop(waiting)[2]


def _joined(dues: Iterator[Due]) -> Iterator[Due]:
    """Let one run begin where a skipped hour would make several begin at its end."""
    due = next(dues, None)
    while due is not None:
        following = next(dues, None)
        if due.hour is Hour.SKIPPED and following is not None and following.at == due.at:
            due = replace(due, runs=False)
        yield due
        due = following


def _back(until: datetime, width: timedelta) -> datetime:
    """Go back, not further than Python's calendar."""
    beginning = datetime.min.replace(tzinfo=timezone.utc)
    return until - width if until - beginning > width else beginning
