"""PipelineJobs: their messages, their creation, what became of them (seed pipelinejobs-manager)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

from jexevents.errors import Forbidden
from jexevents.lifecycle.pipeline import STATES
from jexevents.model import NONCE, Role
from jexevents.pipelines import Pipelines, Sender, deletion_of
from jexevents.sidecar import diagram
from jexevents.sidecar.paging import (
    AFTER,
    DEFAULT_LIMIT,
    LIMIT,
    PAGE_OF_JOBS,
    SINCE,
    UNTIL,
    page,
)
from jexevents.sidecar.parameters import IDEMPOTENCY_KEY, choice, switch, text
from jexevents.sidecar.problems import forbidden, not_found
from jexevents.sidecar.records import pipeline_job, pipeline_step
from jexevents.sidecar.requests import Request
from jexevents.sidecar.responses import Response
from jexevents.sidecar.routes import JSON, Route
from jexevents.sidecar.throttle import Throttle
from jexevents.store.pipeline_jobs import FILTERS, Creation, Row
from jexevents.validation import is_uuid

_SVG = "image/svg+xml"
_MESSAGES = (
    "pipelinejob_manager_event",
    "agave_job_callback",
    "tapis_job_notification",
    "pipelinejob_deletion",
)
# Read by what takes the message; it says what is wrong with them.
_OF_MESSAGES = (
    text("uuid", "The job, where the body does not say it."),
    text("event", "The event; then the body is its data."),
    text("status", "The status that a callback tells."),
    text("token", "The job's token, where the body has none."),
)
_FILTERS = (
    choice("state", "In this state.", STATES),
    text("pipeline", "Of this pipeline."),
    text("session", "Of this session."),
    SINCE,
    UNTIL,
    switch("hidden", "Hidden ones too; for administrators."),
)
# Agave puts the status into the URL where this stands.
_STATUS_MACRO = "${JOB_STATUS}"
_UUID = re.compile(rb'"uuid"\s*:\s*"([0-9A-Fa-f-]{36})"')


@dataclass(frozen=True, slots=True)
class PipelineSurface:
    """The surface; ``actor`` is the id under which messages come, ``public_url`` where callers
    reach us, empty to go by the request.
    """

    pipelines: Pipelines
    throttle: Throttle
    actor: str
    public_url: str
    max_body_bytes: int
    now: Callable[[], datetime]

    def routes(self) -> list[Route]:
        """Give the table of the surface."""
        return [
            Route(
                method="POST",
                path="/actors/v2/<actor_id>/messages",
                role=Role.WRITE,
                nonces=True,
                handler=self.message,
                answer="pipelinejob_message",
                statuses=(200, 403, 404, 409, 422),
                query=(*_OF_MESSAGES, text(NONCE, "A nonce, in the place of a token.")),
                others=True,
                bodies={JSON: _MESSAGES},
                headers=(IDEMPOTENCY_KEY,),
                max_body_bytes=self.max_body_bytes,
                summary="Take an event of a PipelineJob, or a callback of Agave or Tapis.",
            ),
            Route(
                method="POST",
                path="/pipelinejobs",
                role=Role.WRITE,
                handler=self.create,
                request="pipelinejob_creation",
                answer="pipelinejob_created",
                statuses=(200, 201, 403, 422),
                query=(
                    switch("new_token", "A new token for a job that exists; for administrators."),
                ),
                summary="Create a PipelineJob, or find the one that there is.",
            ),
            Route(
                method="GET",
                path="/pipelinejobs",
                role=Role.READ,
                handler=self.jobs,
                answer="pipelinejobs",
                statuses=(200, 403),
                query=(*_FILTERS, *PAGE_OF_JOBS),
                summary="PipelineJobs, the newest of the ledger first.",
            ),
            Route(
                method="GET",
                path="/pipelinejobs/diagram.svg",
                role=Role.READ,
                handler=self.machine,
                produces=(_SVG,),
                asks_database=False,
                sessions=True,
                summary="The state machine of all PipelineJobs, as a picture.",
            ),
            Route(
                method="GET",
                path="/pipelinejobs/<uuid>",
                role=Role.READ,
                handler=self.job,
                answer="pipelinejob",
                statuses=(200, 404),
                summary="One PipelineJob, with its history.",
            ),
            Route(
                method="DELETE",
                path="/pipelinejobs/<uuid>",
                role=Role.ADMIN,
                handler=self.delete,
                statuses=(204, 404),
                query=(switch("force", "Remove it and all its events."),),
                summary="Hide a PipelineJob, or with force=true remove it and all its events.",
            ),
            Route(
                method="GET",
                path="/pipelinejobs/<uuid>/history",
                role=Role.READ,
                handler=self.history,
                answer="pipelinejob_history",
                query=(LIMIT, AFTER),
                statuses=(200, 404),
                summary="What a PipelineJob has been through, implied steps included.",
            ),
            Route(
                method="GET",
                path="/pipelinejobs/<uuid>/diagram.svg",
                role=Role.READ,
                handler=self.way,
                produces=(_SVG,),
                statuses=(200, 404),
                sessions=True,
                # Another one has a page load the picture anew.
                query=(text("v", "Anything: it makes another address of the same."),),
                summary="The state machine with the way of one PipelineJob through it.",
            ),
        ]

    # --- what changes a job

    def message(self, request: Request) -> dict[str, Any]:
        """Take a message; answer with the job as it stands then."""
        asked = request.parameters["actor_id"]
        if asked != self.actor:
            raise not_found(f"There is no actor {asked[:80]!r} here.")
        body = request.body()
        # By job: who fails at one job must not keep callbacks about others out.
        slowed = f"{request.caller.address} {_uuid_of(request, body)}"
        self.throttle.check(slowed)
        try:
            taken = self._taken(request, body)
        except Forbidden:
            self.throttle.failed(slowed)
            raise
        self.throttle.succeeded(slowed)
        return taken

    def _taken(self, request: Request, body: bytes) -> dict[str, Any]:
        sender = _sender(request)
        by_url = {"event", "status"} & request.query.keys()
        deletion = None if by_url else deletion_of(body)
        if deletion is not None:
            job_uuid = self.pipelines.delete(deletion, sender)
            return {"result": "deleted", "event": "delete", "uuid": job_uuid}
        taken = self.pipelines.take(
            body,
            request.query,
            sender,
            received_at=self.now(),
            idempotency_key=request.idempotency_key(),
        )
        row = self.pipelines.get(taken.job_uuid)
        result = "accepted" if taken.is_new else "duplicate"
        told = {"result": result, "event": taken.name, "uuid": taken.job_uuid}
        return told if row is None else {**pipeline_job(row), **told}

    def create(self, request: Request) -> Response:
        """Create a job: 201 for one that is new, 200 for one that exists."""
        new_token = request.values["new_token"]
        if new_token and not request.caller.has(Role.ADMIN):
            raise forbidden("A second token for a job needs the role admin.")
        body = request.body()
        job_uuid, made = self.pipelines.create(
            request.json(body),
            _sender(request),
            received_at=self.now(),
            raw=body,
            new_token=new_token,
        )
        row = self.pipelines.get(job_uuid)
        answer = pipeline_job(row) | {"result": "created" if made.job_is_new else "exists"}
        if made.token is not None:
            answer |= {"token": made.token, "callback": self._callback(request, job_uuid, made)}
        status = 201 if made.job_is_new else 200
        return Response(status, answer, {"Location": f"/pipelinejobs/{job_uuid}"})

    def _callback(self, request: Request, job_uuid: str, made: Creation) -> str:
        """Give the URL that Agave is to be handed for its callbacks about this job."""
        base = self.public_url.rstrip("/") or f"http://{request.headers.get('Host', '')}"
        parameters = {"uuid": job_uuid, "token": made.token, NONCE: made.nonce}
        query = "&".join(f"{name}={quote(value)}" for name, value in parameters.items())
        return f"{base}/actors/v2/{self.actor}/messages?{query}&status={_STATUS_MACRO}"

    def delete(self, request: Request) -> None:
        """Hide a job, or remove it."""
        row = self._known(request, hidden=True)
        document = {"uuid": row["key"], "action": "delete", "force": request.values["force"]}
        self.pipelines.delete(document, _sender(request))

    # --- what became of jobs

    def jobs(self, request: Request) -> Mapping[str, Any]:
        """Give a page of jobs."""
        hidden = request.values["hidden"]
        if hidden and not request.caller.has(Role.ADMIN):
            raise forbidden("To see hidden jobs needs the role admin.")
        filters = {name: request.values[name] for name in FILTERS}
        limit, before = request.values["limit"], request.values["before"]
        rows = self.pipelines.find(limit=limit + 1, before=before, hidden=hidden, **filters)
        return page(request, rows, limit, "id", pipeline_job)

    def job(self, request: Request) -> dict[str, Any]:
        """Give one job with its history."""
        row = self._known(request)
        steps, following = self._history(row, DEFAULT_LIMIT)
        return pipeline_job(row) | {"history": steps, "history_next": following}

    def history(self, request: Request) -> dict[str, Any]:
        """Give a page of a job's history alone."""
        row = self._known(request)
        after = request.values["after"] or 0
        steps, following = self._history(row, request.values["limit"], after)
        return {"uuid": row["key"], "items": steps, "next": following}

    def _history(
        self, row: Row, limit: int, after: int = 0
    ) -> tuple[list[dict[str, Any]], str | None]:
        """Give steps, and the path at which those behind them are."""
        page = self.pipelines.history(row["id"], limit=limit, after=after)
        following = None
        if page.next is not None:
            query = urlencode({"limit": limit, "after": page.next})
            following = f"/pipelinejobs/{row['key']}/history?{query}"
        return [pipeline_step(told) for told in page.steps], following

    def machine(self, _request: Request) -> Response:
        """Draw the state machine."""
        return Response(200, diagram.draw(), content_type=_SVG)

    def way(self, request: Request) -> Response:
        """Draw the state machine with a job's way through it."""
        row = self._known(request)
        steps = self.pipelines.steps(row["id"])
        return Response(200, diagram.draw(steps, row["state"]), content_type=_SVG)

    def _known(self, request: Request, *, hidden: bool = False) -> Row:
        """Give the job that the path names; a hidden one only to administrators."""
        asked = request.parameters["uuid"]
        row = self.pipelines.get(asked) if is_uuid(asked) else None
        if row is not None and row["hidden_at"] is not None:
            row = row if hidden or request.caller.has(Role.ADMIN) else None
        if row is None:
            raise not_found(f"The ledger knows no PipelineJob {asked[:80]!r}.")
        return row


def _sender(request: Request) -> Sender:
    caller = request.caller
    return Sender(caller.name, caller.has(Role.ADMIN), caller.job)


def _uuid_of(request: Request, body: bytes) -> str:
    """Give the job that a message seems to be about: whose token is guessed, if one is."""
    found = request.query.get("uuid")
    if found is None and (match := _UUID.search(body)):
        found = match[1].decode()
    return (found or "")[:36].lower()
