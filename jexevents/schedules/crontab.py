"""Crontab expressions: read, checked, and the times of day that they name.

cronsim reads them and walks from one to the next. It is given readings without a time zone:
what a change of the clock does to them is decided in one place, ``times.py``.
"""

from __future__ import annotations

import re
from calendar import month_name
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from cronsim import CronSim, CronSimError

LONGEST_TEXT = 200  # characters; the longest useful ones have about a third
# cronsim gives up after these.
YEARS = 50

NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_FORM = 'five fields, minute hour day month weekday, such as "30 2 * * MON-FRI"'
# What each field takes, and how many values it has.
_FIELDS = (
    ("minute", "a minute field of 0 to 59, such as 5, */15 or 0,30", 60),
    ("hour", "an hour field of 0 to 23, such as 2, */4 or 9-17", 24),
    ("day-of-month", "a day field of 1 to 31, such as 1, */2, L (the last) or LW", 31),
    ("month", "a month field of 1 to 12 or JAN to DEC, such as 1, */3 or MAR-OCT", 12),
    (
        "day-of-week",
        "a weekday field of 0 to 7 or SUN to SAT, such as MON-FRI, MON#1 (the first) or 5L",
        7,
    ),
)
_STEP = re.compile(r"/(\d+)(?=,|$)", re.ASCII)


class NoCrontab(ValueError):
    """A text is no crontab expression; the text says what would be one."""


@dataclass(frozen=True, slots=True)
class Crontab:
    """A crontab expression of five fields.

    ``fixed`` is what crontab(5) calls a job at a specific time: neither minutes nor hours begin
    with ``*``.
    """

    text: str

    @property
    def fixed(self) -> bool:
        """Whether it is one for times of day, and not for every so often."""
        minute, hour, *_ = self.text.split()
        return not (minute.startswith("*") or hour.startswith("*"))

    def readings(self, behind: datetime) -> Iterator[datetime]:
        """Give the readings that match, in their order, those behind a reading."""
        yield from CronSim(self.text, behind)


def read_crontab(text: str, begin: datetime) -> Crontab:
    """Read a crontab expression that matches something within 50 years of a reading.

    Raises NoCrontab.
    """
    if len(text) > LONGEST_TEXT:
        raise NoCrontab(f"a crontab expression of at most {LONGEST_TEXT} characters")
    text = NICKNAMES.get(text.strip().lower(), text)
    if text.lstrip().startswith("@"):
        raise NoCrontab(f"{_FORM}, or one of {', '.join(NICKNAMES)}")
    fields = text.split()
    if len(fields) != len(_FIELDS):
        raise NoCrontab(_form_of(fields))
    for field, (name, expected, values) in zip(fields, _FIELDS, strict=True):
        _check_steps(field, name, expected, values)
    _check(" ".join(fields), begin)
    return Crontab(" ".join(fields).upper())


def _form_of(fields: list[str]) -> str:
    if len(fields) == len(_FIELDS) + 1:
        return f"{_FORM}, without one for seconds: less than a minute is given in seconds"
    return f"{_FORM}, or a number of seconds"


def _check_steps(field: str, name: str, expected: str, values: int) -> None:
    """Refuse steps that are longer than the field: they would mean once, at its beginning."""
    for step in _STEP.findall(field):
        if len(step) > 2 or int(step) >= values:
            raise NoCrontab(
                f"{expected}, with a step below {values}: a longer one never comes "
                f"({name}); every so many seconds is a plain number"
            )


def _check(text: str, begin: datetime) -> None:
    try:
        sim = CronSim(text, begin)
    except CronSimError as exc:
        raise NoCrontab(_expected(text, begin, str(exc))) from exc
    if next(iter(sim), None) is None:
        raise NoCrontab(f"a day that comes: none matches within {YEARS} years")


def _expected(text: str, begin: datetime, message: str) -> str:
    for name, expected, _ in _FIELDS:
        if message.endswith(name):
            days, month = text.split()[2:4]
            if name == "day-of-month" and _is_one(f"0 0 {days} * *", begin):
                return f"a day that comes: {_none_of(month)} has a day of {days}"
            return expected
    return _FORM


def _none_of(months: str) -> str:
    """Say "no February" of a field of months, with their names where they stand one by one."""
    names = [_month_name(each) for each in months.split(",")]
    if None in names:
        return f"no month of {months}"
    return f"no {names[0]}" if len(names) == 1 else f"none of {', '.join(map(str, names))}"


def _month_name(text: str) -> str | None:
    if text.isascii() and text.isdigit() and 1 <= int(text) <= 12:
        return month_name[int(text)]
    return next((name for name in month_name[1:] if name[:3].upper() == text.upper()), None)


def _is_one(text: str, begin: datetime) -> bool:
    try:
        CronSim(text, begin)
    except CronSimError:
        return False
    return True
