"""Results of tasks and their details, the single runs, as they are asked about."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any

from jexevents.errors import StoreUnavailable
from jexevents.store.database import Database
from jexevents.store.literals import array, columns
from jexevents.store.queries import QUERIES

Row = Mapping[str, Any]


_SUMS = ("id", "complete", "error", "cancelled", "killed", "started_at", "finished_at")


class Results:
    """Reads; methods raise StoreUnavailable while PostgreSQL does not answer.

    A row of a result has the sums over its details: how many are ``queued``, ``running``,
    ``complete``, ``error``, ``cancelled``, ``killed``, how many of the queued are ``waiting_again``
    for a next attempt, and when the first began and the last ended.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, result_id: int) -> Row | None:
        """One result, or None."""
        return next(iter(self.page(limit=1, result_id=result_id)), None)

    def page(
        self,
        *,
        limit: int,
        before: int | None = None,
        task_id: int | None = None,
        result_id: int | None = None,
    ) -> list[Row]:
        """A page of results, the newest first: all, those of a task, or the one of this id."""
        with self._database.look() as connection:
            rows = QUERIES.results.find_results.mappings(
                connection, limit=limit, before=before, task_id=task_id, id=result_id
            )
        self._keep([row for row in rows if _is_over(row)])
        return rows

    def _keep(self, rows: Sequence[Row]) -> None:
        """Keep the sums of what is over, which nothing changes any more: to make them of a million
        runs takes seconds."""
        if rows:
            kept = columns(_SUMS, [[row[name] for name in _SUMS] for row in rows])
            with suppress(StoreUnavailable), self._database.transaction() as connection:
                QUERIES.results.keep_sums(connection, **kept)

    def detail(self, result_id: int, number: int) -> Row | None:
        """One run of a result, or None."""
        with self._database.look() as connection:
            rows = QUERIES.results.detail.mappings(connection, result_id=result_id, number=number)
        return next(iter(rows), None)

    def details(
        self,
        result_id: int,
        *,
        limit: int,
        after: int | None = None,
        states: Collection[str] | None = None,
    ) -> list[Row]:
        """A page of the runs of a result by their numbers, those in one of these states."""
        with self._database.look() as connection:
            return QUERIES.results.find_details.mappings(
                connection,
                result_id=result_id,
                limit=limit,
                after=after,
                states=None if states is None else array(states),
            )

    def begun(self, result_id: int, number: int | None = None) -> list[str]:
        """The jobs of the runs, or of the one of this number, that were begun and are not over."""
        with self._database.look() as connection:
            rows = QUERIES.results.begun_of_result(connection, result_id=result_id, number=number)
        return [job_id for (job_id,) in rows]


def _is_over(row: Row) -> bool:
    """Whether all runs were looked at and have ended: ``found`` is 0 where the sums are kept."""
    ended = sum(row[name] for name in ("complete", "error", "cancelled", "killed"))
    return row["found"] == ended == row["times"]
