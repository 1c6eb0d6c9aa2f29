"""What the worker asks of those who run things: one for processes, one for containers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from jexevents.executions.events import Named
from jexevents.executions.orders import Order
from jexevents.executions.queue import Claimed, Report, Unsettled
from jexevents.executions.run import AnyRun
from jexevents.model import Kind


class Line(Protocol):
    """Where an attempt says that it has news; it can be registered with ``selectors``."""

    closed: bool

    def fileno(self) -> int:
        """Give the descriptor."""


class Attempt(Protocol):
    """One attempt that this node has, till all of it is in the ledger. For one thread at once,
    save ``carry_out`` and ``kill``, which may take long.

    ``run`` is None where it was given up while this node was away: then it must not go on.
    ``watch`` is None where nothing is heard of it by itself; then ``look`` is called again at
    ``look_at`` (monotonic). ``end_is_told`` is whether it was logged that it is ended, for it was
    given up. ``senders`` are the credentials of those who had events sent, by the
    key of the event.
    """

    job_id: str
    named: Named
    number: int
    run: AnyRun | None
    sequence: int
    senders: dict[str, str]
    look_at: float
    end_is_told: bool

    @property
    def watch(self) -> Line | None:
        """What to listen to."""

    @property
    def place(self) -> tuple[str, int]:
        """The execution's job id, and which attempt this is."""

    @property
    def is_over(self) -> bool:
        """Whether nothing more will be heard."""

    def look(self) -> None:
        """Look how it stands, and listen to it, or take in how it ended. Raises OSError."""

    def read(self) -> None:
        """Take in what was heard since. Raises ValueError, TypeError, KeyError for nonsense."""

    def look_later(self) -> None:
        """Wait before the next look, each time longer than before."""

    def require_begun(self) -> None:
        """Give it up where it was to begin long ago, and did not. Raises OSError."""

    def let_go(self) -> None:
        """Listen to it no longer; it does not mind."""

    def report(self) -> Report | None:
        """Give what is to be told of it now; None for nothing."""

    def reported(self, report: Report) -> None:
        """Note that this is in the ledger."""

    def carry_out(self, order: Order) -> Mapping[str, Any]:
        """Do what was ordered, once by its id; give the answer, empty where nobody was there."""

    def kill(self) -> None:
        """End it, for it was given up."""


class Executor(Protocol):
    """Runs executions of one kind; ``begin``, ``go_on`` and ``clean`` by several threads."""

    kind: Kind
    threads: int
    """How many starts it can have under way at once."""

    @property
    def takes(self) -> bool:
        """Whether it could run something now."""

    def prepare(self) -> None:
        """Make the first start quick."""

    def close(self) -> None:
        """Let go what was prepared; what runs goes on."""

    def begin(self, claimed: Claimed) -> Attempt | None:
        """Begin what was claimed; None where that was not to be any more.

        What cannot be started is an attempt that failed. Raises Unavailable: then it has not begun,
        and another node may do better.
        """

    def go_on(self, claimed: Claimed) -> Attempt:
        """Start what is noted as begun, and has certainly not run."""

    def adopt(self, one: Unsettled) -> tuple[Attempt, bool]:
        """Take up what was begun here and whose end is not known; whether ``go_on`` is for it,
        because it has certainly not run."""

    def clean(self, attempt: Attempt) -> None:
        """Remove what it needed while it ran: its end is in the ledger."""
