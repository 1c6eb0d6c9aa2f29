"""What the clock of a time zone shows, as instants: once, twice or never.

A reading is what such a clock shows: a datetime without a zone. Where the clock is set back, a
reading comes twice; where it is set forward, some never come.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from enum import Enum
from zoneinfo import ZoneInfo

_SECOND = timedelta(seconds=1)
_HOUR = timedelta(hours=1)
# No zone has ever been set back or forward by more than this at once.
LONGEST_CHANGE = timedelta(hours=24)


class Hour(str, Enum):
    """How often the clock shows a reading, and which of the two times this is."""

    ONCE = "once"
    FIRST = "first"
    SECOND = "second"
    SKIPPED = "skipped"


def instants(reading: datetime, zone: ZoneInfo) -> list[tuple[datetime, Hour]]:
    """Give the instants (UTC) at which the clock shows a reading, in their order.

    For one that it never shows that is the instant at which the clock was set forward over it.
    """
    early, late = (_instant(reading, zone, fold) for fold in (0, 1))
    if early == late:
        return [(early, Hour.ONCE)]
    if early < late:
        return [(early, Hour.FIRST), (late, Hour.SECOND)]
    # Of a reading that is skipped, Python gives the later instant first.
    return [(_end_of_gap(late, early, zone), Hour.SKIPPED)]


def reading_at(at: datetime, zone: ZoneInfo) -> datetime:
    """Give what the clock of a zone shows at an instant."""
    return at.astimezone(zone).replace(tzinfo=None, fold=0)


def shows_again(at: datetime, zone: ZoneInfo) -> timedelta:
    """Give how far the clock is set back at most in the day that follows an instant."""
    offset = at.astimezone(zone).utcoffset()
    later = (
        (at + hours * _HOUR).astimezone(zone).utcoffset()
        for hours in range(1, LONGEST_CHANGE // _HOUR + 1)
    )
    return max(timedelta(), offset - min(later))


def _instant(reading: datetime, zone: ZoneInfo, fold: int) -> datetime:
    return reading.replace(tzinfo=zone, fold=fold).astimezone(timezone.utc)


def _end_of_gap(before: datetime, behind: datetime, zone: ZoneInfo) -> datetime:
    """Find the change of the clock between two instants, to the second."""
    before, behind = before.replace(microsecond=0), behind.replace(microsecond=0)
    after_change = behind.astimezone(zone).utcoffset()
    while behind - before > _SECOND:
        middle = before + (behind - before) // _SECOND // 2 * _SECOND
        if middle.astimezone(zone).utcoffset() == after_change:
            behind = middle
        else:
            before = middle
    return behind
