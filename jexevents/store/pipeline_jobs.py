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
from jexevents.store.reading import PAGE_BYTES
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


@dataclass(frozen=True, slots=True)
class History:
    """A page of a job's history; ``next`` is how many steps stand before the following page."""

    steps: list[Told]
    next: int | None


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

    def steps(self, job_id: str) -> list[pipeline.Step]:
        """What a job has been through, in the order of the fold, with the steps it implies.

        Their events have no data: nobody knows how many they are.
        """
        with self._database.look() as connection:
            return [step for step, _, _ in self._outline(connection, job_id)]

    def history(self, job_id: str, *, limit: int, after: int = 0) -> History:
        """A page of the steps, behind the first ``after``, bounded by PAGE_BYTES too."""
        with self._database.look() as connection:
            outline = self._outline(connection, job_id)
            page = _bounded(outline[after : after + limit])
            seqs = array({seq for _, seq, _ in page})
            rows = QUERIES.pipeline_jobs.told.mappings(connection, seqs=seqs)
        by_seq = {row["seq"]: row for row in rows}
        # One that was removed meanwhile leaves a gap.
        told = [Told(step, by_seq[seq]) for step, seq, _ in page if seq in by_seq]
        end = after + len(page)
        return History(told, end if end < len(outline) else None)

    def _outline(self, connection: Connection, job_id: str) -> list[tuple[pipeline.Step, int, int]]:
        """Give each step, the number of its event, and how many bytes that has."""
        rows = list(QUERIES.pipeline_jobs.outline(connection, job_id=job_id))
        places = {bytes(row[_CHECKSUM]): row[-2:] for row in rows}
        steps = pipeline.steps(stored_event(row[:-2]) for row in rows)
        return [(step, *places[step.event.checksum]) for step in steps]

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


# Where the checksum stands in a row of ``outline``.
_CHECKSUM = 4


def _bounded(
    page: Sequence[tuple[pipeline.Step, int, int]],
) -> Sequence[tuple[pipeline.Step, int, int]]:
    """Give the steps up to the one with which there are PAGE_BYTES: one at least."""
    left = PAGE_BYTES
    for index, (_, _, size) in enumerate(page):
        if left <= 0:
            return page[:index]
        left -= size
    return page
