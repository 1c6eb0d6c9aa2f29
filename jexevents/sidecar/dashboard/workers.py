"""The processes that run executions, what each does, and for administrators to drain them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jexevents.errors import Conflict
from jexevents.model import Role
from jexevents.rfc3339 import parse
from jexevents.sidecar.dashboard.forms import Form
from jexevents.sidecar.dashboard.site import Site
from jexevents.sidecar.problems import malformed, not_found
from jexevents.sidecar.requests import Request
from jexevents.sidecar.responses import Response
from jexevents.sidecar.routes import Route
from jexevents.sidecar.workers import DRAIN, RESUME
from jexevents.store.workers import Workers

_PATH = "/ui/workers"


@dataclass(frozen=True, slots=True)
class WorkerPages:
    """The page."""

    site: Site
    workers: Workers

    def routes(self) -> list[Route]:
        """Give the table of these pages."""
        return [
            self.site.page(
                _PATH,
                self.listed,
                summary="The processes that run executions, and what each does.",
            ),
            self.site.action(
                _PATH,
                self.operate,
                role=Role.ADMIN,
                summary="Have a worker claim nothing more, or take that back.",
                statuses=(303, 400, 404, 409),
            ),
        ]

    def listed(self, request: Request) -> Response:
        """Show all of them, by name."""
        return self.site.render(
            request,
            "workers.html",
            workers=[_shown(row) for row in self.workers.all()],
            drain=DRAIN,
            resume=RESUME,
        )

    def operate(self, request: Request, form: Form) -> Response:
        """Drain one, or take that back."""
        # A name may have anything in it, and so it does not stand in the path.
        name, operation = form.get("worker"), form.get("operation")
        if operation not in (DRAIN, RESUME):
            expected = f"{DRAIN} or {RESUME}"
            raise malformed("There is no such operation.", "operation", expected, operation[:80])
        if self.workers.find(name) is None:
            raise not_found(f"There is no worker {name[:80]!r}.")
        if not self.workers.drain(name, draining=operation == DRAIN, by=request.caller.name):
            raise Conflict(
                f"The worker {name[:80]!r} does not live, and begins undrained when it does."
            )
        return self.site.seen(_PATH, "drained" if operation == DRAIN else "resumed")


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    executions = [
        {**one, "since": None if one["since"] is None else parse(one["since"]).at}
        for one in row["executions"]
    ]
    return {**row, "executions": executions}
