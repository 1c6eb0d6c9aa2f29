"""Seal jobs that ended long ago, and remove what is old (promise 9 of the design).

Everything goes in small transactions, each whole in itself: killed at any time, it is started
again and goes on where it was. Two at once share the work.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jexevents.lifecycle import sealing
from jexevents.model import SEALED
from jexevents.rfc3339 import format_utc
from jexevents.store import audit
from jexevents.store.books import BOOKS
from jexevents.store.database import Connection, Database
from jexevents.store.definition_hooks import forget_idle
from jexevents.store.examination import (
    Difference,
    Examined,
    Recognise,
    StoredJob,
    Story,
    examine,
    stored_jobs,
    stories,
)
from jexevents.store.literals import array
from jexevents.store.queries import QUERIES

JOBS = "jobs"
_FIRST = "00000000-0000-0000-0000-000000000000"
# What is removed beside the stories of jobs, and where its order begins: each has a pair of
# statements in prune.sql. A table that comes to hold what grows old has its line here.
_THINGS: Mapping[str, tuple[str, Any]] = {
    "events of no job": ("loose_events", b""),
    "rejects": ("rejects", 0),
    "deliveries": ("deliveries", 0),
    "audit entries": ("audit", 0),
    "due times": ("due_times", 0),
}
_JOBS_AT_ONCE = 200  # some thousand events: a writer that wants one of the jobs waits shortly
_ROWS_AT_ONCE = 500


# Job, checksum, source and data of a sealed event.
_Seal = tuple[str, bytes, str, str]


@dataclass(frozen=True, slots=True)
class Step:
    """What one transaction did: of which thing how many were sealed or removed.

    ``differences`` are those of jobs that were left as they are, since their events do not
    lead to what stands of them: whoever seals those makes the fault eternal.
    """

    thing: str
    done: int
    events: int = 0
    differences: Sequence[Difference] = ()


class Prune:
    """One run over a ledger. Every method raises StoreUnavailable while it does not answer.

    ``before`` is aware: jobs that finished earlier are sealed, other things that came earlier
    are removed.
    """

    def __init__(self, database: Database, before: datetime, recognise: Recognise) -> None:
        self._database = database
        self._before = before
        self._recognise = recognise

    def counts(self) -> dict[str, int]:
        """How many of each thing there are to seal or remove."""
        names = {JOBS: "jobs"} | {thing: name for thing, (name, _) in _THINGS.items()}
        with self._unhurried() as connection:
            return {
                thing: getattr(QUERIES.prune, f"count_{name}")(connection, before=self._before)
                for thing, name in names.items()
            }

    def steps(self) -> Iterator[Step]:
        """Do it, a transaction a step; what was done is noted in the audit at last."""
        done = dict.fromkeys((JOBS, *_THINGS), 0)
        self._note("prune.begin", {})
        for step in self._all():
            done[step.thing] += step.done
            yield step
        self._note("prune", done)

    def _all(self) -> Iterator[Step]:
        yield from self._jobs()
        for thing, (name, first) in _THINGS.items():
            for count in self._dropped(getattr(QUERIES.prune, f"drop_{name}"), first):
                yield Step(thing, count)
        forget_idle(self._database)

    def _note(self, action: str, done: Mapping[str, int]) -> None:
        detail = {"before": format_utc(self._before), **done}
        self._database.run(lambda connection: audit.note(connection, action, detail))

    @contextmanager
    def _unhurried(self) -> Iterator[Connection]:
        with self._database.transaction() as connection:
            QUERIES.prune.take_time(connection)
            yield connection

    def _dropped(self, drop: Any, after: Any) -> Iterator[int]:
        while True:
            with self._unhurried() as connection:
                rows = drop(connection, after=after, before=self._before, limit=_ROWS_AT_ONCE)
                places = [place if isinstance(place, int) else bytes(place) for (place,) in rows]
            if not places:
                return
            after = max(places)
            yield len(places)

    def _jobs(self) -> Iterator[Step]:
        after = _FIRST
        while ids := self._sealable(after):
            # Found before they are locked: while it is looked for, nobody waits.
            yield self._database.run(lambda connection, ids=ids: self._seal(connection, ids))
            after = ids[-1]

    def _sealable(self, after: str) -> list[str]:
        with self._unhurried() as connection:
            rows = QUERIES.sealing.find_sealable(
                connection, after=after, before=self._before, limit=_JOBS_AT_ONCE
            )
            return [job_id for (job_id,) in rows]

    def _seal(self, connection: Connection, ids: Sequence[str]) -> Step:
        QUERIES.prune.take_time(connection)
        rows = list(QUERIES.sealing.lock_sealable(connection, ids=ids, before=self._before))
        jobs = stored_jobs(connection, rows)
        seals, events, differences = self._examined(connection, jobs)
        if seals:
            job_ids, checksums, sources, data = map(list, zip(*seals, strict=True))
            QUERIES.sealing.drop_stories(connection, job_ids=job_ids)
            QUERIES.sealing.insert_sealed(
                connection,
                name=SEALED,
                job_ids=job_ids,
                checksums=checksums,
                sources=sources,
                data=data,
            )
        return Step(JOBS, len(seals), events, differences)

    def _examined(
        self, connection: Connection, jobs: Mapping[str, StoredJob]
    ) -> tuple[list[_Seal], int, list[Difference]]:
        """Give the seals of the jobs that can have one, and what is wrong with the others."""
        seals: list[_Seal] = []
        differences: list[Difference] = []
        events = 0
        query, silent = QUERIES.verify.stories_of, dict(jobs)
        for story in stories(connection, query, jobs, self._recognise, ids=array(jobs)):
            found = examine(silent.pop(story.job_id), story)
            differences += found.differences
            if not found.differences:
                seals.append(_seal_of(found))
                events += len(story.events)
        for job in silent.values():
            differences += examine(job, Story(job.id)).differences
        return seals, events, differences


def _seal_of(found: Examined) -> _Seal:
    """Give the values of the sealed event, the number of which is not known yet."""
    job = found.job
    data = BOOKS[job.kind].seal(found.state, found.story.events)
    source = job.columns["jobs.source"]
    return job.id, sealing.checksum(job.id), source, json.dumps(data, ensure_ascii=False)
