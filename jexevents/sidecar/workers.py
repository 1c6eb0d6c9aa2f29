"""The processes that run executions: who they are, what each does, and draining them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jexevents.lifecycle.executionid import shortest
from jexevents.model import Kind, Role
from jexevents.rfc3339 import format_utc, parse, plain
from jexevents.sidecar.problems import Problem, not_found
from jexevents.sidecar.requests import Request
from jexevents.sidecar.routes import Route
from jexevents.store.workers import Workers

Row = Mapping[str, Any]

DRAIN, RESUME = "DRAIN", "RESUME"

_SHOWN = (
    "name",
    "role",
    "version",
    "url",
    "slots",
    "running",
    "labels",
    "kinds",
    "engine",
    "draining",
    "started_at",
    "seen_at",
    "ended_at",
    "alive",
    "held",
)


@dataclass(frozen=True, slots=True)
class WorkerSurface:
    """The surface."""

    workers: Workers

    def routes(self) -> list[Route]:
        """Give the table of the surface."""
        return [
            Route(
                method="GET",
                path="/workers",
                role=Role.READ,
                handler=self.all,
                answer="workers",
                summary="The processes that run executions, and what each does now.",
            ),
            Route(
                method="GET",
                path="/workers/<name>",
                role=Role.READ,
                handler=self.one,
                answer="worker",
                statuses=(200, 404),
                summary="One of the processes that run executions.",
            ),
            Route(
                method="POST",
                path="/workers/<name>",
                role=Role.ADMIN,
                handler=self.operate,
                request="worker_operation",
                answer="worker",
                statuses=(200, 404, 409),
                summary="Have a worker claim nothing more, or take that back.",
            ),
        ]

    def all(self, _request: Request) -> dict[str, Any]:
        """Give all of them, by name."""
        return {"items": [shown_worker(row) for row in self.workers.all()], "next": None}

    def one(self, request: Request) -> dict[str, Any]:
        """Give one of them."""
        return shown_worker(self._row(request.parameters["name"]))

    def _row(self, name: str) -> Row:
        row = self.workers.find(name)
        if row is None:
            raise not_found(f"There is no worker {name[:80]!r}. GET /workers lists them.")
        return row

    def operate(self, request: Request) -> dict[str, Any]:
        """Drain one, or take that back."""
        name = request.parameters["name"]
        self._row(name)
        drains = request.json(request.body())["operation"] == DRAIN
        if not self.workers.drain(name, draining=drains, by=request.caller.name):
            raise Problem(
                409, f"The worker {name[:80]!r} does not live, and begins undrained when it does."
            )
        return shown_worker(self._row(name))


def shown_worker(row: Row) -> dict[str, Any]:
    """Give a worker as it is shown."""
    shown = {name: plain(row[name]) for name in _SHOWN}
    return shown | {"executions": [_execution(one) for one in row["executions"]]}


def _execution(row: Row) -> dict[str, Any]:
    """Give what a worker does: of a container, which run of which result; of a command, its id."""
    shown = {
        "kind": row["kind"],
        "uuid": row["uuid"],
        "attempt": row["attempt"],
        "begun": row["begun"],
        "since": None if row["since"] is None else format_utc(parse(row["since"]).at),
    }
    if row["kind"] == Kind.CONTAINER.value and row["detail"]:
        result, _, detail = row["detail"].partition("/")
        return shown | {
            "task": row["definition"],
            "result_id": int(result),
            "detail_id": int(detail),
        }
    return shown | {"job": row["definition"], "id": shortest(row["execution"])}
