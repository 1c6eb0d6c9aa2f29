"""Results of tasks: all of them, and one with its single runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from jexevents.model import Phase, Role
from jexevents.sidecar import taskrecords
from jexevents.sidecar.dashboard.asking import asked_of, choice, link, pager, whole_number
from jexevents.sidecar.dashboard.bars import bar
from jexevents.sidecar.dashboard.filters import between
from jexevents.sidecar.dashboard.forms import Form
from jexevents.sidecar.dashboard.site import Site
from jexevents.sidecar.problems import malformed, not_found
from jexevents.sidecar.requests import Request
from jexevents.sidecar.responses import Response
from jexevents.sidecar.routes import Route
from jexevents.sidecar.taskbodies import id_of
from jexevents.store.results import Results, Row
from jexevents.tasks.cancelling import Cancels
from jexevents.tasks.runs import ALL, FAILED, Runs
from jexevents.tasks.status import ERROR, STATUSES, WORDS, counts_of, is_over, states_of, status_of

_PATH = "/ui/results"
_ONE = f"{_PATH}/<result_id>"
_ROWS, _DETAILS = 30, 100
_FILTERS = ("task_id", "before")
_OF_ONE = ("status", "after")
_MOST_CAUSE = 1000


@dataclass(frozen=True, slots=True)
class ResultPages:
    """The pages."""

    site: Site
    results: Results
    runs: Runs
    cancels: Cancels

    def routes(self) -> list[Route]:
        """Give the table of these pages."""
        page, action = self.site.page, self.site.action
        return [
            page(
                _PATH,
                self.listed,
                summary="Results of tasks, the newest first.",
                query=_FILTERS,
            ),
            page(
                _ONE,
                self.one,
                summary="A result, with its single runs.",
                query=_OF_ONE,
                statuses=(200, 404),
            ),
            action(
                f"{_ONE}/cancel",
                self.cancel,
                role=Role.RUN,
                summary="Cancel all runs of a result that are not over.",
                statuses=(303, 404, 409),
            ),
            action(
                f"{_ONE}/repeat",
                self.repeat,
                role=Role.RUN,
                summary="Run again what failed of a result, or all of it.",
                statuses=(303, 400, 404, 409, 422),
            ),
        ]

    def listed(self, request: Request) -> Response:
        """Show a page of results."""
        asked = asked_of(request, _FILTERS)
        rows = self.results.page(
            limit=_ROWS + 1,
            before=whole_number("before", asked["before"]),
            task_id=whole_number("task_id", asked["task_id"]),
        )
        return self.site.render(
            request,
            "results.html",
            asked=asked,
            rows=[shown_result(row) for row in rows[:_ROWS]],
            pager=pager(_PATH, asked, rows, _ROWS, "id"),
        )

    def one(self, request: Request) -> Response:
        """Show a result."""
        row, asked = self._row(request), asked_of(request, _OF_ONE)
        status = choice("status", asked["status"], WORDS)
        details = self.results.details(
            row["id"],
            limit=_DETAILS + 1,
            after=whole_number("after", asked["after"]),
            states=None if status is None else states_of(status),
        )
        path = f"{_PATH}/{row['id']}"
        shown = shown_result(row)
        return self.site.render(
            request,
            "result.html",
            path=path,
            result=shown,
            parameters=row["parameters"],
            statuses=[(word, count, link(path, {"status": word}, "runs"))
                      for word, count in shown["counts"].items()],
            details=[_shown_detail(one) for one in details[:_DETAILS]],
            asked=asked,
            pager=pager(path, asked, details, _DETAILS, "number", "after", "runs"),
            waits_for=self._waits_for(row, details),
        )  # fmt: skip

    def _waits_for(self, row: Row, details: list[Row]) -> Mapping[str, Any] | None:
        """Say what the first run waits for that is shown and waits, where nothing of it runs."""
        if row["running"]:
            return None
        waiting = next((one for one in details if one["phase"] == Phase.QUEUED.value), None)
        found = waiting and self.results.detail(row["id"], waiting["number"])
        return taskrecords.whole_detail(found, (), "")["waits_for"] if found else None

    def cancel(self, request: Request, form: Form) -> Response:
        """Cancel a result."""
        result_id = id_of(request, "result_id", "result")
        self.cancels.result(result_id, form.get("cause")[:_MOST_CAUSE], request.caller.name)
        return self.site.seen(f"{_PATH}/{result_id}", "cancelled")

    def repeat(self, request: Request, form: Form) -> Response:
        """Repeat a result; the browser goes on to the new one."""
        only = form.get("only", FAILED)
        if only not in (FAILED, ALL):
            raise malformed("There is no such choice.", "only", f"{FAILED} or {ALL}", only[:80])
        result_id = id_of(request, "result_id", "result")
        made = self.runs.repeat(result_id, only, request.caller.name, form.key)
        return self.site.seen(f"{_PATH}/{made.result_id}", "runs")

    def _row(self, request: Request) -> Row:
        result_id = id_of(request, "result_id", "result")
        row = self.results.find(result_id)
        if row is None:
            raise not_found(f"There is no result {result_id}.")
        return row


def shown_result(row: Row) -> dict[str, Any]:
    """Give a result as pages show it."""
    counts, over = counts_of(row), is_over(row)
    end = row["finished_at"] if over else datetime.now(timezone.utc)
    return {
        **row,
        "path": f"{_PATH}/{row['id']}",
        "status": status_of(row),
        "counts": counts,
        "bar": bar(counts),
        "over": over,
        "failed": counts[ERROR],
        "ran": between(row["started_at"], end),
    }


def _shown_detail(row: Row) -> dict[str, Any]:
    return {
        **row,
        "status": STATUSES[row["state"]],
        "ran": between(row["started_at"], row["finished_at"]),
        "output": f"/result/{row['result_id']}/detail/{row['number']}/output?tail=1000&gaps=text",
    }
