"""When a job is due next, and what became of each time at which it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jexevents.errors import Invalid
from jexevents.lifecycle.executionid import number, shortest
from jexevents.model import Role
from jexevents.rfc3339 import plain
from jexevents.schedules import by_clock, read_in_force, upcoming
from jexevents.sidecar.paging import PAGE, page
from jexevents.sidecar.requests import Request
from jexevents.sidecar.routes import Route
from jexevents.store import schedules as store
from jexevents.store.database import Connection, Database
from jexevents.store.schedules import ScheduleRow

_UPCOMING = 10
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ScheduleSurface:
    """The surface.

    ``definition`` looks up the name of a job, and raises Unknown where none is defined and
    RepositoryUnavailable where that is not known. Its route has to stand before those of
    executions, whose ids are at the same place of a path.
    """

    database: Database
    definition: Callable[[str], object]
    public_url: str
    clock: Callable[[Connection], datetime] = store.clock

    def routes(self) -> list[Route]:
        """Give the table of the surface."""
        return [
            Route(
                method="GET",
                path="/jobs/<job>/schedule",
                role=Role.READ,
                handler=self.schedule,
                answer="job_schedule",
                statuses=(200, 404, 503),
                query=PAGE,
                summary="When a job is due next, and what became of its due times.",
            ),
        ]

    def schedule(self, request: Request) -> dict[str, Any]:
        """Give a job's schedules, with those that it had, and a page of what became of them."""
        name = request.parameters["job"]
        limit, before = request.values["limit"], request.values["before"]
        with self.database.look() as connection:
            now = self.clock(connection)
            rows = store.of_definition(connection, name)
            standing = store.standings(connection, [name]).get(name)
            told = store.page(connection, [row.id for row in rows], limit=limit + 1, before=before)
        if not rows:
            self.definition(name)
        places = {row.id: row.place for row in rows}
        return {
            "job": name,
            "active": standing is None or standing.active,
            "schedules": [_schedule(row, now) for row in rows],
            **page(request, told, limit, "id", lambda row: self._due_time(name, places, row)),
        }

    def _due_time(self, name: str, places: Mapping[int, int], row: Row) -> dict[str, Any]:
        own, after = row["execution"], row["after"]
        url = None if own is None else f"{self.public_url}/jobs/{name}/{shortest(own)}"
        return {
            "id": row["id"],
            "place": places[row["schedule_id"]],
            "at": plain(row["due_at"]),
            "after": plain(after),
            "by_clock": by_clock(row["identity"]) if after is None else None,
            "outcome": row["outcome"],
            "reason": row["reason"],
            "execution": None if own is None else number(own),
            "metadata": url,
            "decided_at": plain(row["decided_at"]),
        }


def _schedule(row: ScheduleRow, now: datetime) -> dict[str, Any]:
    coming, fault = [], None
    if row.gone_at is None:
        try:
            coming = upcoming(read_in_force(row.members, row.first_seen, row.since), now, _UPCOMING)
        except Invalid as invalid:
            # Another machine may know a zone that this one does not.
            fault = "; ".join(map(str, invalid.faults))
    return {
        "place": row.place,
        "members": row.members,
        "first_seen": plain(row.first_seen),
        "since": plain(row.since),
        "gone_at": plain(row.gone_at),
        "upcoming": [
            {"at": plain(due.at), "by_clock": by_clock(due.identity), "runs": due.runs}
            for due in coming
        ],
        "fault": fault,
    }
