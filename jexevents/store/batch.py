"""The events of one transaction: statements over sets, in an order that is always the same.

Lock the jobs that are known, make those that are not with the state that their events give, look
which events of known jobs the ledger has already, store the others, note positions, write the
folded states. Jobs are locked in the order of their keys, so two writers wait for each other in
one direction only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import uuid_utils

from jexevents.errors import Conflict, Forbidden
from jexevents.lifecycle.canonical import canonical
from jexevents.model import Event, Fault, Kind, Outcome
from jexevents.store.books import BOOKS, Book
from jexevents.store.database import Connection
from jexevents.store.literals import array
from jexevents.store.offers import (
    Applied,
    Entry,
    Job,
    Latest,
    asks,
    makes_job,
    mark_repeated,
    refused,
)
from jexevents.store.queries import QUERIES
from jexevents.store.rows import (
    StoredEvent,
    copy_events,
    insert_event,
    job_columns,
    stored_event,
)

# How many jobs are folded anew at a time: nobody knows how long their stories are.
_STORIES_AT_ONCE = 50

# An event that comes alone and is no longer is inserted; COPY takes the others, long ones in less
# memory.
_SHORT_BYTES = 1 << 16


class Batch:
    """The events of one transaction, by their jobs.

    Unless it ``looks``, it takes all for new, and fails where one is not.
    """

    def __init__(self, connection: Connection, events: Sequence[Event], *, looks: bool) -> None:
        self._connection = connection
        self._looks = looks
        self._asks = any(event.unless_latest for event in events)
        self._claims = any(event.format is not None for event in events)
        self._exact = any(event.exact for event in events)
        self._jobs: dict[tuple[Kind, str] | None, Job] = {}
        self._offers = [self._offer(event) for event in events]

    def apply(self) -> list[Applied]:
        """Store the events and bring their jobs up to date; give one Applied for each."""
        jobs = list(self._jobs.values())
        keyed = sorted((job for job in jobs if job.key is not None), key=_place)
        self._lock(keyed)
        known = [job for job in jobs if job.key is None or _is_known(job)]
        unknown = [job for job in keyed if job.id is None]
        known += self._make(known, [job for job in unknown if makes_job(job)])
        for job in unknown:
            if not makes_job(job):
                job.refuse(Forbidden())
        self._find_contrary()
        self._admit([job for job in known if job.book is not None and job.book.guards])
        self._store([(job, entry) for job in jobs for entry in job.fresh()])
        self._fill_in_positions(known)
        self._fold([job for job in known if job.key is not None])
        self._write_books(keyed)
        return self._outcomes()

    def _offer(self, event: Event) -> tuple[Event, Job, Entry]:
        key = event.job
        name = key and (key.kind, key.key)
        job = self._jobs.get(name)
        if job is None:
            book = None if key is None else BOOKS[key.kind]
            job = self._jobs[name] = Job(key, book)
        return event, job, job.offer(event)

    # --- the jobs

    def _lock(self, jobs: Sequence[Job]) -> None:
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

    def _make(self, known: Sequence[Job], unknown: Sequence[Job]) -> list[Job]:
        """Find what is new, and make the jobs that are not there and have something new.

        Gives those that another transaction was first to make, which are known then.
        """
        for job in unknown:
            mark_repeated(job, {})
            for entry in job.entries.values():
                entry.fresh = entry.repeats is None
        self._find_repeated(known)
        self._find_stored(known)
        self._claim()
        lost = self._insert([job for job in unknown if job.fresh()])
        if lost:
            self._lock(lost)
            lost = [job for job in lost if _is_known(job)]
            self._find_repeated(lost)
            self._find_stored(lost)
            self._claim()
        return lost

    def _insert(self, jobs: Sequence[Job]) -> list[Job]:
        """Insert jobs; give those that another transaction was first to make."""
        if not jobs:
            return []
        for job in jobs:
            job.id, job.is_new = str(uuid_utils.uuid7()), True
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
        return lost

    def _forget(self, job: Job) -> None:
        """Take back what was made of a job as a new one."""
        job.id, job.is_new, job.state = None, False, None
        for entry in job.entries.values():
            entry.fresh, entry.repeats = False, None

    # --- the events

    def _find_repeated(self, jobs: Sequence[Job]) -> None:
        """Find events that only say again what their job's latest event of that name said."""
        if not self._asks:
            return
        asked = [job for job in jobs if job.key is not None and not job.book.guards and asks(job)]
        if not asked:
            return
        names = {entry.event.name for job in asked for entry in job.entries.values()}
        rows = QUERIES.events.latest_of_name(
            self._connection, ids=array(job.id for job in asked), names=array(sorted(names))
        )
        latest: dict[str, Latest] = {job.id: {} for job in asked}
        for job_id, name, data, seq in rows:
            latest[job_id][name] = (data, Entry(None, seq))
        for job in asked:
            mark_repeated(job, latest[job.id])

    def _find_stored(self, jobs: Sequence[Job]) -> None:
        """Find which of the events the ledger has, if it is worth a look; others are new."""
        offered = [
            (job, checksum, entry)
            for job in jobs
            for checksum, entry in job.entries.items()
            if entry.repeats is None
        ]
        # What a job guards must be known for a repetition before its state is asked.
        unseen = [one for one in offered if self._looks or (one[0].book and one[0].book.guards)]
        for _, _, entry in offered:
            entry.fresh = True
        if unseen:
            self._look(unseen)

    def _look(self, offered: Sequence[tuple[Job, bytes, Entry]]) -> None:
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

    def _claim(self) -> None:
        """Take the identities of events that have one whatever their job; others know them."""
        if not self._claims:
            return
        entries = {
            id(entry): entry
            for _, _, entry in self._offers
            if entry.fresh and entry.event.format is not None and not entry.claimed
        }
        if not entries:
            return
        self._number(list(entries.values()))
        first: dict[tuple[str, bytes], Entry] = {}
        for entry in entries.values():
            first.setdefault((entry.event.source, entry.event.checksum), entry)
        unclaimed = list(first.values())
        while unclaimed:
            # Whose owner is gone before we see it, its job having been removed, is free again.
            unclaimed = self._claim_what_is_free(unclaimed)
        for entry in entries.values():
            owner = first[entry.event.source, entry.event.checksum]
            if owner is not entry:
                entry.fresh, entry.repeats = False, owner.repeats or owner

    def _claim_what_is_free(self, entries: Sequence[Entry]) -> list[Entry]:
        """Take identities, or find whose they are; gives the entries for which neither went."""
        identities = {
            "sources": array(entry.event.source for entry in entries),
            "checksums": array(entry.event.checksum for entry in entries),
        }
        claimed = QUERIES.events.claim_identities(
            self._connection,
            **identities,
            seqs=array(entry.seq for entry in entries),
            formats=array(entry.event.format for entry in entries),
            names=array(entry.event.name for entry in entries),
        )
        ours = {seq for (seq,) in claimed}
        known = {
            (source, bytes(checksum)): seq
            for source, checksum, seq in QUERIES.events.identified(self._connection, **identities)
        }
        left = []
        for entry in entries:
            if entry.seq in ours:
                entry.claimed = True
                continue
            owner = known.get((entry.event.source, entry.event.checksum))
            if owner is None:
                left.append(entry)
                continue
            entry.fresh, entry.repeats = False, Entry(None, owner)
        return left

    def _find_contrary(self) -> None:
        """Find events that must say what the first with their identity said, and do not."""
        if not self._exact:
            return
        asked = {
            id(entry): entry
            for _, job, entry in self._offers
            if entry.event.exact and job.sealed is None
        }.values()
        told = {entry.seq: entry.event.data for entry in asked if entry.fresh}
        seqs = {(entry.repeats or entry).seq for entry in asked} - told.keys()
        if seqs:
            told |= dict(QUERIES.events.events_said(self._connection, seqs=array(seqs)))
        for entry in asked:
            data = told.get((entry.repeats or entry).seq, entry.event.data)
            said = canonical(data)
            entry.contrary = [
                event for event in (entry.event, *entry.copies) if canonical(event.data) != said
            ]

    def _number(self, entries: Sequence[Entry]) -> None:
        """Take a number for each."""
        if not entries:
            return
        seqs = QUERIES.events.next_seqs(self._connection, count=len(entries))
        for entry, seq in zip(entries, seqs, strict=True):
            entry.seq = seq

    def _admit(self, jobs: Sequence[Job]) -> None:
        """Ask each job whether it lets its new events in, one after the other."""
        asked = [job for job in jobs if job.fresh()]
        if not asked:
            return
        self._read_states(asked)
        for job in asked:
            admitted: list[Event] = []
            for entry in job.fresh():
                self._admit_one(job, entry, admitted)

    def _admit_one(self, job: Job, entry: Entry, admitted: list[Event]) -> None:
        """Let one event in, and bring the job's state up to it, or note why it is not."""
        try:
            event = job.book.admit(job.state, entry.event)
        except (Conflict, Forbidden) as refusal:
            entry.fresh, entry.refusal = False, refusal
            return
        if event is None:
            entry.fresh, entry.repeats = False, Entry(None)
            return
        entry.event = event
        admitted.append(entry.placed())
        if not job.book.advance(job.state, admitted[-1:]):
            job.state = job.book.fold([*self._stories(job.book, [job])[job.id], *admitted])

    def _store(self, fresh: Sequence[tuple[Job, Entry]]) -> None:
        if not fresh:
            return
        job, entry = fresh[0]
        if len(fresh) == 1 and entry.seq is None and len(entry.event.raw) <= _SHORT_BYTES:
            entry.seq = insert_event(self._connection, job.id, entry.event)
        else:
            self._copy(fresh)
        self._add_positions([entry for _, entry in fresh])

    def _copy(self, fresh: Sequence[tuple[Job, Entry]]) -> None:
        self._number([entry for _, entry in fresh if entry.seq is None])
        copy_events(self._connection, [(e.seq, job.id, e.event) for job, e in fresh])

    def _fill_in_positions(self, jobs: Sequence[Job]) -> None:
        """Keep what copies of known events say of their places; if that is news, fold anew."""
        known = {
            entry.seq: (job, entry)
            for job in jobs
            for entry in job.entries.values()
            if not entry.fresh and entry.repeats is None and entry.refusal is None
        }
        news = self._add_positions([entry for _, entry in known.values()])
        for seq in news:
            job, entry = known[seq]
            job.must_refold |= job.book is not None and job.book.matters(entry.event)

    def _add_positions(self, entries: Iterable[Entry]) -> set[int]:
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

    def _fold(self, jobs: Sequence[Job]) -> None:
        """Bring the states of known jobs up to what is new, and write them."""
        for job in jobs:
            job.find_telling()
        touched = [job for job in jobs if job.must_refold or job.telling]
        if not touched:
            return
        # The state of a job that guards its events has come along as they were let in.
        stale = [job for job in touched if job.state is None]
        self._read_states(stale)
        behind = [job for job in touched if job.must_refold]
        behind += [
            job
            for job in stale
            if not (job.must_refold or job.book.advance(job.state, job.telling))
        ]
        self._fold_anew(behind)
        QUERIES.jobs.update_jobs.later(
            self._connection, **job_columns((job.id, job.state) for job in touched)
        )

    def _read_states(self, jobs: Sequence[Job]) -> None:
        for book, members in _by_book(jobs):
            stored = book.read(self._connection, {job.id: job.row for job in members})
            for job in members:
                job.state, job.before = stored[job.id]

    def _fold_anew(self, jobs: Sequence[Job]) -> None:
        for book, members in _by_book(jobs):
            for start in range(0, len(members), _STORIES_AT_ONCE):
                self._fold_stories(book, members[start : start + _STORIES_AT_ONCE])

    def _fold_stories(self, book: Book, jobs: Sequence[Job]) -> None:
        stories = self._stories(book, jobs)
        for job in jobs:
            job.state = book.fold(stories[job.id])

    def _stories(self, book: Book, jobs: Sequence[Job]) -> dict[str, list[StoredEvent]]:
        """Give what the ledger has of the jobs' events, those that the fold takes into account."""
        stories: dict[str, list[StoredEvent]] = {job.id: [] for job in jobs}
        names = None if book.telling is None else array(book.telling)
        rows = QUERIES.events.story(self._connection, ids=array(stories), names=names)
        for job_id, *row in rows:
            stories[job_id].append(stored_event(row))
        return stories

    def _write_books(self, jobs: Sequence[Job]) -> None:
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
            if entry.refusal is not None:
                result.append(refused(job, event, entry.refusal))
                continue
            if any(event is other for other in entry.contrary):
                result.append(refused(job, event, _other_content()))
                continue
            is_first = entry.fresh and entry.offered is event
            outcome = Outcome.ACCEPTED if is_first else Outcome.DUPLICATE
            seq = (entry.repeats or entry).seq
            result.append(Applied(outcome, seq, job.id, job.is_new, job.sealed is not None))
        return result


def _is_known(job: Job) -> bool:
    return job.id is not None and not (job.is_new or job.sealed)


def _other_content() -> Conflict:
    return Conflict(
        "An event with this identity was stored before, and says something else.",
        [Fault("", "what was sent first with this identity", "other content")],
        remedy="Give an event with other content an id of its own.",
    )


def _place(job: Job) -> tuple[str, str]:
    return job.key.kind.value, job.key.key


def _by_book(jobs: Iterable[Job]) -> list[tuple[Book, list[Job]]]:
    books: dict[int, tuple[Book, list[Job]]] = {}
    for job in jobs:
        books.setdefault(id(job.book), (job.book, []))[1].append(job)
    return list(books.values())
