"""What the ledger lacks of HTCondor's jobs and logs, as rows; see jexevents.auditing.

Jobs are gone through page by page in the order of their ids, each page in a transaction of its own,
so that no snapshot is held for long. What is ordered by log, the server sorts, on its disk if need
be, and it is read as it is taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from jexevents.lifecycle.condor import SAID_SUBMITTED
from jexevents.model import INSERTED
from jexevents.store.database import Database
from jexevents.store.queries import QUERIES

_PAGE = 5000
_ROWS = 1000
_FIRST = "00000000-0000-0000-0000-000000000000"


class IncompleteJob(NamedTuple):
    """A job that something is missing of.

    ``first_at`` and ``last_at`` are when the first and the last of HTCondor's events that are known
    happened, None where there are ``events`` of none.
    """

    id: str
    key: str
    source: str
    state: str
    closed: bool
    created_at: datetime
    has_submit: bool
    first_at: datetime | None
    last_at: datetime | None
    events: int


class Header(NamedTuple):
    """An event by which HTCondor begins a log's file, or a monitor tells of a gap; its ``info``."""

    seq: int
    source: str
    at: datetime
    info: str


class Leap(NamedTuple):
    """An event that its log tells behind another one, whose time is too far from its own."""

    seq: int
    source: str
    log: str
    offset: int
    job_id: str | None
    at: datetime
    before_seq: int
    before_at: datetime


class Rejected(NamedTuple):
    """How many messages of one source, day, door and reason were rejected; the first of them."""

    source: str
    day: Any
    origin: str
    reason: str
    count: int
    first_id: int
    first_at: datetime


@dataclass(frozen=True, slots=True)
class JobPage:
    """So many jobs were gone through, of all kinds; of these something is missing."""

    jobs: int
    incomplete: list[IncompleteJob]


class Completeness:
    """One look at a ledger; ``source`` limits it to one. Raises StoreUnavailable throughout."""

    def __init__(self, database: Database, source: str | None = None) -> None:
        self._database = database
        self._source = source

    def count_jobs(self) -> int:
        """How many jobs there are to go through."""
        with self._database.transaction() as connection:
            QUERIES.completeness.begin_looking(connection)
            return QUERIES.completeness.count_jobs(connection)

    def jobs(self, silent_before: datetime) -> Iterator[JobPage]:
        """Go through the jobs; a page says what is missing of those that it has."""
        after: str | None = _FIRST
        while after is not None:
            with self._database.transaction() as connection:
                QUERIES.completeness.begin_looking(connection)
                jobs, last = QUERIES.completeness.next_page(connection, after=after, limit=_PAGE)
                rows = QUERIES.completeness.incomplete_jobs(
                    connection,
                    after=after,
                    last=last or after,
                    source=self._source,
                    inserted=INSERTED,
                    said_submitted=SAID_SUBMITTED,
                    silent_before=silent_before,
                )
                found = [_incomplete(*row) for row in rows]
            yield JobPage(jobs, found)
            after = last if jobs == _PAGE else None

    def headers(self, begins: str) -> Iterator[Header]:
        """Give the events of no job whose Info ``begins`` so, source by source."""
        for row in self._streamed(QUERIES.completeness.headers, begins=begins):
            yield Header(*row)

    def leaps(
        self, back: timedelta, ahead: timedelta, since: datetime | None = None
    ) -> Iterator[Leap]:
        """Give the leaps of the logs' clocks, log by log; ``since`` leaves older events out."""
        query = QUERIES.completeness.clock_leaps
        for row in self._streamed(query, back=back, ahead=ahead, since=since):
            yield Leap(*row)

    def rejected(
        self, imports: str, since: datetime | None, until: datetime | None
    ) -> list[Rejected]:
        """Count the rejects that came over AMQP, and by the door of ``imports``."""
        with self._database.transaction() as connection:
            QUERIES.completeness.begin_looking(connection)
            rows = QUERIES.completeness.rejected(
                connection, source=self._source, imports=imports, since=since, until=until
            )
            return [Rejected(*row) for row in rows]

    def _streamed(self, query: Any, **arguments: Any) -> Iterator[Any]:
        with self._database.transaction() as connection:
            QUERIES.completeness.begin_looking(connection)
            # It ends before its transaction; psycopg2 takes only such as might not.
            with connection.cursor("looking", withhold=True) as cursor:
                cursor.itersize = _ROWS
                cursor.execute(query.sql, {"source": self._source, **arguments})
                yield from cursor


def _incomplete(
    job_id: str,
    key: str,
    source: str,
    state: str,
    closed: bool,
    created_at: datetime,
    said: int | None,
    *heard: Any,
) -> IncompleteJob:
    has_submit = bool((said or 0) & SAID_SUBMITTED)
    return IncompleteJob(job_id, key, source, state, closed, created_at, has_submit, *heard)
