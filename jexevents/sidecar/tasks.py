"""Tasks: container images that are registered and run (seed stevedore)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jexevents.executions.bell import Bell
from jexevents.model import Role
from jexevents.sidecar import taskrecords
from jexevents.sidecar.paging import PAGE, bare_page
from jexevents.sidecar.parameters import IDEMPOTENCY_KEY, choice, text
from jexevents.sidecar.problems import Problem, not_found
from jexevents.sidecar.requests import Request
from jexevents.sidecar.responses import Response
from jexevents.sidecar.results import run_answer
from jexevents.sidecar.routes import Route
from jexevents.sidecar.taskbodies import (
    body_of,
    forms_of,
    id_of,
    parameters_of,
    require_only,
    require_same,
    times_of,
)
from jexevents.sidecar.waiting import WAIT, wait_of, waited, waits
from jexevents.store.results import Results
from jexevents.store.tasks import STATUSES, TASK_FILTERS, Row, TaskList
from jexevents.tasks import runs
from jexevents.tasks.registry import MISSING, Asked, NameTaken, Registry
from jexevents.tasks.runs import Runs

_IMPORT = "IMPORT"
_FILTERS = (
    choice("status", "Tasks with this status.", STATUSES),
    text("name", "The task with this name."),
)
_SETTLED = ("READY", "ERROR")


class _HasName(Problem):
    """The 409 for a name that another task has, with that task."""

    def __init__(self, taken: NameTaken, row: Row | None) -> None:
        where = {"Location": taskrecords.task_path(taken.task_id)}
        super().__init__(409, str(taken), taken.faults, where)
        self.task = {} if row is None else taskrecords.task(row)


def _members(problem: Problem) -> Mapping[str, object]:
    """Give the task beside what each problem has, whose ``status`` is no word."""
    if not isinstance(problem, _HasName):
        return {}
    beside = {name: value for name, value in problem.task.items() if name != "status"}
    return {**beside, "task": problem.task}


@dataclass(frozen=True, slots=True)
class TaskSurface:
    """The surface. ``bell`` rings when something was told of what it shows."""

    tasks: TaskList
    registry: Registry
    runs: Runs
    results: Results
    bell: Bell
    public_url: str

    def routes(self) -> list[Route]:
        """Give the table of the surface."""
        return [
            Route(
                method="GET",
                path="/task",
                role=Role.READ,
                handler=self.listed,
                answer="tasks",
                query=(*_FILTERS, *PAGE),
                summary="The tasks that are registered.",
            ),
            Route(
                method="POST",
                path="/task",
                role=Role.RUN,
                handler=self.register,
                request="task_registration",
                bodies=forms_of("task_registration"),
                headers=(IDEMPOTENCY_KEY,),
                answer="task",
                statuses=(200, 202, 404, 409, 422),
                query=(WAIT,),
                streams=waits,
                error_members=_members,
                summary="Register an image as a task; it is imported then.",
            ),
            Route(
                method="GET",
                path="/task/<task_id>",
                role=Role.READ,
                handler=self.task,
                answer="task",
                statuses=(200, 404),
                query=(WAIT,),
                streams=waits,
                summary="A task.",
            ),
            Route(
                method="POST",
                path="/task/<task_id>",
                role=Role.RUN,
                handler=self.operate,
                request="task_operation",
                answer=("result", "task"),
                bodies=forms_of("task_operation"),
                bodiless=True,
                headers=(IDEMPOTENCY_KEY,),
                statuses=(200, 202, 404, 409, 422),
                query=(WAIT,),
                streams=waits,
                summary="Run a task, or have its image imported again.",
            ),
            Route(
                method="DELETE",
                path="/task/<task_id>",
                role=Role.RUN,
                handler=self.delete,
                statuses=(204, 404),
                summary="Take a task away; its results stay, and what was asked for goes on.",
            ),
        ]

    def listed(self, request: Request) -> Response:
        """Give a page of tasks, the newest first."""
        filters = {name: request.values[name] for name in TASK_FILTERS}
        limit, before = request.values["limit"], request.values["before"]
        rows = self.tasks.page(limit=limit + 1, before=before, **filters)
        return bare_page(request, rows, limit, "id", taskrecords.task)

    def task(self, request: Request) -> dict[str, Any]:
        """Give a task; who waits does so until its image is imported, or cannot be."""
        seconds = wait_of(request)
        return self._waited(request, self._row(id_of(request, "task_id", "task")), seconds)

    def _waited(self, request: Request, row: Row, seconds: float | None) -> dict[str, Any]:
        row = waited(
            request,
            self.bell,
            row,
            lambda row: self._row(row["id"]),
            lambda row: row["status"] in _SETTLED,
            seconds,
        )
        return taskrecords.task(row)

    def register(self, request: Request) -> Response:
        """Register a task: 202, for its image is still to be imported."""
        seconds = wait_of(request)
        document = body_of(request)
        asked = Asked(
            document["repository"],
            document.get("name"),
            document.get("pull", MISSING),
            request.caller.name,
            request.idempotency_key(),
        )
        try:
            made = self.registry.register(asked)
        except NameTaken as taken:
            raise _HasName(taken, self.tasks.find(taken.task_id)) from taken
        shown = self._waited(request, self._row(made.task_id), seconds)
        where = {"Location": taskrecords.task_path(made.task_id)}
        return Response(202 if made.is_new else 200, shown, where)

    def operate(self, request: Request) -> Response:
        """Carry out an operation, RUN where none is named."""
        task_id, seconds = id_of(request, "task_id", "task"), wait_of(request)
        document = body_of(request)
        require_same(document, task_id=task_id)
        if document.get("operation", runs.RUN) == _IMPORT:
            require_only(document, _IMPORT, "task_id")
            self.registry.import_again(task_id, request.caller.name)
            return Response(202, self.task(request))
        asked = runs.Asked(
            task_id,
            times_of(document),
            parameters_of(document),
            request.caller.name,
            request.idempotency_key(),
        )
        return run_answer(self, request, self.runs.run(asked), seconds)

    def delete(self, request: Request) -> None:
        """Take a task away."""
        self.registry.delete(id_of(request, "task_id", "task"), request.caller.name)

    def _row(self, task_id: int) -> Row:
        row = self.tasks.find(task_id)
        if row is None:
            raise not_found(f"There is no task {task_id}. GET /task/ lists them.")
        return row
