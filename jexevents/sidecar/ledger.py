"""The ledger's own surface: jobs of every kind, their events, what was rejected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jexevents.lifecycle.states import states_of
from jexevents.model import Kind, Role
from jexevents.sidecar.paging import (
    KIND,
    PAGE,
    PAGE_OF_JOBS,
    PHASE,
    REASON,
    SINCE,
    UNTIL,
    page,
)
from jexevents.sidecar.parameters import choice, is_number, text, whole
from jexevents.sidecar.problems import malformed, not_found
from jexevents.sidecar.records import ledger_event, ledger_job, ledger_reject
from jexevents.sidecar.requests import Request
from jexevents.sidecar.routes import Route
from jexevents.store.reading import JOB_FILTERS, REJECT_FILTERS, Reading, Row
from jexevents.validation import is_uuid

_NAME = text("name", "Events with this name.")
_JOB_FILTERS = (
    KIND,
    PHASE,
    choice("state", "In this state, in the kind's own word.", states_of(None)),
    text("key", "With this key."),
    text("source", "Of this source."),
    text("submitter", "Of this submitter."),
    SINCE,
    UNTIL,
)
_REJECT_FILTERS = (REASON, text("origin", "Come in by this door."), SINCE, UNTIL)


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
                query=(*_JOB_FILTERS, *PAGE_OF_JOBS),
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
                query=(_NAME, *PAGE),
                sessions=True,
                summary="The events of a job, the last stored first.",
            ),
            Route(
                method="GET",
                path="/ledger/events",
                role=Role.READ,
                handler=self.latest_events,
                answer="ledger_events",
                query=(_NAME, text("source", "Events of this source."), *PAGE),
                sessions=True,
                summary="Events of all jobs and of none, the last stored first.",
            ),
            Route(
                method="GET",
                path="/ledger/rejects",
                role=Role.READ,
                handler=self.rejects,
                answer="ledger_rejects",
                query=(*_REJECT_FILTERS, *PAGE),
                summary="What could not be accepted, the newest first.",
            ),
            Route(
                method="GET",
                path="/ledger/rejects/<id>",
                places={"id": whole("id", "The number of a reject.")},
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
        filters = {name: request.values[name] for name in JOB_FILTERS}
        _require_state(filters["kind"], filters["state"])
        limit = request.values["limit"]
        rows = self.reading.jobs(limit=limit + 1, before=request.values["before"], **filters)
        return page(request, rows, limit, "id", ledger_job)

    def job(self, request: Request) -> dict[str, Any]:
        """Give one job."""
        row = known_job(self.reading, request)
        return ledger_job(row, self.reading.details(row))

    def events(self, request: Request) -> dict[str, Any]:
        """Give a page of a job's events."""
        row = known_job(self.reading, request)
        asked = request.values
        limit, name = asked["limit"], asked["name"]
        rows = self.reading.events(row["id"], limit=limit + 1, before=asked["before"], name=name)
        return page(request, rows, limit, "seq", ledger_event)

    def latest_events(self, request: Request) -> dict[str, Any]:
        """Give a page of all events."""
        asked = request.values
        limit, name, source = asked["limit"], asked["name"], asked["source"]
        rows = self.reading.latest_events(
            limit=limit + 1, before=asked["before"], name=name, source=source
        )
        return page(request, rows, limit, "seq", ledger_event)

    def rejects(self, request: Request) -> dict[str, Any]:
        """Give a page of rejects."""
        filters = {name: request.values[name] for name in REJECT_FILTERS}
        limit, before = request.values["limit"], request.values["before"]
        rows = self.reading.rejects(limit=limit + 1, before=before, **filters)
        return page(request, rows, limit, "id", ledger_reject)

    def reject(self, request: Request) -> dict[str, Any]:
        """Give one reject."""
        asked = request.parameters["id"]
        row = self.reading.reject(int(asked)) if is_number(asked) else None
        if row is None:
            raise not_found(f"The ledger knows no reject {asked[:80]!r}.")
        return ledger_reject(row)


def known_job(reading: Reading, request: Request) -> Row:
    """Give the job that the path names. Raises Problem (404), StoreUnavailable."""
    asked = request.parameters["uuid"].lower()
    row = reading.job(asked) if is_uuid(asked) else None
    if row is None:
        raise not_found(f"The ledger knows no job {asked[:80]!r}.")
    return row


def _require_state(kind: str | None, state: str | None) -> None:
    """Raise Problem (400) for a state that jobs of a kind cannot have."""
    known = states_of(None if kind is None else Kind(kind))
    if state is not None and state not in known:
        raise malformed(
            f"Jobs of the kind {kind} have no such state.", "state", " or ".join(known), state
        )
