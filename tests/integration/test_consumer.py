"""The consumer against a real broker: batches, acknowledgements, and what it keeps in hand."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

import pika
import pytest

from jexevents.broker.consumer import Consumer
from jexevents.broker.session import Intake
from jexevents.broker.topology import Topology
from jexevents.errors import BrokerMismatch, StoreUnavailable
from jexevents.model import Arrival, Outcome
from tests.support import unique, wait_until

WAIT_SECONDS = 30
MEBIBYTE = 1 << 20


class Stop:
    """A flag as the daemon's, for one test."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        self._event.set()

    def is_set(self) -> bool:
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        return self._event.wait(seconds)


class Store:
    """Takes batches, or says that it is away; remembers what it was handed."""

    def __init__(self) -> None:
        self.away = False
        self.batches: list[list[bytes]] = []
        self.largest = 0
        self.asked = 0
        self.refuses_at_once = False

    def require(self) -> None:
        self.asked += 1
        if self.refuses_at_once:
            raise StoreUnavailable

    def handle(self, batch: Sequence[Arrival]) -> list[Outcome]:
        self.largest = max(self.largest, sum(len(arrival.body) for arrival in batch))
        if self.away:
            raise StoreUnavailable
        self.batches.append([arrival.body for arrival in batch])
        return [Outcome.ACCEPTED] * len(batch)

    @property
    def bodies(self) -> list[bytes]:
        return [body for batch in self.batches for body in batch]


@pytest.fixture
def topology() -> Topology:
    name = unique("consumer")
    return Topology(name, "fanout", name)


@contextmanager
def channel(uri: str, topology: Topology) -> Iterator[pika.channel.Channel]:
    with closing(pika.BlockingConnection(pika.URLParameters(uri))) as connection:
        topology.declare(connection)
        opened = connection.channel()
        opened.confirm_delivery()
        yield opened


def publish(uri: str, topology: Topology, bodies: Sequence[bytes]) -> None:
    with channel(uri, topology) as opened:
        for body in bodies:
            opened.basic_publish(topology.exchange_name, "", body)


def queued(uri: str, topology: Topology) -> int:
    with channel(uri, topology) as opened:
        return opened.queue_declare(topology.queue_name, passive=True).method.message_count


@contextmanager
def consuming(uri: str, topology: Topology, store: Store, **intake: int) -> Iterator[Consumer]:
    stop = Stop()
    consumer = Consumer(
        uri,
        topology,
        Intake(**intake),
        store.handle,
        stop,
        require_store=store.require,
        reconnect_max_seconds=0.5,
    )
    thread = threading.Thread(target=consumer.run)
    thread.start()
    try:
        yield consumer
    finally:
        stop.set()
        thread.join(WAIT_SECONDS)
    assert not thread.is_alive()


def test_a_backlog_comes_in_batches_in_its_order(vhost: str, topology: Topology) -> None:
    bodies = [str(number).encode() for number in range(1000)]
    publish(vhost, topology, bodies)
    store = Store()
    with consuming(vhost, topology, store, batch_size=100, prefetch_count=200):
        wait_until(lambda: len(store.bodies) == 1000, WAIT_SECONDS, "all messages")
    assert store.bodies == bodies
    assert max(map(len, store.batches)) == 100
    assert queued(vhost, topology) == 0


def test_nothing_is_acknowledged_that_was_not_kept(vhost: str, topology: Topology) -> None:
    publish(vhost, topology, [b"a", b"b"])
    store = Store()
    store.away = True
    with consuming(vhost, topology, store) as consumer:
        wait_until(lambda: consumer.problem == str(StoreUnavailable()), WAIT_SECONDS, "the outage")
    wait_until(lambda: queued(vhost, topology) == 2, WAIT_SECONDS, "both to be back")


def test_after_an_outage_each_message_is_kept(vhost: str, topology: Topology) -> None:
    publish(vhost, topology, [b"a", b"b"])
    store = Store()
    store.away = True
    with consuming(vhost, topology, store) as consumer:
        wait_until(lambda: consumer.problem == str(StoreUnavailable()), WAIT_SECONDS, "the outage")
        publish(vhost, topology, [b"c"])
        store.away = False
        wait_until(lambda: len(store.bodies) == 3, WAIT_SECONDS, "all three")
        assert consumer.problem is None
    assert store.bodies == [b"a", b"b", b"c"]


def test_a_redelivered_message_is_tried_alone(vhost: str, topology: Topology) -> None:
    publish(vhost, topology, [b"a", b"b", b"c"])
    with channel(vhost, topology) as opened:
        for _ in range(2):
            opened.basic_get(topology.queue_name)
    publish(vhost, topology, [b"d"])
    store = Store()
    with consuming(vhost, topology, store, batch_max_seconds=0.5):
        wait_until(lambda: len(store.bodies) == 4, WAIT_SECONDS, "all messages")
    assert store.batches == [[b"a"], [b"b"], [b"c"], [b"d"]]


def give_back(uri: str, topology: Topology, count: int) -> None:
    """Have the broker hand out so many messages, and take them back unacknowledged."""
    with channel(uri, topology) as opened:
        for _ in range(count):
            opened.basic_get(topology.queue_name)


def test_after_a_prefetch_of_redelivered_messages_they_come_in_batches(
    vhost: str, topology: Topology
) -> None:
    """A broker that was killed marks all that its queues held as handed out before."""
    bodies = [str(number).encode() for number in range(400)]
    publish(vhost, topology, bodies)
    give_back(vhost, topology, 400)
    store = Store()
    with consuming(vhost, topology, store, batch_size=50, prefetch_count=100):
        wait_until(lambda: len(store.bodies) == 400, WAIT_SECONDS, "all messages")
    assert store.bodies == bodies
    assert set(map(len, store.batches[:100])) == {1}
    assert max(map(len, store.batches[100:])) > 1


def test_a_message_that_is_new_makes_redelivered_ones_go_alone_again(
    vhost: str, topology: Topology
) -> None:
    publish(vhost, topology, [b"x"] * 20)
    give_back(vhost, topology, 20)
    store = Store()
    with consuming(vhost, topology, store, batch_size=50, prefetch_count=10):
        wait_until(lambda: len(store.bodies) == 20, WAIT_SECONDS, "those that come again")
        publish(vhost, topology, [b"new"])
        wait_until(lambda: len(store.bodies) == 21, WAIT_SECONDS, "the new one")
        with channel(vhost, topology) as opened:
            opened.basic_consume(topology.queue_name, lambda *_: None)
            publish(vhost, topology, [b"again"] * 6)
            wait_until(lambda: len(store.bodies) == 24, WAIT_SECONDS, "every other one")
            before = len(store.batches)
        wait_until(lambda: len(store.bodies) == 27, WAIT_SECONDS, "what the other gave back")
    assert store.batches[before:] == [[b"again"]] * 3


def test_a_queue_that_goes_with_its_last_consumer_stays(vhost: str) -> None:
    topology = Topology(unique("consumer"), "fanout", unique("consumer"), queue_autodelete=True)
    bodies = [str(number).encode() for number in range(50)]
    publish(vhost, topology, bodies)
    store = Store()
    with consuming(vhost, topology, store) as consumer:
        wait_until(lambda: len(store.bodies) == 50, WAIT_SECONDS, "all messages")
        assert consumer.problem is None
    assert store.bodies == bodies


def test_while_the_store_is_away_at_the_start_nothing_is_taken(
    vhost: str, topology: Topology
) -> None:
    """What is in hand counts as handed out, for as long as the outage goes on and on."""
    publish(vhost, topology, [b"a", b"b"])
    store = Store()
    store.refuses_at_once = True
    with consuming(vhost, topology, store) as consumer:
        wait_until(lambda: store.asked > 1, WAIT_SECONDS, "the store to be asked")
        assert consumer.problem == str(StoreUnavailable())
        assert queued(vhost, topology) == 2
        store.refuses_at_once = False
        wait_until(lambda: len(store.bodies) == 2, WAIT_SECONDS, "both")
        assert consumer.problem is None


def test_large_messages_bound_the_batch(vhost: str, topology: Topology) -> None:
    publish(vhost, topology, [bytes(MEBIBYTE)] * 20)
    store = Store()
    with consuming(vhost, topology, store, prefetch_max_bytes=4 * MEBIBYTE):
        wait_until(lambda: len(store.bodies) == 20, WAIT_SECONDS, "all messages")
    assert store.largest <= 6 * MEBIBYTE


def test_in_an_outage_large_messages_go_back(vhost: str, topology: Topology) -> None:
    publish(vhost, topology, [b"first"])
    store = Store()
    store.away = True
    with consuming(vhost, topology, store, prefetch_max_bytes=4 * MEBIBYTE) as consumer:
        wait_until(lambda: consumer.problem == str(StoreUnavailable()), WAIT_SECONDS, "the outage")
        publish(vhost, topology, [bytes(MEBIBYTE)] * 20)
        # All but the one that is tried again and again are back in the queue.
        wait_until(lambda: queued(vhost, topology) == 20, WAIT_SECONDS, "the rest to go back")
        store.away = False
        wait_until(lambda: len(store.bodies) == 21, WAIT_SECONDS, "all messages")
        publish(vhost, topology, [b"x"] * 50)
        wait_until(lambda: len(store.bodies) == 71, WAIT_SECONDS, "the rest")
    assert max(map(len, store.batches[-2:])) > 1, "prefetch is as configured again"
    assert queued(vhost, topology) == 0


def test_a_deleted_queue_is_made_again(vhost: str, topology: Topology) -> None:
    store = Store()
    with consuming(vhost, topology, store):
        publish(vhost, topology, [b"a"])
        wait_until(lambda: store.bodies == [b"a"], WAIT_SECONDS, "the first")
        with channel(vhost, topology) as opened:
            opened.queue_delete(topology.queue_name)

        def again() -> bool:
            publish(vhost, topology, [b"b"])
            return b"b" in store.bodies

        wait_until(again, WAIT_SECONDS, "the consumer to be back")


@pytest.mark.parametrize(
    ("exchange", "kind", "word"),
    [
        ("amq.fanout", "direct", "ExchangeType"),
        ("amq.nosuch", "fanout", "reserved prefix"),
        ("other", "x-nosuch", "Correct ExchangeType"),
    ],
)
def test_an_exchange_that_cannot_be_is_no_outage(
    vhost: str, exchange: str, kind: str, word: str
) -> None:
    topology = Topology(exchange, kind, unique("consumer"))
    with pika.BlockingConnection(pika.URLParameters(vhost)) as connection:
        with pytest.raises(BrokerMismatch, match=word):
            topology.declare(connection)
        if connection.is_open:
            with pytest.raises(BrokerMismatch, match=word):
                topology.missing(connection)


def test_an_exchange_of_the_brokers_own_is_used(vhost: str) -> None:
    topology = Topology("amq.fanout", "fanout", unique("consumer"), queue_autodelete=True)
    with pika.BlockingConnection(pika.URLParameters(vhost)) as connection:
        topology.declare(connection)
        assert topology.missing(connection) == []


def test_headers_count_as_what_they_take(vhost: str, topology: Topology) -> None:
    properties = pika.BasicProperties(headers={f"h{number}": "" for number in range(2000)})
    store = Store()
    store.away = True
    with consuming(vhost, topology, store, prefetch_max_bytes=4 * MEBIBYTE) as consumer:
        with channel(vhost, topology) as opened:
            for _ in range(40):
                opened.basic_publish(topology.exchange_name, "", b"x", properties)
        wait_until(lambda: queued(vhost, topology) == 39, WAIT_SECONDS, "the rest to go back")
        assert consumer.problem is not None
        store.away = False
        wait_until(lambda: len(store.bodies) == 40, WAIT_SECONDS, "all messages")
