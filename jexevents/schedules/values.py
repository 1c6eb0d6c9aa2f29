"""A schedule and its due times, as values."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from enum import Enum
from zoneinfo import ZoneInfo

from jexevents.schedules.crontab import Crontab
from jexevents.schedules.zones import Hour, instants

__all__ = ["Due", "Hour", "Misfire", "Schedule"]


class Misfire(str, Enum):
    """What is done about due times at which nobody was there."""

    SKIP = "skip"
    RUN_ONCE = "run-once"
    RUN_ALL = "run-all"


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a job is due.

    ``time`` is the first run: an instant (UTC), or a reading of the zone's clock (a datetime
    without a zone), or None for when the schedule was first seen. Of ``every`` and ``crontab``
    one is given, or none for a single run. ``window_seconds`` is how late a missed run may still
    begin, None for any. ``runs_skipped`` and ``runs_twice`` say what is done about readings of
    a crontab that the clock skips or shows twice.
    """

    first_seen: datetime
    zone: ZoneInfo
    time: datetime | None = None
    every: timedelta | None = None
    crontab: Crontab | None = None
    priority: int = 0
    misfire: Misfire = Misfire.RUN_ONCE
    window_seconds: float | None = None
    runs_skipped: bool = True
    runs_twice: bool = False

    @property
    def begins(self) -> datetime:
        """The instant (UTC) from which on there are due times."""
        if self.time is None:
            return self.first_seen
        if self.time.tzinfo is not None:
            return self.time
        return instants(self.time, self.zone)[0][0]

    @property
    def once(self) -> bool:
        """Whether it has one due time only."""
        return self.every is None and self.crontab is None

    @property
    def by_clock(self) -> bool:
        """Whether its due times are readings of the zone's clock, which rules of zones move."""
        local = self.time is not None and self.time.tzinfo is None
        return (self.crontab is not None or local) and self.zone.key != "UTC"

    @property
    def fingerprint(self) -> str:
        """A text that changes when its due times do, and not with priority or misfire."""
        said = (self.zone.key, self.time, self.every, self.crontab)
        text = repr((*said, self.runs_skipped, self.runs_twice))
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Due:
    """One due time of a schedule.

    ``at`` is the instant (UTC) when its run is to begin, ``reading`` what the clock of ``zone``
    shows then; in a skipped hour, what it would have shown, and ``at`` is the end of that hour.
    ``runs`` is false where none is to begin, since the hour was skipped.
    """

    at: datetime
    reading: datetime
    zone: str
    hour: Hour = Hour.ONCE
    runs: bool = True

    @property
    def identity(self) -> str:
        """What tells it from all others of its schedule.

        It is made of the reading, not of the instant: so it stays what it is when a new version of
        the time zone data moves the instant, and what ran is not due again.
        """
        again = " again" if self.hour is Hour.SECOND else ""
        return f"{self.reading.isoformat()} {self.zone}{again}"


def by_clock(identity: str) -> str:
    """Give what the clock shows at a due time with this identity, as people write it."""
    return identity.replace("T", " ", 1)


def plain_due(at: datetime) -> Due:
    """Make a due time that is an instant, whatever the clocks of zones show."""
    return Due(at, at.astimezone(timezone.utc).replace(tzinfo=None), "UTC")
