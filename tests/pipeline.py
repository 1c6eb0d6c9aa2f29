"""The whole way of a message: a real broker, the daemon's consumer, and a ledger behind it."""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pika

from jexevents.broker.connect import connect
from jexevents.broker.consumer import Consumer, Intake
from jexevents.broker.topology import Topology
from jexevents.model import Arrival, Outcome
from tests.ledger import TestLedger
from tests.support import unique, wait_until

WAIT_SECONDS = 60.0


class Crafted(pika.BasicProperties):
    """Properties whose table of headers is given as bytes."""

    _MARK = b"\x00\x00\x00\x06\x04markV"

    def __init__(self, table: bytes, **others: str) -> None:
        super().__init__(headers={"mark": None}, **others)
        self._table = table

    def encode(self) -> list[bytes]:
        whole = b"".join(super().encode())
        assert self._MARK in whole
        return [whole.replace(self._MARK, struct.pack(">I", len(self._table)) + self._table)]


@dataclass(frozen=True)
class Sent:
    """A message to publish: a body, and properties as pika takes them or as bytes."""

    body: bytes
    properties: pika.BasicProperties = field(default_factory=pika.BasicProperties)


@dataclass
class Pipeline:
    """What runs: publish to it, and see what became of each message, in the order sent."""

    uri: str
    topology: Topology
    consumer: Consumer
    thread: threading.Thread
    channel: Any
    handled: list[tuple[Arrival, Outcome]] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    sent: int = 0

    def send(self, *messages: Sent | bytes) -> list[tuple[Arrival, Outcome]]:
        """Publish messages, and wait until each was handled; give those."""
        before = self.sent
        for message in messages:
            one = message if isinstance(message, Sent) else Sent(message)
            self.channel.basic_publish(self.topology.exchange_name, "", one.body, one.properties)
        self.sent += len(messages)
        wait_until(lambda: len(self.handled) >= self.sent, WAIT_SECONDS, "all to be handled")
        assert self.thread.is_alive()
        return self.handled[before:]

    def left(self) -> int:
        """How many messages the broker has that were not acknowledged; once it ended."""
        with connect(self.uri, heartbeat_seconds=30) as connection:
            declared = connection.channel().queue_declare(self.topology.queue_name, passive=True)
            return declared.method.message_count


@contextmanager
def running(uri: str, ledger: TestLedger, **intake: Any) -> Iterator[Pipeline]:
    """Run a consumer over a ledger; at the end all must be acknowledged."""
    name = unique("pipeline")
    topology = Topology(name, "fanout", name)
    stop = _Stop()

    def handle(batch: Sequence[Arrival]) -> list[Outcome]:
        outcomes = ledger.ingest.handle(batch)
        pipeline.batches.append(len(batch))
        pipeline.handled.extend(zip(batch, outcomes, strict=True))
        return outcomes

    consumer = Consumer(uri, topology, Intake(**intake), handle, stop, reconnect_max_seconds=0.5)
    thread = threading.Thread(target=consumer.run)
    with connect(uri, heartbeat_seconds=0) as connection:
        topology.declare(connection)
        pipeline = Pipeline(uri, topology, consumer, thread, connection.channel())
        thread.start()
        try:
            yield pipeline
        finally:
            stop.set()
            thread.join(WAIT_SECONDS)
    assert not thread.is_alive()
    assert len(pipeline.handled) == pipeline.sent, "none came twice"
    assert pipeline.left() == 0


class _Stop:
    """A flag as the daemon's, for one test."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        self._event.set()

    def is_set(self) -> bool:
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        return self._event.wait(seconds)
