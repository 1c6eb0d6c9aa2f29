"""The event server of SMRT Link: system events taken and given (seed smrtlink-event-server)."""

from __future__ import annotations

import getpass
import os
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from jexevents import __version__
from jexevents.model import Role
from jexevents.sidecar.paging import PAGE, SINCE, UNTIL, bare_page
from jexevents.sidecar.parameters import text, whole
from jexevents.sidecar.problems import not_found
from jexevents.sidecar.requests import Request
from jexevents.sidecar.responses import Response
from jexevents.sidecar.routes import Route
from jexevents.sidecar.smrterrors import error_members
from jexevents.smrtlink import SmrtLink, document
from jexevents.store.smrtlink_events import Row
from jexevents.validation import is_uuid

# The kind of server that the original says it is.
_SERVER = "smrt-eve"
_FILTERS = (
    text("eventTypeId", "Events of this type."),
    whole("eventTypeVersion", "Events of this version of their type."),
    SINCE,
    UNTIL,
)


@dataclass(frozen=True, slots=True)
class SmrtLinkSurface:
    """The surface; ``node`` is the name of this process, ``clock`` counts seconds."""

    smrtlink: SmrtLink
    node: str
    now: Callable[[], datetime]
    clock: Callable[[], float] = time.monotonic
    began: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "began", self.clock())

    def routes(self) -> list[Route]:
        """Give the table of the surface."""
        return [
            Route(
                method="GET",
                path="/status",
                role=None,
                handler=self.status,
                answer="smrtlink_status",
                any_host=True,
                asks_database=False,
                error_members=error_members,
                summary="Say who answers, and for how long already; asks nobody.",
            ),
            Route(
                method="POST",
                path="/api/v1/events",
                role=Role.WRITE,
                systems=True,
                handler=self.take,
                request="smrtlink_event",
                answer="smrtlink_stored_event",
                statuses=(201, 403, 409, 415, 422),
                error_members=error_members,
                summary="Take a system event of SMRT Link.",
            ),
            Route(
                method="GET",
                path="/api/v1/events",
                role=Role.READ,
                systems=True,
                handler=self.newest,
                answer="smrtlink_stored_events",
                query=(*_FILTERS, *PAGE),
                error_members=error_members,
                summary="System events of all SMRT Link systems, the last stored first.",
            ),
            Route(
                method="GET",
                path="/api/v1/events/<uuid>",
                role=Role.READ,
                systems=True,
                handler=self.event,
                answer="smrtlink_stored_event",
                statuses=(200, 404),
                error_members=error_members,
                summary="One system event.",
            ),
            Route(
                method="GET",
                path="/api/v1/events/smrt-link/<uuid>",
                role=Role.READ,
                systems=True,
                handler=self.of_system,
                answer="smrtlink_stored_events",
                statuses=(200, 404),
                query=(*_FILTERS, *PAGE),
                error_members=error_members,
                summary="System events of one SMRT Link system, the last stored first.",
            ),
        ]

    def status(self, _request: Request) -> dict[str, Any]:
        """Say who answers."""
        milliseconds = round(1000 * (self.clock() - self.began))
        return {
            "id": _SERVER,
            "uuid": str(uuid.uuid5(uuid.NAMESPACE_DNS, self.node)),
            "version": __version__,
            "user": _user(),
            "uptime": milliseconds,
            "message": f"Services have been up for {in_words(milliseconds)}.",
        }

    def take(self, request: Request) -> Response:
        """Take an event: 201 and the event as it is stored, the first time and any other."""
        caller = request.caller
        told = self.smrtlink.take(
            request.json_text(),
            received_at=self.now(),
            credential=caller.name,
            system=caller.system,
        )
        return Response(201, told, {"Location": f"/api/v1/events/{told['uuid']}"})

    def event(self, request: Request) -> dict[str, Any]:
        """Give one event."""
        asked = request.parameters["uuid"]
        found = self.smrtlink.get(asked, request.caller.system) if is_uuid(asked) else None
        if found is None:
            raise not_found(f"The ledger knows no event {asked[:80]!r}.")
        return found

    def newest(self, request: Request) -> Response:
        """Give a page of the events of all systems, or of the caller's one."""
        return self._page(request, request.caller.system)

    def of_system(self, request: Request) -> Response:
        """Give a page of the events of one system."""
        asked = request.parameters["uuid"].lower()
        if not is_uuid(asked) or request.caller.system not in (None, asked):
            raise not_found(f"There is no system {asked[:80]!r}.")
        return self._page(request, asked)

    def _page(self, request: Request, system: str | None) -> Response:
        asked = request.values
        limit = asked["limit"]
        rows = self.smrtlink.find(
            limit=limit + 1,
            before=asked["before"],
            source=system,
            name=asked["eventTypeId"],
            version=asked["eventTypeVersion"],
            since=asked["since"],
            until=asked["until"],
        )
        return bare_page(request, rows, limit, "seq", _shown)


def _shown(row: Row) -> dict[str, Any]:
    return document(row["data"])


def in_words(milliseconds: int) -> str:
    """Give a duration as the original says it, such as 15 hours, 55 minutes and 0.533 seconds."""
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{rest / 1000:.3f}".rstrip("0").rstrip(".")
    return f"{hours} hours, {minutes} minutes and {seconds} seconds"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a process whose user the system does not know
        return str(os.getuid())
