"""The consumer: one blocking loop that takes messages in batches and acknowledges what is kept.

Connect, declare, consume; on any fault of the broker wait with jitter and begin again. A batch
is acknowledged only after ``handle`` has returned, that is after its transaction committed.
``handle`` runs in a thread of its own (``writer``): while it works, waits for a lock or finds
the store away, the connection is pumped, so that its heartbeats go on, and the next batch comes
in and is read.

What is in hand is bounded by number, the broker's prefetch, and by bytes: past the bound
nothing more is read before the batch is stored, and where that takes long everything goes
back to the broker, to be taken again one by one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from pika.adapters.blocking_connection import BlockingConnection

from jexevents.backoff import Backoff
from jexevents.broker.connect import connect, translated
from jexevents.broker.session import Delivery, Intake, Read, Session
from jexevents.broker.topology import Topology
from jexevents.broker.writer import Handle, Writer, Written
from jexevents.errors import (
    BrokerMismatch,
    BrokerUnavailable,
    ServiceEnded,
    StoreTooSlow,
    Unavailable,
)
from jexevents.logs import get_logger
from jexevents.model import Arrival, Outcome
from jexevents.observers import AWAY, NOBODY, TOO_SLOW, ConsumerObserver

log = get_logger("consumer")

# How long a pump may wait before it looks whether it should stop.
_TICK_SECONDS = 0.25


class StopFlag(Protocol):
    """What tells the loop to end; safe to set from a signal handler."""

    def is_set(self) -> bool:
        """Whether to stop."""

    def wait(self, seconds: float) -> bool:
        """Wait at most so long; returns at once, and True, when set."""


class _TooMuchInHandError(BrokerUnavailable):
    """More bytes are in hand than may be kept while the store is away; they go back."""


def _as_they_came(arrivals: Sequence[Arrival]) -> Sequence[Arrival]:
    return arrivals


def _nothing() -> None:
    """Do nothing."""


class Consumer:
    """Consumes one queue on the thread that calls ``run``.

    ``read`` makes of arrivals what ``handle`` takes in batches; it must raise nothing.
    ``require_store`` raises Unavailable while ``handle`` would: then nothing is taken at all.
    ``problem`` says why nothing is consumed now, or is None; ``last_batch_at`` is the time
    (monotonic, seconds) of the last batch that was stored, or None; ``session`` is what it
    consumes with, None while it is not connected.
    """

    def __init__(
        self,
        uri: str,
        topology: Topology,
        intake: Intake,
        handle: Handle,
        stop: StopFlag,
        *,
        read: Read = _as_they_came,
        require_store: Callable[[], object] = _nothing,
        heartbeat_seconds: int = 30,
        reconnect_max_seconds: float = 30.0,
        name: str = "jexevents",
        observer: ConsumerObserver = NOBODY,
    ) -> None:
        self._uri = uri
        self._topology = topology
        self._intake = intake
        self._read = read
        self._require_store = require_store
        self._writer = Writer(handle)
        self._stop = stop
        self._heartbeat_seconds = heartbeat_seconds
        self._backoff = Backoff(reconnect_max_seconds)
        self._store_backoff = Backoff(reconnect_max_seconds)
        self._name = name
        self._observer = observer
        self._was_connected = False
        # How many messages that came again were kept since the last one that did not.
        self._kept_again = 0
        self._limit = intake.batch_size
        # A batch that the store did not take, and when it may be tried again.
        self._refused: list[Delivery] = []
        self._retry_at = 0.0
        self._overfull_since: float | None = None
        self.problem: str | None = "not connected yet"
        self.last_batch_at: float | None = None
        self.session: Session | None = None

    def run(self) -> None:
        """Consume until told to stop.

        Raises BrokerMismatch if exchange or queue are other than configured at the first
        connection; later that only makes the consumer not ready until it is mended.
        """
        self._writer.start()
        try:
            self._run()
        finally:
            self._writer.stop()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with translated(self._uri):
                    self._run_connected()
                return
            except BrokerMismatch as error:
                if not self._was_connected:
                    raise
                self.problem = str(error)
            except BrokerUnavailable as error:
                self.problem = str(error)
            delay = self._backoff.next()
            log.warning("broker_away", reason=self.problem, retry_seconds=round(delay, 2))
            self._stop.wait(delay)

    def _run_connected(self) -> None:
        connection = connect(self._uri, heartbeat_seconds=self._heartbeat_seconds, name=self._name)
        try:
            self._topology.declare(connection)
            self._await_store(connection)
            if self._stop.is_set():
                return
            session = Session(connection, self._topology.queue_name, self._intake, self._read)
            self._refused, self._overfull_since, self._kept_again = [], None, 0
            if self._was_connected:
                self._observer.reconnected()
            self._was_connected, self.problem, self.session = True, None, session
            self._backoff.reset()
            log.info("consuming", queue=self._topology.queue_name)
            # What is being written when the end is asked for is still acknowledged.
            while self._writer.busy or not self._stop.is_set():
                self._turn(session)
        finally:
            self.session = None
            if connection.is_open:
                connection.close()

    def _await_store(self, connection: BlockingConnection) -> None:
        """Wait until what is taken can also be stored, or until told to stop.

        What is in hand when a connection is lost counts as handed out once more, and past its
        delivery limit a quorum queue drops it; so in a long outage nothing must be in hand.
        """
        while not self._stop.is_set():
            try:
                self._require_store()
                return
            except Unavailable as error:
                self.problem = str(error)
            delay = self._store_backoff.next()
            log.warning("store_away", reason=self.problem, retry_seconds=round(delay, 2))
            retry_at = time.monotonic() + delay
            while not self._stop.is_set() and time.monotonic() < retry_at:
                connection.sleep(_TICK_SECONDS)

    def _turn(self, session: Session) -> None:
        """Settle what was written, hand over what is due, and pump until there is news."""
        if self._writer.failed:
            raise ServiceEnded("The thread that writes batches died.")
        written = self._writer.take()
        if written is not None:
            self._settle(session, written)
        if not self._writer.busy and not self._stop.is_set():
            batch = self._next_batch(session)
            if batch:
                self._writer.submit(session, batch)
        self._pump(session)

    def _next_batch(self, session: Session) -> list[Delivery]:
        """Give the batch that is due now, if there is one."""
        if self._refused:
            if time.monotonic() < self._retry_at:
                return []
            batch, self._refused = self._refused, []
            return batch
        due = session.due_in(self._limit)
        return [] if due is None or due > 0 else session.next_batch(self._limit)

    def _pump(self, session: Session) -> None:
        """Pump until something comes, a batch is due or written, or it is time for a look.

        Raises _TooMuchInHandError where more was taken than may be kept so long.
        """
        if not (session.overfull and session.in_hand > 1):
            self._overfull_since = None
            session.pump(self._quiet_seconds(session))
            return
        now = time.monotonic()
        self._overfull_since = self._overfull_since or now
        # Not pumped for a part of the heartbeat's interval; that is no danger to the connection.
        patient = now - self._overfull_since < self._heartbeat_seconds / 4
        if not (self._writer.busy and patient):
            raise _TooMuchInHandError
        self._writer.wait_done(_TICK_SECONDS)

    def _quiet_seconds(self, session: Session) -> float:
        """Give how long nothing has to be done unless something comes."""
        if self._writer.busy:
            return _TICK_SECONDS
        if self._refused:
            due: float | None = self._retry_at - time.monotonic()
        else:
            due = session.due_in(self._limit)
        return _TICK_SECONDS if due is None else min(max(due, 0.0), _TICK_SECONDS)

    def _settle(self, session: Session, written: Written) -> None:
        """Acknowledge what is kept; what is not is tried again, after a while.

        What came over an earlier connection is the broker's again: it comes once more.
        """
        if written.error is None:
            self._kept(session, written)
        elif isinstance(written.error, Unavailable):
            self._not_kept(session, written, written.error)
        else:
            raise written.error

    def _kept(self, session: Session, written: Written) -> None:
        self._store_backoff.reset()
        self.problem = None
        self.last_batch_at = time.monotonic()
        self._limit = min(self._limit * 2, self._intake.batch_size)
        self._observer.batch_kept(len(written.batch), written.seconds, written.wait_seconds)
        log.debug("batch_stored", **_counts(written.outcomes))
        if written.session is session:
            self._learn(session, written.batch)
            session.acknowledge(written.batch)

    def _not_kept(self, session: Session, written: Written, error: Unavailable) -> None:
        self.problem = str(error)
        self._observer.batch_failed(TOO_SLOW if isinstance(error, StoreTooSlow) else AWAY)
        delay = self._store_backoff.next()
        log.warning("store_away", reason=str(error), retry_seconds=round(delay, 2))
        self._retry_at = time.monotonic() + delay
        batch = list(written.batch)
        if isinstance(error, StoreTooSlow):
            # A batch that takes too long would take too long for ever.
            self._limit = max(1, len(batch) // 2)
        if written.session is session:
            self._refused = batch[: self._limit]
            session.put_back(batch[self._limit :])

    def _learn(self, session: Session, batch: Sequence[Delivery]) -> None:
        """Learn from a batch that is kept how the next ones are taken.

        One by one at first: what a consumer that died had in hand comes before all else, and if
        one of those is what it died of, no other must be in hand with it. That is no more than a
        prefetch. Where more comes again, it is the broker that died: after its start all that
        its queues held counts as handed out before.
        """
        self._kept_again = self._kept_again + len(batch) if batch[-1].redelivered else 0
        session.wary = self._kept_again < self._intake.prefetch_count
        if not (batch[-1].redelivered and session.wary):
            session.widen()


def _counts(outcomes: Sequence[Outcome]) -> dict[str, int]:
    return {outcome.value: outcomes.count(outcome) for outcome in Outcome}
