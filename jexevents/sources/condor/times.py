"""What a log says of time, and the instant that it means.

HTCondor's own reader ignores numeric offsets and gives a date without a year the year of
the run; both are known to be wrong, and neither is done here.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import NamedTuple

from jexevents.faults import shown
from jexevents.sources.condor.unreadable import unreadable

UTC = timezone.utc
NEAR = timedelta(hours=3)

CLOCK = r"(\d\d):(\d\d):(\d\d)(?:[.,](\d+))?(Z|[+-]\d\d(?::?\d\d)?)?"
_EVENT_TIME = re.compile(r"\s*(\d{4})-(\d\d)-(\d\d)[T ]" + CLOCK + r"\s*", re.ASCII)
_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)?", re.ASCII)
_MONTH_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class Stamp(NamedTuple):
    """A time as written: ``year`` None where there is none, ``offset`` None, ``Z``, ``+hh:mm``.

    ``second`` may be 60.
    """

    year: int | None
    month: int
    day: int
    hour: int
    minute: int
    second: int
    microsecond: int
    offset: str | None


class Instant(NamedTuple):
    """The moment that a stamp means.

    ``at`` is aware, in UTC. ``offset`` is the zone as written (None where the log has none).
    ``alternative`` is the other moment that the clock reading can mean in the hour that
    daylight saving repeats, else None.
    """

    at: datetime
    offset: str | None
    alternative: datetime | None


def read_event_time(text: str) -> Stamp:
    """Read ``EventTime`` of the JSON and XML forms: ``YYYY-MM-DDTHH:MM:SS[.f][zone]``.

    Raises Malformed for any other shape and for a time that no calendar has.
    """
    match = _EVENT_TIME.fullmatch(text)
    if not match:
        raise unreadable("EventTime as YYYY-MM-DDTHH:MM:SS", shown(text))
    year, month, day, *clock = match.groups()
    return make_stamp(year, month, day, *clock)


# Most events share their second with others: those of one submission, or of one moment of a busy
# pool. So what stands in a header is read once for all of them, and so is what it means.
_SECONDS_REMEMBERED = 4096


@lru_cache(_SECONDS_REMEMBERED)
def make_stamp(
    year: str | None,
    month: str,
    day: str,
    hour: str,
    minute: str,
    second: str,
    fraction: str | None,
    offset: str | None,
) -> Stamp:
    """Make a stamp of the digits of a header; up to six digits of ``fraction`` are read.

    Raises Malformed for a date or time that cannot be. 29 February without a year can be.
    """
    micro = int(fraction[:6].ljust(6, "0")) if fraction else 0
    stamp = Stamp(
        int(year) if year else None,
        int(month),
        int(day),
        int(hour),
        int(minute),
        int(second),
        micro,
        offset,
    )
    if not _possible(stamp):
        raise unreadable("a possible date and time", _show(stamp))
    return stamp


def _possible(stamp: Stamp) -> bool:
    """Tell whether some calendar day and clock can show this."""
    year, month, day, hour, minute, second, _, offset = stamp
    if not 1 <= month <= 12 or not 1 <= day <= _MONTH_DAYS[month - 1]:
        return False
    if hour > 23 or minute > 59 or second > 60 or year == 0:
        return False
    if month == 2 and day == 29 and year is not None and not _is_leap(year):
        return False
    return offset is None or offset == "Z" or _offset_zone(offset) is not None


def _is_leap(year: int) -> bool:
    """Tell whether ``year`` has a 29 February."""
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _offset_zone(offset: str) -> timezone | None:
    """Turn ``+02:00``, ``+0200`` or ``+02`` into a zone; None for what no clock shows."""
    if offset == "Z":
        return UTC
    match = _OFFSET.fullmatch(offset)
    if not match or int(match[2]) > 23 or int(match[3] or 0) > 59:
        return None
    delta = timedelta(hours=int(match[2]), minutes=int(match[3] or 0))
    return timezone(-delta if match[1] == "-" else delta)


def _show(stamp: Stamp) -> str:
    """Write a stamp for a message."""
    year = "----" if stamp.year is None else f"{stamp.year:04d}"
    day = f"{year}-{stamp.month:02d}-{stamp.day:02d}"
    clock = f"{stamp.hour:02d}:{stamp.minute:02d}:{stamp.second:02d}"
    return f"{day} {clock}{stamp.offset or ''}"


def resolve(stamp: Stamp, zone: tzinfo, reference: datetime) -> Instant:
    """Find the instant that ``stamp`` means.

    ``zone`` is where the log was written and counts only where the stamp has no offset;
    ``reference`` (aware) is when the event arrived: a missing year is chosen so that the time
    is nearest to it. In the hour that daylight saving repeats, the reading nearest to
    ``reference`` is taken if it is within three hours of it, else the earlier one. A clock
    reading that daylight saving skips is read with the offset before the change.

    Raises Malformed for what lies outside years 1 to 9999.
    """
    try:
        return _resolve(stamp, zone, reference)
    except (ValueError, OverflowError) as exc:
        raise unreadable("a time within years 1 to 9999", _show(stamp)) from exc


def _resolve(stamp: Stamp, zone: tzinfo, reference: datetime) -> Instant:
    """Resolve, with the calendar's own exceptions let through."""
    if stamp.offset is not None:
        zone = _offset_zone(stamp.offset) or UTC
    if stamp.year is not None:
        return _read(stamp, stamp.year, zone, reference)
    candidates = [_read(stamp, year, zone, reference) for year in _years(stamp, reference)]
    return min(candidates, key=lambda instant: abs(instant.at - reference))


def _years(stamp: Stamp, reference: datetime) -> list[int]:
    """List the years that a date without one may be of.

    A 29 February may be eight years away (1896 and 1904 have none between them).
    """
    middle = reference.astimezone(UTC).year
    reach = 8 if (stamp.month, stamp.day) == (2, 29) else 1
    years = range(max(1, middle - reach), min(9999, middle + reach) + 1)
    return [year for year in years if reach == 1 or _is_leap(year)]


def _read(stamp: Stamp, year: int, zone: tzinfo, reference: datetime) -> Instant:
    """Read the clock of ``stamp`` in ``year`` and ``zone``."""
    first, second = _readings(stamp, year, zone)
    if second is None:
        return Instant(first, stamp.offset, None)
    if abs(second - reference) < abs(first - reference) and abs(second - reference) <= NEAR:
        first, second = second, first
    return Instant(first, stamp.offset, second)


@lru_cache(_SECONDS_REMEMBERED)
def _readings(stamp: Stamp, year: int, zone: tzinfo) -> tuple[datetime, datetime | None]:
    """Give the instants in UTC, earlier first, at which clocks of ``zone`` show ``stamp``."""
    _, month, day, hour, minute, second, micro, _ = stamp
    if second == 60:
        wall = datetime(year, month, day, hour, minute, 59, micro, zone) + timedelta(seconds=1)
    else:
        wall = datetime(year, month, day, hour, minute, second, micro, zone)
    if zone is UTC:
        return wall, None
    first = wall.astimezone(UTC)
    if isinstance(zone, timezone):
        return first, None
    later = wall.replace(fold=1).astimezone(UTC)
    # In the hour that is skipped the two differ as well, but the later one comes first.
    return first, later if later > first else None
