"""What a definition says of a schedule, read into a Schedule with every fault that it has."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from jexevents import rfc3339
from jexevents.errors import Invalid, Unacceptable
from jexevents.faults import kind, pointer, shown
from jexevents.model import Fault
from jexevents.schedules.crontab import Crontab, NoCrontab, read_crontab
from jexevents.schedules.times import LAST
from jexevents.schedules.values import Misfire, Schedule

MEMBERS = ("time", "frequency", "priority", "timezone", "misfire", "window", "dst")
SKIPPED = ("cron", "run", "skip")
REPEATED = ("cron", "once", "twice")
RUN_ALL_WINDOW_SECONDS = 86_400.0

_FIRST = datetime(1970, 1, 1, tzinfo=timezone.utc)
_LONGEST_SECONDS = 100 * 31_557_600  # a hundred years
_LARGEST_PRIORITY = 10**9
_MICROSECOND = Decimal("0.000001")
_NUMBER = re.compile(r"[+-]?[0-9]{1,20}(\.[0-9]{1,20})?")
_WHOLE = re.compile(r"[+-]?[0-9]{1,20}")
_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ]([0-9]{2}:[0-9]{2})(:[0-9]{2}(?:\.[0-9]+)?)?)? ?([Zz]|[+-][0-9]{2}:[0-9]{2})?"
)
_TIME_EXPECTED = (
    "a date and time such as 2026-12-01T09:00:00Z, or 2026-12-01 09:00 by the clock of the "
    "timezone, from 1970 to 8999; or nothing for when the schedule is first seen"
)
_FREQUENCY_EXPECTED = (
    "a number of seconds from 1 to 3155760000 with at most six decimals, a crontab expression "
    'such as "30 2 * * MON-FRI", or nothing for a single run'
)
_UTC = ZoneInfo("UTC")
# What a machine has beside the zones, which is something else on each; "right" counts leap seconds.
_MACHINES_OWN = ("localtime", "posixrules", "posix/", "right/", "Factory")

T = TypeVar("T")


class _Misfit(ValueError):
    """A member is not what it should be; the text says what that is."""


def read_schedule(members: Any, first_seen: datetime, path: Iterable[str | int] = ()) -> Schedule:
    """Read one schedule of a definition.

    ``members`` is the mapping as YAML or JSON gives it, ``first_seen`` the instant (UTC) that an
    empty ``time`` stands for (for a mere check any), ``path`` where the mapping stands in its
    document, for the pointers of faults. Raises Invalid with a Fault for each thing that is wrong.
    """
    place = tuple(path)
    if not isinstance(members, Mapping):
        expected = f"an object with any of {', '.join(MEMBERS)}"
        raise _invalid([Fault(pointer(place), expected, kind(members))])
    reader = _Reader(members, place)
    schedule = reader.schedule(first_seen.astimezone(timezone.utc))
    if reader.faults:
        raise _invalid(reader.faults)
    return schedule


def read_in_force(members: Mapping[str, Any], first_seen: datetime, since: datetime) -> Schedule:
    """Read a schedule that has been in force, as it is, from ``since`` on.

    ``first_seen`` is what an empty time stands for. A time that is given and was over when the
    schedule came into force is not made up for, as if it were seen first then: else an edit or
    a definition that comes back would run what is long past. Raises Invalid.
    """
    is_given = members.get("time") not in (None, "")
    return read_schedule(members, since if is_given else first_seen)


def _invalid(faults: list[Fault]) -> Invalid:
    return Invalid("This is no schedule.", faults)


class _Reader:
    """Reads the members of one schedule and collects what is wrong with them."""

    def __init__(self, members: Mapping[Any, Any], place: tuple[str | int, ...]) -> None:
        self._members = members
        self._place = place
        self.faults: list[Fault] = []

    def schedule(self, first_seen: datetime) -> Schedule:
        """Give the schedule; it is of no use where there are faults."""
        self._refuse_others(self._members, MEMBERS, ())
        zone = self._read("timezone", _read_zone, _UTC)
        time = self._read("time", _read_time, None)
        every = self._read("frequency", lambda value: _read_frequency(value, first_seen), None)
        crontab = every if isinstance(every, Crontab) else None
        misfire = self._read("misfire", _one_of(*(each.value for each in Misfire)), "run-once")
        most = RUN_ALL_WINDOW_SECONDS if misfire == Misfire.RUN_ALL.value else None
        skipped, repeated = self._clock_changes()
        fixed = crontab is None or crontab.fixed
        return Schedule(
            first_seen=first_seen,
            zone=zone,
            time=time,
            every=None if crontab is not None else every,
            crontab=crontab,
            priority=self._read("priority", _read_priority, 0),
            misfire=Misfire(misfire),
            window_seconds=self._read("window", _read_window, most),
            runs_skipped=fixed if skipped == "cron" else skipped == "run",
            runs_twice=not fixed if repeated == "cron" else repeated == "twice",
        )

    def _clock_changes(self) -> tuple[str, str]:
        value = self._members.get("dst")
        if value is None:
            return SKIPPED[0], REPEATED[0]
        if not isinstance(value, Mapping):
            self._fault(("dst",), "an object with skipped, repeated or both", value)
            return SKIPPED[0], REPEATED[0]
        self._refuse_others(value, ("skipped", "repeated"), ("dst",))
        return (
            self._read_from(value, ("dst", "skipped"), _one_of(*SKIPPED), SKIPPED[0]),
            self._read_from(value, ("dst", "repeated"), _one_of(*REPEATED), REPEATED[0]),
        )

    def _read(self, name: str, read: Callable[[Any], T], default: T) -> T:
        return self._read_from(self._members, (name,), read, default)

    def _read_from(
        self,
        members: Mapping[Any, Any],
        steps: tuple[str, ...],
        read: Callable[[Any], T],
        default: T,
    ) -> T:
        value = members.get(steps[-1])
        if value is None or value == "":
            return default
        try:
            return read(value)
        except _Misfit as exc:
            self._fault(steps, str(exc), value)
            return default

    def _refuse_others(
        self, members: Mapping[Any, Any], known: tuple[str, ...], steps: tuple[str, ...]
    ) -> None:
        for name in members:
            if name not in known:
                near = get_close_matches(str(name)[:80], known, 1)
                meant = f" ({near[0]}?)" if near else ""
                expected = f"no member but {', '.join(known)}{meant}"
                self._fault((*steps, str(name)), expected, members[name])

    def _fault(self, steps: tuple[str, ...], expected: str, value: Any) -> None:
        self.faults.append(Fault(pointer((*self._place, *steps)), expected, shown(value)))


def _one_of(*words: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if not isinstance(value, str) or value not in words:
            raise _Misfit(f"one of {', '.join(words)}")
        return value

    return read


def _read_zone(value: Any) -> ZoneInfo:
    expected = "a time zone such as Europe/Berlin or UTC"
    if not isinstance(value, str) or value.startswith(_MACHINES_OWN):
        raise _Misfit(expected)
    try:
        return ZoneInfo(value)
    # What is no name of a file or is one of a folder is told in these ways, by version of Python.
    except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
        raise _Misfit(expected + _nearest_zone(value)) from exc


def _nearest_zone(value: str) -> str:
    zones = {name.lower(): name for name in available_timezones()}
    near = get_close_matches(value[:80].lower(), zones, 1)
    return f" ({zones[near[0]]}?)" if near else ""


def _read_time(value: Any) -> datetime:
    """Read the first run: an aware datetime in UTC, or a naive one by the zone's clock."""
    at = _given_time(value) if isinstance(value, date) else _written_time(value)
    compared = at.replace(tzinfo=timezone.utc) if at.tzinfo is None else at
    if not _FIRST <= compared < LAST:
        raise _Misfit(_TIME_EXPECTED)
    return at


def _given_time(value: date) -> datetime:
    """Take what a reader of YAML has made of a time stamp or a date."""
    if not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day)
    if value.utcoffset() is None:
        return value.replace(tzinfo=None, fold=0)
    try:
        return value.astimezone(timezone.utc)
    except OverflowError as exc:
        raise _Misfit(_TIME_EXPECTED) from exc


def _written_time(value: Any) -> datetime:
    match = _TIME.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None or (match[4] and not match[2]):
        raise _Misfit(_TIME_EXPECTED)
    day, minutes, seconds, offset = match.groups()
    text = f"{day}T{minutes or '00:00'}{seconds or ':00'}{offset or 'Z'}"
    try:
        at = rfc3339.parse(text).at
    except Unacceptable as exc:
        raise _Misfit(f"{exc.faults[0].expected}, in {_TIME_EXPECTED}") from exc
    return at if offset else at.replace(tzinfo=None)


def _read_frequency(value: Any, first_seen: datetime) -> timedelta | Crontab:
    if isinstance(value, str) and not _NUMBER.fullmatch(value.strip()):
        try:
            return read_crontab(value, first_seen.replace(tzinfo=None))
        except NoCrontab as exc:
            raise _Misfit(str(exc)) from exc
    seconds = _number(value, _FREQUENCY_EXPECTED)
    if not 1 <= seconds <= _LONGEST_SECONDS or seconds % _MICROSECOND:
        raise _Misfit(_FREQUENCY_EXPECTED)
    return timedelta(microseconds=int(seconds / _MICROSECOND))


def _read_window(value: Any) -> float:
    expected = "a number of seconds from 0 to 3155760000"
    seconds = _number(value, expected)
    if not 0 <= seconds <= _LONGEST_SECONDS:
        raise _Misfit(expected)
    return float(seconds)


def _read_priority(value: Any) -> int:
    whole = isinstance(value, str) and _WHOLE.fullmatch(value.strip())
    if not whole and type(value) is not int:
        raise _Misfit(_PRIORITY_EXPECTED)
    priority = int(value)
    if abs(priority) > _LARGEST_PRIORITY:
        raise _Misfit(_PRIORITY_EXPECTED)
    return priority


_PRIORITY_EXPECTED = f"a whole number from -{_LARGEST_PRIORITY} to {_LARGEST_PRIORITY}"


def _number(value: Any, expected: str) -> Decimal:
    """Read a number, or a text that is one, to the digit."""
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        return Decimal(value.strip())
    if type(value) is int and abs(value) < 10**20:
        return Decimal(value)
    if type(value) is float and abs(value) < 1e20:
        return Decimal(repr(value))
    raise _Misfit(expected)
