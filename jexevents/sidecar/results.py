"""Results of tasks, and their details: the single runs (seed stevedore)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from jexevents.errors import Invalid
from jexevents.executions.bell import Bell
from jexevents.executions.control import Told
from jexevents.model import Fault, Role
from jexevents.sidecar import taskrecords
from jexevents.sidecar.paging import AFTER, LIMIT, PAGE, bare_page
from jexevents.sidecar.parameters import IDEMPOTENCY_KEY, choice, text, whole
from jexevents.sidecar.problems import forbidden, not_found
from jexevents.sidecar.requests import Request
from jexevents.sidecar.responses import Response
from jexevents.sidecar.routes import Route
from jexevents.sidecar.taskbodies import body_of, forms_of, id_of, require_only, require_same
from jexevents.sidecar.waiting import WAIT, wait_of, waited, waits
from jexevents.store.results import Results, Row
from jexevents.tasks.cancelling import Cancels
from jexevents.tasks.runs import FAILED, REPEAT, Made, Runs
from jexevents.tasks.status import WORDS, is_over, states_of

_CANCEL, _SIGNAL, _GIVE_UP = "CANCEL", "SIGNAL", "GIVE_UP"
_ANSWER_SECONDS = 5.0
_MOST_CAUSE = 4000
_CAUSE = text("cause", "Why, in words.")


class Showing(Protocol):
    """What an answer about a result is made with."""

    results: Results
    bell: Bell
    public_url: str


@dataclass(frozen=True, slots=True)
class ResultSurface:
    """The surface. ``bell`` rings when something was told of what it shows."""

    results: Results
    runs: Runs
    cancels: Cancels
    bell: Bell
    public_url: str

    def routes(self) -> list[Route]:
        """Give the table of the surface."""
        return [*self._routes_of_results(), *self._routes_of_details()]

    def _routes_of_results(self) -> list[Route]:
        return [
            Route(
                method="GET",
                path="/result",
                role=Role.READ,
                handler=self.listed,
                answer="results",
                query=(whole("task_id", "Results of this task."), *PAGE),
                summary="Results, each with the sums over its runs.",
            ),
            Route(
                method="GET",
                path="/result/<result_id>",
                role=Role.READ,
                handler=self.result,
                answer="result",
                statuses=(200, 404),
                query=(WAIT,),
                streams=waits,
                summary="A result: how it stands with the runs that were asked for at once.",
            ),
            Route(
                method="POST",
                path="/result/<result_id>",
                role=Role.RUN,
                handler=self.operate,
                request="result_operation",
                bodies=forms_of("result_operation"),
                headers=(IDEMPOTENCY_KEY,),
                answer="result",
                statuses=(200, 202, 404, 409, 422),
                query=(WAIT,),
                streams=waits,
                summary="Cancel all runs of a result, or repeat those that failed.",
            ),
            Route(
                method="DELETE",
                path="/result/<result_id>",
                role=Role.RUN,
                handler=lambda request: self._cancelled(request, _cause(request)),
                answer="result",
                statuses=(200, 202, 404, 409),
                query=(_CAUSE,),
                summary="Cancel all runs of a result; nothing is removed.",
            ),
        ]

    def _routes_of_details(self) -> list[Route]:
        return [
            Route(
                method="GET",
                path="/result/<result_id>/detail",
                role=Role.READ,
                handler=self.details,
                answer="result_details",
                statuses=(200, 404),
                query=(choice("status", "Runs with this status.", WORDS), LIMIT, AFTER),
                summary="The single runs of a result, by their numbers.",
            ),
            Route(
                method="GET",
                path="/result/<result_id>/detail/<detail_id>",
                role=Role.READ,
                handler=self.detail,
                answer="result_detail",
                statuses=(200, 404),
                query=(WAIT,),
                streams=waits,
                summary="A single run of a result.",
            ),
            Route(
                method="POST",
                path="/result/<result_id>/detail/<detail_id>",
                role=Role.RUN,
                handler=self.operate_detail,
                request="detail_operation",
                bodies=forms_of("detail_operation"),
                headers=(IDEMPOTENCY_KEY,),
                answer="result_detail",
                statuses=(200, 202, 403, 404, 409, 422),
                summary="Cancel a single run, send it a signal, or give it up.",
            ),
            Route(
                method="DELETE",
                path="/result/<result_id>/detail/<detail_id>",
                role=Role.RUN,
                handler=lambda request: self._detail_cancelled(request, _cause(request)),
                answer="result_detail",
                statuses=(200, 202, 404, 409),
                query=(_CAUSE,),
                summary="Cancel a single run; nothing is removed.",
            ),
        ]

    # --- results

    def listed(self, request: Request) -> Response:
        """Give a page of results, the newest first."""
        asked = request.values
        limit = asked["limit"]
        rows = self.results.page(limit=limit + 1, before=asked["before"], task_id=asked["task_id"])
        return bare_page(
            request, rows, limit, "id", lambda row: taskrecords.result(row, self.public_url)
        )

    def result(self, request: Request) -> dict[str, Any]:
        """Give a result; who waits does so for its end."""
        seconds = wait_of(request)
        row = _waited(self, request, self._row(request), seconds)
        return taskrecords.result(row, self.public_url)

    def operate(self, request: Request) -> Response:
        """Cancel a result, or repeat what failed of it."""
        result_id, seconds = id_of(request, "result_id", "result"), wait_of(request)
        document = body_of(request)
        require_same(document, result_id=result_id)
        if document["operation"] == _CANCEL:
            require_only(document, _CANCEL, "result_id", "cause")
            return self._cancelled(request, document.get("cause", ""), seconds)
        require_only(document, REPEAT, "result_id", "only")
        made = self.runs.repeat(
            result_id,
            document.get("only", FAILED),
            request.caller.name,
            request.idempotency_key(),
        )
        return run_answer(self, request, made, seconds)

    def _cancelled(self, request: Request, cause: str, seconds: float | None = None) -> Response:
        """Cancel a result: 202 while runs of it are still to be killed."""
        self.cancels.result(id_of(request, "result_id", "result"), cause, request.caller.name)
        row = _waited(self, request, self._row(request), seconds)
        shown = taskrecords.result(row, self.public_url)
        return Response(200 if is_over(row) else 202, shown)

    def _row(self, request: Request) -> Row:
        result_id = id_of(request, "result_id", "result")
        row = self.results.find(result_id)
        if row is None:
            raise not_found(f"There is no result {result_id}. GET /result/ lists them.")
        return row

    # --- details

    def details(self, request: Request) -> Response:
        """Give a page of single runs, the first one first."""
        status = request.values["status"]
        limit, after = request.values["limit"], request.values["after"]
        result_id = id_of(request, "result_id", "result")
        rows = self.results.details(
            result_id,
            limit=limit + 1,
            after=after,
            states=None if status is None else states_of(status),
        )
        if not rows:
            self._row(request)
        return bare_page(
            request,
            rows,
            limit,
            "number",
            lambda row: taskrecords.detail(row, self.public_url),
            by="after",
        )

    def detail(self, request: Request) -> dict[str, Any]:
        """Give a single run; who waits does so for its end."""
        seconds = wait_of(request)
        return self._shown(
            waited(
                request,
                self.bell,
                self._detail(request),
                lambda _row: self._detail(request),
                lambda row: row["closed"],
                seconds,
            )
        )

    def operate_detail(self, request: Request) -> Response:
        """Cancel a single run, send it a signal, or give it up."""
        row = self._detail(request)
        document = body_of(request)
        require_same(document, result_id=row["result_id"], detail_id=row["number"])
        cause = document.get("cause", "")
        own = ("result_id", "detail_id", "cause")
        if document["operation"] == _CANCEL:
            require_only(document, _CANCEL, *own)
            return self._detail_cancelled(request, cause)
        if document["operation"] == _GIVE_UP:
            require_only(document, _GIVE_UP, *own)
            return self._given_up(request, row, cause)
        require_only(document, _SIGNAL, *own, "event")
        if "event" not in document:
            fault = Fault("/event", "stop, continue, terminate or kill", "nothing")
            raise Invalid("SIGNAL needs an event.", [fault])
        return self._signalled(request, row, document["event"], cause)

    def _signalled(self, request: Request, row: Row, event: str, cause: str) -> Response:
        control = self.cancels.control
        told = control.create(
            control.executions.of_job(row["job_id"]),
            event,
            cause,
            request.caller.name,
            _ANSWER_SECONDS,
            request.idempotency_key(),
        )
        shown = self._shown(self._detail(request))
        return Response(200 if told is Told.DONE else 202, shown)

    def _given_up(self, request: Request, row: Row, cause: str) -> Response:
        if not request.caller.has(Role.ADMIN):
            raise forbidden("Only an administrator gives up a run.")
        control = self.cancels.control
        found = control.executions.of_job(row["job_id"])
        control.give_up(found, cause, request.caller.name, request.idempotency_key())
        return Response(200, self._shown(self._detail(request)))

    def _detail_cancelled(self, request: Request, cause: str) -> Response:
        """Cancel a single run: 202 while it is still to be killed."""
        self.cancels.detail(self._detail(request), cause, request.caller.name, _ANSWER_SECONDS)
        row = self._detail(request)
        return Response(200 if row["closed"] else 202, self._shown(row))

    def _detail(self, request: Request) -> Row:
        result_id = id_of(request, "result_id", "result")
        number = id_of(request, "detail_id", "detail")
        row = self.results.detail(result_id, number)
        if row is None:
            raise not_found(f"There is no detail {number} of a result {result_id}.")
        return row

    def _shown(self, row: Row) -> dict[str, Any]:
        attempts = self.cancels.control.executions.attempts(row["job_id"])
        return taskrecords.whole_detail(row, attempts, self.public_url)


def run_answer(surface: Showing, request: Request, made: Made, seconds: float | None) -> Response:
    """Answer to who asked for runs: 202 with where the result is; 200 where it is over, or was made
    by the same request before."""
    row = surface.results.find(made.result_id)
    row = _waited(surface, request, row, seconds)
    is_done = not made.is_new or (seconds is not None and is_over(row))
    where = {"Location": taskrecords.result_path(made.result_id)}
    return Response(200 if is_done else 202, taskrecords.result(row, surface.public_url), where)


def _waited(surface: Showing, request: Request, row: Row, seconds: float | None) -> Row:
    def again(row: Row) -> Row:
        return surface.results.find(row["id"])

    return waited(request, surface.bell, row, again, is_over, seconds)


def _cause(request: Request) -> str:
    return (request.values["cause"] or "")[:_MOST_CAUSE]
