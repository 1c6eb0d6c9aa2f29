"""Which files of executions a node has, and which of them were kept for long enough."""

from __future__ import annotations

from collections.abc import Sequence

from jexevents.lifecycle.executionid import attempt_id
from jexevents.store.database import Database
from jexevents.store.literals import columns
from jexevents.store.queries import QUERIES


class Retention:
    """The attempts of a node. Methods raise StoreUnavailable while PostgreSQL does not answer."""

    def __init__(self, database: Database, node: str) -> None:
        self._database = database
        self._node = node

    def outdated(self, keep_seconds: float) -> list[tuple[str, int]]:
        """Give some attempts (job id, number) that ended longer ago than that."""
        with self._database.look() as connection:
            rows = QUERIES.execution_queue.outdated(
                connection, node=self._node, keep_seconds=keep_seconds
            )
        return [tuple(row) for row in rows]

    def removed(self, attempts: Sequence[tuple[str, int]]) -> None:
        """Note that the files of these attempts are gone."""
        with self._database.transaction() as connection:
            QUERIES.execution_queue.files_removed(
                connection, **columns(("job_ids", "attempts"), attempts)
            )

    def known(self) -> set[str]:
        """Give the ids of all attempts that have files on this node."""
        with self._database.look() as connection:
            rows = QUERIES.execution_queue.kept_on(connection, node=self._node)
        return {str(attempt_id(job_id, attempt)) for job_id, attempt, _ in rows}

    def forget_orders(self) -> None:
        """Remove orders that were carried out long ago."""
        with self._database.transaction() as connection:
            QUERIES.execution_queue.forget_orders(connection)
