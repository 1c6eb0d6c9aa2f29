"""The JEX interface: insert a job, ask what became of one (seed jex-events)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jexevents.documents import last_event
from jexevents.ingest import Ingest, Insertion
from jexevents.model import Role
from jexevents.sidecar.parameters import IDEMPOTENCY_KEY
from jexevents.sidecar.problems import Problem, not_found
from jexevents.sidecar.records import condor_record
from jexevents.sidecar.requests import Request
from jexevents.sidecar.responses import Response
from jexevents.sidecar.routes import Route
from jexevents.store.reading import Reading
from jexevents.validation import is_uuid


@dataclass(frozen=True, slots=True)
class Jex:
    """The surface; ``source`` is the default for insertions that name none."""

    ingest: Ingest
    reading: Reading
    source: str
    now: Callable[[], datetime]

    def routes(self) -> list[Route]:
        """Give the table of the surface."""
        return [
            Route(
                method="POST",
                path="/jobs",
                role=Role.WRITE,
                handler=self.insert_job,
                request="job_insertion",
                headers=(IDEMPOTENCY_KEY,),
                answer="job_record",
                statuses=(200, 201, 409, 422),
                summary="Insert a job, or update the one that has this CondorID.",
            ),
            Route(
                method="GET",
                path="/invocations/<uuid>",
                role=Role.READ,
                handler=self.invocation,
                answer="job_record",
                statuses=(200, 404),
                summary="The record of the condor job that an invocation id stands for.",
            ),
            Route(
                method="GET",
                path="/last-events/<uuid>",
                role=Role.READ,
                handler=self.last_events,
                answer="last_events",
                statuses=(200, 404),
                summary="What became of a job, by its invocation id or its id.",
            ),
        ]

    def insert_job(self, request: Request) -> Response:
        """Store an insertion: 201 for a job that is new, 200 for one that exists."""
        body = request.body()
        done = self.ingest.insert_job(
            request.json(body),
            received_at=self.now(),
            raw=body,
            source=self.source,
            idempotency_key=request.idempotency_key(),
        )
        record = condor_record(self.reading.condor_job(done.job_id))
        return Response(
            201 if done.job_is_new else 200,
            record | {"Result": _result(done)},
            {"Location": f"/jobs/{done.job_id}"},
        )

    def job(self, job_id: str) -> dict[str, Any]:
        """Give the record of a condor job by its id: what ``GET /jobs/<uuid>`` answers."""
        return self._record(job_id, "job")

    def invocation(self, request: Request) -> dict[str, Any]:
        """Give the record of the job that an invocation id stands for."""
        asked = _uuid(request)
        job_id = self.reading.job_of_invocation(asked)
        # Until an invocation id is known, a job's own id is the one its record shows.
        return self._record(job_id or asked, "invocation")

    def last_events(self, request: Request) -> dict[str, Any]:
        """Give the state of a job by an invocation id, or by the id of a job of any kind."""
        asked = _uuid(request)
        row = self.reading.state_of(asked)
        if row is None:
            raise _unknown("invocation or job", asked)
        return last_event(asked, row["phase"], row["finished_at"])

    def _record(self, job_id: str, what: str) -> dict[str, Any]:
        row = self.reading.condor_job(job_id)
        if row is None:
            other = self.reading.job(job_id)
            raise _unknown(what, job_id) if other is None else _of_other_kind(job_id, other["kind"])
        return condor_record(row)


def _result(done: Insertion) -> str:
    if done.job_is_new:
        return "inserted"
    return "updated" if done.changed else "unchanged"


def _uuid(request: Request) -> str:
    asked = request.parameters["uuid"].lower()
    if not is_uuid(asked):
        raise _unknown("job", asked)
    return asked


def _unknown(what: str, asked: str) -> Problem:
    return not_found(f"The ledger knows no {what} {asked[:80]!r}.")


def _of_other_kind(job_id: str, kind: str) -> Problem:
    return not_found(
        f"{job_id} is no job of HTCondor, but one of the kind {kind}: see /ledger/jobs/{job_id}."
    )
