"""The look at the queue against a real broker; whatever happens to the queue, it goes on."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pika

from jexevents.broker.depth import Depth
from jexevents.broker.topology import Topology
from tests.support import unique, wait_until
from tests.unit.service_stress import stress

LOOK_SECONDS = 0.05
WAIT_SECONDS = 20


@contextmanager
def looking(uri: str, queue: str, look_seconds: float = LOOK_SECONDS) -> Iterator[Depth]:
    depth = Depth(uri, queue, look_seconds=look_seconds)
    depth.start()
    try:
        yield depth
    finally:
        depth.stop()
        assert depth.join(WAIT_SECONDS)
    assert not depth.failed


@contextmanager
def channel(uri: str) -> Iterator[pika.channel.Channel]:
    with closing(pika.BlockingConnection(pika.URLParameters(uri))) as connection:
        opened = connection.channel()
        opened.confirm_delivery()
        yield opened


def wait_seen(depth: Depth, messages: float, consumers: float) -> None:
    wait_until(
        lambda: (depth.messages, depth.consumers) == (messages, consumers),
        WAIT_SECONDS,
        f"{messages} messages and {consumers} consumers",
    )


def test_messages_and_consumers_of_the_queue_are_seen(vhost: str) -> None:
    name = unique("depth")
    topology = Topology(name, "fanout", name)
    with channel(vhost) as opened, looking(vhost, name) as depth:
        assert math.isnan(depth.messages)
        assert depth.seen_at == 0
        topology.declare(opened.connection)
        wait_seen(depth, 0, 0)
        for _ in range(3):
            opened.basic_publish(name, "", b"x")
        wait_seen(depth, 3, 0)
        opened.basic_qos(prefetch_count=1)
        opened.basic_consume(name, lambda *_: None)
        wait_seen(depth, 2, 1)
        assert abs(depth.seen_at - time.time()) < WAIT_SECONDS


def test_a_queue_that_is_gone_is_unknown_till_it_is_back(vhost: str) -> None:
    name = unique("depth")
    topology = Topology(name, "fanout", name)
    with channel(vhost) as opened, looking(vhost, name) as depth:
        topology.declare(opened.connection)
        wait_seen(depth, 0, 0)
        opened.queue_delete(name)
        wait_until(lambda: math.isnan(depth.messages), WAIT_SECONDS, "it to be unknown")
        assert math.isnan(depth.consumers)
        assert depth.seen_at > 0
        topology.declare(opened.connection)
        wait_seen(depth, 0, 0)


def test_without_a_broker_it_waits_and_ends_when_told() -> None:
    with looking("amqp://127.0.0.1:1/", "q") as depth:
        wait_until(lambda: depth.alive, WAIT_SECONDS, "its thread")
        assert math.isnan(depth.messages)


def test_it_starts_and_stops_as_every_service_does() -> None:
    stress(lambda: Depth("amqp://127.0.0.1:1/", "q"), rounds=50)
