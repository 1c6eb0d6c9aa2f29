"""What the parts report of their work: the words in which they do, so that none knows who counts.

All of it is reported once a batch, a transaction or a request, never once an event.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, Protocol

from jexevents.model import Event, Outcome, Reject

# Why a batch was not stored as it was: PostgreSQL does not answer, or not in time; it refuses
# what one message holds; or the fold failed on one, which is a fault of ours.
AWAY, TOO_SLOW, REFUSED, FAILED = "away", "too_slow", "refused", "failed"


class IngestObserver(Protocol):
    """Hears what became of what came in; from several threads."""

    def stored(
        self, origin: str, read: Sequence[Event | Reject], outcomes: Sequence[Outcome]
    ) -> None:
        """A transaction committed: these came in by that door and became that."""

    def batch_failed(self, kind: str) -> None:
        """A batch was not stored as it was; ``kind`` is one of the words above."""


class TypeObserver(Protocol):
    """Hears of events of SMRT Link whose type has no schema."""

    def unknown_type(self) -> None:
        """One was stored."""


class ConsumerObserver(Protocol):
    """Hears of the consumer's batches and connections, in its thread."""

    def batch_kept(self, messages: int, store_seconds: float, wait_seconds: float) -> None:
        """A batch is stored: in what time, and how long after its first message had come."""

    def batch_failed(self, kind: str) -> None:
        """A batch was not stored and will be tried again."""

    def reconnected(self) -> None:
        """The consumer consumes again, over another connection than before."""


class RequestObserver(Protocol):
    """Hears of each request over HTTP that was answered; from several threads."""

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """``route`` is the pattern of its path, or "" where no route took it.

        Of a long answer, the time is that till its first byte.
        """


class Several:
    """Tells several observers of the ingest, one after the other."""

    def __init__(self, *observers: IngestObserver) -> None:
        self._observers = observers

    def stored(
        self, origin: str, read: Sequence[Event | Reject], outcomes: Sequence[Outcome]
    ) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.stored(origin, read, outcomes)

    def batch_failed(self, kind: str) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.batch_failed(kind)


class HookObserver(Protocol):
    """Hears of each try of a webhook's delivery; from several threads."""

    def sent(self, hook: str, state: str, seconds: float) -> None:
        """``state`` is what the try made of the delivery: delivered, dead, or pending again."""


class RunObserver(Protocol):
    """Hears of the executions that this process begins and ends, and of what was due."""

    def begun(self, kind: str, waited_seconds: float) -> None:
        """An attempt begins; it could have begun so long ago."""

    def ran(self, kind: str, seconds: float) -> None:
        """An attempt is over, which had begun so long ago."""

    def decided(self, outcomes: Mapping[str, int]) -> None:
        """So many due times have each of these outcomes, and are in the ledger."""


class UploadObserver(Protocol):
    """Hears what became of each file that was uploaded; from several threads."""

    def uploaded(self, outcome: str, size: int) -> None:
        """``outcome`` is ``taken``, ``again`` or ``refused``; ``size`` is in bytes."""


class MonitorObserver(Protocol):
    """Hears of what a monitor reads and publishes, in its thread."""

    def events_read(self, events: int, garbage: int) -> None:
        """So many events were read, and so many pieces that are none."""

    def events_published(self, events: int, bytes_of_logs: int) -> None:
        """The broker has taken over so many of them, which take so many bytes in their logs."""

    def gap_found(self) -> None:
        """A part of a log was lost before it could be read."""

    def positions_noted(self, noted: bool) -> None:
        """The position file was written, or could not be."""


class Nobody:
    """Hears everything and does nothing."""

    def stored(
        self, origin: str, read: Sequence[Event | Reject], outcomes: Sequence[Outcome]
    ) -> None:
        """Do nothing."""

    def batch_failed(self, kind: str) -> None:
        """Do nothing."""

    def batch_kept(self, messages: int, store_seconds: float, wait_seconds: float) -> None:
        """Do nothing."""

    def reconnected(self) -> None:
        """Do nothing."""

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Do nothing."""

    def sent(self, hook: str, state: str, seconds: float) -> None:
        """Do nothing."""

    def begun(self, kind: str, waited_seconds: float) -> None:
        """Do nothing."""

    def ran(self, kind: str, seconds: float) -> None:
        """Do nothing."""

    def decided(self, outcomes: Mapping[str, int]) -> None:
        """Do nothing."""

    def uploaded(self, outcome: str, size: int) -> None:
        """Do nothing."""

    def events_read(self, events: int, garbage: int) -> None:
        """Do nothing."""

    def events_published(self, events: int, bytes_of_logs: int) -> None:
        """Do nothing."""

    def gap_found(self) -> None:
        """Do nothing."""

    def positions_noted(self, noted: bool) -> None:
        """Do nothing."""


NOBODY = Nobody()


class PoolUse(NamedTuple):
    """How a pool of connections is used now, and what happened to it so far.

    ``size`` is how many connections it may have, ``lent`` how many are at work or being opened,
    ``idle`` how many are open and free, ``waiting`` how many callers wait for one. ``waits``
    counts callers that had to wait, ``cut_off`` transactions that were ended from here.
    """

    size: int
    lent: int
    idle: int
    waiting: int
    waits: int
    cut_off: int


class EngineUse(NamedTuple):
    """How it stands with containers here, since the start of this process: whether the engine
    answers, how many images were ``pulled`` and how many pulls ``failed``, and how many containers
    were ``swept`` that nobody claimed.
    """

    answers: bool
    pulled: int
    failed: int
    swept: int


class JobsUse(NamedTuple):
    """How it stands with the jobs that are run, as far as this process has seen.

    ``slots`` and ``running`` are this node's; ``waiting`` and ``held`` count what is in the queue
    of all nodes, waiting or in somebody's hands, NaN before the first look. ``looked_at`` is when
    what is due was last looked at here, ``fetched_at`` when the repository last answered (seconds
    since 1970, 0 before that); ``has_fault`` says whether there is a fault with it. ``draining``
    says whether nothing is claimed here any more; ``of_kinds`` counts what runs here by kind;
    ``engine`` is None where there is none.
    """

    slots: int
    running: int
    waiting: float
    held: float
    looked_at: float
    fetched_at: float
    has_fault: bool
    draining: bool = False
    of_kinds: Mapping[str, int] = MappingProxyType({})
    engine: EngineUse | None = None


class LedgerUse(NamedTuple):
    """What the ledger holds of those who work with it, counted ``counted_at`` (seconds since 1970).

    ``workers`` by how they stand, ``slots`` of those that live, ``tasks`` by status, ``schedules``
    in force, and the hooks that are ``disabled`` since their receivers want no more.
    """

    counted_at: float
    workers: Mapping[str, int]
    slots: int
    tasks: Mapping[str, int]
    schedules: int
    disabled: Sequence[str]


class PublisherUse(NamedTuple):
    """How it stands with what is published: whether a line to the broker is ``connected``, how many
    ``reconnects`` there were, messages ``confirmed`` by it and ``refused`` so far, and how many
    messages and bytes are ``under_way``.
    """

    connected: bool
    reconnects: int
    confirmed: int
    refused: int
    under_way: int
    bytes_under_way: int


class LogsUse(NamedTuple):
    """How it stands with the logs that are followed: how many there are, how many ``problems``
    there are with them or with the position file, and how many bytes stand in them that the
    broker has not taken over.
    """

    followed: int
    problems: int
    behind: int
