"""One connection's consuming: what has been delivered, and waits for its batch or its answer."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, NamedTuple

import pika
import pika.exceptions
from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection

from jexevents.errors import BrokerUnavailable
from jexevents.model import Arrival

# Reading and storing takes up to thirty times a body's size in memory.
BATCH_MAX_BYTES = 4 << 20
# How much of what waits is read before its batch is cut; that comes on top of the batch in hand.
READ_AHEAD_MAX_BYTES = 1 << 20

# So many are read at once: the first costs as much as several of those that follow it.
READ_AHEAD_COUNT = 100

# Makes of each arrival what the store takes, in their order; raises nothing.
Read = Callable[[Sequence[Arrival]], Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Intake:
    """How messages are taken: how many to a transaction, how long to wait for company."""

    batch_size: int = 500
    batch_max_seconds: float = 0.02
    prefetch_count: int = 1000
    prefetch_max_bytes: int = 64 << 20
    consumer_tag: str = "jexevents"
    source: str = ""


class Delivery(NamedTuple):
    """A message in hand: its tag, good for one channel only, its bytes, and what came.

    ``message`` is what was read of it, None where it waits unread.
    """

    tag: int
    redelivered: bool
    size: int
    arrival: Arrival
    message: Any = None


class Session:
    """Takes messages of one queue over one connection, till that breaks.

    ``in_hand`` counts what was delivered and not acknowledged, ``bytes_in_hand`` its bodies
    and properties. Messages are read ahead, while the store is busy with those before.
    All but ``wake`` is for the thread that owns the connection.
    """

    def __init__(
        self,
        connection: BlockingConnection,
        queue: str,
        intake: Intake,
        read: Read,
    ) -> None:
        self._connection = connection
        self._intake = intake
        self._read = read
        self._ready_bytes = 0
        self._queue = queue
        self._origin = f"amqp:{queue}"
        # Those that wait, in their order: the first ones are read, the others not yet.
        self._ready: deque[Delivery] = deque()
        self._unread: deque[Delivery] = deque()
        self._oldest = 0.0
        self._cancelled = False
        # Whether a message that comes again is a batch of its own.
        self.wary = True
        self._is_wide = False
        self.in_hand = 0
        self.bytes_in_hand = 0
        self._channel: BlockingChannel = connection.channel()
        self._channel.add_on_cancel_callback(self._on_cancel)
        self._first_tag = f"{intake.consumer_tag}-first"
        self._consume(self._first_tag, 1)

    def widen(self) -> None:
        """Take as much ahead as configured; to begin with it is one message at a time.

        RabbitMQ fixes a consumer's prefetch at its start, so this is another consumer. It
        begins before the first one ends, for with its last consumer a queue may go
        (``QueueAutodelete``). As long as the message that the first one has in hand is not
        acknowledged, no other is on its way to it: pika would give that one back, and a quorum
        queue would count it.
        """
        if not self._is_wide:
            self._is_wide = True
            self._consume(self._intake.consumer_tag, self._intake.prefetch_count)
            self._channel.basic_cancel(self._first_tag)

    def _consume(self, tag: str, prefetch_count: int) -> None:
        self._channel.basic_qos(prefetch_count=prefetch_count)
        self._channel.basic_consume(self._queue, self._on_message, consumer_tag=tag)

    @property
    def overfull(self) -> bool:
        """Whether more bytes are in hand than should be."""
        return self.bytes_in_hand > self._intake.prefetch_max_bytes

    def due_in(self, limit: int) -> float | None:
        """Say in how many seconds a batch of at most ``limit`` is due; None where none waits.

        It is due when it is full, or when its first message has waited long enough.
        """
        first = self._first()
        if first is None:
            return None
        waiting = len(self._ready) + len(self._unread)
        if waiting >= limit or self.overfull or self._goes_alone(first):
            return 0.0
        return max(0.0, self._oldest + self._intake.batch_max_seconds - time.monotonic())

    def next_batch(self, limit: int) -> list[Delivery]:
        """Cut the next batch off what waits, in its order, and read: at most ``limit`` messages.

        A redelivered message is a batch of its own while the session is ``wary``, so that
        whatever it did to a daemon before it does to itself alone.
        """
        batch = [self._pop()]
        if self._goes_alone(batch[0]):
            return self._all_read(batch)
        size = batch[0].size
        while len(batch) < limit and (following := self._first()):
            size += following.size
            if self._goes_alone(following) or size > BATCH_MAX_BYTES:
                break
            batch.append(self._pop())
        return self._all_read(batch)

    def put_back(self, batch: Sequence[Delivery]) -> None:
        """Let messages wait again, before all others."""
        self._ready.extendleft(reversed(batch))
        self._ready_bytes += sum(delivery.size for delivery in batch)

    def _goes_alone(self, delivery: Delivery) -> bool:
        return delivery.redelivered and self.wary

    def _first(self) -> Delivery | None:
        """Give the first of those that wait."""
        if self._ready:
            return self._ready[0]
        return self._unread[0] if self._unread else None

    def _pop(self) -> Delivery:
        if not self._ready:
            return self._unread.popleft()
        delivery = self._ready.popleft()
        self._ready_bytes -= delivery.size
        return delivery

    def _read_ahead(self) -> None:
        """Read some of those that wait, unless enough of them are."""
        batch = []
        while self._unread and self._ready_bytes + self._unread[0].size <= READ_AHEAD_MAX_BYTES:
            batch.append(self._unread.popleft())
            self._ready_bytes += batch[-1].size
        self._ready.extend(self._all_read(batch))

    def _all_read(self, batch: Sequence[Delivery]) -> list[Delivery]:
        """Read those of a batch that are not yet; they are the last ones."""
        unread = [delivery for delivery in batch if delivery.message is None]
        messages = self._read([delivery.arrival for delivery in unread])
        read = (Delivery(*one[:4], what) for one, what in zip(unread, messages, strict=True))
        return [*batch[: len(batch) - len(unread)], *read]

    def acknowledge(self, batch: Sequence[Delivery]) -> None:
        """Tell the broker that all of a batch, and with it all before, is kept."""
        self._channel.basic_ack(batch[-1].tag, multiple=True)
        self.in_hand -= len(batch)
        self.bytes_in_hand -= sum(delivery.size for delivery in batch)

    def pump(self, seconds: float) -> None:
        """Keep the connection alive and take in what comes; returns when something came.

        Raises BrokerUnavailable where the broker ended the consumer.
        """
        self._connection.process_data_events(time_limit=seconds)
        # pika goes on pumping, and says nothing, when the channel below it was closed.
        if self._cancelled or not self._channel.is_open:
            raise BrokerUnavailable("RabbitMQ ended the consumer: its queue or channel is gone.")

    def wake(self) -> None:
        """Let ``pump`` return; safe from any thread, and when the connection is gone."""
        with suppress(pika.exceptions.AMQPError, OSError):
            self._connection.add_callback_threadsafe(_nothing)

    def _on_cancel(self, _frame: Any) -> None:
        self._cancelled = True

    def _on_message(
        self,
        _channel: BlockingChannel,
        method: pika.spec.Basic.Deliver,
        properties: pika.BasicProperties,
        body: bytes,
    ) -> None:
        if not (self._ready or self._unread):
            self._oldest = time.monotonic()
        arrival = Arrival(
            body,
            datetime.now(timezone.utc),
            self._origin,
            self._intake.source,
            Beside(method, properties),
        )
        size = len(body) + getattr(properties, "weight", 0)
        self._unread.append(Delivery(method.delivery_tag, method.redelivered, size, arrival))
        self.in_hand += 1
        self.bytes_in_hand += size
        if len(self._unread) >= READ_AHEAD_COUNT:
            self._read_ahead()


def _nothing() -> None:
    """Do nothing: that the connection calls it is what wakes its owner."""


_OF_DELIVERY = ("exchange", "routing_key")
_OF_MESSAGE = (
    "content_type",
    "content_encoding",
    "type",
    "message_id",
    "app_id",
    "timestamp",
    "headers",
)


class Beside(Mapping[str, Any]):
    """What came beside a body, without what was not set; looked at only where it is asked for.

    Most messages have next to nothing there, and to gather it cost as much as the rest of a
    delivery.
    """

    __slots__ = ("_method", "_properties")

    def __init__(self, method: pika.spec.Basic.Deliver, properties: pika.BasicProperties) -> None:
        self._method = method
        self._properties = properties

    def __getitem__(self, name: str) -> Any:
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def get(self, name: str, default: Any = None) -> Any:
        """Give what was set, or the default."""
        if name in _OF_MESSAGE:
            value = getattr(self._properties, name)
        elif name in _OF_DELIVERY:
            value = getattr(self._method, name)
        else:
            return default
        return default if value is None or value == "" else value

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None

    def __iter__(self) -> Iterator[str]:
        return (name for name in (*_OF_DELIVERY, *_OF_MESSAGE) if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)
