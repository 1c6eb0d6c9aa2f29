"""Notice events as they are stored, whoever stores them: in any process, in any order of commits.

Numbers are given to events before their transactions commit, so a lower one may show itself after
a higher one. What is missing below the highest number seen is looked for again for a while, longer
than a transaction takes; what does not show itself then was rolled back.
"""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from jexevents.store.database import Connection, Database
from jexevents.store.literals import array
from jexevents.store.queries import QUERIES

Row = Mapping[str, Any]

PAGE_ROWS = 1000
# What an event says is told up to here; it came in that many bytes.
MOST_BYTES = 16 << 10
# Longer than any transaction that stores events by default.
MISSING_SECONDS = 40.0
# So far back it is looked, at the beginning, for what is being stored just then.
_BEGIN_BEHIND = 5000
# Who is behind by more than that goes on with the newest.
_MOST_BEHIND = 20_000
_MOST_RANGES = 1000
_NO_END = 2**63 - 1


class _Range(NamedTuple):
    """Numbers that were not seen, both ends included, and since when others above them were."""

    low: int
    high: int
    since: float


@dataclass(frozen=True, slots=True)
class Noticed:
    """What came since the last look: rows by their numbers.

    ``floor`` is the number up to which nothing more will come. ``skipped`` are numbers that were
    passed over, for there were too many: the first and the last, None for none. ``is_more`` says
    that more waits.
    """

    rows: Sequence[Row]
    floor: int
    skipped: tuple[int, int] | None = None
    is_more: bool = False


class EventWatch:
    """Looks from where the look before it ended; for one thread at a time.

    What is missing is looked for again for ``missing_seconds``, which must be longer than any
    transaction that stores events.

    Methods raise StoreUnavailable while PostgreSQL does not answer; nothing is missed by that.
    """

    def __init__(
        self,
        database: Database,
        *,
        missing_seconds: float = MISSING_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._missing_seconds = missing_seconds
        self._clock = clock
        self._seen = 0
        self._missing: list[_Range] = []

    @property
    def seen(self) -> int:
        """The highest number that was seen."""
        return self._seen

    @property
    def floor(self) -> int:
        """The number up to which nothing more will come."""
        return self._missing[0].low - 1 if self._missing else self._seen

    def begin(self) -> None:
        """Begin with what is stored from now on."""
        with self._database.look() as connection:
            newest = QUERIES.events.newest_seq(connection)
            start = max(0, newest - _BEGIN_BEHIND)
            seqs = [row[0] for row in QUERIES.events.seqs_behind(connection, seq=start)]
        self._seen = max([newest, *seqs[-1:]])
        self._missing = _gaps(start + 1, self._seen, seqs, self._clock())

    def look(self) -> Noticed:
        """Give what came since, ``PAGE_ROWS`` at most."""
        skipped = None
        with self._database.look() as connection:
            newest = QUERIES.events.newest_seq(connection)
            if newest - self._seen > _MOST_BEHIND:
                skipped = (self._seen + 1, newest - PAGE_ROWS)
                self._seen, self._missing = skipped[1], []
            if newest <= self._seen and not self._missing:
                return Noticed((), self.floor, skipped)
            ranges = [*self._missing, _Range(self._seen + 1, _NO_END, 0.0)]
            rows = _within(connection, ranges)
        self._note([row["seq"] for row in rows], is_page_full=len(rows) == PAGE_ROWS)
        return Noticed(rows, self.floor, skipped, len(rows) == PAGE_ROWS)

    def between(self, low: int, high: int) -> list[Row]:
        """Give events by their numbers, both ends included, the first PAGE_ROWS of them."""
        with self._database.look() as connection:
            return _within(connection, [_Range(low, high, 0.0)])

    def _note(self, seqs: Sequence[int], *, is_page_full: bool) -> None:
        """Note which numbers are missing still; what is behind a full page was not looked at."""
        now = self._clock()
        bound = seqs[-1] if is_page_full else _NO_END
        missing: list[_Range] = []
        for one in self._missing:
            if one.low > bound:
                missing.append(one)
            elif now - one.since < self._missing_seconds:
                missing += _gaps(one.low, one.high, seqs, one.since)
        top = max([self._seen, *seqs[-1:]])
        missing += _gaps(self._seen + 1, top, seqs, now)
        self._seen = top
        self._missing = missing[-_MOST_RANGES:]


def _within(connection: Connection, ranges: Sequence[_Range]) -> list[Row]:
    return QUERIES.events.events_within.mappings(
        connection,
        lows=array(one.low for one in ranges),
        highs=array(one.high for one in ranges),
        limit=PAGE_ROWS,
        most_bytes=MOST_BYTES,
    )


def _gaps(low: int, high: int, seqs: Sequence[int], since: float) -> list[_Range]:
    """Give what is missing of the numbers from ``low`` to ``high``; ``seqs`` in their order."""
    found = []
    for seq in seqs[bisect_left(seqs, low) : bisect_right(seqs, high)]:
        if seq > low:
            found.append(_Range(low, seq - 1, since))
        low = seq + 1
    if low <= high:
        found.append(_Range(low, high, since))
    return found
