"""Tasks: images that are registered to be run, and who imports which."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jexevents.store.database import Database
from jexevents.store.queries import QUERIES

Row = Mapping[str, Any]

TASK_FILTERS = ("status", "name")
STATUSES = ("SUBMITTED", "IMPORTING", "READY", "ERROR")


class TaskList:
    """Reads tasks that are not deleted; methods raise StoreUnavailable while PostgreSQL does not
    answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, task_id: int) -> Row | None:
        """One task, or None."""
        with self._database.look() as connection:
            rows = QUERIES.tasks.task.mappings(connection, id=task_id)
        return next(iter(rows), None)

    def page(self, *, limit: int, before: int | None = None, **filters: Any) -> list[Row]:
        """A page of tasks, the newest first; filters are TASK_FILTERS."""
        given = dict.fromkeys(TASK_FILTERS) | filters
        with self._database.look() as connection:
            return QUERIES.tasks.find_tasks.mappings(
                connection, limit=limit, before=before, **given
            )
