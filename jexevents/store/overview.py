"""What the first page of the dashboard tells: sums over what is new, cheap however much is old."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jexevents.store import schedules
from jexevents.store.database import Database
from jexevents.store.queries import QUERIES
from jexevents.store.schedules import ScheduleRow

Row = Mapping[str, Any]

# The rate is taken over the last minute, and over no more events than these.
_RATE_SECONDS, _RATE_EVENTS = 60.0, 2000
_MOST_REJECTS = 10_000


@dataclass(frozen=True, slots=True)
class Rate:
    """Events a second, and when the last event came (None: there is none)."""

    per_second: float
    last_at: datetime | None


class OverviewStore:
    """Every method raises StoreUnavailable while PostgreSQL does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def jobs_by_time(self, start: datetime, end: datetime, width_seconds: float) -> list[Row]:
        """Count jobs by time and phase: rows of ``bar`` (from 0 on), ``phase`` and ``count``."""
        with self._database.look() as connection:
            return QUERIES.overview.jobs_by_time.mappings(
                connection, start=start, end=end, width=width_seconds
            )

    def rate(self) -> Rate:
        """Give how fast events come in."""
        with self._database.look() as connection:
            count, age, last_at = QUERIES.overview.latest_arrivals(
                connection, seconds=_RATE_SECONDS, most=_RATE_EVENTS
            )
        if not count:
            return Rate(0.0, last_at)
        # Where there are more than were looked at, those took less than the minute.
        seconds = max(age, 0.001) if count == _RATE_EVENTS else _RATE_SECONDS
        return Rate(count / seconds, last_at)

    def waiting(self) -> tuple[int, int]:
        """Give how many executions wait, and how many somebody has."""
        with self._database.look() as connection:
            return tuple(QUERIES.execution_queue.queue_depth(connection))

    def schedules(self) -> tuple[list[ScheduleRow], datetime]:
        """Give the schedules in force, without those of jobs that are off the active list; and
        what PostgreSQL's clock shows."""
        with self._database.look() as connection:
            rows = [one.row for one in schedules.with_last(connection) if one.active]
            return rows, schedules.clock(connection)

    def rejects_since(self, since: datetime) -> int:
        """Give how many of the newest rejects came, or came again, since."""
        with self._database.look() as connection:
            return QUERIES.overview.rejects_since(connection, since=since, most=_MOST_REJECTS)
