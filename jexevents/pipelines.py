"""PipelineJobs between their surface and the ledger: messages taken, jobs created and deleted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jexevents import strictjson
from jexevents.errors import Forbidden, Invalid, Unacceptable
from jexevents.ingest import Ingest, other_content
from jexevents.lifecycle import pipeline
from jexevents.logs import get_logger
from jexevents.model import Arrival, Event, Outcome
from jexevents.sources.pipelinejobs.events import creation
from jexevents.sources.pipelinejobs.message import is_deletion
from jexevents.sources.pipelinejobs.secret import hashed
from jexevents.sources.pipelinejobs.words import IDEMPOTENCY_KEY, OF_ADMIN, PIPELINE_DOOR, QUERY
from jexevents.store.offers import Applied
from jexevents.store.pipeline_jobs import Creation, History, PipelineJobs, Row
from jexevents.validation import SCHEMAS

log = get_logger("pipelines")

_DELETION = "pipelinejob_deletion"


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends: the credential's name, whether it is an administrator's, and the one job that it
    is good for (its UUID), None for all.
    """

    credential: str
    is_admin: bool = False
    only_job: str | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a message: the job's UUID, the event's name, and whether it was new."""

    job_uuid: str
    name: str
    is_new: bool


def deletion_of(body: bytes) -> dict[str, Any] | None:
    """Give the document of a deletion, None for any other message."""
    if b'"action"' not in body:
        return None
    try:
        document = strictjson.loads(body)
    except Unacceptable:
        return None
    return document if is_deletion(document) else None


class Pipelines:
    """Every method raises StoreUnavailable while PostgreSQL does not answer."""

    def __init__(self, ingest: Ingest, jobs: PipelineJobs) -> None:
        self._ingest = ingest
        self._jobs = jobs

    def take(
        self,
        body: bytes,
        query: Mapping[str, str],
        sender: Sender,
        *,
        received_at: datetime,
        idempotency_key: str | None = None,
    ) -> Taken:
        """Take a message about a job; ``query`` is what stood in its URL.

        Raises Malformed, Invalid, Conflict, Forbidden; see Ingest.take. Conflict also where the
        Idempotency-Key was used for another event of the job.
        """
        properties: dict[str, Any] = {QUERY: dict(query)}
        if idempotency_key is not None:
            properties[IDEMPOTENCY_KEY] = idempotency_key
        if sender.is_admin:
            properties[OF_ADMIN] = sender.credential
        arrival = Arrival(body, received_at, PIPELINE_DOOR, properties=properties)
        event, applied = self._ingest.take(arrival, sender.only_job)
        if idempotency_key is not None and applied.outcome is Outcome.DUPLICATE:
            self._refuse_other_content(event, applied)
        return Taken(event.job.key, event.name, applied.outcome is Outcome.ACCEPTED)

    def _refuse_other_content(self, event: Event, applied: Applied) -> None:
        # Callbacks are told apart by what they say of themselves, whatever the key.
        if pipeline.is_callback(event.name) or applied.job_is_sealed or applied.seq is None:
            return
        if self._jobs.said(applied.seq) not in (None, pipeline.digest(event.name, event.data)):
            raise other_content()

    def create(
        self,
        document: Mapping[str, Any],
        sender: Sender,
        *,
        received_at: datetime,
        raw: bytes,
        new_token: bool = False,
    ) -> tuple[str, Creation]:
        """Create a job of a document that the schema ``pipelinejob_creation`` accepted.

        Gives its UUID, and what that did: see PipelineJobs.create.
        """
        job_uuid, event = creation(document, received_at=received_at, raw=raw)
        made = self._jobs.create(event, new_token=new_token, credential=sender.credential)
        outcome = Outcome.ACCEPTED if made.job_is_new else Outcome.DUPLICATE
        self._ingest.observer.stored(PIPELINE_DOOR, [event], [outcome])
        log.info("pipelinejob_created", job=made.job_id, uuid=job_uuid, new=made.job_is_new)
        return job_uuid, made

    def delete(self, document: Mapping[str, Any], sender: Sender) -> str:
        """Hide the job that a document names, or remove it by force; give its UUID.

        Raises Invalid for a document that the schema does not accept, Forbidden where the sender
        is no administrator, and has no administrator's token in the document, or there is no
        such job.
        """
        faults = SCHEMAS.check(_DELETION, document)
        if faults:
            raise Invalid(f"This is no {_DELETION}: {faults[0]}.", faults)
        administrator = self._administrator(document, sender)
        if administrator is None:
            raise Forbidden("Only an administrator can delete a job.")
        job_uuid = document["uuid"].lower()
        row = self._jobs.get(job_uuid)
        if row is None or sender.only_job not in (None, job_uuid):
            raise Forbidden
        if document.get("force"):
            self._jobs.remove(row["id"], job_uuid, administrator)
        else:
            self._jobs.hide(row["id"], administrator)
        log.info("pipelinejob_deleted", job=row["id"], uuid=job_uuid, force=document.get("force"))
        return job_uuid

    def _administrator(self, document: Mapping[str, Any], sender: Sender) -> str | None:
        """Give the name of the credential by which this comes from an administrator, or None."""
        if sender.is_admin:
            return sender.credential
        token = document.get("token")
        return self._jobs.administrator(hashed(token)) if token else None

    def get(self, job_uuid: str) -> Row | None:
        """One job, or None; hidden ones too (``hidden_at``)."""
        return self._jobs.get(job_uuid.lower())

    def find(self, **choice: Any) -> list[Row]:
        """A page of jobs; see PipelineJobs.find."""
        return self._jobs.find(**choice)

    def steps(self, job_id: str) -> list[pipeline.Step]:
        """What a job has been through, in outline; see PipelineJobs.steps."""
        return self._jobs.steps(job_id)

    def history(self, job_id: str, *, limit: int, after: int = 0) -> History:
        """A page of what a job has been through; see PipelineJobs.history."""
        return self._jobs.history(job_id, limit=limit, after=after)
