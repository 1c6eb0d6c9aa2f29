"""The jobs that are defined in the repository: all of them, and one, which can be run there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jexevents.definitions.definition import Definition
from jexevents.definitions.repository import Commit
from jexevents.errors import Conflict, Invalid, RepositoryUnavailable
from jexevents.executions.requests import Asked, Requests
from jexevents.lifecycle.executionid import microseconds, shortest
from jexevents.model import Phase, Role
from jexevents.sidecar import jobrecords
from jexevents.sidecar.dashboard import duetimes, runform
from jexevents.sidecar.dashboard.asking import asked_of, choice, pager, whole_number
from jexevents.sidecar.dashboard.filters import between
from jexevents.sidecar.dashboard.forms import LONG_FORM_BYTES, Form
from jexevents.sidecar.dashboard.inputs import refused_inputs
from jexevents.sidecar.dashboard.site import Site
from jexevents.sidecar.jobs import Fetching, known_execution
from jexevents.sidecar.problems import Problem, malformed, not_found
from jexevents.sidecar.requests import Request
from jexevents.sidecar.responses import Response
from jexevents.sidecar.routes import Route
from jexevents.store import schedules as store
from jexevents.store.database import Connection, Database
from jexevents.store.executions import Executions

_ROWS, _EXECUTIONS, _DUE_TIMES, _COMING = 100, 20, 20, 10
_FETCH_SECONDS = 5.0
_PATH = "/ui/definitions"
_ONE = f"{_PATH}/<job>"
_PHASES = tuple(one.value for one in Phase)
_OF_ONE = ("phase", "before", "due_before")


@dataclass(frozen=True, slots=True)
class DefinitionPages:
    """The pages; ``fetching`` is None where no repository is configured."""

    site: Site
    requests: Requests
    executions: Executions
    database: Database
    fetching: Fetching | None = None
    clock: Callable[[Connection], datetime] = store.clock

    def routes(self) -> list[Route]:
        """Give the table of these pages."""
        page, action = self.site.page, self.site.action
        return [
            page(
                _PATH,
                self.listed,
                summary="The jobs that are defined, and how their repository stands.",
                query=("text", "after"),
            ),
            page(
                _ONE,
                self.one,
                summary="A job: the form to run it, its executions, its schedules.",
                query=_OF_ONE,
                statuses=(200, 404, 503),
            ),
            page(
                f"{_ONE}/<execution>",
                self.execution,
                summary="Leads to the page of an execution.",
                statuses=(303, 404),
            ),
            action(
                f"{_PATH}/-/refresh",
                self.refresh,
                role=Role.RUN,
                summary="Fetch the repository now.",
                statuses=(303, 409),
            ),
            action(
                f"{_ONE}/run",
                self.run,
                role=Role.RUN,
                summary="Run a job.",
                statuses=(303, 404, 409, 422, 503),
                max_body_bytes=LONG_FORM_BYTES,
            ),
            action(
                f"{_ONE}/active",
                self.set_active,
                role=Role.RUN,
                summary="Take a job off the active list, or put it back.",
                statuses=(303, 400, 404, 503),
            ),
        ]

    # --- all

    def listed(self, request: Request) -> Response:
        """Show the jobs in the order of their names."""
        asked = asked_of(request, ("text", "after"))
        names, rows = self._names(asked), []
        states = self.executions.active_states()
        last = self.executions.last_of(names[:_ROWS])
        commit = self._in_force()
        for name in names[:_ROWS]:
            definition, state = commit.definitions[name], states.get(name)
            rows.append(
                {
                    "name": name,
                    "path": duetimes.path_of_job(name),
                    "description": definition.description,
                    "active": state is None or state["active"],
                    "schedules": len(definition.schedules),
                    "last": _last(name, last.get(name)),
                }
            )
        listed = [{"name": name} for name in names]
        return self.site.render(
            request,
            "definitions.html",
            asked=asked,
            rows=rows,
            pager=pager(_PATH, asked, listed, _ROWS, "name", "after"),
            repository=self._repository(commit),
            can_fetch=self.fetching is not None,
        )

    def _names(self, asked: Mapping[str, str]) -> list[str]:
        """Give the names that are asked for, one more than there is room for."""
        commit = self._in_force()
        part = asked["text"].lower()
        found = [] if commit is None else commit.definitions.values()
        names = [
            one.name
            for one in found
            if (part in one.name.lower() or part in one.description.lower())
            and one.name > asked["after"]
        ]
        return names[: _ROWS + 1]

    def _in_force(self) -> Commit | None:
        try:
            return self.requests.in_force()
        except RepositoryUnavailable:
            return None

    def _repository(self, commit: Commit | None) -> Mapping[str, Any]:
        """Say how the repository stands, as far as that is known here."""
        if self.fetching is None:
            return {"commit": None if commit is None else commit.id, "url": None, "fault": None}
        fetching = self.fetching
        of_all = self.executions.in_force()
        shown = jobrecords.repository(fetching.standing, fetching.source, of_all)
        standing = fetching.standing
        return {**shown, "since": standing.since, "fetched_at": standing.fetched_at}

    def refresh(self, _request: Request, _form: Form) -> Response:
        """Have the repository fetched."""
        if self.fetching is None:
            raise Conflict("No repository of job definitions is configured. Set JobsRepository.")
        done = self.fetching.refresh(_FETCH_SECONDS)
        return self.site.seen(_PATH, "fetched" if done else "fetching")

    # --- one

    def one(self, request: Request) -> Response:
        """Show a job."""
        return self._shown(request, asked_of(request, _OF_ONE))

    def _shown(
        self,
        request: Request,
        asked: Mapping[str, str],
        form: Form | None = None,
        error: Problem | None = None,
    ) -> Response:
        name = request.parameters["job"]
        commit, definition = self._defined(name)
        inputs, refused = runform.inputs_of(definition.variables, form), None
        if error is not None:
            inputs, refused = refused_inputs(inputs, error)
        path = duetimes.path_of_job(name)
        state = self.executions.active_states().get(name)
        return self.site.render(
            request,
            "definition.html",
            status=200 if error is None else error.status,
            path=path,
            definition=definition,
            document=jobrecords.shown_definition(definition),
            commit=commit.id,
            active=state is None or state["active"],
            inputs=inputs,
            refused=refused,
            is_answer=error is not None,
            phases=_PHASES,
            asked=asked,
            **self._executions(name, path, asked),
            **self._schedules(name, path, asked),
        )

    def _executions(self, name: str, path: str, asked: Mapping[str, str]) -> dict[str, Any]:
        before = asked["before"]
        own = microseconds(before) if before else None
        if before and own is None:
            raise malformed("before is no id.", "before", "the id of an execution", before[:80])
        rows = self.executions.page(
            name,
            limit=_EXECUTIONS + 1,
            before=own,
            phase=choice("phase", asked["phase"], _PHASES),
        )
        shown = [
            {
                **row,
                "id": shortest(row["execution"]),
                "ran": between(row["started_at"], row["finished_at"]),
            }
            for row in rows
        ]
        turn = pager(path, asked, shown, _EXECUTIONS, "id", fragment="executions")
        return {"executions": shown[:_EXECUTIONS], "executions_pager": turn}

    def _schedules(self, name: str, path: str, asked: Mapping[str, str]) -> dict[str, Any]:
        before = whole_number("due_before", asked["due_before"])
        with self.database.look() as connection:
            now = self.clock(connection)
            rows = store.of_definition(connection, name)
            ids = [row.id for row in rows]
            told = store.page(connection, ids, limit=_DUE_TIMES + 1, before=before)
        places = {row.id: row.place for row in rows}
        shown = [
            {
                **one,
                "place": places[one["schedule_id"]],
                "path": duetimes.path_of_execution(name, one["execution"]),
            }
            for one in told[:_DUE_TIMES]
        ]
        turn = pager(path, asked, told, _DUE_TIMES, "id", "due_before", "schedules")
        return {
            "schedules": [duetimes.schedule(row, now, _COMING) for row in rows],
            "due_times": shown,
            "due_times_pager": turn,
            "outcomes": duetimes.OUTCOMES,
        }

    def execution(self, request: Request) -> Response:
        """Lead to an execution."""
        row = known_execution(self.executions, request)
        return self.site.seen(f"/ui/jobs/{row['job_id']}")

    # --- what buttons do

    def run(self, request: Request, form: Form) -> Response:
        """Run a job; what is wrong with the form is shown in it."""
        name = request.parameters["job"]
        _, definition = self._defined(name)
        texts = runform.texts_of(definition.variables, form)
        asked = Asked(name, {}, request.caller.name, form.key, texts)
        try:
            (made,) = self.requests.request([asked])
        except (Invalid, Conflict) as error:
            status = 422 if isinstance(error, Invalid) else 409
            problem = Problem(status, str(error), getattr(error, "faults", ()))
            return self._shown(request, dict.fromkeys(_OF_ONE, ""), form, problem)
        return self.site.seen(f"/ui/jobs/{made.job_id}", "asked")

    def set_active(self, request: Request, form: Form) -> Response:
        """Take a job off the active list, or put it back."""
        name, word = request.parameters["job"], form.get("active")
        self._defined(name)
        if word not in ("yes", "no"):
            raise malformed("There is no such choice.", "active", "yes or no", word[:80])
        self.executions.set_active(name, word == "yes", request.caller.name)
        told = "active" if word == "yes" else "inactive"
        return self.site.seen(duetimes.path_of_job(name), told)

    def _defined(self, name: str) -> tuple[Commit, Definition]:
        try:
            return self.requests.definition(name)
        except RepositoryUnavailable:
            if self.fetching is None:
                raise not_found(
                    f"There is no job {name[:100]!r}: no repository of definitions is configured."
                ) from None
            raise


def _last(name: str, row: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if row is None:
        return None
    path = duetimes.path_of_execution(name, row["execution"])
    return {"phase": row["phase"], "at": row["finished_at"] or row["started_at"], "path": path}
