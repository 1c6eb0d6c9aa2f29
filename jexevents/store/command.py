"""The table of executions: commands and containers that we run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter, itemgetter
from typing import Any

from jexevents.lifecycle import command, sealing
from jexevents.lifecycle.executionid import microseconds
from jexevents.model import Event, JobKey
from jexevents.store.database import Connection
from jexevents.store.literals import array, columns
from jexevents.store.queries import QUERIES
from jexevents.store.rows import JOB_FACTS, StoredEvent, tail_of

# The columns of executions that a folded state gives, in the order of execution_facts.
_FACTS = (
    "execution",
    "definition",
    "commit",
    "attempt",
    "status",
    "node",
    "claim",
    "exit_signal",
    "task",
    "image",
    "result_id",
    "number",
)
# What stands of a job in executions alone, in the order of execution_rows.
_KEPT = ("executions", *(f"executions.{name}" for name in _FACTS))


class ExecutionBook:
    """Executions: folded by lifecycle.command, their own facts in executions."""

    # What an event may be called is for the job to say.
    telling = None
    # A report of an execution that nobody asked for here is none of ours.
    makes = frozenset((command.REQUESTED,))
    guards = False

    def fold(self, events: Iterable[Event | StoredEvent]) -> command.CommandState:
        """Make a job's state from all its events."""
        return command.fold(events)

    def matters(self, _event: Event) -> bool:
        """Whether the fold takes an event into account: all of them."""
        return True

    def in_order(self, events: Iterable[Event]) -> list[Event]:
        """Give the events that the fold takes into account, in its order."""
        return command.in_order(events)

    def passing(self, events: Iterable[Event]) -> set[bytes]:
        """Give the checksums of ends behind which another attempt follows."""
        return command.passing(events)

    def advance(self, state: command.CommandState, events: Sequence[Event]) -> bool:
        """Fold more events into ``state``; False if the job must be folded anew."""
        return command.advance(state, events)

    def admit(self, _state: command.CommandState, event: Event) -> Event:
        """Let it in: what comes late changes nothing, and is kept."""
        return event

    def read(
        self, connection: Connection, rows: Mapping[str, Sequence[Any]]
    ) -> dict[str, tuple[command.CommandState, Any]]:
        """Give state, and what ``write`` compares with, by job id; ``rows`` are those of jobs."""
        own = {
            job_id: facts
            for job_id, *facts in QUERIES.executions.execution_facts(connection, ids=array(rows))
        }
        return {job_id: _stored(row, own.get(job_id)) for job_id, row in rows.items()}

    def write(self, connection: Connection, jobs: Sequence[tuple[str, JobKey, Any, Any]]) -> None:
        """Write what differs from before to executions."""
        rows = [
            (job_id, key.parts["execution"], *facts[1:])
            for job_id, key, state, before in jobs
            if (facts := _facts(state)) != before
        ]
        if rows:
            QUERIES.executions.save_execution_facts.later(
                connection, **columns(("job_id", *_FACTS), rows)
            )

    def note(self, connection: Connection, events: Sequence[tuple[str, Event]]) -> None:
        """Note nothing: an execution has no other names."""

    def kept(
        self, connection: Connection, job_ids: Sequence[str]
    ) -> Mapping[str, Mapping[str, Any]]:
        """Give what stands in executions, by job id and ``table.column``."""
        rows = QUERIES.executions.execution_rows(connection, ids=array(job_ids))
        return {row[0]: dict(zip(_KEPT, row[1:], strict=True)) for row in rows}

    def due(self, key: str, state: Any, _events: Sequence[StoredEvent]) -> Mapping[str, Any]:
        """Give what should stand in executions, and as the job's source the definition or task."""
        execution, *facts = _facts(state)
        own = dict(zip(_KEPT, (True, execution or microseconds(key), *facts), strict=True))
        return {**own, "jobs.source": state.definition or state.task or ""}

    def behind_seal(self, _event: Event) -> None:
        """Refuse nothing: what is told of a sealed execution is taken for a repetition."""

    def seal(self, state: Any, _events: Sequence[StoredEvent]) -> dict[str, Any]:
        """Give the data of the sealed event: the state."""
        return sealing.dump(state)


_facts = attrgetter(*_FACTS)
_NO_FACTS = _facts(command.CommandState())

# A state's fields, out of those columns of jobs and of executions that say them.
_in_order = itemgetter(*map((*JOB_FACTS, *_FACTS).index, command.FACTS))


def _stored(
    row: Sequence[Any], facts: Sequence[Any] | None
) -> tuple[command.CommandState, tuple[Any, ...] | None]:
    known = (*row[: len(JOB_FACTS)], *(_NO_FACTS if facts is None else facts))
    state = command.CommandState(*_in_order(known), tail_of(row))
    return state, None if facts is None else tuple(facts)
