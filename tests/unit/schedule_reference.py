"""Due times the slow way: look at the zone's clock at every minute, and ask whether it matches.

It knows nothing of cronsim, and nothing of readings that it has not seen on the clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from typing import NamedTuple
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)
RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))


class Told(NamedTuple):
    """One due time: the instant, the reading, and which of how many times it is shown."""

    at: datetime
    reading: datetime
    hour: str
    runs: bool


class Field:
    """One field of a crontab of numbers, ranges, lists and steps, as a set of numbers."""

    def __init__(self, text: str, low: int, high: int) -> None:
        self.star = text.startswith("*")
        self.values: set[int] = set()
        for part in text.split(","):
            span, _, step = part.partition("/")
            if span == "*":
                first, last = low, high
            elif "-" in span:
                first, last = map(int, span.split("-"))
            else:
                first = int(span)
                last = high if step else first
            self.values |= set(range(first, last + 1, int(step or 1)))


class Crontab:
    """A crontab of five such fields; days and weekdays are joined as Debian's cron does."""

    def __init__(self, text: str) -> None:
        parts = text.split()
        fields = [Field(part, *span) for part, span in zip(parts, RANGES, strict=True)]
        self.minute, self.hour, self.day, self.month, self.weekday = fields
        self._days: dict[date, bool] = {}

    def matches(self, reading: datetime) -> bool:
        return (
            reading.minute in self.minute.values
            and reading.hour in self.hour.values
            and self._day_matches(reading.date())
        )

    def _day_matches(self, day: date) -> bool:
        if day not in self._days:
            self._days[day] = self._look_at(day)
        return self._days[day]

    def _look_at(self, day: date) -> bool:
        in_days = day.day in self.day.values
        in_weekdays = bool({day.isoweekday(), day.isoweekday() % 7} & self.weekday.values)
        either = not (self.day.star or self.weekday.star)
        days = (in_days or in_weekdays) if either else (in_days and in_weekdays)
        return day.month in self.month.values and days

    @property
    def fixed(self) -> bool:
        return not (self.minute.star or self.hour.star)


def minutes(zone: ZoneInfo, start: datetime, end: datetime) -> list[tuple[datetime, datetime, str]]:
    """Give (instant, reading, which) of each minute of the clock, with those that it skips.

    ``start`` must be a whole minute. A skipped reading has the instant at which it was skipped.
    """
    shown = []
    at = start
    while at <= end:
        shown.append((at, at.astimezone(zone).replace(tzinfo=None, fold=0)))
        at += MINUTE
    times: dict[datetime, int] = {}
    for _, reading in shown:
        times[reading] = times.get(reading, 0) + 1
    return list(_named(shown, times))


def _named(shown, times) -> Iterator[tuple[datetime, datetime, str]]:
    seen: set[datetime] = set()
    before = None
    for at, reading in shown:
        if before is not None:
            lost = before + MINUTE
            while lost < reading:
                yield at, lost, "skipped"
                lost += MINUTE
        which = "once" if times[reading] == 1 else "second" if reading in seen else "first"
        seen.add(reading)
        yield at, reading, which
        before = reading


def due_times(
    text: str,
    clock: list[tuple[datetime, datetime, str]],
    *,
    runs_skipped: bool | None = None,
    runs_twice: bool | None = None,
) -> list[Told]:
    """Give all due times of a crontab within the minutes of a clock; None is cron's own way."""
    crontab = Crontab(text)
    runs_skipped = crontab.fixed if runs_skipped is None else runs_skipped
    runs_twice = (not crontab.fixed) if runs_twice is None else runs_twice
    found = []
    for at, reading, which in clock:
        if crontab.matches(reading) and (which != "second" or runs_twice):
            found.append(Told(at, reading, which, which != "skipped" or runs_skipped))
    # Of several that would begin at the end of a skipped hour, the last one does.
    for index, one in enumerate(found[:-1]):
        if one.hour == "skipped" and found[index + 1].at == one.at:
            found[index] = one._replace(runs=False)
    return found


def seconds_between(
    begins: datetime, every: int, after: datetime, until: datetime
) -> list[datetime]:
    """Give begins, begins + every, ... behind ``after``, up to and with ``until``."""
    found, at = [], begins
    while at <= until:
        if at > after:
            found.append(at)
        at += timedelta(seconds=every)
    return found


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=timezone.utc)
