"""Finds which hooks want the new events of a batch, and writes the deliveries beside the events.

It looks on and changes nothing of the jobs. A hook is asked about an event with how its job stood
before it (None for a new job) and with the state after it:

| the new events of one job in a batch     | before                     | after               |
|------------------------------------------|----------------------------|---------------------|
| one                                      | as the job stood           | as it is then       |
| several, in the order of the fold        | as it stood before each    | as it is after each |
| among them one too late to change it     | the same as after          | as it is at that    |
| several, any of them not in that order   | as it stood before all;    | as it is after all  |
|                                          | only the last of them      |                     |
|                                          | counts as the change       |                     |
| an end behind which the job is opened      | the same as after          | as it is at that    |
| again by another one in the batch        |                            |                     |
| one that a guarded job has just let in   | as it stood before it      | as it is after it   |
| of no job                                | None                       | None                |

States within a batch are found by folding the events one by one onto a copy of the state before.
Where they do not come in the order of the fold, that would be to fold all again for each of them.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import Any

import uuid_utils

from jexevents.model import Event, JobKey
from jexevents.rfc3339 import plain
from jexevents.store.database import Connection
from jexevents.store.literals import columns
from jexevents.store.offers import Entry, Job
from jexevents.store.outbox import Interest, Standing
from jexevents.store.queries import QUERIES
from jexevents.store.rows import JOB_FACTS, to_json

_COLUMNS = ("hooks", "message_ids", "seqs", "kinds", "job_ids", "jobs")
# What a delivery shows of a job beside its names and its standing.
_FACTS = tuple(name for name in JOB_FACTS if name not in ("state", "closed"))
# What only some kinds have, and the attribute of their states that says it.
_FACTS_OF_SOME = {
    "held": "held",
    "invocation_id": "invocation_id",
    "attempt": "attempt",
    "status": "shown_status",
}


class Matching:
    """What one batch has for the hooks; ``names`` are those that get something."""

    def __init__(self, interest: Interest) -> None:
        self._interest = interest
        self._before: dict[int, tuple[Standing, Any]] = {}
        self._found: list[tuple[Job, Entry, Sequence[str], str | None]] = []
        self.names: set[str] = set()

    def follows(self, job: Job) -> bool:
        """Whether any hook may want one of a job's new events."""
        concerns, matters = self._interest.concerns, job.book.matters
        # A loop, for this is asked for every job: a generator takes twice as long.
        for entry in job.entries.values():
            if entry.fresh and concerns(entry.event, job.is_new or matters(entry.event)):
                return True
        return False

    def remember(self, jobs: Iterable[Job]) -> None:
        """Keep how known jobs stand before the batch, and their states where these are needed."""
        for job in jobs:
            state = copy.copy(job.state) if len(job.fresh()) > 1 else None
            self._before[id(job)] = standing(job.state), state

    def admitted(self, job: Job, entry: Entry, before: Standing) -> None:
        """Look at an event that a job which guards its events has just let in."""
        if self._interest.concerns(entry.event, True):
            self._ask(job, entry, before, job.state)

    def write(self, connection: Connection, jobs: Iterable[Job]) -> None:
        """Write the deliveries of all new events of these jobs, which are stored."""
        for job in jobs:
            if job.key is None:
                self._ask_of_none(job)
            elif id(job) in self._before:
                self._follow(job, *self._before[id(job)])
            elif job.is_new and self.follows(job):
                self._follow(job, None, job.book.fold(()))
        rows = [
            (name, str(uuid_utils.uuid7()), entry.seq, _kind(entry.event), job.id, told)
            for job, entry, names, told in self._found
            for name in names
        ]
        if rows:
            QUERIES.hooks.insert_deliveries.later(connection, **columns(_COLUMNS, rows))
        self.names = {row[0] for row in rows}

    def _ask_of_none(self, job: Job) -> None:
        for entry in job.fresh():
            if self._interest.concerns(entry.event, False):
                self._ask(job, entry, None, None)

    def _ask(self, job: Job, entry: Entry, before: Standing | None, after: Any) -> None:
        names = self._interest.wanted(entry.event, before, after)
        if names:
            self._found.append(
                (job, entry, names, None if after is None else shown(job.id, job.key, after))
            )

    def _follow(self, job: Job, before: Standing | None, state: Any) -> None:
        """Fold the new events of a job onto ``state``, and ask about each."""
        entries = _in_order(job)
        if len(entries) == 1:
            # The state after it is that after the batch.
            self._ask(job, entries[0], before, job.state)
            return
        found, stood = len(self._found), before
        passing = job.book.passing(entry.event for entry in entries)
        for entry in entries:
            matters = job.book.matters(entry.event)
            if matters and not job.book.advance(state, [entry.placed()]):
                del self._found[found:]
                self._look_back(job, entries, before)
                return
            after = standing(state)
            if self._interest.concerns(entry.event, matters or stood is None):
                self._ask(job, entry, after if entry.event.checksum in passing else stood, state)
            stood = after

    def _look_back(self, job: Job, entries: Sequence[Entry], before: Standing | None) -> None:
        """Ask about events that did not come in order, by the state after all of them.

        Who wants only what changes a job, gets the last one that it would want.
        """
        after = standing(job.state)
        changed: set[str] = set()
        names: dict[int, list[str]] = {}
        passing = job.book.passing(entry.event for entry in entries)
        for entry in sorted(entries, key=lambda entry: _lateness(job, entry), reverse=True):
            always = asked = self._interest.wanted(entry.event, after, job.state)
            matters = job.book.matters(entry.event) and entry.event.checksum not in passing
            if before is None or matters:
                asked = self._interest.wanted(entry.event, before, job.state)
            names[id(entry)] = [name for name in asked if name in always or name not in changed]
            changed.update(asked)
        told = shown(job.id, job.key, job.state)
        self._found += [(job, one, names[id(one)], told) for one in entries if names[id(one)]]


def standing(state: Any) -> Standing:
    """Give how a job with this state stands."""
    return Standing(state.state, state.phase.value)


def _lateness(job: Job, entry: Entry) -> tuple[Any, ...]:
    return job.book.matters(entry.event), entry.event.occurred_at


def _in_order(job: Job) -> list[Entry]:
    """Give a job's new events in the order of the fold; what it leaves out stays in its place."""
    entries = job.fresh()
    if len(entries) < 2:
        return entries
    by_checksum = {entry.event.checksum: entry for entry in entries}
    told = job.book.in_order([entry.placed() for entry in entries])
    telling = iter([by_checksum[event.checksum] for event in told])
    return [next(telling) if job.book.matters(one.event) else one for one in entries]


def _kind(event: Event) -> str | None:
    return None if event.kind is None else event.kind.value


def shown(job_id: str, key: JobKey, state: Any) -> str:
    """Give what a delivery shows of a job in a state, as JSON."""
    told = {
        "id": job_id,
        "kind": key.kind.value,
        "key": key.key,
        "source": key.source,
        **standing(state)._asdict(),
    }
    for name in _FACTS:
        told[name] = plain(getattr(state, name))
    for name, attribute in _FACTS_OF_SOME.items():
        if hasattr(state, attribute):
            told[name] = getattr(state, attribute)
    return to_json(told)
