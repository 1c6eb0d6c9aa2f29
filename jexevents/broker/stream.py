"""Publish many messages with many under way: what the broker has taken over is told in order.

``publisher`` waits for each message before the next one, which costs a round trip and a write to
the broker's disk each time. Here one service has a connection, and others hand it their messages;
those wait only while too many are under way. What was not confirmed when a connection is lost is
sent again, over the next one.
"""

from __future__ import annotations

import math
import time

from jexevents.backoff import Backoff
from jexevents.broker.connect import connect, connection_parameters, translated
from jexevents.broker.line import Line
from jexevents.broker.topology import Topology
from jexevents.broker.traffic import NOT_YET, Traffic
from jexevents.broker.window import Window
from jexevents.errors import BrokerMismatch, BrokerUnavailable, JexError, Stopped
from jexevents.logs import get_logger
from jexevents.observers import PublisherUse
from jexevents.service import Service

log = get_logger("stream")

WINDOW = 5000
WINDOW_BYTES = 16 << 20

# A connection that was up for so long has proved itself: the next try may be an early one.
_PROVED_SECONDS = 10.0


class Stream(Service):
    """Publishes to the configured exchange: persistent, with confirms, many at a time.

    A message that the broker does not take, or has no queue for, is sent again after a while, and
    keeps the others waiting meanwhile: nothing is passed over. So is one that was lost with its
    connection; the broker may then have had it already, and gets it twice.

    It dies (``exception``) of BrokerMismatch where the exchange is other than configured at the
    first connection; later that only is its ``problem`` until it is mended.
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
        self._connecting = {"heartbeat_seconds": heartbeat_seconds, "name": f"{name} stream"}
        self._backoff = Backoff(reconnect_max_seconds)
        self._traffic = Traffic(
            Window(window, window_bytes),
            topology.exchange_name,
            routing_key,
            content_type,
            reconnect_max_seconds,
        )
        self._window, self._changed = self._traffic.window, self._traffic.changed

    # --- for those who send, from any thread

    def send(self, body: bytes, message_id: str | None = None) -> None:
        """Hand over a message; waits while too much is under way, or the broker is away.

        Raises Stopped when this service was stopped, and what it died of if it did.
        """
        with self._changed:
            self._require_going()
            while not self._window.has_room(len(body)):
                self._wait(self._window.roomy_at, None)
                self._require_going()
            self._traffic.add(body, message_id)

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
                if not self._wait(wanted, deadline):
                    return False
        return True

    def wait_ready(self, timeout: float) -> None:
        """Wait until messages can be sent, for those who do not wait for a broker that is away.

        Raises BrokerUnavailable after so many seconds, and as ``send`` does.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            while not self.connected:
                if not self._wait(math.inf, deadline):
                    raise BrokerUnavailable(self.problem or NOT_YET)

    @property
    def problem(self) -> str | None:
        """Why nothing can be sent now, None while all is well."""
        return self._traffic.problem

    @property
    def connected(self) -> bool:
        """Whether there is a connection that messages can go out by."""
        return self._traffic.is_open

    @property
    def reconnects(self) -> int:
        """How many connections there were after the first."""
        return max(0, self._traffic.lines - 1)

    @property
    def refused(self) -> int:
        """How often the broker did not take a message, or had no queue for it."""
        return self._traffic.refused

    @property
    def under_way(self) -> int:
        """How many messages were handed over and are not confirmed."""
        return len(self._window)

    @property
    def bytes_under_way(self) -> int:
        """The bytes of their bodies."""
        return self._window.bytes

    @property
    def use(self) -> PublisherUse:
        """How it stands, for who measures."""
        return PublisherUse(
            self.connected,
            self.reconnects,
            self.confirmed(),
            self.refused,
            self.under_way,
            self.bytes_under_way,
        )

    def _wait(self, count: float, deadline: float | None) -> bool:
        """Wait until so many messages are confirmed, or something else changes; by one who has the
        lock. Give False when it is too late. Raises what ``send`` raises."""
        self._require_going()
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0:
            return False
        self._traffic.wake_at = min(self._traffic.wake_at, count)
        self._changed.wait(left)
        return True

    def _require_going(self) -> None:
        if self.exception is not None:
            if isinstance(self.exception, JexError):
                raise self.exception
            raise Stopped("What publishes died.") from self.exception
        if self.stopping.is_set():
            raise Stopped

    # --- the service

    def run(self) -> None:
        """Be connected, again and again, until stopped."""
        try:
            while not self.stopping.is_set():
                self._turn()
        except BaseException as error:
            # Before those who wait look, and before the death is told.
            self.exception = error
            raise
        finally:
            self._wake_all()

    def interrupt(self) -> None:
        """Wake the thread from its loop, and all who wait."""
        self._wake_all()
        self._traffic.hang_up()

    def _turn(self) -> None:
        """Have a connection till it ends, and wait a while if it was not ended by us."""
        begun, confirmed = time.monotonic(), self.confirmed()
        try:
            with translated(self._uri):
                self._run_connected()
            return
        except BrokerMismatch as error:
            if not self._traffic.lines:
                raise
            problem = str(error)
        except BrokerUnavailable as error:
            problem = str(error)
        self._traffic.problem = problem
        if self.confirmed() > confirmed or time.monotonic() - begun > _PROVED_SECONDS:
            self._backoff.reset()
        delay = self._backoff.next()
        log.warning("broker_away", reason=problem, retry_seconds=round(delay, 2))
        self.wait(delay)

    def _run_connected(self) -> None:
        connection = connect(self._uri, **self._connecting)
        try:
            self._topology.ensure_exchange(connection)
        finally:
            if connection.is_open:
                connection.close()
        parameters = connection_parameters(self._uri, **self._connecting)
        line = Line(parameters, self._topology.exchange_name, self._routing_key, self._traffic)
        with self._traffic.over(line):
            if self.stopping.is_set():
                line.call(line.close)
            line.run()

    def _wake_all(self) -> None:
        with self._changed:
            self._traffic.wake()
