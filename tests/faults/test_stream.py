"""What publishes with many messages under way, while its broker is killed, stopped, or cut off."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from itertools import count

import pika
import pytest

from jexevents import processes
from jexevents.broker.stream import Stream
from jexevents.broker.topology import Topology
from jexevents.errors import Stopped
from tests.faults.servers import QUEUE, Rabbit
from tests.support import wait_until

EXCHANGE = "condor_events"
WINDOW = 200
SECONDS = 60


class Sending:
    """Sends numbers without end to a queue, and knows what has to be in it."""

    def __init__(self, rabbit: Rabbit, vhost: str, port: int | None = None) -> None:
        self.rabbit, self.vhost = rabbit, vhost
        self._declare()
        self.stream = Stream(
            rabbit.uri(vhost, port),
            Topology(EXCHANGE, "fanout", QUEUE),
            window=WINDOW,
            heartbeat_seconds=1,
            reconnect_max_seconds=0.3,
        )
        self._sent = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self.stream.start()
        self._thread.start()

    def wait_more(self, number: int = 300) -> None:
        """Wait till so many more are confirmed."""
        wanted = self.stream.confirmed() + number
        wait_until(lambda: self.stream.confirmed() >= wanted, SECONDS, f"{number} more")

    def wait_away(self) -> None:
        wait_until(lambda: not self.stream.connected, SECONDS, "the loss of the connection")

    def assert_whole(self, faults: int) -> None:
        """End, and look that all is there, and no more twice than may be."""
        self._ended.set()
        self._thread.join(SECONDS)
        assert self.stream.wait_confirmed(SECONDS)
        assert self.stream.confirmed() == self._sent
        found = self._take()
        assert set(found) == set(range(self._sent))
        assert len(found) <= self._sent + WINDOW * faults

    def close(self) -> None:
        self._ended.set()
        self.stream.stop()
        self._thread.join(SECONDS)
        assert self.stream.join(SECONDS)

    def _work(self) -> None:
        with suppress(Stopped):
            for number in count():
                if self._ended.is_set():
                    return
                self.stream.send(b"%d" % number)
                self._sent += 1

    def _declare(self) -> None:
        with closing(pika.BlockingConnection(self._parameters())) as connection:
            channel = connection.channel()
            channel.exchange_declare(EXCHANGE, "fanout", durable=True)
            channel.queue_declare(QUEUE, durable=True)
            channel.queue_bind(QUEUE, EXCHANGE)

    def _take(self) -> list[int]:
        found = []
        with closing(pika.BlockingConnection(self._parameters())) as connection:
            channel = connection.channel()
            for method, _, body in channel.consume(QUEUE, auto_ack=True, inactivity_timeout=2):
                if method is None:
                    return found
                found.append(int(body))
        return found

    def _parameters(self) -> pika.URLParameters:
        return pika.URLParameters(self.rabbit.uri(self.vhost))


@pytest.fixture
def sending(rabbit_server: Rabbit) -> Iterator[Callable[..., Sending]]:
    """Begin to send; ended with the test."""
    vhost, begun = rabbit_server.create(), []

    def begin(port: int | None = None) -> Sending:
        begun.append(Sending(rabbit_server, vhost, port))
        return begun[-1]

    yield begin
    rabbit_server.mend()
    for one in begun:
        one.close()
    rabbit_server.node.delete_vhost(vhost)


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_down_in_the_middle(sending, rabbit_server, sizes, rng, how) -> None:
    one = sending()
    for _ in range(sizes.times):
        one.wait_more(rng.randint(1, 900))
        getattr(rabbit_server, how)()
        one.wait_away()
        rabbit_server.start()
        one.wait_more()
    assert one.stream.reconnects >= sizes.times
    one.assert_whole(sizes.times)


@pytest.mark.parametrize("frame", ["publish", "confirm"])
def test_cut_in_the_middle(sending, rabbit_server, sizes, frame) -> None:
    """Before a message, or when it is on the broker's disk and the answer is under way."""
    proxy = rabbit_server.proxy()
    try:
        one = sending(proxy.port)
        for times in range(1, 3 * sizes.times + 1):
            one.wait_more()
            proxy.cut_at = frame
            wait_until(lambda n=times: one.stream.reconnects >= n, SECONDS, "another connection")
        one.wait_more()
        assert proxy.cut_at is None
        one.assert_whole(3 * sizes.times)
    finally:
        proxy.close()


def test_frozen(sending, rabbit_server) -> None:
    """It says nothing, and its connections stand: the heartbeat tells."""
    one = sending()
    one.wait_more()
    place = str(rabbit_server.node.folder)
    frozen = processes.select(lambda pid: place in processes.command_line(pid))
    processes.signal_all(frozen, signal.SIGSTOP)
    try:
        one.wait_away()
    finally:
        processes.signal_all(frozen, signal.SIGCONT)
    one.wait_more()
    one.assert_whole(2)


def test_end_while_it_hangs(sending, rabbit_server) -> None:
    one = sending()
    one.wait_more()
    place = str(rabbit_server.node.folder)
    frozen = processes.select(lambda pid: place in processes.command_line(pid))
    processes.signal_all(frozen, signal.SIGSTOP)
    try:
        one.stream.stop()
        assert one.stream.join(5)
        with pytest.raises(Stopped):
            one.stream.send(b"x")
    finally:
        processes.signal_all(frozen, signal.SIGCONT)
