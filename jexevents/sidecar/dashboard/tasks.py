"""Container tasks: all of them, the form to register one; and one, with its image, to run it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jexevents.errors import Conflict, Invalid, JexError
from jexevents.model import Role
from jexevents.sidecar.dashboard import taskform
from jexevents.sidecar.dashboard.asking import asked_of, choice, pager, whole_number
from jexevents.sidecar.dashboard.forms import LONG_FORM_BYTES, Form
from jexevents.sidecar.dashboard.inputs import refused_inputs
from jexevents.sidecar.dashboard.results import shown_result
from jexevents.sidecar.dashboard.site import Site
from jexevents.sidecar.problems import not_found
from jexevents.sidecar.requests import Request
from jexevents.sidecar.responses import Response
from jexevents.sidecar.routes import Route
from jexevents.sidecar.taskbodies import id_of, parameters_of, require_same, times_of
from jexevents.store.results import Results
from jexevents.store.tasks import STATUSES, Row, TaskList
from jexevents.tasks import registry, runs
from jexevents.tasks.registry import MISSING, Registry
from jexevents.tasks.runs import Runs

_PATH = "/ui/tasks"
_ONE = f"{_PATH}/<task_id>"
_ROWS, _RESULTS = 50, 10
_FILTERS = ("status", "name", "before")
_UNSETTLED = ("SUBMITTED", "IMPORTING")


@dataclass(frozen=True, slots=True)
class TaskPages:
    """The pages."""

    site: Site
    tasks: TaskList
    registry: Registry
    runs: Runs
    results: Results

    def routes(self) -> list[Route]:
        """Give the table of these pages."""
        page, action = self.site.page, self.site.action
        return [
            page(
                _PATH,
                self.listed,
                summary="Container tasks, the newest first, and the form to register one.",
                query=_FILTERS,
            ),
            action(
                _PATH,
                self.register,
                role=Role.RUN,
                summary="Register an image as a task.",
                statuses=(303, 409, 422),
            ),
            page(
                _ONE,
                self.one,
                summary="A task: its image, the form to run it, its last results.",
                statuses=(200, 404),
            ),
            action(
                f"{_ONE}/run",
                self.run,
                role=Role.RUN,
                summary="Run a task.",
                statuses=(303, 404, 409, 422),
                max_body_bytes=LONG_FORM_BYTES,
            ),
            action(
                f"{_ONE}/import",
                self.import_again,
                role=Role.RUN,
                summary="Have the image of a task imported again.",
                statuses=(303, 404),
            ),
            action(
                f"{_ONE}/delete",
                self.delete,
                role=Role.RUN,
                summary="Take a task away; its results stay.",
                statuses=(303, 404),
            ),
        ]

    # --- all

    def listed(self, request: Request) -> Response:
        """Show a page of tasks."""
        return self._listed(request, asked_of(request, _FILTERS))

    def _listed(
        self,
        request: Request,
        asked: Mapping[str, str],
        form: Form | None = None,
        error: JexError | None = None,
    ) -> Response:
        rows = self.tasks.page(
            limit=_ROWS + 1,
            before=whole_number("before", asked["before"]),
            status=choice("status", asked["status"], STATUSES),
            name=asked["name"] or None,
        )
        inputs, refused = taskform.registration_inputs(form), None
        if error is not None:
            inputs, refused = refused_inputs(inputs, error)
        return self.site.render(
            request,
            "tasks.html",
            status=200 if error is None else _status_of(error),
            asked=asked,
            rows=rows[:_ROWS],
            pager=pager(_PATH, asked, rows, _ROWS, "id"),
            statuses=STATUSES,
            inputs=inputs,
            refused=refused,
            is_changing=error is None and any(row["status"] in _UNSETTLED for row in rows),
        )

    def register(self, request: Request, form: Form) -> Response:
        """Register a task; what is wrong with the form is shown in it."""
        document = taskform.registration_document(form)
        try:
            _require_fit(request, "task_registration", document)
            asked = registry.Asked(
                document["repository"],
                document.get("name"),
                document.get("pull", MISSING),
                request.caller.name,
                form.key,
            )
            made = self.registry.register(asked)
        except (Invalid, Conflict) as error:
            return self._listed(request, dict.fromkeys(_FILTERS, ""), form, error)
        return self.site.seen(f"{_PATH}/{made.task_id}", "registered")

    # --- one

    def one(self, request: Request) -> Response:
        """Show a task."""
        return self._shown(request, self._row(request))

    def _shown(
        self, request: Request, row: Row, form: Form | None = None, error: JexError | None = None
    ) -> Response:
        first, more = taskform.run_inputs(form)
        refused = None
        if error is not None:
            inputs, refused = refused_inputs([*first, *more], error)
            first, more = inputs[: len(first)], inputs[len(first) :]
        results = self.results.page(limit=_RESULTS, task_id=row["id"])
        return self.site.render(
            request,
            "task.html",
            status=200 if error is None else _status_of(error),
            task=row,
            path=f"{_PATH}/{row['id']}",
            progress=row["progress"] or {"layers": {}, "current": 0, "total": 0},
            first=first,
            more=more,
            has_more=any(one.value or one.faults for one in more),
            refused=refused,
            results=[shown_result(one) for one in results],
            is_answer=error is not None,
            is_changing=error is None and row["status"] in _UNSETTLED,
        )

    def run(self, request: Request, form: Form) -> Response:
        """Run a task; what is wrong with the form is shown in it."""
        row = self._row(request)
        try:
            document = taskform.run_document(form)
            _require_fit(request, "task_operation", document)
            require_same(document, task_id=row["id"])
            asked = runs.Asked(
                row["id"],
                times_of(document),
                parameters_of(document),
                request.caller.name,
                form.key,
            )
            made = self.runs.run(asked)
        except (Invalid, Conflict) as error:
            return self._shown(request, row, form, error)
        return self.site.seen(f"/ui/results/{made.result_id}", "runs")

    def import_again(self, request: Request, _form: Form) -> Response:
        """Have its image imported again."""
        row = self._row(request)
        self.registry.import_again(row["id"], request.caller.name)
        return self.site.seen(f"{_PATH}/{row['id']}", "importing")

    def delete(self, request: Request, _form: Form) -> Response:
        """Take a task away."""
        self.registry.delete(id_of(request, "task_id", "task"), request.caller.name)
        return self.site.seen(_PATH, "deleted")

    def _row(self, request: Request) -> Row:
        task_id = id_of(request, "task_id", "task")
        row = self.tasks.find(task_id)
        if row is None:
            raise not_found(f"There is no task {task_id}.")
        return row


def _require_fit(request: Request, schema: str, document: Mapping[str, Any]) -> None:
    """Raise Invalid for what is not in the form of a schema."""
    faults = request.schemas.check(schema, document)
    if faults:
        raise Invalid(f"The form cannot be used: {faults[0]}.", faults)


def _status_of(error: JexError) -> int:
    return 409 if isinstance(error, Conflict) else 422
