"""Time stamps as RFC 3339 has them, to the letter, in and out.

Python's ``fromisoformat`` takes other forms than these (week dates, compact dates, commas, no
zone) and refuses some of these (leap seconds; before 3.11 ``Z``). Where the RFC leaves it to
the application: a space for the ``T`` is refused; ``t`` and ``z`` are taken; fractions are of
any length and cut, not rounded, after the microsecond (PostgreSQL would round, and two
readers of one time stamp must agree before it is hashed).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Any

from jexevents.errors import Invalid, Malformed
from jexevents.faults import shown
from jexevents.model import Fault

EXPECTED = "an RFC 3339 time stamp such as 2006-01-02T15:04:05Z or 2006-01-02T15:04:05+07:00"

_FORM = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})"
    r"(?:\.([0-9]+))?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_EPOCH = datetime(1, 1, 1, tzinfo=timezone.utc)
_CYCLE_YEARS = 400  # the Gregorian calendar repeats after these
_CYCLE_DAYS = 146_097
_LEAP_SECOND = 60


@dataclass(frozen=True, slots=True)
class Timestamp:
    """One instant as it was sent.

    ``at`` is aware, in UTC, to the microsecond. ``offset`` is the zone as it was written, with
    ``Z`` for ``z``; ``-00:00`` (UTC, local zone unknown) stays what it is. ``text`` is the whole.
    """

    at: datetime
    offset: str
    text: str


def parse(text: str) -> Timestamp:
    """Read one time stamp (RFC 3339, section 5.6).

    A leap second, ``:60``, is taken only where it can be one: as 23:59:60 UTC on the last day
    of a month (appendix D); it becomes the second that follows. The year may be 0000 to 9999 as
    written, but must be 0001 to 9999 in UTC. Raises Malformed where the form is another one,
    Invalid where the form is right but there is no such instant.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        raise Malformed("This is no RFC 3339 time stamp.", [_fault(text)])
    year, month, day, hour, minute, second = map(int, match.group(1, 2, 3, 4, 5, 6))
    fraction, zone = match.group(7, 8)
    if hour > 23 or minute > 59 or second > _LEAP_SECOND:
        raise _no_such("a time of day, 00:00:00 to 23:59:59 (:60 in a leap second)", text)
    since = timedelta(
        days=_days(year, month, day, text),
        hours=hour,
        minutes=minute,
        seconds=min(second, 59),
        microseconds=int((fraction or "0")[:6].ljust(6, "0")),
    )
    at = _instant(since - _offset(zone, text), text)
    if second == _LEAP_SECOND:
        at = _after_leap_second(at, text)
    return Timestamp(at, zone.upper(), text)


def format_utc(at: datetime) -> str:
    """Write an aware instant in UTC with ``Z``, with no more digits of a fraction than it needs."""
    return _written(_aware(at).astimezone(timezone.utc)) + "Z"


def plain(value: Any) -> Any:
    """Give a value as JSON has it where it is an instant, as ``format_utc``; others as they are."""
    return format_utc(value) if isinstance(value, datetime) else value


def format_at(at: datetime, offset: str) -> str:
    """Write an aware instant in the zone ``offset`` that it was sent with (``Z``, ``+02:00``).

    Where the local year would not be 0001 to 9999 it is written in UTC: the same instant.
    Raises Malformed or Invalid where ``offset`` is none.
    """
    if not re.fullmatch("[Zz]|[+-][0-9]{2}:[0-9]{2}", offset):
        raise Malformed(f"This is no offset: {shown(offset)}.", [_fault(offset)])
    shift = _offset(offset, offset)
    utc = _aware(at).astimezone(timezone.utc)
    try:
        return _written(utc + shift) + offset.upper()
    except OverflowError:
        return _written(utc) + "Z"


def _written(at: datetime) -> str:
    text = at.replace(tzinfo=None).isoformat()
    return text.rstrip("0") if at.microsecond else text


def _aware(at: datetime) -> datetime:
    if at.utcoffset() is None:
        raise ValueError("An instant needs its zone; this datetime has none.")
    return at


def _days(year: int, month: int, day: int, text: str) -> int:
    """Count the days since 0001-01-01; below zero in the year 0000, which Python has not."""
    cycles = 1 if year == 0 else 0
    try:
        ordinal = date(year + cycles * _CYCLE_YEARS, month, day).toordinal()
    except ValueError as exc:
        raise _no_such("a day of the calendar", text) from exc
    return ordinal - 1 - cycles * _CYCLE_DAYS


def _offset(zone: str, text: str) -> timedelta:
    if zone in ("Z", "z"):
        return timedelta()
    hours, minutes = int(zone[1:3]), int(zone[4:6])
    if hours > 23 or minutes > 59:
        raise _no_such("an offset, -23:59 to +23:59", text)
    shift = timedelta(hours=hours, minutes=minutes)
    return -shift if zone[0] == "-" else shift


def _instant(since: timedelta, text: str) -> datetime:
    try:
        return _EPOCH + since
    except OverflowError as exc:
        raise _no_such("a year, 0001 to 9999 in UTC", text) from exc


def _after_leap_second(at: datetime, text: str) -> datetime:
    following = _instant(at - _EPOCH + timedelta(seconds=1), text)
    if (at.hour, at.minute) != (23, 59) or following.day != 1:
        raise _no_such("a leap second, 23:59:60 UTC on the last day of a month", text)
    return following


def _fault(text: str) -> Fault:
    return Fault("", EXPECTED, shown(text))


def _no_such(expected: str, text: str) -> Invalid:
    return Invalid("There is no such time stamp.", [Fault("", expected, shown(text))])
