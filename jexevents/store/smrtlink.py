"""The table of SMRT Link's jobs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from jexevents.lifecycle import sealing, smrtlink
from jexevents.model import Event, JobKey
from jexevents.store.database import Connection
from jexevents.store.literals import array, columns
from jexevents.store.queries import QUERIES
from jexevents.store.rows import JOB_FACTS, StoredEvent, tail_of

# The columns of smrtlink_jobs that a folded state gives, in the order of smrtlink_facts.
_FACTS = ("job_type",)
# What stands of a job in smrtlink_jobs alone, in the order of smrtlink_rows.
_KEPT = ("smrtlink_jobs", *(f"smrtlink_jobs.{name}" for name in ("system", "number", *_FACTS)))


class SmrtLinkBook:
    """Jobs of SMRT Link: folded by lifecycle.smrtlink, their own facts in smrtlink_jobs."""

    # All events of such a job are changes of its state.
    telling = None
    makes = None
    guards = False

    def fold(self, events: Iterable[Event | StoredEvent]) -> smrtlink.SmrtLinkState:
        """Make a job's state from all its events."""
        return smrtlink.fold(events)

    def matters(self, _event: Event) -> bool:
        """Whether the fold takes an event into account: all of them."""
        return True

    def in_order(self, events: Iterable[Event]) -> list[Event]:
        """Give the events that the fold takes into account, in its order."""
        return smrtlink.in_order(events)

    def passing(self, _events: Iterable[Event]) -> tuple[bytes, ...]:
        """Give none: what has ended is not opened again by a new try."""
        return ()

    def advance(self, state: smrtlink.SmrtLinkState, events: Sequence[Event]) -> bool:
        """Fold more events into ``state``; False if the job must be folded anew."""
        return smrtlink.advance(state, events)

    def admit(self, _state: smrtlink.SmrtLinkState, event: Event) -> Event:
        """Let it in: what a system tells has happened."""
        return event

    def read(
        self, connection: Connection, rows: Mapping[str, Sequence[Any]]
    ) -> dict[str, tuple[smrtlink.SmrtLinkState, Any]]:
        """Give state, and what ``write`` compares with, by job id; ``rows`` are those of jobs."""
        own = {
            job_id: facts
            for job_id, *facts in QUERIES.smrtlink_jobs.smrtlink_facts(connection, ids=array(rows))
        }
        return {job_id: _stored(row, own.get(job_id)) for job_id, row in rows.items()}

    def write(self, connection: Connection, jobs: Sequence[tuple[str, JobKey, Any, Any]]) -> None:
        """Write what differs from before to smrtlink_jobs."""
        rows = [
            (job_id, key.parts["system"], key.parts["number"], *facts)
            for job_id, key, state, before in jobs
            if (facts := _facts(state)) != before
        ]
        if rows:
            QUERIES.smrtlink_jobs.save_smrtlink_facts.later(
                connection, **columns(("job_id", "system", "number", *_FACTS), rows)
            )

    def note(self, connection: Connection, events: Sequence[tuple[str, Event]]) -> None:
        """Note nothing: such a job has no other names."""

    def kept(
        self, connection: Connection, job_ids: Sequence[str]
    ) -> Mapping[str, Mapping[str, Any]]:
        """Give what stands in smrtlink_jobs, by job id and ``table.column``."""
        rows = QUERIES.smrtlink_jobs.smrtlink_rows(connection, ids=array(job_ids))
        return {row[0]: dict(zip(_KEPT, row[1:], strict=True)) for row in rows}

    def due(self, key: str, state: Any, _events: Sequence[StoredEvent]) -> Mapping[str, Any]:
        """Give what should stand in smrtlink_jobs, and the source in the key."""
        system, _, number = key.rpartition("#")
        own = dict(zip(_KEPT, (True, system, int(number), *_facts(state)), strict=True))
        return {**own, "jobs.source": system}

    def behind_seal(self, _event: Event) -> None:
        """Refuse nothing: what is told of a sealed job is taken for a repetition."""

    def seal(self, state: Any, _events: Sequence[StoredEvent]) -> dict[str, Any]:
        """Give the data of the sealed event: the state."""
        return sealing.dump(state)


def _facts(state: smrtlink.SmrtLinkState) -> tuple[Any, ...]:
    return tuple(getattr(state, name) for name in _FACTS)


_NO_FACTS = _facts(smrtlink.SmrtLinkState())

# A state's fields, out of those columns of jobs and of smrtlink_jobs that say them.
_in_order = itemgetter(*map((*JOB_FACTS, *_FACTS).index, smrtlink.FACTS))


def _stored(
    row: Sequence[Any], facts: Sequence[Any] | None
) -> tuple[smrtlink.SmrtLinkState, tuple[Any, ...] | None]:
    known = (*row[: len(JOB_FACTS)], *(_NO_FACTS if facts is None else facts))
    state = smrtlink.SmrtLinkState(*_in_order(known), tail_of(row))
    return state, None if facts is None else tuple(facts)
