"""What the store must know of each kind of job: its lifecycle and its own table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from jexevents.model import Event, JobKey, Kind
from jexevents.store.condor import CondorBook
from jexevents.store.database import Connection
from jexevents.store.rows import StoredEvent


class Book(Protocol):
    """How jobs of one kind are folded, and where what only they have is kept.

    A state is the lifecycle's own value; it has the attributes of rows.JOB_FACTS and ``tail``.
    """

    def fold(self, events: Iterable[Event | StoredEvent]) -> Any:
        """Make a job's state from all its events."""

    def matters(self, event: Event) -> bool:
        """Whether the fold takes an event into account; all others leave the job as it is."""

    def advance(self, state: Any, events: Sequence[Event]) -> bool:
        """Fold more events into ``state``; False if the job must be folded anew."""

    def new_state(self) -> Any:
        """Give the state of a job that nothing is known of."""

    def read(self, connection: Connection, states: Mapping[str, Any]) -> dict[str, Any]:
        """Fill in what stands in the kind's own table; ``states`` by job id.

        Gives, by job id, what ``write`` compares with.
        """

    def write(self, connection: Connection, jobs: Sequence[tuple[str, JobKey, Any, Any]]) -> None:
        """Write (id, key, state, what ``read`` gave or None) to the kind's own table."""

    def note(self, connection: Connection, events: Sequence[tuple[str, Event]]) -> None:
        """Keep what else fresh events (with their job's id) say, such as other names of it."""


BOOKS: Mapping[Kind, Book] = {Kind.CONDOR: CondorBook()}
