"""Write events and fold the states of their jobs: one transaction a batch, sets not rows.

The order of the statements is the same for every batch: lock the jobs that are known, make
those that are not, store the events, note positions, write the folded states. Jobs are
locked in the order of their keys, so two writers wait for each other in one direction only;
what deadlocks all the same is tried again by Database.run.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import uuid_utils

from jexevents.model import Event, JobKey, Outcome, Reject
from jexevents.store.books import BOOKS, Book
from jexevents.store.database import Connection, Database
from jexevents.store.queries import QUERIES
from jexevents.store.rejects import insert_rejects, take_rejects
from jexevents.store.rows import job_columns, read_job_facts, stored_event


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of one event: its outcome, its number in the ledger, and its job.

    ``job_is_new`` says whether the job came to exist in the same transaction.
    """

    outcome: Outcome
    seq: int
    job_id: str | None = None
    job_is_new: bool = False


@dataclass(slots=True)
class _Job:
    """A job that the batch has events for."""

    key: JobKey
    book: Book
    id: str
    is_new: bool
    state: Any
    before: Any = None
    fresh: list[Event] = field(default_factory=list)
    must_refold: bool = False


_Jobs = dict[JobKey | None, _Job]
# An event is the same as another if both have the same job (or none) and the same checksum.
_Identity = tuple[str | None, bytes]


class Ledger:
    """The one way to write events."""

    def __init__(self, database: Database, *, reject_max_bytes: int = 1 << 20) -> None:
        self._database = database
        self._reject_max_bytes = reject_max_bytes

    def apply(
        self,
        events: Sequence[Event],
        rejects: Sequence[Reject] = (),
        retried: Sequence[int] = (),
    ) -> list[Applied]:
        """Store events and rejects in one transaction; give one Applied for each event.

        ``retried`` are the numbers of rejects that leave the list in the same transaction.

        Raises StoreUnavailable where a later try may succeed, Invalid where PostgreSQL
        refuses what one of them holds, RejectsGone where one of ``retried`` has left the list
        already; nothing was stored then.
        """

        def work(connection: Connection) -> list[Applied]:
            take_rejects(connection, retried)
            insert_rejects(connection, rejects, self._reject_max_bytes)
            return _apply(connection, events) if events else []

        return self._database.run(work)


def _apply(connection: Connection, events: Sequence[Event]) -> list[Applied]:
    jobs = _lock_or_make(connection, events)
    repeated = _repetitions(connection, jobs, events)
    offered = [event for event in events if id(event) not in repeated]
    fresh = _insert(connection, jobs, offered)
    seqs = fresh | _known_seqs(connection, jobs, offered, fresh)
    _note_positions(connection, jobs, offered, seqs, fresh)
    _hand_out(jobs, offered, fresh)
    _note_fresh(connection, jobs)
    _fold_known(connection, jobs)
    return _outcomes(jobs, events, repeated, seqs, fresh)


# --- the jobs of the batch


def _lock_or_make(connection: Connection, events: Sequence[Event]) -> _Jobs:
    keys = sorted(
        {event.job for event in events if event.job is not None}, key=lambda k: (k.kind, k.key)
    )
    jobs = _lock(connection, keys)
    missing = [key for key in keys if key not in jobs]
    if missing:
        jobs |= _make(connection, missing)
        lost_race = [key for key in missing if key not in jobs]
        jobs |= _lock(connection, lost_race)
    return jobs


def _lock(connection: Connection, keys: Sequence[JobKey]) -> _Jobs:
    if not keys:
        return {}
    names = {(key.kind.value, key.key): key for key in keys}
    rows = QUERIES.jobs.lock_jobs(
        connection, kinds=[kind for kind, _ in names], keys=[key for _, key in names]
    )
    jobs: _Jobs = {}
    for job_id, kind, key, *facts in rows:
        job = _new_job(names[kind, key], job_id, is_new=False)
        read_job_facts(job.state, facts)
        jobs[job.key] = job
    for book, members in _by_book(jobs.values()):
        book.read(connection, {job.id: job.state for job in members})
    for job in jobs.values():
        job.before = copy.copy(job.state)
    return jobs


def _make(connection: Connection, keys: Sequence[JobKey]) -> _Jobs:
    """Make jobs; leaves out those that another transaction was first to make."""
    jobs = {key: _new_job(key, str(uuid_utils.uuid7()), is_new=True) for key in keys}
    columns = job_columns((job.id, job.state) for job in jobs.values())
    made = QUERIES.jobs.insert_jobs(
        connection,
        kind=[key.kind.value for key in keys],
        key=[key.key for key in keys],
        source=[key.source for key in keys],
        **columns,
    )
    ids = {job_id for (job_id,) in made}
    return {key: job for key, job in jobs.items() if job.id in ids}


def _new_job(key: JobKey, job_id: str, *, is_new: bool) -> _Job:
    book = BOOKS[key.kind]
    return _Job(key, book, job_id, is_new, book.new_state())


def _by_book(jobs: Iterable[_Job]) -> list[tuple[Book, list[_Job]]]:
    books: dict[int, tuple[Book, list[_Job]]] = {}
    for job in jobs:
        books.setdefault(id(job.book), (job.book, []))[1].append(job)
    return list(books.values())


# --- the events of the batch


def _identity(jobs: _Jobs, event: Event) -> _Identity:
    return (None if event.job is None else jobs[event.job].id), event.checksum


def _repetitions(
    connection: Connection, jobs: _Jobs, events: Sequence[Event]
) -> Mapping[int, Event | int]:
    """Find events that only say again what their job's latest event of that name said.

    Gives, by id() of the event, the event of this batch or the number of the stored one
    that it repeats.
    """
    asked = [event for event in events if event.unless_latest and event.job is not None]
    if not asked:
        return {}
    latest = _latest(connection, jobs, asked)
    repeated: dict[int, Event | int] = {}
    for event in asked:
        place = (jobs[event.job].id, event.name)
        data, origin = latest.get(place, (None, None))
        if data == event.data:
            repeated[id(event)] = origin
        else:
            latest[place] = (event.data, event)
    return repeated


def _latest(
    connection: Connection, jobs: _Jobs, events: Sequence[Event]
) -> dict[tuple[str, str], tuple[Any, Event | int]]:
    rows = QUERIES.events.latest_of_name(
        connection,
        ids=sorted({jobs[event.job].id for event in events}),
        names=sorted({event.name for event in events}),
    )
    return {(job_id, name): (data, seq) for job_id, name, data, seq in rows}


def _insert(connection: Connection, jobs: _Jobs, events: Sequence[Event]) -> dict[_Identity, int]:
    """Store events, of equal ones the first; give the numbers of those that are new."""
    unique: dict[_Identity, Event] = {}
    for event in events:
        unique.setdefault(_identity(jobs, event), event)
    if not unique:
        return {}
    rows = QUERIES.events.insert_events(
        connection,
        job_id=[job_id for job_id, _ in unique],
        checksum=[checksum for _, checksum in unique],
        source=[event.source for event in unique.values()],
        name=[event.name for event in unique.values()],
        occurred_at=[event.occurred_at for event in unique.values()],
        occurred_offset=[event.occurred_offset for event in unique.values()],
        occurred_alt=[event.occurred_alt for event in unique.values()],
        received_at=[event.received_at for event in unique.values()],
        data=[json.dumps(event.data, ensure_ascii=False) for event in unique.values()],
        raw=[event.raw for event in unique.values()],
    )
    return {(job_id, bytes(checksum)): seq for seq, job_id, checksum in rows}


def _known_seqs(
    connection: Connection,
    jobs: _Jobs,
    events: Sequence[Event],
    fresh: Mapping[_Identity, int],
) -> dict[_Identity, int]:
    known = sorted(
        {_identity(jobs, event) for event in events} - fresh.keys(),
        key=lambda identity: identity[1],
    )
    if not known:
        return {}
    rows = QUERIES.events.find_seqs(
        connection,
        job_ids=[job_id for job_id, _ in known],
        checksums=[checksum for _, checksum in known],
    )
    return {(job_id, bytes(checksum)): seq for seq, job_id, checksum in rows}


def _note_positions(
    connection: Connection,
    jobs: _Jobs,
    events: Sequence[Event],
    seqs: Mapping[_Identity, int],
    fresh: Mapping[_Identity, int],
) -> None:
    """Keep where events stand in their logs; what that is news of is folded anew."""
    placed = {
        (seqs[_identity(jobs, event)], event.position.log, event.position.offset): event
        for event in events
        if event.position is not None
    }
    if not placed:
        return
    numbers, logs, offsets = map(list, zip(*placed, strict=True))
    rows = QUERIES.events.add_positions(connection, seqs=numbers, logs=logs, offsets=offsets)
    news = {seq for (seq,) in rows}
    for (seq, *_), event in placed.items():
        if event.job is not None and seq in news and _identity(jobs, event) not in fresh:
            jobs[event.job].must_refold = True


def _hand_out(jobs: _Jobs, events: Sequence[Event], fresh: Mapping[_Identity, int]) -> None:
    """Give each job those of its events that are new, each once."""
    seen: dict[_Identity, Event] = {}
    for event in events:
        identity = _identity(jobs, event)
        first = seen.setdefault(identity, event)
        if event.job is None or identity not in fresh:
            continue
        if first is event:
            jobs[event.job].fresh.append(event)
        elif event.position != first.position:
            # Two copies in one batch that differ in what they know of the position.
            jobs[event.job].must_refold = True


# --- the states


def _note_fresh(connection: Connection, jobs: _Jobs) -> None:
    for book, members in _by_book(jobs.values()):
        book.note(connection, [(job.id, event) for job in members for event in job.fresh])


def _fold_known(connection: Connection, jobs: _Jobs) -> None:
    touched = [job for job in jobs.values() if job.fresh or job.must_refold]
    behind = [job for job in touched if job.must_refold or not _step(job)]
    _fold_anew(connection, behind)
    if not touched:
        return
    QUERIES.jobs.update_jobs(connection, **job_columns((job.id, job.state) for job in touched))
    for book, members in _by_book(touched):
        book.write(connection, [(job.id, job.key, job.state, job.before) for job in members])


def _step(job: _Job) -> bool:
    """Fold the new events onto the state; False if one of them belongs further ahead."""
    return all(job.book.step(job.state, event) for event in job.book.order(job.fresh))


def _fold_anew(connection: Connection, jobs: Sequence[_Job]) -> None:
    if not jobs:
        return
    stories: dict[str, list[Any]] = {job.id: [] for job in jobs}
    for job_id, *row in QUERIES.events.story(connection, ids=list(stories)):
        stories[job_id].append(stored_event(row))
    for job in jobs:
        job.state = job.book.fold(stories[job.id])


def _outcomes(
    jobs: _Jobs,
    events: Sequence[Event],
    repeated: Mapping[int, Event | int],
    seqs: Mapping[_Identity, int],
    fresh: Mapping[_Identity, int],
) -> list[Applied]:
    told: set[_Identity] = set()
    result = []
    for event in events:
        job = None if event.job is None else jobs[event.job]
        origin = repeated.get(id(event), event)
        seq = origin if isinstance(origin, int) else seqs[_identity(jobs, origin)]
        identity = _identity(jobs, event)
        is_new = origin is event and identity in fresh and identity not in told
        told.add(identity)
        outcome = Outcome.ACCEPTED if is_new else Outcome.DUPLICATE
        result.append(Applied(outcome, seq, job and job.id, job_is_new=bool(job and job.is_new)))
    return result
