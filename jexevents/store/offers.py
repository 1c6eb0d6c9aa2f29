"""What a batch offers to the jobs that its events are of, and what becomes of that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from jexevents.errors import Conflict, Forbidden
from jexevents.model import Event, JobKey, Outcome, Proof
from jexevents.store.books import Book


class Applied(NamedTuple):
    """What became of one event: its outcome, its number in the ledger, and its job.

    ``job_is_new`` says whether the job came to exist in the same transaction. The events of a
    sealed job are gone, so what comes for it counts as a duplicate of its sealed event, unless its
    book refuses it.
    ``refusal`` says why an event was not let in; nothing was stored of it. ``credential`` names
    what it was proven by.
    """

    outcome: Outcome
    seq: int | None
    job_id: str | None = None
    job_is_new: bool = False
    job_is_sealed: bool = False
    refusal: Conflict | Forbidden | None = None
    credential: str | None = None


class Entry:
    """An event that the batch offers to its job: the first of equal ones, and the others.

    ``seq`` is its number once it is known. ``repeats`` is the entry that it only says again.
    ``claimed`` says whether its identity over its source was taken for it. ``contrary`` are those
    of these events that must say the same as the first with their identity, and do not.
    ``event`` is as it came, until it is let in otherwise; ``offered`` always is.
    """

    __slots__ = (
        "claimed",
        "contrary",
        "copies",
        "event",
        "fresh",
        "offered",
        "refusal",
        "repeats",
        "seq",
    )

    def __init__(self, event: Event | None, seq: int | None = None) -> None:
        self.event = self.offered = event
        self.refusal: Conflict | Forbidden | None = None
        self.copies: list[Event] = []
        self.seq = seq
        self.repeats: Entry | None = None
        self.fresh = False
        self.claimed = False
        self.contrary: list[Event] = []

    def placed(self) -> Event:
        """Give the event at the position that the ledger says if it knows these copies only."""
        if not self.copies:
            return self.event
        places = [copy.position for copy in (self.event, *self.copies) if copy.position]
        first = min(places, key=lambda place: (place.log, place.offset), default=None)
        return self.event._replace(position=first)


@dataclass(slots=True)
class Job:
    """A job that the batch has events for; ``key`` and ``book`` are None for events of none.

    ``id`` is known once the job is found or made, and then ``sealed``, the event that stands
    for all others of a sealed job. ``row`` is what the ledger knew of it; ``state`` is made of
    it only where an event needs it.
    """

    key: JobKey | None
    book: Book | None
    entries: dict[bytes, Entry] = field(default_factory=dict)
    id: str | None = None
    is_new: bool = False
    sealed: Entry | None = None
    row: Sequence[Any] = ()
    state: Any = None
    before: Any = None
    must_refold: bool = False
    # The new events that the fold takes into account.
    telling: list[Event] = field(default_factory=list)

    def offer(self, event: Event) -> Entry:
        """Take an event into account; equal ones are one entry."""
        entry = self.entries.get(event.checksum)
        if entry is None:
            entry = self.entries[event.checksum] = Entry(event)
        else:
            entry.copies.append(event)
        return entry

    def seal(self, seq: int) -> None:
        """Take all events for repetitions of the sealed one, save those that it refuses."""
        self.sealed = Entry(None, seq)
        for entry in self.entries.values():
            entry.repeats, entry.refusal = self.sealed, self.book.behind_seal(entry.event)

    def refuse(self, refusal: Conflict | Forbidden) -> None:
        """Let none of the events in."""
        for entry in self.entries.values():
            entry.refusal = refusal

    def fresh(self) -> list[Entry]:
        """Give what is to be stored."""
        return [entry for entry in self.entries.values() if entry.fresh]

    def find_telling(self) -> None:
        """Find the new events that the fold takes into account."""
        matters = self.book.matters
        self.telling = [
            entry.placed()
            for entry in self.entries.values()
            if entry.fresh and matters(entry.event)
        ]


# Of each name, what a job's latest event says, and the entry that says it.
Latest = dict[str, tuple[Mapping[str, Any], Entry]]


def refused(job: Job, event: Event, refusal: Conflict | Forbidden) -> Applied:
    """Give what became of an event that its job did not let in."""
    forbidden = isinstance(refusal, Forbidden)
    outcome = Outcome.FORBIDDEN if forbidden else Outcome.REJECTED
    credential = event.proof.right.value if isinstance(event.proof, Proof) else None
    return Applied(outcome, None, job.id, job.is_new, refusal=refusal, credential=credential)


def makes_job(job: Job) -> bool:
    """Whether one of the events makes a job that is not there."""
    makes = job.book.makes
    return makes is None or any(entry.event.name in makes for entry in job.entries.values())


def asks(job: Job) -> bool:
    """Whether one of the events may only say again what the latest of its name said."""
    return any(entry.event.unless_latest for entry in job.entries.values())


def mark_repeated(job: Job, latest: Latest) -> None:
    """Mark events that ask for it and only say again what the latest of their name said."""
    if not latest and not asks(job):
        return
    for entry in job.entries.values():
        event = entry.event
        data, origin = latest.get(event.name, (None, None))
        if event.unless_latest and data == event.data:
            entry.repeats = origin
        else:
            latest[event.name] = (event.data, entry)
