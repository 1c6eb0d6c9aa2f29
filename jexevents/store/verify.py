"""Recompute every job from its events, and find what stands otherwise (promise 3 of the design).

Jobs are taken page by page in the order of their ids. A page is read in one snapshot, so what
daemons write meanwhile is seen whole or not at all, and no snapshot is held for long.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jexevents.model import Kind
from jexevents.store.database import Connection, Database
from jexevents.store.examination import (
    UNRECOGNISED,
    Difference,
    Recognise,
    StoredJob,
    Story,
    examine,
    is_right,
    stored_jobs,
    stories,
)
from jexevents.store.literals import array
from jexevents.store.queries import QUERIES

_PAGE = 1000
_LOOSE_PAGE = 100  # events with their raw texts, which may be of megabytes
_FIRST = "00000000-0000-0000-0000-000000000000"
_LAST = "ffffffff-ffff-ffff-ffff-ffffffffffff"


@dataclass(frozen=True, slots=True)
class Scope:
    """Which jobs to look at: all those of which every part that is given is true.

    ``since`` and ``until`` are aware; they limit the time of submission (of arrival where that
    is unknown). Events without a job are looked at only where nothing is given.
    """

    kind: Kind | None = None
    keys: Sequence[str] = ()
    since: datetime | None = None
    until: datetime | None = None

    @property
    def is_all(self) -> bool:
        """Whether nothing is left out."""
        return self == Scope()

    def arguments(self) -> dict[str, Any]:
        """Give the filters as the queries take them."""
        kinds = list(Kind) if self.kind is None else [self.kind]
        named = [kind.value for kind in kinds] if self.keys or self.kind else None
        keys = list(self.keys) or None
        return {"kinds": named, "keys": keys, "since": self.since, "until": self.until}


@dataclass(frozen=True, slots=True)
class Page:
    """What one step has looked at, and what it found."""

    jobs: int
    events: int
    differences: Sequence[Difference]


class Verification:
    """One look at a ledger. Every method raises StoreUnavailable while it does not answer."""

    def __init__(self, database: Database, scope: Scope, recognise: Recognise) -> None:
        self._database = database
        self._scope = scope
        self._recognise = recognise

    def count(self) -> int:
        """How many jobs there are to look at."""
        with self._database.transaction() as connection:
            QUERIES.verify.one_snapshot(connection)
            return QUERIES.verify.count_jobs(connection, **self._scope.arguments())

    def pages(self) -> Iterator[Page]:
        """Look at all jobs of the scope, then at the events of no job; page by page."""
        after: str | None = _FIRST
        while after is not None:
            with self._database.transaction() as connection:
                QUERIES.verify.one_snapshot(connection)
                page, after = self._page(connection, after)
            yield page
        if self._scope.is_all:
            yield from self._events_of_no_job()

    def _page(self, connection: Connection, after: str) -> tuple[Page, str | None]:
        rows = QUERIES.verify.page_of_jobs(
            connection, after=after, limit=_PAGE, **self._scope.arguments()
        )
        rows = list(rows)
        last = rows[-1][0] if len(rows) == _PAGE else None
        jobs = stored_jobs(connection, rows)
        told = self._stories(connection, jobs, after, last or _LAST)
        return _looked_at(jobs, told), last

    def _stories(
        self, connection: Connection, jobs: Mapping[str, StoredJob], after: str, last: str
    ) -> Iterator[Story]:
        if self._scope.is_all:
            # A range also finds the events of jobs that are not there.
            query, which = QUERIES.verify.stories_between, {"after": after, "last": last}
        else:
            query, which = QUERIES.verify.stories_of, {"ids": array(jobs)}
        return stories(connection, query, jobs, self._recognise, **which)

    def _events_of_no_job(self) -> Iterator[Page]:
        after: bytes | None = b""
        while after is not None:
            with self._database.transaction() as connection:
                rows = list(
                    QUERIES.verify.events_of_no_job(connection, after=after, limit=_LOOSE_PAGE)
                )
            after = bytes(rows[-1][-1]) if len(rows) == _LOOSE_PAGE else None
            yield Page(0, len(rows), list(self._unrecognised(rows)))

    def _unrecognised(self, rows: Iterable[Sequence[Any]]) -> Iterator[Difference]:
        for seq, source, raw, name, checksum in rows:
            digest = bytes(checksum)
            if not is_right(None, name, digest, source, raw, self._recognise):
                yield Difference(None, None, None, "events.checksum", digest, UNRECOGNISED, seq)


def _looked_at(jobs: Mapping[str, StoredJob], told: Iterable[Story]) -> Page:
    differences: list[Difference] = []
    events = 0
    silent = dict(jobs)
    for story in told:
        events += len(story.events)
        job = silent.pop(story.job_id, None)
        differences += _orphaned(story) if job is None else examine(job, story).differences
    for job in silent.values():
        differences += examine(job, Story(job.id)).differences
    return Page(len(jobs), events, differences)


def _orphaned(story: Story) -> list[Difference]:
    return [Difference(story.job_id, None, None, "jobs", "no row", len(story.events))]
