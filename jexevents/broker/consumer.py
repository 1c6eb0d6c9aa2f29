"""The consumer: one blocking loop that takes messages in batches and acknowledges what is kept.

Connect, declare, consume; on any fault of the broker wait with jitter and begin again. A batch
is acknowledged only after ``handle`` has returned, that is after its transaction committed.
While the store is away the batch in hand is tried again and again, and the connection is
pumped meanwhile so that its heartbeats go on.

What is in hand is bounded by number, the broker's prefetch, and by bytes: past the bound
nothing more is read before the batch is stored, and while that cannot be done everything goes
back to the broker, to be taken again one by one.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Protocol

import pika
from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection

from jexevents.backoff import Backoff
from jexevents.broker.connect import connect, translated
from jexevents.broker.topology import Topology
from jexevents.errors import BrokerMismatch, BrokerUnavailable, Unavailable
from jexevents.logs import get_logger
from jexevents.model import Arrival, Outcome

log = get_logger("consumer")

Handle = Callable[[Sequence[Arrival]], Sequence[Outcome]]

# How long a pump may wait before it looks whether it should stop.
_TICK_SECONDS = 0.25


class StopFlag(Protocol):
    """What tells the loop to end; safe to set from a signal handler."""

    def is_set(self) -> bool:
        """Whether to stop."""

    def wait(self, seconds: float) -> bool:
        """Wait at most so long; returns at once, and True, when set."""


@dataclass(frozen=True, slots=True)
class Intake:
    """How messages are taken: how many to a transaction, how long to wait for company."""

    batch_size: int = 500
    batch_max_seconds: float = 0.02
    prefetch_count: int = 1000
    prefetch_max_bytes: int = 64 << 20
    consumer_tag: str = "jexevents"
    source: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message in hand: its tag, good for one channel only, and what came."""

    tag: int
    redelivered: bool
    arrival: Arrival


class _TooMuchInHandError(BrokerUnavailable):
    """More bytes are in hand than may be kept while the store is away; they go back."""


class Consumer:
    """Consumes one queue on the thread that calls ``run``.

    ``problem`` says why nothing is consumed now, or is None; ``last_batch_at`` is the time
    (monotonic, seconds) of the last batch that was stored, or None.
    """

    def __init__(
        self,
        uri: str,
        topology: Topology,
        intake: Intake,
        handle: Handle,
        stop: StopFlag,
        *,
        heartbeat_seconds: int = 30,
        reconnect_max_seconds: float = 30.0,
        name: str = "jexevents",
    ) -> None:
        self._uri = uri
        self._topology = topology
        self._intake = intake
        self._handle = handle
        self._stop = stop
        self._heartbeat_seconds = heartbeat_seconds
        self._backoff = Backoff(reconnect_max_seconds)
        self._store_backoff = Backoff(reconnect_max_seconds)
        self._name = name
        self._was_connected = False
        self._prefetch_count = intake.prefetch_count
        self.problem: str | None = "not connected yet"
        self.last_batch_at: float | None = None

    def run(self) -> None:
        """Consume until told to stop.

        Raises BrokerMismatch if exchange or queue are other than configured at the first
        connection; later that only makes the consumer not ready until it is mended.
        """
        while not self._stop.is_set():
            try:
                with translated(self._uri):
                    self._run_connected()
                return
            except BrokerMismatch as error:
                if not self._was_connected:
                    raise
                self.problem = str(error)
            except _TooMuchInHandError as error:
                self._prefetch_count = 1
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
            session = _Session(
                connection, self._topology.queue_name, self._intake, self._prefetch_count
            )
            self._was_connected, self.problem = True, None
            self._backoff.reset()
            log.info("consuming", queue=self._topology.queue_name)
            while not self._stop.is_set():
                batch = session.next_batch(self._stop)
                if batch and self._settle(session, batch):
                    session.acknowledge(batch)
                    self.last_batch_at = time.monotonic()
                    self._widen(session)
        finally:
            if connection.is_open:
                connection.close()

    def _widen(self, session: _Session) -> None:
        """Take as much ahead as configured again, now that the store takes it."""
        if self._prefetch_count != self._intake.prefetch_count:
            self._prefetch_count = self._intake.prefetch_count
            session.consume(self._prefetch_count)

    def _settle(self, session: _Session, batch: Sequence[Delivery]) -> bool:
        """Hand a batch over until it is kept; False if told to stop before that."""
        arrivals = [delivery.arrival for delivery in batch]
        while True:
            try:
                outcomes = self._handle(arrivals)
            except Unavailable as error:
                self.problem = str(error)
                delay = self._store_backoff.next()
                log.warning("store_away", reason=str(error), retry_seconds=round(delay, 2))
            else:
                self._store_backoff.reset()
                self.problem = None
                log.debug("batch_stored", **_counts(outcomes))
                return True
            session.pump_for(delay, self._stop)
            if self._stop.is_set():
                return False


class _Session:
    """One connection's consuming: what has been delivered and waits for its batch."""

    def __init__(
        self, connection: BlockingConnection, queue: str, intake: Intake, prefetch_count: int
    ) -> None:
        self._connection = connection
        self._intake = intake
        self._queue = queue
        self._origin = f"amqp:{queue}"
        self._waiting: deque[Delivery] = deque()
        self._in_hand = 0
        self._bytes_in_hand = 0
        self._cancelled = False
        self._consumer_tag: str | None = None
        self._channel: BlockingChannel = connection.channel()
        self._channel.add_on_cancel_callback(self._on_cancel)
        self.consume(prefetch_count)

    def consume(self, prefetch_count: int) -> None:
        """Begin to consume, or begin anew: RabbitMQ fixes a consumer's prefetch at its start."""
        if self._consumer_tag is not None:
            self._channel.basic_cancel(self._consumer_tag)
        self._channel.basic_qos(prefetch_count=prefetch_count)
        self._consumer_tag = self._channel.basic_consume(
            self._queue, self._on_message, consumer_tag=self._intake.consumer_tag
        )

    def next_batch(self, stop: StopFlag) -> list[Delivery]:
        """Give the next messages in their order; none if told to stop before one came.

        A batch ends when it is full or when its first message has waited long enough. A
        redelivered message is a batch of its own, so that whatever it did to a daemon
        before it does to itself alone.
        """
        while not self._waiting:
            if stop.is_set():
                return []
            self._pump(_TICK_SECONDS)
        due = time.monotonic() + self._intake.batch_max_seconds
        while not (self._full or self._overfull or stop.is_set()):
            left = due - time.monotonic()
            if left <= 0:
                break
            self._pump(left)
        return self._cut()

    def acknowledge(self, batch: Sequence[Delivery]) -> None:
        """Tell the broker that all of a batch, and with it all before, is kept."""
        self._channel.basic_ack(batch[-1].tag, multiple=True)
        self._in_hand -= len(batch)
        self._bytes_in_hand -= sum(len(delivery.arrival.body) for delivery in batch)

    def pump_for(self, seconds: float, stop: StopFlag) -> None:
        """Keep the connection alive for a while; ends early when told to stop.

        Raises _TooMuchInHandError where what comes in meanwhile is more than may be kept.
        """
        until = time.monotonic() + seconds
        while not stop.is_set() and (left := until - time.monotonic()) > 0:
            self._pump(min(left, _TICK_SECONDS))
            if self._overfull and self._in_hand > 1:
                raise _TooMuchInHandError

    @property
    def _full(self) -> bool:
        return len(self._waiting) >= self._intake.batch_size

    @property
    def _overfull(self) -> bool:
        return self._bytes_in_hand > self._intake.prefetch_max_bytes

    def _cut(self) -> list[Delivery]:
        batch = [self._waiting.popleft()]
        if batch[0].redelivered:
            return batch
        while (
            self._waiting
            and len(batch) < self._intake.batch_size
            and not self._waiting[0].redelivered
        ):
            batch.append(self._waiting.popleft())
        return batch

    def _pump(self, seconds: float) -> None:
        self._connection.process_data_events(time_limit=seconds)
        # pika goes on pumping, and says nothing, when the channel below it was closed.
        if self._cancelled or not self._channel.is_open:
            raise BrokerUnavailable("RabbitMQ ended the consumer: its queue or channel is gone.")

    def _on_cancel(self, _frame: Any) -> None:
        self._cancelled = True

    def _on_message(
        self,
        _channel: BlockingChannel,
        method: pika.spec.Basic.Deliver,
        properties: pika.BasicProperties,
        body: bytes,
    ) -> None:
        arrival = Arrival(
            body=body,
            received_at=datetime.now(timezone.utc),
            origin=self._origin,
            source=self._intake.source,
            properties=_properties(method, properties),
        )
        self._waiting.append(Delivery(method.delivery_tag, method.redelivered, arrival))
        self._in_hand += 1
        self._bytes_in_hand += len(body)


def _properties(
    method: pika.spec.Basic.Deliver, properties: pika.BasicProperties
) -> dict[str, Any]:
    """Give what came beside the body, without what was not set."""
    return {
        name: value
        for name, value in (
            ("exchange", method.exchange),
            ("routing_key", method.routing_key),
            ("content_type", properties.content_type),
            ("content_encoding", properties.content_encoding),
            ("type", properties.type),
            ("message_id", properties.message_id),
            ("app_id", properties.app_id),
            ("timestamp", properties.timestamp),
            ("headers", properties.headers),
        )
        if value is not None and value != ""
    }


def _counts(outcomes: Sequence[Outcome]) -> dict[str, int]:
    return {outcome.value: outcomes.count(outcome) for outcome in Outcome}
