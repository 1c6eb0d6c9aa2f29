"""Executions as they are asked about: out of the ledger, the queue, and what was begun."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from jexevents.store import audit
from jexevents.store.database import Connection, Database
from jexevents.store.literals import array
from jexevents.store.queries import QUERIES

Row = Mapping[str, Any]

EXECUTION_FILTERS = ("state", "phase")
STORY_EVENTS = 1000


class Executions:
    """Reads; each method raises StoreUnavailable while PostgreSQL does not answer.

    Executions are given by their ids in microseconds.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, definition: str, execution: int) -> Row | None:
        """An execution of a job, or None."""
        with self._database.look() as connection:
            rows = QUERIES.executions.execution_record.mappings(
                connection, definition=definition, execution=execution
            )
        return rows[0] if rows else None

    def of_job(self, job_id: str) -> Row | None:
        """Find the execution that is this job, a command's or a container's (``detail``)."""
        with self._database.look() as connection:
            rows = QUERIES.executions.execution_of_job.mappings(connection, job_id=job_id)
        return next(iter(rows), None)

    def page(
        self, definition: str, *, limit: int, before: int | None = None, **filters: Any
    ) -> list[Row]:
        """A page of the executions of a job, the newest first; filters are EXECUTION_FILTERS."""
        filters = dict.fromkeys(EXECUTION_FILTERS) | filters
        with self._database.look() as connection:
            return QUERIES.executions.find_executions.mappings(
                connection, definition=definition, limit=limit, before=before, **filters
            )

    def last_of(self, names: Iterable[str]) -> dict[str, Row]:
        """The newest execution of each of these jobs, by the job's name."""
        with self._database.look() as connection:
            rows = QUERIES.executions.last_executions.mappings(connection, names=array(names))
        return {row["name"]: row for row in rows}

    def asked_with(self, job_id: str) -> Mapping[str, Any] | None:
        """What an execution was asked for with; None once its events were pruned."""
        with self._database.look() as connection:
            return QUERIES.executions.asked_with(connection, job_id=job_id)

    def story(self, job_id: str, after: int = 0, limit: int = STORY_EVENTS) -> list[Row]:
        """The events of an execution, the first stored first, behind the number ``after``."""
        with self._database.look() as connection:
            return QUERIES.executions.execution_story.mappings(
                connection, job_id=job_id, after=after, limit=limit
            )

    def last_named(self, job_id: str, name: str) -> Row | None:
        """The last event of that name; ``found`` says how many there are. None if there is none."""
        with self._database.look() as connection:
            rows = QUERIES.executions.last_named.mappings(connection, job_id=job_id, name=name)
        return rows[0] if rows else None

    def event_of(self, job_id: str, identity: bytes) -> Row | None:
        """The event of an execution with this identity; None if there is none."""
        with self._database.look() as connection:
            rows = QUERIES.executions.execution_event.mappings(
                connection, job_id=job_id, checksum=identity
            )
        return rows[0] if rows else None

    def attempts(self, job_id: str) -> list[Row]:
        """The attempts that were begun, the first one first."""
        with self._database.look() as connection:
            return QUERIES.executions.execution_attempts.mappings(connection, job_id=job_id)

    def queued(self, job_id: str) -> Row | None:
        """Where an execution that is not over stands in the queue; None for one that is."""
        with self._database.look() as connection:
            rows = QUERIES.executions.queued.mappings(connection, job_id=job_id)
        return rows[0] if rows else None

    # --- the list of jobs

    def active_states(self) -> dict[str, Row]:
        """What was said of jobs being active, by name; of others nothing was said: they are."""
        with self._database.look() as connection:
            rows = QUERIES.executions.definition_states.mappings(connection)
        return {row["name"]: row for row in rows}

    def set_active(self, name: str, active: bool, by: str) -> None:
        """Take a job off the active list, or put it back."""

        def work(connection: Connection) -> None:
            changed = QUERIES.executions.set_active(
                connection, name=name, active=active, credential=by
            )
            if changed:
                action = "job put on the active list" if active else "job taken off the active list"
                audit.note(connection, action, {"job": name}, by)

        self._database.run(work)

    def put_in_force(self, commit: str, node: str, *, only_first: bool = False) -> None:
        """Note for all daemons that these definitions are in force now.

        With ``only_first`` only where none are noted: what a daemon had before it was restarted
        may be older than what others have.
        """
        with self._database.transaction() as connection:
            QUERIES.executions.put_commit_in_force(
                connection, commit=commit, node=node, first=only_first
            )

    def in_force(self) -> Row | None:
        """Which definitions are in force for all daemons: commit, commit_since, commit_node."""
        with self._database.look() as connection:
            rows = QUERIES.executions.commit_in_force.mappings(connection)
        return rows[0] if rows and rows[0]["commit"] else None
