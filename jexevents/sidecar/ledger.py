"""The ledger's own surface: jobs of every kind, their events, what was rejected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from jexevents import rfc3339
from jexevents.errors import Unacceptable
from jexevents.model import Kind, Phase, Reason, Role
from jexevents.sidecar.problems import malformed, not_found
from jexevents.sidecar.records import ledger_event, ledger_job, ledger_reject
from jexevents.sidecar.requests import Request
from jexevents.sidecar.routes import Route
from jexevents.store.reading import JOB_FILTERS, REJECT_FILTERS, Reading, Row
from jexevents.validation import is_uuid

DEFAULT_LIMIT, MAX_LIMIT = 100, 1000

_PAGE = ("limit", "before")
_CHOICES = {
    "kind": tuple(kind.value for kind in Kind),
    "phase": tuple(phase.value for phase in Phase),
    "reason": tuple(reason.value for reason in Reason),
}
_TIMES = ("since", "until")


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
                query=(*JOB_FILTERS, *_PAGE),
                summary="Jobs of every kind, the newest of the ledger first.",
            ),
            Route(
                method="GET",
                path="/ledger/jobs/<uuid>",
                role=Role.READ,
                handler=self.job,
                answer="ledger_job",
                statuses=(200, 404),
                summary="One job, with what only jobs of its kind have.",
            ),
            Route(
                method="GET",
                path="/ledger/jobs/<uuid>/events",
                role=Role.READ,
                handler=self.events,
                answer="ledger_events",
                statuses=(200, 404),
                query=("name", *_PAGE),
                summary="The events of a job, the last stored first.",
            ),
            Route(
                method="GET",
                path="/ledger/events",
                role=Role.READ,
                handler=self.latest_events,
                answer="ledger_events",
                query=("name", "source", *_PAGE),
                summary="Events of all jobs and of none, the last stored first.",
            ),
            Route(
                method="GET",
                path="/ledger/rejects",
                role=Role.READ,
                handler=self.rejects,
                answer="ledger_rejects",
                query=(*REJECT_FILTERS, *_PAGE),
                summary="What could not be accepted, the newest first.",
            ),
            Route(
                method="GET",
                path="/ledger/rejects/<id>",
                role=Role.READ,
                handler=self.reject,
                answer="ledger_reject",
                statuses=(200, 404),
                summary="One message that could not be accepted, with every reason.",
            ),
        ]

    def jobs(self, request: Request) -> dict[str, Any]:
        """Give a page of jobs."""
        filters = {name: _filter(request, name) for name in JOB_FILTERS}
        before = _uuid_or_none(request, "before")
        limit = _limit(request)
        rows = self.reading.jobs(limit=limit + 1, before=before, **filters)
        return _page(request, rows, limit, "id", ledger_job)

    def job(self, request: Request) -> dict[str, Any]:
        """Give one job."""
        row = self._known(request)
        details = self.reading.condor_job(row["id"]) if row["kind"] == Kind.CONDOR.value else None
        return ledger_job(row, details)

    def events(self, request: Request) -> dict[str, Any]:
        """Give a page of a job's events."""
        row = self._known(request)
        limit, before = _limit(request), _number_or_none(request, "before")
        rows = self.reading.events(
            row["id"], limit=limit + 1, before=before, name=request.query.get("name")
        )
        return _page(request, rows, limit, "seq", ledger_event)

    def latest_events(self, request: Request) -> dict[str, Any]:
        """Give a page of all events."""
        limit, before = _limit(request), _number_or_none(request, "before")
        name, source = request.query.get("name"), request.query.get("source")
        rows = self.reading.latest_events(limit=limit + 1, before=before, name=name, source=source)
        return _page(request, rows, limit, "seq", ledger_event)

    def rejects(self, request: Request) -> dict[str, Any]:
        """Give a page of rejects."""
        filters = {name: _filter(request, name) for name in REJECT_FILTERS}
        limit, before = _limit(request), _number_or_none(request, "before")
        rows = self.reading.rejects(limit=limit + 1, before=before, **filters)
        return _page(request, rows, limit, "id", ledger_reject)

    def reject(self, request: Request) -> dict[str, Any]:
        """Give one reject."""
        asked = request.parameters["id"]
        row = self.reading.reject(int(asked)) if _is_number(asked) else None
        if row is None:
            raise not_found(f"The ledger knows no reject {asked[:80]!r}.")
        return ledger_reject(row)

    def _known(self, request: Request) -> Row:
        asked = request.parameters["uuid"].lower()
        row = self.reading.job(asked) if is_uuid(asked) else None
        if row is None:
            raise not_found(f"The ledger knows no job {asked[:80]!r}.")
        return row


def _page(
    request: Request, rows: Sequence[Row], limit: int, cursor: str, show: Any
) -> Mapping[str, Any]:
    """Give rows as a page; one row more than ``limit`` was asked for, to see if more follow.

    Fewer rows than were found are a page that was cut because they are long.
    """
    shown = rows[:limit]
    following = None
    if shown and max(len(rows), shown[0].get("found", 0)) > len(shown):
        query = {**request.query, "before": str(shown[-1][cursor])}
        following = f"{request.path}?{urlencode(query)}"
    return {"items": [show(row) for row in shown], "next": following}


def _limit(request: Request) -> int:
    limit = _number_or_none(request, "limit")
    if limit is None:
        return DEFAULT_LIMIT
    if not 1 <= limit <= MAX_LIMIT:
        raise malformed("The limit cannot be used.", "limit", f"1 to {MAX_LIMIT}", str(limit))
    return limit


def _number_or_none(request: Request, name: str) -> int | None:
    text = request.query.get(name)
    if text is None:
        return None
    if not _is_number(text):
        raise malformed(f"{name} is no number.", name, "digits, 18 at most", text[:80])
    return int(text)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18


def _uuid_or_none(request: Request, name: str) -> str | None:
    text = request.query.get(name)
    if text is not None and not is_uuid(text):
        raise malformed(f"{name} is no id.", name, "the id of a job", text[:80])
    return text


def _filter(request: Request, name: str) -> Any:
    text = request.query.get(name)
    if text is None:
        return None
    if name in _TIMES:
        return _time(name, text)
    if name in _CHOICES and text not in _CHOICES[name]:
        raise malformed(f"There is no such {name}.", name, " or ".join(_CHOICES[name]), text[:80])
    return text


def _time(name: str, text: str) -> Any:
    try:
        return rfc3339.parse(text).at
    except Unacceptable as error:
        raise malformed(f"{name} is no time.", name, rfc3339.EXPECTED, text[:80]) from error
