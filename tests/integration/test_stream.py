"""Publishing with many messages under way, to a real broker that may refuse, block or break off."""

from __future__ import annotations

import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import Any

import pika
import pika.exceptions
import pytest

from jexevents.broker.publisher import Publisher
from jexevents.broker.stream import Stream
from jexevents.broker.topology import Topology
from jexevents.errors import BrokerMismatch, BrokerUnavailable, Stopped
from tests.integration.certificates import Certificate, make_certificate
from tests.support import unique, wait_until
from tests.unit.service_stress import stress

WAIT_SECONDS = 20
NOWHERE = "amqp://127.0.0.1:1/"
KEY = "condor"


class Place:
    """An exchange with a queue, at a broker; what was published is taken from there."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.topology = Topology(unique("events"), "topic", unique("queue"))

    @contextmanager
    def channel(self) -> Iterator[Any]:
        with closing(pika.BlockingConnection(pika.URLParameters(self.uri))) as connection:
            yield connection.channel()

    def bind(self, **arguments: Any) -> None:
        """Make exchange and queue, and bind it."""
        name, queue = self.topology.exchange_name, self.topology.queue_name
        with self.channel() as channel:
            channel.exchange_declare(name, "topic", durable=True)
            channel.queue_declare(queue, durable=True, arguments=arguments)
            channel.queue_bind(queue, name, "#")

    def count(self) -> int:
        with self.channel() as channel:
            declared = channel.queue_declare(self.topology.queue_name, passive=True)
            return declared.method.message_count

    def take(self) -> list[tuple[Any, bytes]]:
        """Take all that is in the queue."""
        taken = []
        with self.channel() as channel:
            while (got := channel.basic_get(self.topology.queue_name, auto_ack=True))[0]:
                taken.append(got[1:])
        return taken

    def bodies(self) -> list[bytes]:
        return [body for _, body in self.take()]

    def delete_exchange(self) -> None:
        with self.channel() as channel:
            channel.exchange_delete(self.topology.exchange_name)


@pytest.fixture
def place(vhost: str) -> Iterator[Place]:
    found = Place(vhost)
    yield found
    with found.channel() as channel:
        channel.queue_delete(found.topology.queue_name)
    found.delete_exchange()


@pytest.fixture
def begin(place: Place) -> Iterator[Callable[..., Stream]]:
    """Begin one that publishes to the place; all are stopped in the end."""
    with ExitStack() as stack:

        def start(uri: str | None = None, **options: Any) -> Stream:
            options.setdefault("reconnect_max_seconds", 0.2)
            stream = Stream(uri or place.uri, place.topology, KEY, **options)
            stream.start()
            stack.callback(end, stream)
            return stream

        yield start


def end(stream: Stream) -> None:
    stream.stop()
    assert stream.join(WAIT_SECONDS)


def numbers(first: int, last: int) -> list[bytes]:
    return [b"%06d" % number for number in range(first, last)]


def send(stream: Stream, bodies: list[bytes]) -> None:
    for body in bodies:
        stream.send(body)


def own(broker: Any, vhost: str) -> str:
    """Give the name of the virtual host, of a broker that can be told what to do."""
    if not hasattr(broker, "rabbitmqctl"):
        pytest.skip("only a broker of our own can be told what to do")
    return vhost.rpartition("/")[2]


def test_all_arrive_in_their_order_and_persistent(begin, place) -> None:
    place.bind()
    stream = begin(window=100)
    send(stream, numbers(0, 3000))
    assert stream.wait_confirmed(WAIT_SECONDS)
    assert (stream.confirmed(), stream.under_way, stream.bytes_under_way) == (3000, 0, 0)
    taken = place.take()
    assert [body for _, body in taken] == numbers(0, 3000)
    properties = taken[0][0]
    assert properties.delivery_mode == 2
    assert properties.content_type == "application/json"
    assert properties.message_id is None
    assert stream.problem is None
    assert stream.connected


def test_a_message_may_have_an_id(begin, place) -> None:
    place.bind()
    stream = begin()
    stream.send(b"x", "the-id")
    assert stream.wait_confirmed(WAIT_SECONDS)
    assert [properties.message_id for properties, _ in place.take()] == ["the-id"]


def test_confirms_are_waited_for_as_many_as_are_wanted(begin, place) -> None:
    place.bind()
    stream = begin()
    assert stream.wait_confirmed(0)
    send(stream, numbers(0, 10))
    assert stream.wait_confirmed(WAIT_SECONDS, 5)
    assert stream.confirmed() >= 5
    assert not stream.wait_confirmed(0.01, 11)


def test_many_are_under_way_at_once(begin, place) -> None:
    """One after the other, each waits for the broker; the rate of both is that of one machine."""
    place.bind()
    count = 1000
    with Publisher(place.uri, place.topology, KEY) as publisher:
        begun = time.monotonic()
        for body in numbers(0, count):
            publisher.publish(body)
        alone = time.monotonic() - begun
    stream = begin()
    stream.wait_ready(WAIT_SECONDS)
    begun = time.monotonic()
    send(stream, numbers(0, count))
    assert stream.wait_confirmed(WAIT_SECONDS)
    assert time.monotonic() - begun < alone / 2


def test_what_is_sent_before_there_is_a_connection_goes_out_later(begin, place) -> None:
    place.bind()
    stream = Stream(place.uri, place.topology, KEY)
    send(stream, numbers(0, 10))
    assert stream.problem == "not connected yet"
    stream.start()
    try:
        assert stream.wait_confirmed(WAIT_SECONDS)
    finally:
        end(stream)
    assert place.bodies() == numbers(0, 10)


def test_while_the_broker_is_away_only_so_many_are_taken(begin) -> None:
    stream = begin(NOWHERE, window=10)
    ended: list[Stopped] = []

    def work() -> None:
        try:
            send(stream, numbers(0, 100))
        except Stopped as error:
            ended.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    wait_until(lambda: stream.under_way == 10, WAIT_SECONDS, "the window to be full")
    wait_until(lambda: "RabbitMQ at" in (stream.problem or ""), WAIT_SECONDS, "the reason")
    assert not ended
    assert not stream.wait_confirmed(0.05)
    assert (stream.confirmed(), stream.under_way) == (0, 10)
    begun = time.monotonic()
    end(stream)
    thread.join(WAIT_SECONDS)
    assert time.monotonic() - begun < 5
    assert len(ended) == 1
    with pytest.raises(Stopped):
        stream.send(b"x")
    with pytest.raises(Stopped):
        stream.wait_confirmed()


def test_bytes_are_bounded_too_but_a_long_message_goes_alone(begin, place) -> None:
    place.bind()
    stream = begin(window_bytes=1 << 20)
    most, bodies = 0, [b"%02d" % number + b"x" * 300_000 for number in range(20)]
    bodies.insert(7, b"y" * (3 << 20))
    for body in bodies:
        stream.send(body)
        most = max(most, stream.bytes_under_way if len(body) < 1 << 20 else 0)
    assert most <= 1 << 20
    assert stream.wait_confirmed(WAIT_SECONDS)
    assert place.bodies() == bodies


def test_those_who_do_not_wait_for_a_broker_are_told_why(begin, place) -> None:
    with pytest.raises(BrokerUnavailable, match="Connection refused"):
        begin(NOWHERE).wait_ready(1)
    stream = begin()
    stream.wait_ready(WAIT_SECONDS)
    assert stream.connected


def test_a_lost_connection_loses_nothing(begin, place, broker, vhost) -> None:
    name = own(broker, vhost)
    place.bind()
    stream = begin(window=50)
    sent, enough = [], threading.Event()

    def send_on() -> None:
        while not enough.is_set():
            sent.extend(numbers(len(sent), len(sent) + 100))
            send(stream, sent[-100:])

    sending = threading.Thread(target=send_on)
    sending.start()
    for times in range(1, 4):
        before = stream.confirmed()
        wait_until(lambda seen=before: stream.confirmed() > seen + 100, WAIT_SECONDS, "some more")
        broker.rabbitmqctl("close_all_connections", "--vhost", name, "test")
        wait_until(lambda n=times: stream.reconnects >= n, WAIT_SECONDS, "another connection")
    enough.set()
    sending.join(60)
    assert stream.wait_confirmed(60)
    assert stream.confirmed() == len(sent)
    bodies = place.bodies()
    assert set(bodies) == set(sent)
    # What was under way when a connection was lost may come twice, and no more than that.
    assert len(bodies) <= len(sent) + 3 * 50


def test_what_no_queue_gets_is_kept_till_one_does(begin, place) -> None:
    stream = begin()
    send(stream, numbers(0, 500))
    wait_until(lambda: "No queue gets" in (stream.problem or ""), WAIT_SECONDS, "the reason")
    assert place.topology.exchange_name in stream.problem
    assert KEY in stream.problem
    seen = stream.refused
    wait_until(lambda: stream.refused > seen + 2, WAIT_SECONDS, "more tries")
    assert stream.confirmed() == 0
    place.bind()
    assert stream.wait_confirmed(WAIT_SECONDS)
    assert stream.problem is None
    send(stream, numbers(500, 1000))
    assert stream.wait_confirmed(WAIT_SECONDS)
    assert place.bodies() == numbers(0, 1000)


def test_while_nothing_is_taken_one_message_tries_and_not_all(begin, place) -> None:
    stream = begin(reconnect_max_seconds=0.05)
    send(stream, numbers(0, 500))
    retries, window = stream._traffic._retries, stream._window
    wait_until(
        lambda: retries.failures and window.on_the_wire <= 1, WAIT_SECONDS, "all to come back"
    )
    refused, tries = stream.refused, retries.failures
    wait_until(lambda: retries.failures > tries + 10, WAIT_SECONDS, "some tries")
    assert stream.refused - refused <= retries.failures - tries + 2
    assert stream.connected


def test_an_exchange_that_was_deleted_is_made_again(begin, place) -> None:
    place.bind()
    stream = begin()
    send(stream, numbers(0, 10))
    assert stream.wait_confirmed(WAIT_SECONDS)
    place.delete_exchange()
    send(stream, numbers(10, 20))
    wait_until(lambda: "No queue gets" in (stream.problem or ""), WAIT_SECONDS, "the reason")
    assert stream.reconnects == 1
    place.bind()
    assert stream.wait_confirmed(WAIT_SECONDS)
    assert place.bodies() == numbers(0, 20)


def test_what_a_full_queue_refuses_is_sent_again(begin, place) -> None:
    place.bind(**{"x-max-length": 5, "x-overflow": "reject-publish"})
    stream = begin()
    send(stream, numbers(0, 20))
    taken: list[bytes] = []

    def all_came() -> bool:
        taken.extend(place.bodies())
        return set(taken) == set(numbers(0, 20))

    wait_until(lambda: "did not take" in (stream.problem or ""), WAIT_SECONDS, "the reason")
    assert stream.confirmed() < 20
    wait_until(all_came, WAIT_SECONDS, "all to come")
    assert stream.wait_confirmed(WAIT_SECONDS)
    assert len(taken) == 20
    assert stream.problem is None


def test_another_exchange_at_the_start_is_what_it_dies_of(begin, place) -> None:
    with place.channel() as channel:
        channel.exchange_declare(place.topology.exchange_name, "fanout", durable=True)
    stream = begin()
    with pytest.raises(BrokerMismatch, match="another type"):
        stream.wait_ready(WAIT_SECONDS)
    with pytest.raises(BrokerMismatch):
        stream.send(b"x")
    wait_until(lambda: stream.failed and not stream.alive, WAIT_SECONDS, "its end")


def test_another_exchange_later_is_waited_for(begin, place, broker, vhost) -> None:
    name = own(broker, vhost)
    place.bind()
    stream = begin()
    stream.wait_ready(WAIT_SECONDS)
    place.delete_exchange()
    with place.channel() as channel:
        channel.exchange_declare(place.topology.exchange_name, "fanout", durable=True)
    broker.rabbitmqctl("close_all_connections", "--vhost", name, "test")
    wait_until(lambda: "another type" in (stream.problem or ""), WAIT_SECONDS, "the reason")
    stream.send(b"x")
    place.delete_exchange()
    place.bind()
    assert stream.wait_confirmed(WAIT_SECONDS)
    assert place.bodies() == [b"x"]


def test_the_right_to_write_is_enough(begin, place, broker, vhost) -> None:
    name, user = own(broker, vhost), unique("submit")
    place.bind()
    exchange = place.topology.exchange_name
    broker.rabbitmqctl("add_user", user, "secret")
    try:
        broker.rabbitmqctl("set_permissions", "-p", name, user, "^$", f"^{exchange}$", "^$")
        server = vhost.partition("@")[2]
        stream = begin(f"amqp://{user}:secret@{server}")
        stream.send(b"x")
        assert stream.wait_confirmed(WAIT_SECONDS)
        assert place.bodies() == [b"x"]
        place.delete_exchange()
        stream.send(b"y")
        wait_until(lambda: "ACCESS_REFUSED" in (stream.problem or ""), WAIT_SECONDS, "the reason")
        place.bind()
        assert stream.wait_confirmed(WAIT_SECONDS)
        assert place.bodies() == [b"y"]
    finally:
        broker.rabbitmqctl("delete_user", user)


def test_a_broker_that_takes_nothing_is_waited_for_and_does_not_hold_up_the_end(
    begin, place, broker, vhost
) -> None:
    own(broker, vhost)
    place.bind()
    stream, other = begin(window=5), begin(window=5)
    for one in (stream, other):
        one.wait_ready(WAIT_SECONDS)
    broker.rabbitmqctl("set_vm_memory_high_watermark", "absolute", "1")
    try:
        for one in (stream, other):
            one.send(b"x" * 1000)
            wait_until(
                lambda one=one: "takes no messages" in (one.problem or ""), WAIT_SECONDS, "a block"
            )
            one.send(b"y")
            had_its_turn = threading.Event()
            one._traffic._line.call(had_its_turn.set)
            assert had_its_turn.wait(WAIT_SECONDS)
            assert one._window.waits, "it was sent though it was blocked"
        begun = time.monotonic()
        end(other)
        assert time.monotonic() - begun < 5
        assert stream.confirmed() < 2
    finally:
        broker.rabbitmqctl("set_vm_memory_high_watermark", "0.4")
    assert stream.wait_confirmed(WAIT_SECONDS)
    assert stream.problem is None
    assert stream.reconnects == 0


@contextmanager
def tls(port: int, certificate: Certificate) -> Iterator[int]:
    """Pass connections in TLS on to a port; gives the port for them."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.cert, certificate.key)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=pass_on, args=(listener, context, port), daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(WAIT_SECONDS)


def pass_on(listener: socket.socket, context: ssl.SSLContext, port: int) -> None:
    with suppress(OSError):
        while True:
            plain, _ = listener.accept()
            with (
                context.wrap_socket(plain, server_side=True) as client,
                socket.create_connection(("127.0.0.1", port)) as server,
            ):
                copy_both(client, server)


def copy_both(client: ssl.SSLSocket, server: socket.socket) -> None:
    while True:
        ready = [client] if client.pending() else select.select([client, server], [], [])[0]
        for one, other in ((client, server), (server, client)):
            if one in ready:
                data = one.recv(65536)
                if not data:
                    return
                other.sendall(data)


def test_it_publishes_over_tls(begin, place, tmp_path, monkeypatch) -> None:
    place.bind()
    certificate = make_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.cert))
    port = pika.URLParameters(place.uri).port
    with tls(port, certificate) as secured:
        uri = place.uri.replace("amqp://", "amqps://").replace(f":{port}/", f":{secured}/")
        stream = begin(uri)
        send(stream, numbers(0, 2000))
        assert stream.wait_confirmed(WAIT_SECONDS)
        end(stream)
    assert place.bodies() == numbers(0, 2000)


def test_many_threads_may_send(begin, place) -> None:
    place.bind()
    stream = begin(window=20)
    threads = [
        threading.Thread(target=send, args=(stream, numbers(n * 1000, n * 1000 + 300)))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_SECONDS)
    assert stream.wait_confirmed(WAIT_SECONDS)
    bodies = place.bodies()
    assert len(bodies) == 2400
    for n in range(8):
        mine = [body for body in bodies if int(body) // 1000 == n]
        assert mine == numbers(n * 1000, n * 1000 + 300)


def test_it_starts_and_stops_as_every_service_does(place) -> None:
    stress(lambda: Stream(NOWHERE, place.topology), rounds=50)


def test_it_stops_at_any_moment_of_a_connection(place) -> None:
    stress(lambda: Stream(place.uri, place.topology), rounds=15)
