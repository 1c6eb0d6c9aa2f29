"""All schedules: what became of their last due times, and what is ahead."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jexevents.sidecar.dashboard import duetimes
from jexevents.sidecar.dashboard.asking import asked_of, choice, link, whole_number
from jexevents.sidecar.dashboard.kept import Kept
from jexevents.sidecar.dashboard.site import Site
from jexevents.sidecar.problems import malformed
from jexevents.sidecar.requests import Request
from jexevents.sidecar.responses import Response
from jexevents.sidecar.routes import Route
from jexevents.store import schedules as store
from jexevents.store.database import Connection, Database
from jexevents.store.schedules import Last

_PATH = "/ui/schedules"
_ROWS, _COMING = 50, 3
_AHEAD = 30
# Of more schedules than these what is ahead is not worked out.
_MOST_SCHEDULES = 500
_FILTERS = ("text", "outcome")


@dataclass(frozen=True)
class SchedulePages:
    """The page."""

    site: Site
    database: Database
    clock: Callable[[Connection], datetime] = store.clock

    def __post_init__(self) -> None:
        """Keep what is dear."""
        object.__setattr__(self, "_ahead", Kept(self._made_ahead))

    def routes(self) -> list[Route]:
        """Give the table of these pages."""
        return [
            self.site.page(
                _PATH,
                self.listed,
                summary="All schedules: what became of them last, and what is ahead.",
                query=(*_FILTERS, "page"),
            )
        ]

    def listed(self, request: Request) -> Response:
        """Show the schedules in force, in the order of their jobs' names."""
        asked = asked_of(request, (*_FILTERS, "page"))
        outcome = choice("outcome", asked["outcome"], tuple(duetimes.OUTCOMES))
        place = whole_number("page", asked["page"]) or 1
        rows, now = self._rows()
        part = asked["text"].lower()
        found = [
            one
            for one in rows
            if part in one.row.definition.lower() and outcome in (None, one.outcome)
        ]
        start = (place - 1) * _ROWS
        if place < 1 or (start and start >= len(found)):
            raise malformed("There is no such page.", "page", "the number of a page", str(place))
        return self.site.render(
            request,
            "schedules.html",
            asked=asked,
            rows=[_shown(one, now) for one in found[start : start + _ROWS]],
            count=len(found),
            outcomes=duetimes.OUTCOMES,
            ahead=self._ahead.get(),
            first=link(_PATH, {**asked, "page": None}) if start else None,
            further=link(_PATH, {**asked, "page": place + 1})
            if len(found) > start + _ROWS
            else None,
        )

    def _rows(self) -> tuple[Sequence[Last], datetime]:
        with self.database.look() as connection:
            rows, now = store.with_last(connection), self.clock(connection)
        return sorted(rows, key=lambda one: (one.row.definition, one.row.place)), now

    def _made_ahead(self) -> dict[str, Any]:
        rows, now = self._rows()
        active = [one.row for one in rows if one.active]
        # What is soonest of all is due by those whose own next time is soonest; some of these do
        # not run, in hours that are skipped, and so there are a few more.
        soonest = [
            (due[0].at, number)
            for number, row in enumerate(active[:_MOST_SCHEDULES])
            if (due := duetimes.coming(row, now, 1)[0])
        ]
        found = [
            {"name": row.definition, "path": duetimes.path_of_job(row.definition), **due}
            for row in (active[number] for _, number in sorted(soonest)[: 2 * _AHEAD])
            for due in map(duetimes.due, duetimes.coming(row, now, _AHEAD)[0])
            if due["runs"]
        ]
        found.sort(key=lambda one: one["at"])
        return {"dues": found[:_AHEAD], "left_out": max(0, len(active) - _MOST_SCHEDULES)}


def _shown(one: Last, now: datetime) -> dict[str, Any]:
    row = one.row
    return {
        **duetimes.schedule(row, now, _COMING),
        "last": one,
        "job_path": duetimes.path_of_job(row.definition),
        "path": duetimes.path_of_execution(row.definition, one.execution),
    }
