"""One job: what is known of it, its events along the time and one by one, and acting on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any
from urllib.parse import quote, urlencode

from jexevents.errors import Conflict
from jexevents.executions.control import Control, Told
from jexevents.executions.repeating import repetition
from jexevents.executions.requests import Requests
from jexevents.faults import names_secret
from jexevents.lifecycle import command
from jexevents.lifecycle.executionid import shortest
from jexevents.model import AWAITED, Kind, Phase, Role
from jexevents.sidecar import jobrecords
from jexevents.sidecar.auth import Caller
from jexevents.sidecar.dashboard.charts import timeline
from jexevents.sidecar.dashboard.duetimes import path_of_job
from jexevents.sidecar.dashboard.filters import between
from jexevents.sidecar.dashboard.forms import Form
from jexevents.sidecar.dashboard.site import Site
from jexevents.sidecar.ledger import known_job
from jexevents.sidecar.paging import BEFORE
from jexevents.sidecar.problems import forbidden, malformed
from jexevents.sidecar.requests import Request
from jexevents.sidecar.responses import Response
from jexevents.sidecar.routes import Route
from jexevents.store.executions import Executions
from jexevents.store.reading import Reading, Row

_EVENTS = 30
_ANSWER_SECONDS = 5.0
_RUN_HERE = (Kind.COMMAND.value, Kind.CONTAINER.value)
_OPEN = (Phase.QUEUED.value, Phase.RUNNING.value)
_MOST_CAUSE = 1000
_GIVE_UP = "give-up"
# What stands elsewhere on the page, or says how something else was sent.
_NOT_FACTS = frozenset(("data", "submitted_offset", "started_offset", "finished_offset"))


@dataclass(frozen=True, slots=True)
class JobPage:
    """The page, and what its buttons do."""

    site: Site
    reading: Reading
    executions: Executions
    control: Control
    requests: Requests

    def routes(self) -> list[Route]:
        """Give the table of these pages."""
        return [
            self.site.page(
                "/ui/jobs/<uuid>",
                self.job,
                summary="One job, with its events, and its output where it is run from here.",
                query=(BEFORE,),
                statuses=(200, 404),
            ),
            self.site.action(
                "/ui/jobs/<uuid>/signal",
                self.signal,
                role=Role.RUN,
                summary="Send a signal to an execution, or give it up.",
                statuses=(303, 404, 409),
            ),
            self.site.action(
                "/ui/jobs/<uuid>/repeat",
                self.repeat,
                role=Role.RUN,
                summary="Repeat an execution, on the same commit or on the newest.",
                statuses=(303, 404, 409, 422, 503),
            ),
        ]

    # --- the page

    def job(self, request: Request) -> Response:
        """Show a job."""
        job = known_job(self.reading, request)
        before = request.values["before"]
        details = self.reading.details(job) or {}
        events = self.reading.events(job["id"], limit=_EVENTS + 1, before=before)
        shown = events[:_EVENTS]
        older = None
        if shown and max(len(events), shown[0]["found"]) > len(shown):
            older = f"{request.path}?{urlencode({'before': shown[-1]['seq']})}#events"
        now = datetime.now(timezone.utc)
        return self.site.render(
            request,
            "job.html",
            job=job,
            ran=between(job["started_at"], job["finished_at"] or _end(job, now)),
            waited=between(job["submitted_at"], job["started_at"]),
            facts=_facts(details, job),
            data=details.get("data"),
            chart=timeline(job, self.reading.event_times(job["id"]), now),
            events=[_event(one) for one in shown],
            paged=before is not None,
            older=older,
            way=_has_way(job, details, request.caller),
            run=self._run(job, details),
        )

    def _run(self, job: Row, details: Row) -> dict[str, Any] | None:
        """Give what pages show of an execution; None for a job that others run."""
        if job["kind"] not in _RUN_HERE:
            return None
        row = self.executions.of_job(job["id"])
        if row is None:
            return None
        status = command.status_of(row["state"], row["closed"], row["status"])
        return {
            "status": status,
            "attempts": self.executions.attempts(job["id"]),
            "signals": _signals(job),
            "is_command": job["kind"] == Kind.COMMAND.value,
            "path": _path_of_outputs(job, row, details),
            "of": _of(row, details),
            "waits_for": self._waits_for(job, row),
            "asked": _asked_with(self.executions.asked_with(job["id"]) or {}),
        }

    def _waits_for(self, job: Row, row: Row) -> Mapping[str, Any] | None:
        """Say what a command waits for that nobody has; what containers do is on their result."""
        if job["kind"] != Kind.COMMAND.value or job["phase"] != Phase.QUEUED.value:
            return None
        found = self.executions.find(row["definition"], row["execution"])
        waits_for = jobrecords.waits_for(found) if found else None
        return waits_for and waits_for | {"words": AWAITED[waits_for["what"]]}

    # --- what buttons do

    def signal(self, request: Request, form: Form) -> Response:
        """Send a signal to an execution."""
        job, row = self._execution(request)
        event, cause = form.get("event"), form.get("cause")[:_MOST_CAUSE]
        by = request.caller.name
        if event == _GIVE_UP:
            if not request.caller.has(Role.ADMIN):
                raise forbidden("Only an administrator gives up an execution.")
            self.control.give_up(row, cause, by, form.key)
            return self.site.seen(_path(job), event)
        if event not in command.SIGNALS:
            expected = " or ".join((*command.SIGNALS, _GIVE_UP))
            raise malformed("There is no such signal.", "event", expected, event[:80])
        told = self.control.create(row, event, cause, by, _ANSWER_SECONDS, form.key)
        return self.site.seen(_path(job), event if told is Told.DONE else "pending")

    def repeat(self, request: Request, form: Form) -> Response:
        """Repeat an execution; the browser goes on to the new one."""
        job, row = self._execution(request)
        if job["kind"] != Kind.COMMAND.value:
            raise Conflict("Runs of a container are repeated by their result.")
        newest = form.get("commit") == "newest"
        by = request.caller.name
        asked = repetition(self.executions, row, by, form.key, newest=newest)
        (made,) = self.requests.request([asked])
        return self.site.seen(f"/ui/jobs/{made.job_id}", "repeated")

    # ---

    def _execution(self, request: Request) -> tuple[Row, Row]:
        job = known_job(self.reading, request)
        row = self.executions.of_job(job["id"]) if job["kind"] in _RUN_HERE else None
        if row is None:
            raise Conflict("This job is not run from here: nothing can be sent to it.")
        return job, row


def _path(job: Row) -> str:
    return f"/ui/jobs/{job['id']}"


def _has_way(job: Row, details: Row, caller: Caller) -> bool:
    """Whether there is a picture of its way: of a hidden job for administrators alone."""
    is_shown = details.get("hidden_at") is None or caller.has(Role.ADMIN)
    return job["kind"] == Kind.PIPELINE.value and is_shown


def _end(job: Row, now: datetime) -> datetime | None:
    return now if job["phase"] == Phase.RUNNING.value else None


def _signals(job: Row) -> tuple[str, ...]:
    """Give the signals that the state allows."""
    if job["phase"] not in _OPEN:
        return ()
    if job["phase"] == Phase.QUEUED.value:
        return ("terminate", "kill")
    first = "continue" if job["state"] == command.STOPPED else "stop"
    return (first, "terminate", "kill")


def _path_of_outputs(job: Row, row: Row, details: Row) -> str:
    """Give the path below which stdout, stderr and output of an execution stand."""
    if job["kind"] == Kind.CONTAINER.value:
        return f"/result/{details['result_id']}/detail/{details['detail_id']}/"
    return f"/jobs/{quote(row['definition'], safe='')}/{shortest(row['execution'])}/"


def _of(row: Row, details: Row) -> tuple[str, str, str]:
    """Give what an execution is one of: what that is, its name, the path of its page."""
    if row["detail"]:
        result = details["result_id"]
        return "Result", f"{result} of {row['definition']}", f"/ui/results/{result}"
    return "Job", row["definition"], path_of_job(row["definition"])


def _facts(details: Row, job: Row) -> list[tuple[str, Any]]:
    """Give what only jobs of its kind have; not what holds secrets by its name."""
    return [
        (name.replace("_", " "), value)
        for name, value in details.items()
        if name not in job and name not in _NOT_FACTS and not names_secret(name)
    ]


def _asked_with(data: Mapping[str, Any]) -> list[tuple[str, Any]]:
    names = ("trigger", "by", "command", "script", "arguments", "values", "schedule", "repeats")
    return [(name, data[name]) for name in names if data.get(name) not in (None, "", {}, [])]


def _event(row: Row) -> dict[str, Any]:
    return {**row, "raw": bytes(row["raw"])[:20_000].decode("utf-8", "replace"),
            "size": len(row["raw"])}  # fmt: skip
