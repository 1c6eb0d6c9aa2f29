"""The year of dates that were written without one (``MM/DD``), as HTCondor did before 8.9.

In a log time goes on, and goes back by a little at most. So one known date says all that follow:
a date lies within the next year, unless it lies less than a month back. The first one is known
from what stands before it in the log (a date with a year, or the ``ctime`` of a header), from
whoever imports it, or from the time at which the file was written last, counted back over the
ends of years in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta, tzinfo
from typing import Protocol

from jexevents.errors import JexError
from jexevents.eventlogs.headers import rotation_header

_HEAD = rb"\d{3} \(-?\d{1,10}\.-?\d{1,10}\.-?\d{1,10}\) "
_DATE = re.compile(_HEAD + rb"(?:(\d{4})-)?(\d\d)[/-](\d\d)[ T]")
_YEARLESS = re.compile(rb"\n" + _HEAD + rb"(\d\d)/(\d\d) \d\d:")
_LINE_BYTES = 80
_CHUNK_BYTES = 1 << 20

# How far a log's time may go back without a year having ended.
_BACK_DAYS = 31
# The file's time may be behind that of its last event: clocks differ, and so do zones.
_SLACK = timedelta(days=1)

Day = tuple[int, int, int]

# By what the years were known.
GIVEN, DATES = "--year", "dates with a year"
HEADER, FILE_TIME = "the log's header", "the file's time"


class Readable(Protocol):
    """What dates are read of."""

    def read(self, size: int) -> bytes:
        """Give up to so many bytes, none at the end."""


class NoYear(JexError):
    """The dates have no year, and nothing tells it."""


def follow(last: Day, month: int, day: int) -> int:
    """Give the year of a date that stands in a log behind ``last``."""
    year = last[0]
    if (month, day) >= last[1:]:
        # On 1 January a straggler of 31 December may come.
        behind = (12 - month) * 31 + 31 - day + (last[1] - 1) * 31 + last[2]
        return year - 1 if behind <= _BACK_DAYS else year
    behind = (last[1] - month) * 31 + last[2] - day
    return year if behind <= _BACK_DAYS else year + 1


class Years:
    """Follows the dates of one log through all of its files.

    ``zone`` is that of the log's clock. ``given`` is the year of the first date without one, by the
    word of whoever imports the log; headers are not asked then.
    """

    def __init__(self, zone: tzinfo, given: int | None = None) -> None:
        self._zone = zone
        self._given = given
        self._last: Day | None = None
        self._known_by = ""
        self._ask: Callable[[], int | None] = lambda: None
        self.how: str | None = None

    def begin_file(self, ask: Callable[[], int | None]) -> None:
        """Begin the next file; ``ask`` gives the year of its first date without one, if it can.

        ``how`` says from here on by what the years of this file were known, None as long as all
        dates have theirs.
        """
        self._ask = ask
        self.how = None

    def of(self, raw: bytes) -> int | None:
        """Give the year of the next event if its date lacks one, else None.

        Raises NoYear where nothing tells it.
        """
        match = _DATE.match(raw)
        if match is None:
            return None
        year, month, day = match.groups()
        self._note_header(raw)
        if year is not None:
            self._last, self._known_by = (int(year), int(month), int(day)), DATES
            return None
        found = self._year(int(month), int(day))
        self._last = (found, int(month), int(day))
        return found

    def _year(self, month: int, day: int) -> int:
        if self._last is not None:
            self.how = self.how or self._known_by
            return follow(self._last, month, day)
        self._known_by = GIVEN
        found = self._given
        if found is None:
            self._known_by, found = FILE_TIME, self._ask()
        if found is None:
            raise NoYear
        self.how = self._known_by
        return found

    def _note_header(self, raw: bytes) -> None:
        """Take the date of a header, which says in seconds since 1970 when its file was begun."""
        header = rotation_header(raw) if self._given is None else None
        if header is not None and header.ctime < 1 << 36:
            begun = datetime.fromtimestamp(header.ctime, self._zone)
            self._last, self._known_by = (begun.year, begun.month, begun.day), HEADER


def first_year(plain: Readable, written_at: datetime, zone: tzinfo) -> int | None:
    """Give the year of the first date without one in a log that was written up to ``written_at``.

    Reads the log once; None if there is no such date.
    """
    last: Day | None = None
    leaps = set()
    first = 0
    for month, day in _dates(plain):
        year = first if last is None else follow(last, month, day)
        last = (year, month, day)
        if (month, day) == (2, 29):
            leaps.add(year)
    if last is None:
        return None
    end = (written_at + _SLACK).astimezone(zone).date()
    begin = end.year - last[0] - ((end.month, end.day) < last[1:])
    # A 29 February tells more than the file's time, which a copy may have changed.
    for back in range(9):
        if all(_is_leap(begin - back + year) for year in leaps):
            return begin - back
    return begin


def _dates(plain: Readable) -> Iterator[tuple[int, int]]:
    """Give month and day of each header that has no year."""
    held = b"\n"
    while chunk := plain.read(_CHUNK_BYTES):
        text = held + chunk
        end = 0
        for match in _YEARLESS.finditer(text):
            end = match.end()
            yield int(match[1]), int(match[2])
        # Of a line that goes on only its begin can be a header.
        held = text[max(end, text.rfind(b"\n")) :][:_LINE_BYTES]


def _is_leap(year: int) -> bool:
    try:
        date(year, 2, 29)
    except ValueError:
        return False
    return True
