"""Puts messages into a queue, and looks how many are there."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pika
from pika.adapters.blocking_connection import BlockingChannel

from bench.errors import BenchFailed

EXCHANGE_TYPE = "fanout"
_PERSISTENT = pika.BasicProperties(delivery_mode=2)
_SETTLE_SECONDS = 60.0
_LOOK_SECONDS = 0.05


@contextmanager
def channel_to(uri: str) -> Iterator[BlockingChannel]:
    """Open a channel of a connection of its own."""
    with pika.BlockingConnection(pika.URLParameters(uri)) as connection:
        yield connection.channel()


def declare(channel: BlockingChannel, exchange: str, queue: str) -> None:
    """Make a durable exchange and queue, bound, as the daemon's defaults have them."""
    channel.exchange_declare(exchange, EXCHANGE_TYPE, durable=True)
    channel.queue_declare(queue, durable=True)
    channel.queue_bind(queue, exchange)


def drop(uri: str, exchange: str, queue: str) -> None:
    """Delete them with all that is in them."""
    with channel_to(uri) as channel:
        channel.queue_delete(queue)
        channel.exchange_delete(exchange)


def fill(uri: str, exchange: str, queue: str, bodies: Iterable[bytes]) -> int:
    """Publish persistent messages and wait until all are in the queue; give their number."""
    with channel_to(uri) as channel:
        declare(channel, exchange, queue)
        before, count = depth(channel, queue), 0
        for body in bodies:
            publish(channel, exchange, body)
            count += 1
        _wait_depth(channel, queue, before + count)
    return count


def publish(channel: BlockingChannel, exchange: str, body: bytes) -> None:
    """Publish one persistent message."""
    channel.basic_publish(exchange, "", body, _PERSISTENT)


def depth(channel: BlockingChannel, queue: str) -> int:
    """Give the number of messages that wait for a consumer."""
    return channel.queue_declare(queue, passive=True).method.message_count


def version(uri: str) -> str:
    """Give the version of the RabbitMQ at ``uri``."""
    with pika.BlockingConnection(pika.URLParameters(uri)) as connection:
        # pika keeps what the server said of itself in the connection below.
        found = connection._impl.server_properties.get("version", b"unknown")
    return found.decode() if isinstance(found, bytes) else str(found)


def _wait_depth(channel: BlockingChannel, queue: str, wanted: int) -> None:
    deadline = time.monotonic() + _SETTLE_SECONDS
    while (found := depth(channel, queue)) != wanted:
        if time.monotonic() > deadline:
            raise BenchFailed(f"{queue} has {found} messages, not {wanted}")
        time.sleep(_LOOK_SECONDS)
