"""PipelineJobs as those see them who create, look up and delete them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jexevents.lifecycle import pipeline
from jexevents.model import Event
from jexevents.store import audit, nonces
from jexevents.store.database import Connection, Database
from jexevents.store.ledger import Ledger
from jexevents.store.literals import array
from jexevents.store.offers import Applied
from jexevents.store.queries import QUERIES
from jexevents.store.rows import stored_event
from jexevents.store.tokens import hashed

Row = Mapping[str, Any]
FILTERS = ("state", "pipeline", "session", "since", "until")

_TOKEN_BYTES = 8


@dataclass(frozen=True, slots=True)
class Creation:
    """What a creation did. Token and nonce are there where they were made, this once."""

    job_id: str
    job_is_new: bool
    token: str | None = None
    nonce: str | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """One step of a job's history, and what the ledger holds of the event behind it."""

    step: pipeline.Step
    row: Row


class PipelineJobs:
    """All methods raise StoreUnavailable while PostgreSQL does not answer."""

    def __init__(self, database: Database, ledger: Ledger) -> None:
        self._database = database
        self._ledger = ledger

    def create(self, event: Event, *, new_token: bool = False, credential: str = "") -> Creation:
        """Store the creation of a job, or find the job if it is there, and show it if hidden.

        A job that is new gets a token and a nonce of its own; one that is not, only with
        ``new_token``: its old token and its nonces are good for nothing then.
        """
        made: list[Creation] = []

        def also(connection: Connection, applied: Sequence[Applied]) -> None:
            (one,) = applied
            made[:] = [self._equip(connection, one, new_token, credential)]

        self._ledger.apply([event], also=also)
        return made[0]

    def _equip(
        self, connection: Connection, applied: Applied, new_token: bool, credential: str
    ) -> Creation:
        job_id = applied.job_id
        if QUERIES.pipeline_jobs.show(connection, id=job_id) > 0:
            audit.note(connection, "pipelinejob.show", {"job": job_id}, credential)
        if not (applied.job_is_new or new_token):
            return Creation(job_id, job_is_new=False)
        token = secrets.token_hex(_TOKEN_BYTES)
        QUERIES.pipeline_jobs.give_token(connection, id=job_id, sha256=hashed(token))
        QUERIES.nonces.revoke_nonces_of(connection, job_id=job_id)
        nonce = nonces.make(connection, note="callback", job_id=job_id)
        if not applied.job_is_new:
            audit.note(connection, "pipelinejob.new_token", {"job": job_id}, credential)
        return Creation(job_id, applied.job_is_new, token, nonce.secret)

    def get(self, job_uuid: str) -> Row | None:
        """One job, or None; hidden ones too (``hidden_at``)."""
        with self._database.look() as connection:
            rows = QUERIES.pipeline_jobs.pipeline_job.mappings(connection, key=job_uuid)
            return rows[0] if rows else None

    def find(
        self, *, limit: int, before: str | None = None, hidden: bool = False, **filters: Any
    ) -> list[Row]:
        """A page of jobs, the newest rows first, older than the row with the id ``before``.

        Filters are those of FILTERS; ``since`` and ``until`` are aware datetimes.
        """
        given = dict.fromkeys(FILTERS) | filters
        with self._database.look() as connection:
            return QUERIES.pipeline_jobs.find_pipeline_jobs.mappings(
                connection, limit=limit, before=before, hidden=hidden, **given
            )

    def administrator(self, token_sha256: bytes) -> str | None:
        """The name of the token in force with the role admin that has this hash, or None."""
        with self._database.look() as connection:
            rows = QUERIES.tokens.administrators(connection, sha256s=array([token_sha256]))
            return next((name for _, name in rows), None)

    def said(self, seq: int) -> str | None:
        """The digest of what an event says (lifecycle.pipeline.digest); None if it is gone."""
        with self._database.look() as connection:
            row = QUERIES.events.event_said(connection, seq=seq)
            return None if row is None else pipeline.digest(*row)

    def history(self, job_id: str) -> list[Told]:
        """What a job has been through, in the order of the fold, with the steps it implies."""
        with self._database.look() as connection:
            rows = QUERIES.pipeline_jobs.history.mappings(connection, job_id=job_id)
        by_checksum = {bytes(row["checksum"]): row for row in rows}
        events = [stored_event([row[name] for name in _EVENT]) for row in rows]
        return [Told(step, by_checksum[step.event.checksum]) for step in pipeline.steps(events)]

    def hide(self, job_id: str, credential: str) -> None:
        """Leave a job out of what is shown."""

        def work(connection: Connection) -> None:
            if QUERIES.pipeline_jobs.hide(connection, id=job_id) > 0:
                audit.note(connection, "pipelinejob.hide", {"job": job_id}, credential)

        self._database.run(work)

    def remove(self, job_id: str, job_uuid: str, credential: str) -> None:
        """Remove a job with all its events; that this was done is kept in the audit."""

        def work(connection: Connection) -> None:
            QUERIES.pipeline_jobs.lock_job(connection, id=job_id)
            events = QUERIES.pipeline_jobs.remove_events(connection, id=job_id)
            QUERIES.pipeline_jobs.remove_job(connection, id=job_id)
            detail = {"job": job_id, "uuid": job_uuid, "events": events}
            audit.note(connection, "pipelinejob.remove", detail, credential)

        self._database.run(work)


_EVENT = (
    "name",
    "occurred_at",
    "occurred_offset",
    "occurred_alt",
    "checksum",
    "data",
    "log",
    "offset",
)
