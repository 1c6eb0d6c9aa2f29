"""Look things up in the ledger: jobs, their events, rejects. Never writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jexevents.model import Kind
from jexevents.store.database import Database
from jexevents.store.queries import QUERIES

Row = Mapping[str, Any]

REJECT_FILTERS = ("reason", "origin", "since", "until")
JOB_FILTERS = ("kind", "phase", "state", "key", "source", "submitter", "since", "until")

# A page of events or rejects ends behind the row that passes this, for a thousand of them may
# be more than fits into memory. Each row says in ``found`` how many the page would have had.
PAGE_BYTES = 4 << 20
_MOST_TIMES = 2000


class Reading:
    """Answers out of the ledger as mappings from column to value; ids are strings.

    Every method raises StoreUnavailable while PostgreSQL does not answer.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def job(self, job_id: str) -> Row | None:
        """One job of any kind, or None."""
        return self._one(QUERIES.jobs.job_by_id, id=job_id)

    def condor_job(self, job_id: str) -> Row | None:
        """A condor job with all its facts, or None where it is of another kind or unknown."""
        return self._one(QUERIES.condor_jobs.condor_record, id=job_id)

    def details(self, row: Row) -> Row | None:
        """What only jobs of its kind have, for a row of ``job``."""
        if row["kind"] == Kind.PIPELINE.value:
            return self._one(QUERIES.pipeline_jobs.pipeline_job, key=row["key"])
        if row["kind"] == Kind.SMRTLINK.value:
            return self._one(QUERIES.smrtlink_jobs.smrtlink_job, id=row["id"])
        if row["kind"] == Kind.COMMAND.value:
            return self._one(QUERIES.executions.execution_details, id=row["id"])
        if row["kind"] == Kind.CONTAINER.value:
            return self._one(QUERIES.executions.container_details, id=row["id"])
        return self.condor_job(row["id"])

    def job_of_invocation(self, invocation_id: str) -> str | None:
        """The id of the job that an invocation id stands for: of several, the last submitted."""
        with self._database.look() as connection:
            return QUERIES.condor_jobs.job_of_invocation(connection, invocation_id=invocation_id)

    def state_of(self, asked: str) -> Row | None:
        """The phase and end of the job that an invocation id, or else a job's id, stands for."""
        return self._one(QUERIES.jobs.state_of, asked=asked)

    def jobs(self, *, limit: int, before: str | None = None, **filters: Any) -> list[Row]:
        """A page of jobs, the newest rows first, older than the job with the id ``before``.

        Filters are those of JOB_FILTERS; ``since`` and ``until`` are aware datetimes, and
        compare with the time of submission (of arrival where that is unknown).
        """
        given = dict.fromkeys(JOB_FILTERS) | filters
        return self._all(QUERIES.jobs.find_jobs, limit=limit, before=before, **given)

    def events(
        self, job_id: str, *, limit: int, before: int | None = None, name: str | None = None
    ) -> list[Row]:
        """A page of a job's events, the last stored first, bounded by PAGE_BYTES."""
        return self._bounded(
            QUERIES.events.events_of_job, job_id=job_id, limit=limit, before=before, name=name
        )

    def event_times(self, job_id: str) -> list[Row]:
        """The names and times of a job's events in the order of the times: of many the last."""
        rows = self._all(QUERIES.events.event_times, job_id=job_id, limit=_MOST_TIMES)
        return list(reversed(rows))

    def latest_events(
        self,
        *,
        limit: int,
        before: int | None = None,
        name: str | None = None,
        source: str | None = None,
    ) -> list[Row]:
        """A page of all events, also those of no job, the last stored first; as ``events``."""
        return self._bounded(
            QUERIES.events.latest_events, limit=limit, before=before, name=name, source=source
        )

    def event_data(self, seq: int) -> Any:
        """What one event says, or None."""
        with self._database.look() as connection:
            row = QUERIES.events.event_said(connection, seq=seq)
            return None if row is None else row[1]

    def rejects(self, *, limit: int, before: int | None = None, **filters: Any) -> list[Row]:
        """A page of rejects, the newest first, bounded by PAGE_BYTES.

        Filters are those of REJECT_FILTERS; ``since`` and ``until`` are aware datetimes, and
        compare with the time of the first arrival.
        """
        given = dict.fromkeys(REJECT_FILTERS) | filters
        return self._bounded(QUERIES.rejects.find_rejects, limit=limit, before=before, **given)

    def reject(self, reject_id: int) -> Row | None:
        """One reject, or None."""
        return self._one(QUERIES.rejects.reject_by_id, id=reject_id)

    def server_version(self) -> str:
        """The version that PostgreSQL says it has, such as 16.4."""
        with self._database.look() as connection, connection.cursor() as cursor:
            cursor.execute("show server_version")
            return cursor.fetchone()[0]

    def _one(self, query: Any, **arguments: Any) -> Row | None:
        rows = self._all(query, **arguments)
        return rows[0] if rows else None

    def _bounded(self, query: Any, **arguments: Any) -> list[Row]:
        return self._all(query, max_bytes=PAGE_BYTES, **arguments)

    def _all(self, query: Any, **arguments: Any) -> list[Row]:
        with self._database.look() as connection:
            return query.mappings(connection, **arguments)
