"""The table of condor jobs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter, itemgetter
from typing import Any

from jexevents.lifecycle import condor, sealing
from jexevents.model import SEALED, Event, JobKey
from jexevents.store.database import Connection
from jexevents.store.literals import array, columns
from jexevents.store.queries import QUERIES
from jexevents.store.rows import JOB_FACTS, StoredEvent, tail_of

# The columns of condor_jobs that a folded state gives, in the order of condor_facts.
_FACTS = (
    "held",
    "said",
    "exit_signal",
    "core_file",
    "reason_code",
    "reason_subcode",
    "starts",
    "submit_host",
    "execute_host",
    "submitted_offset",
    "started_offset",
    "finished_offset",
    "invocation_id",
    "app_id",
    "batch_id",
    "command_line",
    "env_variables",
    "failure_count",
    "failure_threshold",
)
# What stands of a job in the tables of condor jobs alone, in the order of condor_rows.
_KEPT = (
    "condor_jobs",
    "invocations",
    *(f"condor_jobs.{name}" for name in ("cluster", "proc", *_FACTS)),
)


class CondorBook:
    """Jobs of HTCondor: folded by lifecycle.condor, their own facts in condor_jobs."""

    telling = (*condor.TELLING, SEALED)
    makes = None
    guards = False

    def fold(self, events: Iterable[Event | StoredEvent]) -> condor.CondorState:
        """Make a job's state from all its events."""
        return condor.fold(events)

    def matters(self, event: Event) -> bool:
        """Whether the fold takes an event into account."""
        return condor.matters(event)

    def in_order(self, events: Iterable[Event]) -> list[Event]:
        """Sort the events that matter into the order of the fold."""
        return condor.in_order(events)

    def passing(self, _events: Iterable[Event]) -> tuple[bytes, ...]:
        """Give none: what has ended is not opened again by a new try."""
        return ()

    def advance(self, state: condor.CondorState, events: Sequence[Event]) -> bool:
        """Fold more events into ``state``; False if the job must be folded anew."""
        return condor.advance(state, events)

    def admit(self, _state: condor.CondorState, event: Event) -> Event:
        """Let it in: what a log says has happened."""
        return event

    def read(
        self, connection: Connection, rows: Mapping[str, Sequence[Any]]
    ) -> dict[str, tuple[condor.CondorState, Any]]:
        """Give state, and what ``write`` compares with, by job id; ``rows`` are those of jobs."""
        own = {
            job_id: facts
            for job_id, *facts in QUERIES.condor_jobs.condor_facts(connection, ids=array(rows))
        }
        return {job_id: _stored(row, own.get(job_id)) for job_id, row in rows.items()}

    def write(self, connection: Connection, jobs: Sequence[tuple[str, JobKey, Any, Any]]) -> None:
        """Write what differs from before to condor_jobs."""
        rows = [
            (job_id, key.parts["cluster"], key.parts["proc"], *facts)
            for job_id, key, state, before in jobs
            if (facts := _facts(state)) != before
        ]
        if rows:
            QUERIES.condor_jobs.save_condor_facts.later(
                connection, **columns(("job_id", "cluster", "proc", *_FACTS), rows)
            )

    def note(self, connection: Connection, events: Sequence[tuple[str, Event]]) -> None:
        """Note under which invocation ids a job can be asked for."""
        named = {(condor.invocation(event), job_id) for job_id, event in events}
        pairs = sorted(pair for pair in named if pair[0] is not None)
        if pairs:
            QUERIES.condor_jobs.add_invocations.later(
                connection, **columns(("invocation_ids", "job_ids"), pairs)
            )

    def kept(
        self, connection: Connection, job_ids: Sequence[str]
    ) -> Mapping[str, Mapping[str, Any]]:
        """Give what stands in condor_jobs and invocations, by job id and ``table.column``."""
        rows = QUERIES.condor_jobs.condor_rows(connection, ids=array(job_ids))
        return {row[0]: dict(zip(_KEPT, row[1:], strict=True)) for row in rows}

    def due(self, key: str, state: Any, events: Sequence[StoredEvent]) -> Mapping[str, Any]:
        """Give what should stand in condor_jobs and invocations, and the source in the key."""
        source, _, condor_id = key.rpartition("#")
        cluster, _, proc = condor_id.partition(".")
        own = (int(cluster), int(proc or 0), *_facts(state))
        due = dict(zip(_KEPT, (True, _invocations(events), *own), strict=True))
        due["jobs.source"] = source
        return due

    def behind_seal(self, _event: Event) -> None:
        """Refuse nothing: what a log says of a sealed job is taken for a repetition."""

    def seal(self, state: Any, events: Sequence[StoredEvent]) -> dict[str, Any]:
        """Give the data of the sealed event: the state, and all invocation ids ever named."""
        return {**sealing.dump(state), "invocations": _invocations(events)}


def _invocations(events: Sequence[StoredEvent]) -> list[str]:
    named = {condor.invocation(event) for event in events} - {None}
    for event in events:
        if event.name == SEALED:
            named.update(event.data.get("invocations", ()))
    return sorted(named)


_facts = attrgetter(*_FACTS)
_NO_FACTS = _facts(condor.CondorState())

# A state's fields, out of those columns of jobs and of condor_jobs that say them.
_in_order = itemgetter(*map((*JOB_FACTS, *_FACTS).index, condor.FACTS))


def _stored(
    row: Sequence[Any], facts: Sequence[Any] | None
) -> tuple[condor.CondorState, tuple[Any, ...] | None]:
    known = (*row[: len(JOB_FACTS)], *(_NO_FACTS if facts is None else facts))
    state = condor.CondorState(*_in_order(known), tail_of(row))
    return state, None if facts is None else tuple(facts)
