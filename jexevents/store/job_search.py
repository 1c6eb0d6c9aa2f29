"""Find jobs by what people remember of them, in a bounded time however many there are.

What has no index of its own (a phase, a part of a key) is looked for from the newest job
backwards, so many jobs at a time and no longer than a moment. What was found so far is the page,
and says how far it looked; the next page goes on there. An index of phases would make every change
of a job's row dearer than all that people ever look for (docs/performance.md).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any
from uuid import UUID

from jexevents.store.database import Connection, Database
from jexevents.store.queries import QUERIES

Row = Mapping[str, Any]

FILTERS = ("kind", "phase", "state", "submitter", "source", "text", "since", "until")
# How long one page is looked for, in seconds, beside what it takes to look through one more span.
PATIENCE_SECONDS = 0.12
_FIRST_SPAN, _MOST_SPAN = 2_000, 50_000
# So many jobs are looked through at once.
_FEW = 20_000


@dataclass(frozen=True, slots=True)
class Found:
    """A page of jobs, the newest first.

    ``before`` is where the next page goes on, None where there is no more. ``looked_to`` is set
    where the page ends before it is full: jobs that are older were not looked at yet.
    """

    rows: Sequence[Row]
    before: str | None = None
    looked_to: datetime | None = None


class JobSearch:
    """Every method raises StoreUnavailable while PostgreSQL does not answer."""

    def __init__(
        self,
        database: Database,
        *,
        patience_seconds: float = PATIENCE_SECONDS,
        first_span: int = _FIRST_SPAN,
        few: int = _FEW,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._patience_seconds = patience_seconds
        self._first_span = first_span
        self._few = few
        self._clock = clock

    def page(self, *, limit: int, before: str | None = None, **filters: Any) -> Found:
        """Find jobs that came before the job with the id ``before``; filters are FILTERS.

        ``text`` is a part of a key or of a submitter in any case; on the first page a whole key,
        a CondorID, a job's id or an invocation id is found at once, wherever it stands.
        """
        given = dict.fromkeys(FILTERS) | filters
        with self._database.look() as connection:
            known = self._known(connection, given) if given["text"] and before is None else []
            if known and _is_uuid(given["text"]):
                return Found(known)
            return self._looked(connection, limit, before, given, known)

    def _known(self, connection: Connection, given: Mapping[str, Any]) -> list[Row]:
        """Find what the text names exactly."""
        text = given["text"].strip()
        return QUERIES.jobs.jobs_named.mappings(
            connection,
            key=text,
            uuid=text.lower() if _is_uuid(text) else None,
            **{name: given[name] for name in FILTERS if name != "text"},
        )

    def _looked(
        self,
        connection: Connection,
        limit: int,
        before: str | None,
        given: Mapping[str, Any],
        known: Sequence[Row],
    ) -> Found:
        until = self._clock() + self._patience_seconds
        # The index of the times of submission leads to few jobs at once, wherever they stand.
        has_few = self._has_few(connection, given)
        seen = {row["id"] for row in known}
        room, rows, span = limit - len(known), [], self._first_span
        while True:
            floor = None if has_few else self._floor(connection, before, span, given)
            found = QUERIES.jobs.search_jobs.mappings(
                connection, before=before, floor=floor, limit=room - len(rows) + 1, **given
            )
            rows += [row for row in found if row["id"] not in seen]
            if len(rows) > room:
                return Found([*known, *rows[:room]], rows[room - 1]["id"])
            if floor is None:
                return Found([*known, *rows])
            before = floor
            if self._clock() > until:
                return Found([*known, *rows], floor, _time_of(floor))
            span = min(span * 4, _MOST_SPAN)

    def _has_few(self, connection: Connection, given: Mapping[str, Any]) -> bool:
        """Whether few jobs were submitted within the time that is asked for, if one is."""
        since, until = given["since"], given["until"]
        if since is None and until is None:
            return False
        found = QUERIES.jobs.jobs_within(connection, since=since, until=until, most=self._few)
        return found < self._few

    def _floor(
        self, connection: Connection, before: str | None, span: int, given: Mapping[str, Any]
    ) -> str | None:
        """Give the id down to which ``span`` jobs stand; None where there are fewer."""
        return QUERIES.jobs.nth_job(
            connection, before=before, submitter=given["submitter"], span=span - 1
        )


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text.strip())) == text.strip().lower()
    except ValueError:
        return False


def _time_of(job_id: str) -> datetime:
    """Give the time that a UUIDv7 holds: when the ledger first heard of the job."""
    return datetime.fromtimestamp((UUID(job_id).int >> 80) / 1000, timezone.utc)
