"""The ledger's own surface: jobs of every kind, their events, what was rejected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jexevents.lifecycle.states import states_of
from jexevents.model import Kind, Role
from jexevents.sidecar.paging import (
    PAGE,
    choice_of,
    filter_of,
    is_number,
    limit_of,
    number_or_none,
    page,
    uuid_or_none,
)
from jexevents.sidecar.problems import not_found
from jexevents.sidecar.records import ledger_event, ledger_job, ledger_reject
from jexevents.sidecar.requests import Request
from jexevents.sidecar.routes import Route
from jexevents.store.reading import JOB_FILTERS, REJECT_FILTERS, Reading, Row
from jexevents.validation import is_uuid


@dataclass(frozen=True, slots=True)
class LedgerSurface:
    """The surface over what the ledger holds."""

    reading: Reading

    def routes(self) -> list[Route]:
        """Give the table of the surface."""
        return [
            Route(
                method="GET",
                path="/ledger/jobs",
                role=Role.READ,
                handler=self.jobs,
                answer="ledger_jobs",
                query=(*JOB_FILTERS, *PAGE),
                sessions=True,
                summary="Jobs of every kind, the newest of the ledger first.",
            ),
            Route(
                method="GET",
                path="/ledger/jobs/<uuid>",
                role=Role.READ,
                handler=self.job,
                answer="ledger_job",
                statuses=(200, 404),
                sessions=True,
                summary="One job, with what only jobs of its kind have.",
            ),
            Route(
                method="GET",
                path="/ledger/jobs/<uuid>/events",
                role=Role.READ,
                handler=self.events,
                answer="ledger_events",
                statuses=(200, 404),
                query=("name", *PAGE),
                sessions=True,
                summary="The events of a job, the last stored first.",
            ),
            Route(
                method="GET",
                path="/ledger/events",
                role=Role.READ,
                handler=self.latest_events,
                answer="ledger_events",
                query=("name", "source", *PAGE),
                sessions=True,
                summary="Events of all jobs and of none, the last stored first.",
            ),
            Route(
                method="GET",
                path="/ledger/rejects",
                role=Role.READ,
                handler=self.rejects,
                answer="ledger_rejects",
                query=(*REJECT_FILTERS, *PAGE),
                summary="What could not be accepted, the newest first.",
            ),
            Route(
                method="GET",
                path="/ledger/rejects/<id>",
                role=Role.READ,
                handler=self.reject,
                answer="ledger_reject",
                statuses=(200, 404),
                sessions=True,
                summary="One message that could not be accepted, with every reason.",
            ),
        ]

    def jobs(self, request: Request) -> dict[str, Any]:
        """Give a page of jobs."""
        filters = {name: filter_of(request, name) for name in JOB_FILTERS}
        kind = None if filters["kind"] is None else Kind(filters["kind"])
        choice_of(request, "state", states_of(kind))
        before = uuid_or_none(request, "before")
        limit = limit_of(request)
        rows = self.reading.jobs(limit=limit + 1, before=before, **filters)
        return page(request, rows, limit, "id", ledger_job)

    def job(self, request: Request) -> dict[str, Any]:
        """Give one job."""
        row = self._known(request)
        return ledger_job(row, self.reading.details(row))

    def events(self, request: Request) -> dict[str, Any]:
        """Give a page of a job's events."""
        row = self._known(request)
        limit, before = limit_of(request), number_or_none(request, "before")
        rows = self.reading.events(
            row["id"], limit=limit + 1, before=before, name=request.query.get("name")
        )
        return page(request, rows, limit, "seq", ledger_event)

    def latest_events(self, request: Request) -> dict[str, Any]:
        """Give a page of all events."""
        limit, before = limit_of(request), number_or_none(request, "before")
        name, source = request.query.get("name"), request.query.get("source")
        rows = self.reading.latest_events(limit=limit + 1, before=before, name=name, source=source)
        return page(request, rows, limit, "seq", ledger_event)

    def rejects(self, request: Request) -> dict[str, Any]:
        """Give a page of rejects."""
        filters = {name: filter_of(request, name) for name in REJECT_FILTERS}
        limit, before = limit_of(request), number_or_none(request, "before")
        rows = self.reading.rejects(limit=limit + 1, before=before, **filters)
        return page(request, rows, limit, "id", ledger_reject)

    def reject(self, request: Request) -> dict[str, Any]:
        """Give one reject."""
        asked = request.parameters["id"]
        row = self.reading.reject(int(asked)) if is_number(asked) else None
        if row is None:
            raise not_found(f"The ledger knows no reject {asked[:80]!r}.")
        return ledger_reject(row)

    def _known(self, request: Request) -> Row:
        asked = request.parameters["uuid"].lower()
        row = self.reading.job(asked) if is_uuid(asked) else None
        if row is None:
            raise not_found(f"The ledger knows no job {asked[:80]!r}.")
        return row
