"""Daemons that wake each other over a real broker, which may break off, block, or not be there."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager

import pika
import pika.exceptions
import pytest

from jexevents.broker.wake import MOMENT_SECONDS, PREFIX, Wake, exchange_of
from tests.support import unique, wait_until
from tests.unit.service_stress import stress

WAIT_SECONDS = 20
NOWHERE = "amqp://127.0.0.1:1/"


class Ear(Wake):
    """Remembers for what it was woken."""

    def __init__(self, uri: str, exchange: str, look_seconds: float = 60.0) -> None:
        self.heard: list[str] = []
        super().__init__(
            uri, exchange, self.heard.append, reconnect_max_seconds=0.2, look_seconds=look_seconds
        )

    def wait_heard(self, topic: str) -> None:
        wait_until(lambda: topic in self.heard, WAIT_SECONDS, f"{topic} to be heard")


@pytest.fixture
def exchange() -> str:
    return exchange_of(unique("wake"))


@pytest.fixture
def begin(vhost: str, exchange: str) -> Iterator[Callable[..., Ear]]:
    """Begin one that wakes and is woken; all are stopped in the end, and leave nothing."""
    with ExitStack() as stack:

        def start(uri: str = vhost, at: str = exchange, look_seconds: float = 60.0) -> Ear:
            ear = Ear(uri, at, look_seconds)
            ear.start()
            stack.callback(end, ear)
            if uri == vhost:
                wait_until(lambda: ear.connected, WAIT_SECONDS, "the connection")
            return ear

        yield start
    wait_until(lambda: not exists(vhost, exchange), WAIT_SECONDS, "the exchange to go")


def end(ear: Ear) -> None:
    ear.stop()
    assert ear.join(WAIT_SECONDS)
    assert not ear.failed


@contextmanager
def channel(uri: str) -> Iterator[pika.channel.Channel]:
    with closing(pika.BlockingConnection(pika.URLParameters(uri))) as connection:
        yield connection.channel()


def exists(uri: str, exchange: str) -> bool:
    with channel(uri) as opened:
        try:
            opened.exchange_declare(exchange, passive=True)
        except pika.exceptions.ChannelClosedByBroker:
            return False
    return True


def own(broker, vhost: str) -> str:
    """Give the name of the virtual host, of a broker that can be told what to do."""
    if not hasattr(broker, "rabbitmqctl"):
        pytest.skip("only a broker of our own can be told what to do")
    return vhost.rpartition("/")[2]


def queues(broker, vhost: str) -> list[str]:
    listed = broker.rabbitmqctl("-q", "list_queues", "-p", own(broker, vhost), "name")
    return [line for line in listed.splitlines() if line.startswith(PREFIX)]


def test_they_hear_each_other_and_not_themselves(begin) -> None:
    one, two, three = begin(), begin(), begin()
    one.ring("queue")
    two.wait_heard("queue")
    three.wait_heard("queue")
    two.ring("orders:node1")
    one.wait_heard("orders:node1")
    three.wait_heard("orders:node1")
    assert (one.heard, two.heard) == (["orders:node1"], ["queue"])


def test_waking_is_quick(begin) -> None:
    one, two = begin(), begin()
    begun = time.monotonic()
    for number in range(10):
        one.ring(f"{number}")
        two.wait_heard(f"{number}")
    # Ten moments and as many looks of the test itself; a service that polled would take longer.
    assert time.monotonic() - begun < 2.5


def test_many_rings_are_few_messages(vhost, begin, exchange) -> None:
    one = begin()
    with channel(vhost) as opened:
        queue = opened.queue_declare("", exclusive=True).method.queue
        opened.queue_bind(queue, exchange)
        begun, pause = time.monotonic(), threading.Event()
        for number in range(300):
            one.ring("queue")
            one.ring(f"orders:{number % 3}")
            # For the service to have its turn in between.
            pause.wait(0.001)
        one.ring("last")
        took = time.monotonic() - begun
        bodies = []
        while not bodies or "last" not in bodies[-1]["topics"]:
            wait_until(lambda: has_message(opened, queue), WAIT_SECONDS, "a message")
            bodies.append(json.loads(opened.basic_get(queue, auto_ack=True)[2]))
    assert len(bodies) <= took / MOMENT_SECONDS + 3
    for body in bodies:
        assert max(Counter(body["topics"]).values()) == 1


def has_message(opened: pika.channel.Channel, queue: str) -> bool:
    return opened.queue_declare(queue, passive=True).method.message_count > 0


def test_a_connection_that_the_broker_closes_is_opened_again(begin, broker, vhost) -> None:
    one, two = begin(), begin()
    name = own(broker, vhost)
    for number in range(2):
        broker.rabbitmqctl("close_all_connections", "--vhost", name, "test")
        wait_until(lambda: len(queues(broker, vhost)) == 2, WAIT_SECONDS, "both to be back")
        wait_until(lambda: one.connected and two.connected, WAIT_SECONDS, "both to be back")
        one.ring(f"again {number}")
        two.wait_heard(f"again {number}")


@pytest.mark.parametrize("what", ["exchange", "queue"])
def test_what_an_operator_deletes_is_made_again(begin, broker, vhost, exchange, what) -> None:
    look_seconds = 0.5 if what == "exchange" else 60
    one, two = begin(look_seconds=look_seconds), begin(look_seconds=look_seconds)
    if what == "exchange":
        with channel(vhost) as opened:
            opened.exchange_delete(exchange)
    else:
        for queue in queues(broker, vhost):
            delete_queue(broker, vhost, queue)

    def heard() -> bool:
        # Not in one breath: who rings without end is never quiet enough to look.
        one.ring(f"queue {int(time.monotonic())}")
        return bool(two.heard)

    wait_until(heard, WAIT_SECONDS, "the other to be heard again")


def delete_queue(broker, vhost: str, queue: str) -> None:
    """Delete an exclusive queue, which its owner alone may do, by the broker's own hand."""
    name = f'rabbit_misc:r(<<"{own(broker, vhost)}">>, queue, <<"{queue}">>)'
    delete = 'rabbit_amqqueue:delete(Q, false, false, <<"test">>)'
    broker.rabbitmqctl("eval", f"{{ok, Q}} = rabbit_amqqueue:lookup({name}), {delete}.")


def test_rings_without_a_broker_do_not_wait_and_the_end_comes_at_once(begin) -> None:
    one = begin(NOWHERE)
    begun = time.monotonic()
    for number in range(100_000):
        one.ring(f"{number}")
    end(one)
    one.ring("after the end")
    assert time.monotonic() - begun < 5
    assert not one.connected
    assert len(one._rung) <= 1000


def test_what_was_rung_for_meanwhile_goes_out_later(begin, vhost, exchange) -> None:
    two = begin()
    one = Ear(vhost, exchange)
    one.ring("early")
    one.start()
    try:
        two.wait_heard("early")
    finally:
        end(one)


def test_a_broker_that_takes_nothing_holds_up_nobody(begin, broker, vhost) -> None:
    name = own(broker, vhost)
    one, two = begin(), begin()

    def is_blocked() -> bool:
        one.ring("queue")
        return f"{name}\tblocked" in broker.rabbitmqctl("list_connections", "vhost", "state")

    def sent() -> None:
        wait_until(lambda: not one._rung, WAIT_SECONDS, "all to be sent or dropped")

    broker.rabbitmqctl("set_vm_memory_high_watermark", "absolute", "1")
    try:
        wait_until(is_blocked, WAIT_SECONDS, "it to be blocked")
        sent()
        begun = time.monotonic()
        # More than all sockets on the way can take.
        for number in range(50):
            one.ring(f"{number} {'x' * 1_000_000}")
            sent()
        assert time.monotonic() - begun < 10
        begun = time.monotonic()
        end(one)
        assert time.monotonic() - begun < 5
    finally:
        broker.rabbitmqctl("set_vm_memory_high_watermark", "0.4")
    three = begin()
    three.ring("free again")
    two.wait_heard("free again")


def test_no_queue_is_left_behind(begin, broker, vhost) -> None:
    for ear in [begin() for _ in range(3)]:
        assert queues(broker, vhost)
        end(ear)
    wait_until(lambda: not queues(broker, vhost), WAIT_SECONDS, "the queues to go")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[]",
        b'{"from": 1}',
        b'{"topics": ["x"]}',
        b'{"from": "x", "topics": "queue"}',
        b'{"from": "x", "topics": [1, null, {}]}',
        b"[" * 10_000,
        b'{"from": "x", "topics": ["' + b"x" * 100_000 + b'"]}',
    ],
    ids=lambda body: repr(body[:20]),
)
def test_messages_of_others_do_no_harm(begin, vhost, exchange, body) -> None:
    one, two = begin(), begin()
    with channel(vhost) as opened:
        opened.confirm_delivery()
        opened.basic_publish(exchange, "", body)
    one.ring("queue")
    two.wait_heard("queue")
    assert two.heard == ["queue"]


def test_a_call_that_fails_ends_nothing(begin) -> None:
    one, two = begin(), begin()
    heard = two.heard

    def fail(topic: str) -> None:
        heard.append(topic)
        raise ValueError(topic)

    two._woken = fail
    for topic in ("a", "b"):
        one.ring(topic)
        two.wait_heard(topic)
    assert two.connected


def test_who_is_woken_may_ring(begin) -> None:
    one, two = begin(), begin()
    two._woken = lambda topic: two.ring(f"{topic} heard")
    one.ring("queue")
    one.wait_heard("queue heard")


def test_ledgers_on_one_virtual_host_do_not_wake_each_other(begin) -> None:
    one, other, third = begin(), begin(at=exchange_of(unique("another"))), begin()
    other.ring("of the other")
    one.ring("queue")
    third.wait_heard("queue")
    assert (one.heard, other.heard, third.heard) == ([], [], ["queue"])


def test_an_exchange_of_another_kind_is_said_once_and_tried_again(
    begin, vhost, exchange, monkeypatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(
        "jexevents.broker.wake.log.warning", lambda event, **_: said.append(event), raising=False
    )
    with channel(vhost) as opened:
        opened.exchange_declare(exchange, "direct")
        ear = Ear(vhost, exchange)
        ear.start()
        try:
            wait_until(lambda: ear._backoff.failures > 3, WAIT_SECONDS, "some tries")
            assert said == ["wake_away"]
            opened.exchange_delete(exchange)
            wait_until(lambda: ear.connected, WAIT_SECONDS, "the connection")
        finally:
            end(ear)


def test_names_are_within_the_broker_s_bounds() -> None:
    assert exchange_of("jexevents") == "jexevents.wake.jexevents"
    assert exchange_of("") == PREFIX
    long, longer = exchange_of("ü" * 127), exchange_of("ü" * 126 + "u")
    assert long != longer
    assert max(len(long), len(longer)) < 200


def test_many_threads_may_ring(begin) -> None:
    one, two = begin(), begin()
    threads = [
        threading.Thread(target=lambda n=n: [one.ring(f"{n} {i}") for i in range(100)])
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_until(lambda: len(two.heard) == 800, WAIT_SECONDS, "all to be heard")
    assert len(set(two.heard)) == 800


def test_it_starts_and_stops_as_every_service_does() -> None:
    stress(lambda: Wake(NOWHERE, "x", print), rounds=50)


def test_it_stops_at_any_moment_of_a_connection(vhost, exchange) -> None:
    stress(lambda: Wake(vhost, exchange, print), rounds=15)
