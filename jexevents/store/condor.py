"""The table of condor jobs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jexevents.lifecycle import condor, sealing
from jexevents.model import SEALED, Event, JobKey
from jexevents.store.database import Connection
from jexevents.store.queries import QUERIES
from jexevents.store.rows import StoredEvent

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

    def new_state(self) -> condor.CondorState:
        """Give the state of a job that nothing is known of."""
        return condor.CondorState()

    def fold(self, events: Iterable[Event | StoredEvent]) -> condor.CondorState:
        """Make a job's state from all its events."""
        return condor.fold(events)

    def step(self, state: condor.CondorState, event: Event) -> bool:
        """Fold one more event into ``state``; False if it is not the next in order."""
        return condor.step(state, event)

    def order(self, events: Iterable[Event]) -> list[Event]:
        """Give events in the order of the fold."""
        return condor.in_order(events)

    def read(self, connection: Connection, states: Mapping[str, Any]) -> None:
        """Fill in what stands in condor_jobs; ``states`` by job id."""
        rows = QUERIES.condor_jobs.condor_facts(connection, ids=list(states))
        for job_id, *values in rows:
            state = states[job_id]
            for name, value in zip(_FACTS, values, strict=True):
                setattr(state, name, value)

    def write(self, connection: Connection, jobs: Sequence[tuple[str, JobKey, Any, Any]]) -> None:
        """Write what differs from before to condor_jobs."""
        rows = [
            (job_id, key.parts["cluster"], key.parts["proc"], *_facts(state))
            for job_id, key, state, before in jobs
            if before is None or _facts(before) != _facts(state)
        ]
        if rows:
            names = ("job_id", "cluster", "proc", *_FACTS)
            columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
            QUERIES.condor_jobs.save_condor_facts(connection, **columns)

    def note(self, connection: Connection, events: Sequence[tuple[str, Event]]) -> None:
        """Note under which invocation ids a job can be asked for."""
        named = {(condor.invocation(event), job_id) for job_id, event in events}
        pairs = sorted(pair for pair in named if pair[0] is not None)
        if pairs:
            invocation_ids, job_ids = map(list, zip(*pairs, strict=True))
            QUERIES.condor_jobs.add_invocations(
                connection, invocation_ids=invocation_ids, job_ids=job_ids
            )

    def kept(
        self, connection: Connection, job_ids: Sequence[str]
    ) -> Mapping[str, Mapping[str, Any]]:
        """Give what stands in condor_jobs and invocations, by job id and ``table.column``."""
        rows = QUERIES.condor_jobs.condor_rows(connection, ids=list(job_ids))
        return {row[0]: dict(zip(_KEPT, row[1:], strict=True)) for row in rows}

    def due(self, key: str, state: Any, events: Sequence[StoredEvent]) -> Mapping[str, Any]:
        """Give what should stand in condor_jobs and invocations, and the source in the key."""
        source, _, condor_id = key.rpartition("#")
        cluster, _, proc = condor_id.partition(".")
        own = (int(cluster), int(proc or 0), *_facts(state))
        due = dict(zip(_KEPT, (True, _invocations(events), *own), strict=True))
        due["jobs.source"] = source
        return due

    def seal(self, state: Any, events: Sequence[StoredEvent]) -> dict[str, Any]:
        """Give the data of the sealed event: the state, and all invocation ids ever named."""
        return {**sealing.dump(state), "invocations": _invocations(events)}


def _invocations(events: Sequence[StoredEvent]) -> list[str]:
    named = {condor.invocation(event) for event in events} - {None}
    for event in events:
        if event.name == SEALED:
            named.update(event.data.get("invocations", ()))
    return sorted(named)


def _facts(state: condor.CondorState) -> tuple[Any, ...]:
    return tuple(getattr(state, name) for name in _FACTS)
