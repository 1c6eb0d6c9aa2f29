"""Jobs as they stand in the ledger, held beside what their events make of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any

from jexevents.errors import JexError
from jexevents.lifecycle import sealing
from jexevents.model import INSERTED, SEALED, Kind
from jexevents.store.books import BOOKS, Columns
from jexevents.store.database import Connection
from jexevents.store.rows import JOB_COLUMNS, StoredEvent, job_values, stored_event

# Whether a checksum (the third) is the identity of an event with this name, source and raw text;
# the kind is None for an event of no job.
Recognise = Callable[[Kind | None, str, bytes, str, bytes], bool]

_JOBS = tuple(f"jobs.{name}" for name in JOB_COLUMNS)
UNRECOGNISED = "that of the text and the source"
# What a fold raises on data that no event of the ledger has.
_BROKEN = (ArithmeticError, AttributeError, JexError, LookupError, TypeError, ValueError)

# Rows of events in hand at a time: each may be of megabytes.
_ROWS = 500


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that stands otherwise in the ledger than the events say.

    ``column`` is ``table.column``, or a table where whole rows are meant; ``seq`` the event
    that it is about, where it is about one; ``kind`` and ``key`` are None where there is no job.
    """

    job_id: str | None
    kind: str | None
    key: str | None
    column: str
    stored: Any
    folded: Any
    seq: int | None = None


@dataclass(frozen=True, slots=True)
class StoredJob:
    """A job as it stands; ``columns`` by ``table.column``."""

    id: str
    kind: Kind
    key: str
    sealed_seq: int | None
    columns: Columns

    def differs(self, column: str, stored: Any, folded: Any, seq: int | None = None) -> Difference:
        """Give a difference of this job."""
        return Difference(self.id, self.kind.value, self.key, column, stored, folded, seq)


@dataclass(slots=True)
class Story:
    """The events of one job, and what is wrong with them whatever they make of the job."""

    job_id: str
    events: list[StoredEvent] = field(default_factory=list)
    sealed_seq: int | None = None
    wrong: list[tuple[int, bytes]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Examined:
    """One job, its story, the state that the story leads to, and all that differs."""

    job: StoredJob
    story: Story
    state: Any
    differences: Sequence[Difference]


def stored_jobs(connection: Connection, rows: Sequence[Sequence[Any]]) -> dict[str, StoredJob]:
    """Make jobs, by their ids, of rows of ``page_of_jobs`` and of what their kinds keep."""
    kept: dict[str, Columns] = {}
    for kind in Kind:
        ids = [row[0] for row in rows if row[1] == kind.value]
        if ids:
            kept |= BOOKS[kind].kept(connection, ids)
    return {row[0]: _stored_job(row, kept[row[0]]) for row in rows}


def _stored_job(row: Sequence[Any], kept: Columns) -> StoredJob:
    job_id, kind, key, source, sealed_seq, *values = row
    plain = (bytes(value) if isinstance(value, memoryview) else value for value in values)
    columns = dict(zip(_JOBS, plain, strict=True))
    columns["jobs.source"] = source
    columns.update(kept)
    return StoredJob(job_id, Kind(kind), key, sealed_seq, columns)


def stories(
    connection: Connection,
    query: Any,
    jobs: Mapping[str, StoredJob],
    recognise: Recognise,
    **arguments: Any,
) -> Iterator[Story]:
    """Read events by ``stories_of`` or ``stories_between``; give the story of each job.

    Read from the server as they are taken, so that one story is in memory at a time, without
    its raw texts.
    """
    # It ends before its transaction; psycopg2 takes only such as might not in autocommit mode.
    with connection.cursor("stories", withhold=True) as cursor:
        cursor.itersize = _ROWS
        cursor.execute(query.sql, arguments)
        for job_id, rows in groupby(cursor, itemgetter(0)):
            job = jobs.get(job_id)
            yield _story(job_id, job and job.kind, rows, recognise)


def _story(
    job_id: str, kind: Kind | None, rows: Iterator[Sequence[Any]], recognise: Recognise
) -> Story:
    story = Story(job_id)
    for _, seq, source, raw, *row in rows:
        event = stored_event(row)
        story.events.append(event)
        if event.name == SEALED:
            story.sealed_seq = seq
            right = event.checksum == sealing.checksum(job_id)
        else:
            right = is_right(kind, event.name, event.checksum, source, raw, recognise)
        if not right:
            story.wrong.append((seq, event.checksum))
    return story


def is_right(
    kind: Kind | None, name: str, checksum: bytes, source: str, raw: bytes, recognise: Recognise
) -> bool:
    """Whether an event has the identity that source and text give it, as far as they say.

    That of an insertion is its key or a random number.
    """
    return name == INSERTED or recognise(kind, name, checksum, source, bytes(raw))


def examine(job: StoredJob, story: Story) -> Examined:
    """Fold a story, and compare what stands of its job with what should."""
    wrong = [
        job.differs("events.checksum", checksum, UNRECOGNISED, seq) for seq, checksum in story.wrong
    ]
    if not story.events:
        wrong.append(job.differs("events", "none", "one at least"))
    if job.sealed_seq != story.sealed_seq:
        wrong.append(job.differs("jobs.sealed_seq", job.sealed_seq, story.sealed_seq))
    book = BOOKS[job.kind]
    try:
        state = book.fold(story.events)
        due = dict(zip(_JOBS, job_values(state), strict=True))
        due.update(book.due(job.key, state, story.events))
    except _BROKEN as error:
        wrong.append(job.differs("events.data", repr(error), "data that can be folded"))
        return Examined(job, story, None, wrong)
    return Examined(job, story, state, [*wrong, *_compared(job, due)])


def _compared(job: StoredJob, due: Columns) -> Iterator[Difference]:
    """Give the columns that differ; of rows that are missing, that they are."""
    stored = job.columns
    if stored == due:
        return
    for column, value in due.items():
        missing = stored.get(column.partition(".")[0]) is False
        if stored[column] != value and not (missing and "." in column):
            yield job.differs(column, stored[column], value)
