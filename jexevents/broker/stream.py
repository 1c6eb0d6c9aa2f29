"""Publish many messages with many under way: what the broker has taken over is told in order.

``publisher`` waits for each message before the next one, which costs a round trip and a write to
the broker's disk each time. Here one service has a connection, and others hand it their messages;
those wait only while too many are under way. What was not confirmed when a connection is lost is
sent again, over the next one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice

from jexevents.backoff import Backoff
from jexevents.broker.connect import connect, connection_parameters, translated
from jexevents.broker.line import Line
from jexevents.broker.topology import Topology
from jexevents.broker.window import Window
from jexevents.errors import BrokerMismatch, BrokerUnavailable, JexError, Stopped
from jexevents.logs import get_logger
from jexevents.service import Service

log = get_logger("stream")

WINDOW = 2000
WINDOW_BYTES = 16 << 20

# A connection that was up for so long has proved itself: the next try may be an early one.
_PROVED_SECONDS = 10.0
# So many are sent in one go; then what they are to be sent by has its turn, and what came in.
_TURN = 100
_NOT_YET = "not connected yet"


class Stream(Service):
    """Publishes to the configured exchange: persistent, with confirms, many at a time.

    A message that the broker does not take, or has no queue for, is sent again after a while, and
    keeps the others waiting meanwhile: nothing is passed over. So is one that was lost with its
    connection; the broker may then have had it already, and gets it twice.

    ``problem`` says why nothing can be sent now, or is None. It dies (``exception``) of
    BrokerMismatch where the exchange is other than configured at the first connection; later that
    only is its problem until it is mended.
    """

    def __init__(
        self,
        uri: str,
        topology: Topology,
        routing_key: str = "",
        *,
        window: int = WINDOW,
        window_bytes: int = WINDOW_BYTES,
        content_type: str = "application/json",
        heartbeat_seconds: int = 30,
        reconnect_max_seconds: float = 30.0,
        name: str = "jexevents",
    ) -> None:
        super().__init__("stream")
        self._uri = uri
        self._topology = topology
        self._routing_key = routing_key
        self._content_type = content_type
        self._heartbeat_seconds = heartbeat_seconds
        self._client = f"{name} stream"
        self._backoff = Backoff(reconnect_max_seconds)
        self._refusals = Backoff(reconnect_max_seconds)
        self._most = window
        # Guards all below, and wakes those who wait for room or for confirms.
        self._changed = threading.Condition()
        self._window = Window(window, window_bytes)
        self._line: Line | None = None
        self._called = self._asked_again = self._is_blocked = False
        self._connections = self._refused = 0
        self._ready_at = 0.0
        self.problem: str | None = _NOT_YET

    # --- for those who send, from any thread

    def send(self, body: bytes, message_id: str | None = None) -> None:
        """Hand over a message; waits while too much is under way, or the broker is away.

        Raises Stopped when this service was stopped, and what it died of if it did.
        """
        with self._changed:
            self._require_going()
            while not self._window.has_room(len(body)):
                self._changed.wait()
                self._require_going()
            self._window.add(body, message_id)
            line, is_first = self._line, not self._called
            self._called = True
        if is_first and line is not None:
            line.call(self._pump)

    def confirmed(self) -> int:
        """Say how many of the messages, from the first one on, the broker has taken over."""
        return self._window.confirmed

    def wait_confirmed(self, timeout: float | None = None, count: int | None = None) -> bool:
        """Wait until so many messages are confirmed, without ``count`` all that were sent; at most
        ``timeout`` seconds. Give whether they are.

        Raises as ``send`` does, unless they are.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            wanted = self._window.added if count is None else count
            while self._window.confirmed < wanted:
                self._require_going()
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    return False
                self._changed.wait(left)
            return True

    def wait_ready(self, timeout: float) -> None:
        """Wait until messages can be sent, for those who do not wait for a broker that is away.

        Raises BrokerUnavailable after so many seconds, and as ``send`` does.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            while self._ready_at == 0.0:
                self._require_going()
                left = deadline - time.monotonic()
                if left <= 0:
                    raise BrokerUnavailable(self.problem or _NOT_YET)
                self._changed.wait(left)

    @property
    def under_way(self) -> int:
        """How many messages were handed over and are not confirmed."""
        return len(self._window)

    @property
    def bytes_under_way(self) -> int:
        """The bytes of their bodies."""
        return self._window.bytes

    @property
    def connected(self) -> bool:
        """Whether there is a connection that messages can go out by."""
        return self._ready_at > 0.0

    @property
    def reconnects(self) -> int:
        """How many connections there were after the first."""
        return max(0, self._connections - 1)

    @property
    def refused(self) -> int:
        """How often the broker did not take a message, or had no queue for it."""
        return self._refused

    # --- the service

    def run(self) -> None:
        """Be connected, again and again, until stopped."""
        try:
            while not self.stopping.is_set():
                begun = time.monotonic()
                try:
                    with translated(self._uri):
                        self._run_connected()
                    continue
                except BrokerMismatch as error:
                    if not self._connections:
                        raise
                    self.problem = str(error)
                except BrokerUnavailable as error:
                    self.problem = str(error)
                if time.monotonic() - begun > _PROVED_SECONDS:
                    self._backoff.reset()
                delay = self._backoff.next()
                log.warning("broker_away", reason=self.problem, retry_seconds=round(delay, 2))
                self.wait(delay)
        except BaseException as error:
            # Before those who wait look, and before the death is told.
            self.exception = error
            raise
        finally:
            self._wake_all()

    def interrupt(self) -> None:
        """Wake the thread from its loop, and all who wait."""
        self._wake_all()
        line = self._line
        if line is not None:
            line.call(line.close)

    def _run_connected(self) -> None:
        connection = connect(
            self._uri, heartbeat_seconds=self._heartbeat_seconds, name=self._client
        )
        try:
            self._topology.ensure_exchange(connection)
        finally:
            if connection.is_open:
                connection.close()
        parameters = connection_parameters(
            self._uri, heartbeat_seconds=self._heartbeat_seconds, name=self._client
        )
        line = Line(parameters, self._topology.exchange_name, self._routing_key, self)
        with self._line_in_use(line):
            if self.stopping.is_set():
                line.call(line.close)
            line.run()

    @contextmanager
    def _line_in_use(self, line: Line) -> Iterator[None]:
        with self._changed:
            self._window.new_channel()
            self._asked_again = self._is_blocked = False
            self._line = line
        try:
            yield
        finally:
            with self._changed:
                self._line, self._ready_at = None, 0.0
                self.problem = self.problem or "the connection was lost"

    def _require_going(self) -> None:
        if self.exception is not None:
            if isinstance(self.exception, JexError):
                raise self.exception
            raise Stopped("What publishes died.") from self.exception
        if self.stopping.is_set():
            raise Stopped()

    def _wake_all(self) -> None:
        with self._changed:
            self._changed.notify_all()

    # --- what the line tells, in the thread of this service

    def ready(self) -> None:
        """Messages may be sent."""
        with self._changed:
            self._connections += 1
            self._ready_at = time.monotonic()
            self.problem = None
            self._changed.notify_all()
        log.info("publishing", exchange=self._topology.exchange_name)
        self._pump()

    def acked(self, tag: int, multiple: bool) -> None:
        """The broker has answered for a message, or for all up to it."""
        with self._changed:
            if self._window.ack(tag, multiple=multiple):
                self._backoff.reset()
                if not self._window.refused:
                    self._taken_again()
                self._changed.notify_all()
        self._settle()

    def nacked(self, tag: int, multiple: bool) -> None:
        """The broker did not take a message, or all that are left up to it."""
        with self._changed:
            self._window.nack(tag, multiple=multiple)
            self._problem_of_messages(
                "RabbitMQ did not take a message over: a queue is full, or fails."
            )
        self._settle()

    def returned(self, body: bytes, message_id: str | None) -> None:
        """The broker found no queue for a message; its answer comes behind that."""
        with self._changed:
            self._window.give_back(body, message_id)
            self._problem_of_messages(
                f"No queue gets what is published to the exchange {self._topology.exchange_name!r}"
                f" with the routing key {self._routing_key!r}. Start the daemon, which makes its "
                "queue and binds it, or look at RoutingKey and at the bindings."
            )

    def blocked(self, reason: str | None) -> None:
        """The broker takes no messages for this reason, or with None takes them again."""
        with self._changed:
            self._is_blocked = reason is not None
            self.problem = None if reason is None else f"RabbitMQ takes no messages: {reason}."
        if reason is None:
            log.info("publishing", exchange=self._topology.exchange_name)
            self._pump()
        else:
            log.warning("publisher_blocked", reason=reason)

    def _problem_of_messages(self, problem: str) -> None:
        """Note why messages are not taken; said once till one is."""
        self._refused += 1
        if self.problem is None:
            log.warning("messages_refused", reason=problem)
        self.problem = problem

    def _taken_again(self) -> None:
        """Note that messages are taken as they should be."""
        if self._refusals.failures:
            self._refusals.reset()
            log.info("publishing", exchange=self._topology.exchange_name)
        if not self._is_blocked:
            self.problem = None

    def _settle(self) -> None:
        """Send what may be sent now, and see to it that what was refused is sent again."""
        with self._changed:
            line = self._line
            if self._window.refused and not self._asked_again and line is not None:
                self._asked_again = True
                line.call_later(self._refusals.next(), self._send_again)
            waits = self._window.waits
        if waits:
            self._pump()

    def _send_again(self) -> None:
        with self._changed:
            self._asked_again = False
            self._window.again()
        self._pump()

    def _pump(self) -> None:
        """Send what waits, as far as that is allowed now."""
        with self._changed:
            self._called = False
            line = self._line
            if line is None or not self.connected or self._is_blocked or self._window.refused:
                return
            # While messages are refused, one at a time tries how it stands.
            most = 1 if self._refusals.failures else self._most
            entries = list(islice(self._window.to_send(most), _TURN))
        for entry in entries:
            line.publish(entry, self._content_type)
        if len(entries) == _TURN:
            line.call(self._pump)
