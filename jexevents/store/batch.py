"""The events of one transaction: statements over sets, in an order that is always the same.

Lock the jobs that are known, make those that are not with the state that their events give, look
which events of known jobs the ledger has already, store the others, note positions, write the
folded states. Jobs are locked in the order of their keys, so two writers wait for each other in
one direction only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import uuid_utils

from jexevents.model import Event, JobKey, Kind, Outcome
from jexevents.store.books import BOOKS, Book
from jexevents.store.database import Connection
from jexevents.store.literals import array
from jexevents.store.queries import QUERIES
from jexevents.store.rows import copy_events, job_columns, stored_event

# How many jobs are folded anew at a time: nobody knows how long their stories are.
_STORIES_AT_ONCE = 50


class Applied(NamedTuple):
    """What became of one event: its outcome, its number in the ledger, and its job.

    ``job_is_new`` says whether the job came to exist in the same transaction. The events of a
    sealed job are gone, so whatever comes for it counts as a duplicate of its sealed event.
    """

    outcome: Outcome
    seq: int
    job_id: str | None = None
    job_is_new: bool = False
    job_is_sealed: bool = False


class _Entry:
    """An event that the batch offers to its job: the first of equal ones, and the others.

    ``seq`` is its number once it is known. ``repeats`` is the entry that it only says again.
    """

    __slots__ = ("copies", "event", "fresh", "repeats", "seq")

    def __init__(self, event: Event | None, seq: int | None = None) -> None:
        self.event = event
        self.copies: list[Event] = []
        self.seq = seq
        self.repeats: _Entry | None = None
        self.fresh = False

    def placed(self) -> Event:
        """Give the event at the position that the ledger says if it knows these copies only."""
        if not self.copies:
            return self.event
        places = [copy.position for copy in (self.event, *self.copies) if copy.position]
        first = min(places, key=lambda place: (place.log, place.offset), default=None)
        return self.event._replace(position=first)


@dataclass(slots=True)
class _Job:
    """A job that the batch has events for; ``key`` and ``book`` are None for events of none.

    ``id`` is known once the job is found or made, and then ``sealed``, the event that stands
    for all others of a sealed job. ``row`` is what the ledger knew of it; ``state`` is made of
    it only where an event needs it.
    """

    key: JobKey | None
    book: Book | None
    entries: dict[bytes, _Entry] = field(default_factory=dict)
    id: str | None = None
    is_new: bool = False
    sealed: _Entry | None = None
    row: Sequence[Any] = ()
    state: Any = None
    before: Any = None
    must_refold: bool = False
    # The new events that the fold takes into account.
    telling: list[Event] = field(default_factory=list)

    def offer(self, event: Event) -> _Entry:
        entry = self.entries.get(event.checksum)
        if entry is None:
            entry = self.entries[event.checksum] = _Entry(event)
        else:
            entry.copies.append(event)
        return entry

    def seal(self, seq: int) -> None:
        """Take all events for repetitions of the sealed one."""
        self.sealed = _Entry(None, seq)
        for entry in self.entries.values():
            entry.repeats = self.sealed

    def fresh(self) -> list[_Entry]:
        return [entry for entry in self.entries.values() if entry.fresh]

    def find_telling(self) -> None:
        """Find the new events that the fold takes into account."""
        matters = self.book.matters
        self.telling = [
            entry.placed()
            for entry in self.entries.values()
            if entry.fresh and matters(entry.event)
        ]


class Batch:
    """The events of one transaction, by their jobs.

    Unless it ``looks``, it takes all for new, and fails where one is not.
    """

    def __init__(self, connection: Connection, events: Sequence[Event], *, looks: bool) -> None:
        self._connection = connection
        self._looks = looks
        self._asks = any(event.unless_latest for event in events)
        self._jobs: dict[tuple[Kind, str] | None, _Job] = {}
        self._offers = [self._offer(event) for event in events]

    def apply(self) -> list[Applied]:
        """Store the events and bring their jobs up to date; give one Applied for each."""
        jobs = list(self._jobs.values())
        keyed = sorted((job for job in jobs if job.key is not None), key=_place)
        self._lock(keyed)
        self._make([job for job in keyed if job.id is None])
        known = [job for job in jobs if not (job.is_new or job.sealed)]
        self._find_repeated(known)
        self._find_stored(known)
        self._store([(job, entry) for job in jobs for entry in job.fresh()])
        self._fill_in_positions(known)
        self._fold([job for job in known if job.key is not None])
        self._write_books(keyed)
        return self._outcomes()

    def _offer(self, event: Event) -> tuple[Event, _Job, _Entry]:
        key = event.job
        name = key and (key.kind, key.key)
        job = self._jobs.get(name)
        if job is None:
            book = None if key is None else BOOKS[key.kind]
            job = self._jobs[name] = _Job(key, book)
        return event, job, job.offer(event)

    # --- the jobs

    def _lock(self, jobs: Sequence[_Job]) -> None:
        """Find and lock jobs, given in the order of their keys; those found have their id."""
        if not jobs:
            return
        found = QUERIES.jobs.lock_jobs(
            self._connection,
            kinds=array(job.key.kind.value for job in jobs),
            keys=array(job.key.key for job in jobs),
        )
        by_name = {(job.key.kind.value, job.key.key): job for job in jobs}
        for job_id, kind, key, sealed_seq, *row in found:
            job = by_name[kind, key]
            job.id, job.row = job_id, row
            if sealed_seq is not None:
                job.seal(sealed_seq)

    def _make(self, jobs: Sequence[_Job]) -> None:
        """Make jobs; one that another transaction was first to make is locked after it."""
        if not jobs:
            return
        for job in jobs:
            job.id, job.is_new = str(uuid_utils.uuid7()), True
            _mark_repeated(job, {})
            for entry in job.entries.values():
                entry.fresh = entry.repeats is None
            job.find_telling()
            job.state = job.book.fold(job.telling)
        made = QUERIES.jobs.insert_jobs(
            self._connection,
            kind=array(job.key.kind.value for job in jobs),
            key=array(job.key.key for job in jobs),
            source=array(job.key.source for job in jobs),
            **job_columns((job.id, job.state) for job in jobs),
        )
        ids = {job_id for (job_id,) in made}
        lost = [job for job in jobs if job.id not in ids]
        for job in lost:
            self._forget(job)
        self._lock(lost)

    def _forget(self, job: _Job) -> None:
        """Take back what was made of a job as a new one."""
        job.id, job.is_new, job.state = None, False, None
        for entry in job.entries.values():
            entry.fresh, entry.repeats = False, None

    # --- the events

    def _find_repeated(self, jobs: Sequence[_Job]) -> None:
        """Find events that only say again what their job's latest event of that name said."""
        if not self._asks:
            return
        asked = [job for job in jobs if job.key is not None and _asks(job)]
        if not asked:
            return
        names = {entry.event.name for job in asked for entry in job.entries.values()}
        rows = QUERIES.events.latest_of_name(
            self._connection, ids=array(job.id for job in asked), names=array(sorted(names))
        )
        latest: dict[str, _Latest] = {job.id: {} for job in asked}
        for job_id, name, data, seq in rows:
            latest[job_id][name] = (data, _Entry(None, seq))
        for job in asked:
            _mark_repeated(job, latest[job.id])

    def _find_stored(self, jobs: Sequence[_Job]) -> None:
        """Find which of the events the ledger has, if it is worth a look; others are new."""
        offered = [
            (job, checksum, entry)
            for job in jobs
            for checksum, entry in job.entries.items()
            if entry.repeats is None
        ]
        if not self._looks:
            for _, _, entry in offered:
                entry.fresh = True
        elif offered:
            self._look(offered)

    def _look(self, offered: Sequence[tuple[_Job, bytes, _Entry]]) -> None:
        jobless = [checksum for job, checksum, _ in offered if job.key is None]
        if jobless:
            # There is no row to lock: locks that are named by the events themselves do as well.
            QUERIES.events.lock_jobless(self._connection, checksums=array(jobless))
        rows = QUERIES.events.find_seqs(
            self._connection,
            job_ids=array(job.id for job, _, _ in offered),
            checksums=array(checksum for _, checksum, _ in offered),
        )
        known = {(job_id, bytes(checksum)): seq for seq, job_id, checksum in rows}
        for job, checksum, entry in offered:
            entry.seq = known.get((job.id, checksum))
            entry.fresh = entry.seq is None

    def _store(self, fresh: Sequence[tuple[_Job, _Entry]]) -> None:
        if not fresh:
            return
        seqs = QUERIES.events.next_seqs(self._connection, count=len(fresh))
        for (_, entry), seq in zip(fresh, seqs, strict=True):
            entry.seq = seq
        copy_events(self._connection, [(e.seq, job.id, e.event) for job, e in fresh])
        self._add_positions([entry for _, entry in fresh])

    def _fill_in_positions(self, jobs: Sequence[_Job]) -> None:
        """Keep what copies of known events say of their places; if that is news, fold anew."""
        known = {
            entry.seq: (job, entry)
            for job in jobs
            for entry in job.entries.values()
            if not entry.fresh and entry.repeats is None
        }
        news = self._add_positions([entry for _, entry in known.values()])
        for seq in news:
            job, entry = known[seq]
            job.must_refold |= job.book is not None and job.book.matters(entry.event)

    def _add_positions(self, entries: Iterable[_Entry]) -> set[int]:
        """Note where events stand in their logs; give the numbers of those it was news of."""
        placed = {
            (entry.seq, event.position.log, event.position.offset)
            for entry in entries
            for event in (entry.event, *entry.copies)
            if event.position is not None
        }
        if not placed:
            return set()
        seqs, logs, offsets = zip(*placed, strict=True)
        rows = QUERIES.events.add_positions(
            self._connection, seqs=array(seqs), logs=array(logs), offsets=array(offsets)
        )
        return {seq for (seq,) in rows}

    # --- the states

    def _fold(self, jobs: Sequence[_Job]) -> None:
        """Bring the states of known jobs up to what is new, and write them."""
        for job in jobs:
            job.find_telling()
        touched = [job for job in jobs if job.must_refold or job.telling]
        if not touched:
            return
        self._read_states(touched)
        behind = [
            job
            for job in touched
            if job.must_refold or not job.book.advance(job.state, job.telling)
        ]
        self._fold_anew(behind)
        QUERIES.jobs.update_jobs(
            self._connection, **job_columns((job.id, job.state) for job in touched)
        )

    def _read_states(self, jobs: Sequence[_Job]) -> None:
        for book, members in _by_book(jobs):
            stored = book.read(self._connection, {job.id: job.row for job in members})
            for job in members:
                job.state, job.before = stored[job.id]

    def _fold_anew(self, jobs: Sequence[_Job]) -> None:
        for book, members in _by_book(jobs):
            for start in range(0, len(members), _STORIES_AT_ONCE):
                self._fold_stories(book, members[start : start + _STORIES_AT_ONCE])

    def _fold_stories(self, book: Book, jobs: Sequence[_Job]) -> None:
        stories: dict[str, list[Any]] = {job.id: [] for job in jobs}
        rows = QUERIES.events.story(self._connection, ids=array(stories), names=array(book.telling))
        for job_id, *row in rows:
            stories[job_id].append(stored_event(row))
        for job in jobs:
            job.state = book.fold(stories[job.id])

    def _write_books(self, jobs: Sequence[_Job]) -> None:
        for book, members in _by_book(jobs):
            changed = [job for job in members if job.state is not None]
            book.write(
                self._connection, [(job.id, job.key, job.state, job.before) for job in changed]
            )
            events = [(job.id, event) for job in changed for event in job.telling]
            book.note(self._connection, events)

    def _outcomes(self) -> list[Applied]:
        result = []
        for event, job, entry in self._offers:
            is_first = entry.fresh and entry.event is event
            outcome = Outcome.ACCEPTED if is_first else Outcome.DUPLICATE
            seq = (entry.repeats or entry).seq
            result.append(Applied(outcome, seq, job.id, job.is_new, job.sealed is not None))
        return result


# Of each name, what a job's latest event says, and the entry that says it.
_Latest = dict[str, tuple[Mapping[str, Any], _Entry]]


def _asks(job: _Job) -> bool:
    return any(entry.event.unless_latest for entry in job.entries.values())


def _mark_repeated(job: _Job, latest: _Latest) -> None:
    """Mark events that ask for it and only say again what the latest of their name said."""
    if not latest and not _asks(job):
        return
    for entry in job.entries.values():
        event = entry.event
        data, origin = latest.get(event.name, (None, None))
        if event.unless_latest and data == event.data:
            entry.repeats = origin
        else:
            latest[event.name] = (event.data, entry)


def _place(job: _Job) -> tuple[str, str]:
    return job.key.kind.value, job.key.key


def _by_book(jobs: Iterable[_Job]) -> list[tuple[Book, list[_Job]]]:
    books: dict[int, tuple[Book, list[_Job]]] = {}
    for job in jobs:
        books.setdefault(id(job.book), (job.book, []))[1].append(job)
    return list(books.values())
