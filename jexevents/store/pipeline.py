"""The table of PipelineJobs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter, itemgetter
from typing import Any

from jexevents.errors import Conflict, Forbidden
from jexevents.lifecycle import pipeline, sealing
from jexevents.model import Event, Fault, JobKey, Right
from jexevents.store import audit
from jexevents.store.database import Connection
from jexevents.store.literals import array, columns
from jexevents.store.queries import QUERIES
from jexevents.store.rows import JOB_FACTS, StoredEvent, tail_of

# The columns of pipeline_jobs that a folded state gives, in the order of pipeline_facts.
_FACTS = (*pipeline.CREATION, "last_event", "updated_at", "after_error", "sent")
_DATA = _FACTS.index("data")
# What stands of a job in pipeline_jobs alone, in the order of pipeline_rows.
_KEPT = ("pipeline_jobs", *(f"pipeline_jobs.{name}" for name in _FACTS))


class PipelineBook:
    """PipelineJobs: folded by lifecycle.pipeline, their own facts in pipeline_jobs."""

    # A callback is named by its status, and that may be anything.
    telling = None
    makes = frozenset((pipeline.CREATE,))
    guards = True

    def fold(self, events: Iterable[Event | StoredEvent]) -> pipeline.PipelineState:
        """Make a job's state from all its events."""
        return pipeline.fold(events)

    def matters(self, _event: Event) -> bool:
        """Whether the fold takes an event into account: all of them."""
        return True

    def in_order(self, events: Iterable[Event]) -> list[Event]:
        """Sort events into the order of the fold."""
        return pipeline.in_order(events)

    def passing(self, _events: Iterable[Event]) -> tuple[bytes, ...]:
        """Give none: what has ended is not opened again by a new try."""
        return ()

    def advance(self, state: pipeline.PipelineState, events: Sequence[Event]) -> bool:
        """Fold more events into ``state``; False if the job must be folded anew."""
        return pipeline.advance(state, events)

    def admit(self, state: pipeline.PipelineState, event: Event) -> Event | None:
        """Let an event of an event door in, at its time; None where it says nothing new.

        Callbacks are always let in. Raises Conflict where the state does not allow it, Forbidden
        where nobody vouches for it, or it takes an administrator.
        """
        name = event.name
        if (forbidden := _forbidden(event)) is not None:
            raise forbidden
        if pipeline.is_callback(name):
            return event
        if event.unless_latest and state.sent == pipeline.digest(name, event.data):
            return None
        if state.state not in pipeline.EDGES[name]:
            raise _not_allowed(state.state, name)
        return event._replace(occurred_at=pipeline.instant(state, event.received_at))

    def read(
        self, connection: Connection, rows: Mapping[str, Sequence[Any]]
    ) -> dict[str, tuple[pipeline.PipelineState, Any]]:
        """Give state, and what ``write`` compares with, by job id; ``rows`` are those of jobs."""
        own = {
            job_id: facts
            for job_id, *facts in QUERIES.pipeline_jobs.pipeline_facts(connection, ids=array(rows))
        }
        return {job_id: _stored(row, own.get(job_id)) for job_id, row in rows.items()}

    def write(self, connection: Connection, jobs: Sequence[tuple[str, JobKey, Any, Any]]) -> None:
        """Write what differs from before to pipeline_jobs."""
        rows = [
            (job_id, *facts[:_DATA], json.dumps(facts[_DATA]), *facts[_DATA + 1 :])
            for job_id, _, state, before in jobs
            if (facts := _facts(state)) != before
        ]
        if rows:
            QUERIES.pipeline_jobs.save_pipeline_facts.later(
                connection, **columns(("job_id", *_FACTS), rows)
            )

    def note(self, connection: Connection, events: Sequence[tuple[str, Event]]) -> None:
        """Note in the audit what administrators did; a PipelineJob has no other names."""
        for job_id, event in events:
            if event.name in pipeline.ADMINISTRATIVE:
                by = event.proof.credential or audit.COMMAND_LINE
                audit.note(connection, f"pipelinejob.{event.name}", {"job": job_id}, by)

    def kept(
        self, connection: Connection, job_ids: Sequence[str]
    ) -> Mapping[str, Mapping[str, Any]]:
        """Give what stands in pipeline_jobs, by job id and ``table.column``."""
        rows = QUERIES.pipeline_jobs.pipeline_rows(connection, ids=array(job_ids))
        return {row[0]: dict(zip(_KEPT, row[1:], strict=True)) for row in rows}

    def due(self, _key: str, state: Any, _events: Sequence[StoredEvent]) -> Mapping[str, Any]:
        """Give what should stand in pipeline_jobs, and the source in the key: none."""
        own = dict(zip(_KEPT, (True, *_facts(state)), strict=True))
        return {**own, "jobs.source": ""}

    def behind_seal(self, event: Event) -> Conflict | Forbidden | None:
        """Say why a sealed job refuses an event: only callbacks and creations are repetitions."""
        if (forbidden := _forbidden(event)) is not None:
            return forbidden
        if event.name == pipeline.CREATE or pipeline.is_callback(event.name):
            return None
        return Conflict("The job's story was pruned long after its end; nothing can change it.")

    def seal(self, state: Any, _events: Sequence[StoredEvent]) -> dict[str, Any]:
        """Give the data of the sealed event: the state."""
        return sealing.dump(state)


def _forbidden(event: Event) -> Forbidden | None:
    """Say why nobody who may has sent an event; None if somebody has."""
    if event.proof is None:
        return Forbidden()
    by_administrator = event.proof.right is Right.ADMINISTRATOR
    if event.name in pipeline.ADMINISTRATIVE and not by_administrator:
        return Forbidden(f"Only an administrator's token can send {event.name!r}.")
    return None


def _not_allowed(state: str, name: str) -> Conflict:
    allowed = ", ".join(pipeline.allowed(state))
    return Conflict(
        f"The job is {state}, which does not allow {name!r}.",
        [Fault("/name", f"one of {allowed}", name)],
        remedy=f"{state} allows: {allowed}.",
    )


_facts = attrgetter(*_FACTS)
_NO_FACTS = _facts(pipeline.PipelineState())

# A state's fields, out of those columns of jobs and of pipeline_jobs that say them.
_in_order = itemgetter(*map((*JOB_FACTS, *_FACTS).index, pipeline.FACTS))


def _stored(
    row: Sequence[Any], facts: Sequence[Any] | None
) -> tuple[pipeline.PipelineState, tuple[Any, ...] | None]:
    known = (*row[: len(JOB_FACTS)], *(_NO_FACTS if facts is None else facts))
    state = pipeline.PipelineState(*_in_order(known), tail_of(row))
    return state, None if facts is None else tuple(facts)
