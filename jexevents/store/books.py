"""What the store must know of each kind of job: its lifecycle and its own table."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol

from jexevents.errors import Conflict, Forbidden
from jexevents.model import Event, JobKey, Kind
from jexevents.store.command import ExecutionBook
from jexevents.store.condor import CondorBook
from jexevents.store.database import Connection
from jexevents.store.pipeline import PipelineBook
from jexevents.store.rows import StoredEvent
from jexevents.store.smrtlink import SmrtLinkBook

Columns = Mapping[str, Any]


class Book(Protocol):
    """How jobs of one kind are folded, and where what only they have is kept.

    A state is the lifecycle's own value; it has the attributes of rows.JOB_FACTS and ``tail``.
    """

    # The names of the events that the fold takes into account, the sealed one among them; None
    # if these cannot be told by their names.
    telling: Sequence[str] | None
    # The names of the events that make a job which is not there; None if all of them do.
    makes: frozenset[str] | None
    # Whether ``admit`` is asked for each event of a known job.
    guards: bool

    def fold(self, events: Iterable[Event | StoredEvent]) -> Any:
        """Make a job's state from all its events, or from its sealed one."""

    def matters(self, event: Event) -> bool:
        """Whether the fold takes an event into account; all others leave the job as it is."""

    def in_order(self, events: Iterable[Event]) -> list[Event]:
        """Sort the events that matter into the order of the fold, and leave the others out."""

    def passing(self, events: Iterable[Event]) -> Collection[bytes]:
        """Of new events of one job, give the checksums of those that end it for now only, for
        another of them opens it again: to who waits for a state, they are no change."""

    def advance(self, state: Any, events: Sequence[Event]) -> bool:
        """Fold more events into ``state``; False if the job must be folded anew."""

    def admit(self, state: Any, event: Event) -> Event | None:
        """Give an event of a job in that state as it is let in, None if it says nothing new.

        Raises Conflict or Forbidden.
        """

    def read(
        self, connection: Connection, rows: Mapping[str, Sequence[Any]]
    ) -> dict[str, tuple[Any, Any]]:
        """Give, by job id, the state and what ``write`` compares with.

        ``rows`` are those of jobs by id: JOB_FACTS and the tail of the fold.
        """

    def write(self, connection: Connection, jobs: Sequence[tuple[str, JobKey, Any, Any]]) -> None:
        """Write (id, key, state, what ``read`` gave or None) to the kind's own table."""

    def note(self, connection: Connection, events: Sequence[tuple[str, Event]]) -> None:
        """Keep what else fresh events (with their job's id) say, such as other names of it."""

    def kept(self, connection: Connection, job_ids: Sequence[str]) -> Mapping[str, Columns]:
        """Give what stands in the kind's own tables, by job id and ``table.column``."""

    def due(self, key: str, state: Any, events: Sequence[StoredEvent]) -> Columns:
        """Give what should stand there by the job's key, state and events, sealed ones too."""

    def behind_seal(self, event: Event) -> Conflict | Forbidden | None:
        """Say why an event of a sealed job is refused; None where it counts as a repetition."""

    def seal(self, state: Any, events: Sequence[StoredEvent]) -> dict[str, Any]:
        """Give the data of the sealed event that can stand for these events from now on."""


BOOKS: Mapping[Kind, Book] = {
    Kind.CONDOR: CondorBook(),
    Kind.PIPELINE: PipelineBook(),
    Kind.SMRTLINK: SmrtLinkBook(),
    Kind.COMMAND: ExecutionBook(),
    Kind.CONTAINER: ExecutionBook(),
}
