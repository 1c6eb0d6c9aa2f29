"""Jobs that are defined in the repository, and their executions (seed overseer).

``/jobs/<job>`` is shared with the JEX interface, which has the ids of condor jobs there: what looks
like a UUID is its.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any, Protocol

from jexevents.definitions.repository import Standing
from jexevents.errors import Invalid
from jexevents.executions.bell import Bell
from jexevents.executions.control import Control, Told
from jexevents.executions.repeating import repetition
from jexevents.executions.requests import Asked, Made, Requests
from jexevents.lifecycle.command import REFUSED_NAMES, STATES
from jexevents.lifecycle.executionid import microseconds, shortest
from jexevents.model import Fault, Role
from jexevents.sidecar import jobrecords
from jexevents.sidecar.jex import Jex
from jexevents.sidecar.jobparameters import FORM, parameters, refuse_any
from jexevents.sidecar.paging import LIMIT, PHASE, page
from jexevents.sidecar.parameters import (
    IDEMPOTENCY_KEY,
    choice,
    execution,
)
from jexevents.sidecar.problems import Problem, forbidden, not_found
from jexevents.sidecar.requests import Request
from jexevents.sidecar.responses import Response
from jexevents.sidecar.routes import JSON, Route
from jexevents.sidecar.waiting import WAIT, wait_of, waited, waits
from jexevents.store.executions import Executions, Row
from jexevents.validation import is_uuid

_SHOWN = 10
_ANSWER_SECONDS = 5.0
_COMMIT = choice("commit", "newest for the newest commit; without it, the same.", ("newest",))
_KILL = "kill"
_VARIABLES = {"type": "object"}
_EXECUTIONS = (
    choice("state", "Executions in this state.", STATES),
    PHASE,
    replace(LIMIT, summary="How many executions at most.", default=_SHOWN),
    execution("before", "The execution before which the page begins: what next says."),
)


class Fetching(Protocol):
    """What fetches the repository now and then; jexevents.runner.refreshing.Refresher is one."""

    @property
    def standing(self) -> Standing:
        """How the repository stands."""

    @property
    def source(self) -> Mapping[str, str]:
        """Where it is: url, branch, folder."""

    def refresh(self, seconds: float) -> bool:
        """Have it fetched now; False where that is not done after so many seconds."""


@dataclass(frozen=True, slots=True)
class JobSurface:
    """The surface; ``fetching`` is None where no repository is configured."""

    jex: Jex
    requests: Requests
    control: Control
    executions: Executions
    fetching: Fetching | None
    bell: Bell
    public_url: str

    def routes(self) -> list[Route]:
        """Give the table of the surface."""
        return [*self._routes_of_jobs(), *self._routes_of_executions()]

    def _routes_of_jobs(self) -> list[Route]:
        return [
            Route(
                method="GET",
                path="/jobs",
                role=Role.READ,
                handler=self.jobs,
                answer="jobs",
                statuses=(200, 503),
                summary="All jobs that are defined in the repository.",
            ),
            Route(
                method="GET",
                path="/jobs/-",
                role=Role.READ,
                handler=self.repository,
                answer="job_repository",
                statuses=(200, 503),
                summary="How the repository of definitions stands, and what is wrong with it.",
            ),
            Route(
                method="POST",
                path="/jobs/-/refresh",
                role=Role.RUN,
                handler=self.refresh,
                answer="job_repository",
                statuses=(200, 202, 503),
                summary="Fetch the repository of definitions now.",
            ),
            Route(
                method="GET",
                path="/jobs/<job>",
                role=Role.READ,
                handler=self.job,
                answer=("job", "job_record"),
                statuses=(200, 404, 503),
                query=_EXECUTIONS,
                summary="A job with its last executions; by a UUID, the record of a condor job.",
            ),
            Route(
                method="POST",
                path="/jobs/<job>",
                role=Role.RUN,
                handler=self.run,
                answer="execution",
                statuses=(200, 202, 404, 409, 415, 422, 503),
                query=(WAIT,),
                others=True,
                repeats=True,
                bodies={JSON: _VARIABLES, FORM: _VARIABLES},
                bodiless=True,
                headers=(IDEMPOTENCY_KEY,),
                streams=waits,
                summary="Run a job; the parameters are its variables.",
            ),
            Route(
                method="PUT",
                path="/jobs/<job>",
                role=Role.RUN,
                handler=lambda request: self.set_active(request, True),
                answer="job",
                statuses=(200, 404, 503),
                summary="Put a job back on the active list.",
            ),
            Route(
                method="DELETE",
                path="/jobs/<job>",
                role=Role.RUN,
                handler=lambda request: self.set_active(request, False),
                answer="job",
                statuses=(200, 404, 503),
                summary="Take a job off the active list: it is not run any more.",
            ),
        ]

    def _routes_of_executions(self) -> list[Route]:
        return [
            Route(
                method="GET",
                path="/jobs/<job>/<execution>",
                role=Role.READ,
                handler=self.execution,
                answer="execution",
                query=(WAIT,),
                statuses=(200, 404),
                streams=waits,
                summary="What became of an execution.",
            ),
            Route(
                method="POST",
                path="/jobs/<job>/<execution>",
                role=Role.RUN,
                handler=self.repeat,
                answer="execution",
                statuses=(200, 202, 404, 409, 422, 503),
                query=(_COMMIT, WAIT),
                headers=(IDEMPOTENCY_KEY,),
                streams=waits,
                summary="Repeat an execution, on the same commit or on the newest.",
            ),
            Route(
                method="PUT",
                path="/jobs/<job>/<execution>",
                role=Role.RUN,
                handler=self.create_event,
                request="execution_event_order",
                headers=(IDEMPOTENCY_KEY,),
                answer="execution",
                statuses=(200, 202, 403, 404, 409, 422, 507),
                summary="Create an event of an execution; a signal is sent to its processes.",
            ),
            Route(
                method="GET",
                path="/jobs/<job>/<execution>/<event>",
                role=Role.READ,
                handler=self.event,
                answer="execution_event",
                statuses=(200, 404),
                summary="The last event of an execution that has this name.",
            ),
        ]

    # --- jobs

    def jobs(self, _request: Request) -> Response:
        """List all jobs in the order of their names."""
        commit = self.requests.in_force()
        states = self.executions.active_states()
        last = self.executions.last_of(commit.definitions)
        shown = [
            jobrecords.job_row(one, states.get(name), last.get(name))
            for name, one in commit.definitions.items()
        ]
        fault = self._fetching().standing.fault
        headers = {"X-Jexevents-Commit": commit.id}
        if fault is not None:
            headers["X-Jexevents-Fault"] = _one_line(str(fault))
        return Response(200, shown, headers)

    def repository(self, _request: Request) -> dict[str, Any]:
        """Say how the repository stands."""
        fetching = self._fetching()
        return jobrecords.repository(fetching.standing, fetching.source, self.executions.in_force())

    def refresh(self, request: Request) -> tuple[int, dict[str, Any]]:
        """Fetch the repository: 202 where that goes on."""
        done = self._fetching().refresh(_ANSWER_SECONDS)
        return 200 if done else 202, self.repository(request)

    def job(self, request: Request) -> Any:
        """Give a job and its last executions."""
        name = request.parameters["job"]
        if is_uuid(name.lower()):
            return self.jex.job(name.lower())
        if self.fetching is None:
            raise not_found(f"The ledger knows no job {name[:80]!r}.")
        commit, definition = self.requests.definition(name)
        state = self.executions.active_states().get(name)
        shown = jobrecords.job(definition, commit.id, state, self.public_url)
        return shown | self._last_executions(request, name)

    def _last_executions(self, request: Request, name: str) -> dict[str, Any]:
        asked = {one.name: one.default for one in _EXECUTIONS} | dict(request.values)
        limit = asked.pop("limit")
        rows = self.executions.page(name, limit=limit + 1, **asked)
        shown = page(
            request,
            [{**row, "id": shortest(row["execution"])} for row in rows],
            limit,
            "id",
            lambda row: jobrecords.execution_row(row, self.public_url),
        )
        return {"executions": shown["items"], "next": shown["next"]}

    def set_active(self, request: Request, active: bool) -> dict[str, Any]:
        """Put a job on the active list, or take it off; that it is so already is no fault."""
        name = request.parameters["job"]
        commit, definition = self.requests.definition(name)
        self.executions.set_active(name, active, request.caller.name)
        state = self.executions.active_states().get(name)
        shown = jobrecords.job(definition, commit.id, state, self.public_url)
        return shown | self._last_executions(request, name)

    # --- executions

    def run(self, request: Request) -> Response:
        """Run a job with the parameters of the body and of the query."""
        name = request.parameters["job"]
        # What is wrong is said before anything is made.
        seconds = wait_of(request)
        values, texts = parameters(request)
        asked = Asked(
            name,
            values,
            request.caller.name,
            request.idempotency_key(),
            texts,
        )
        (made,) = self.requests.request([asked])
        return self._made(request, name, made, seconds)

    def repeat(self, request: Request) -> Response:
        """Repeat an execution with its values, on its commit unless the newest is asked for."""
        seconds = wait_of(request)
        refuse_any(request)
        row = known_execution(self.executions, request)
        asked = repetition(
            self.executions,
            row,
            request.caller.name,
            request.idempotency_key(),
            newest=request.values["commit"] is not None,
        )
        (made,) = self.requests.request([asked])
        return self._made(request, row["definition"], made, seconds)

    def execution(self, request: Request) -> dict[str, Any]:
        """Say what became of an execution."""
        seconds = wait_of(request)
        row = known_execution(self.executions, request)
        return self._shown(self._waited(request, row, seconds))

    def create_event(self, request: Request) -> tuple[int, dict[str, Any]]:
        """Create an event: 202 where the node that has the execution has not answered yet."""
        order = request.json()
        row = known_execution(self.executions, request)
        cause = order.get("cause") or ""
        if order.get("give_up"):
            return self._given_up(request, row, order["event"], cause)
        name = order["event"]
        if name in REFUSED_NAMES:
            fault = Fault("/event", f"none of {', '.join(REFUSED_NAMES)}", name)
            raise Invalid(f"An event cannot be named {name!r}.", [fault])
        key, by = request.idempotency_key(), request.caller.name
        told = self.control.create(row, name, cause, by, _ANSWER_SECONDS, key)
        status = 200 if told is Told.DONE else 202
        return status, self._shown(self._again(row))

    def _given_up(
        self, request: Request, row: Row, name: str, cause: str
    ) -> tuple[int, dict[str, Any]]:
        if not request.caller.has(Role.ADMIN):
            raise forbidden("Only an administrator gives up an execution.")
        if name != _KILL:
            fault = Fault("/event", "kill, with give_up", "another event")
            raise Invalid("What is given up is killed, if it ever turns up.", [fault])
        self.control.give_up(row, cause, request.caller.name, request.idempotency_key())
        return 200, self._shown(self._again(row))

    def event(self, request: Request) -> dict[str, Any]:
        """Give the last event of a name."""
        row, name = known_execution(self.executions, request), request.parameters["event"]
        found = self.executions.last_named(row["job_id"], name)
        if found is None:
            raise not_found(f"The execution has had no event {name[:100]!r}.")
        return jobrecords.named_event(found, row["definition"], row["execution"], self.public_url)

    # ---

    def _fetching(self) -> Fetching:
        if self.fetching is None:
            raise Problem(
                503,
                "No repository of job definitions is configured. Set JobsRepository.",
                headers={"Retry-After": "3600"},
            )
        return self.fetching

    def _waited(self, request: Request, row: Row, seconds: float | None) -> Row:
        """Wait till an execution is over, for so long at most."""
        return waited(request, self.bell, row, self._again, itemgetter("closed"), seconds)

    def _again(self, row: Row) -> Row:
        return self.executions.find(row["definition"], row["execution"]) or row

    def _shown(self, row: Row) -> dict[str, Any]:
        job_id = row["job_id"]
        return jobrecords.execution(
            row,
            self.executions.attempts(job_id),
            self.executions.story(job_id),
            self.public_url,
        )

    def _made(self, request: Request, name: str, made: Made, seconds: float | None) -> Response:
        row = self.executions.find(name, made.execution)
        if row is None:
            raise not_found("The execution was removed meanwhile.")
        row = self._waited(request, row, seconds)
        status = 200 if seconds is not None and row["closed"] else 202
        location = jobrecords.path_of(name, made.execution)
        return Response(status, self._shown(row), {"Location": location})


def _one_line(text: str) -> str:
    """Give a text as a header can hold it."""
    return " ".join(text.encode("ascii", "replace").decode().split())[:500]


def known_execution(executions: Executions, request: Request) -> Row:
    """Give the execution that the path names. Raises Problem (404), StoreUnavailable."""
    name, text = request.parameters["job"], request.parameters["execution"]
    own = microseconds(text)
    row = None if own is None else executions.find(name, own)
    if row is None:
        raise not_found(f"There is no execution {text[:40]!r} of a job {name[:100]!r}.")
    return row
