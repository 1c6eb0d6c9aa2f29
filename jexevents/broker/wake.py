"""Tells the other daemons of a ledger that there is something to do.

PostgreSQL decides what is done and by whom; RabbitMQ only wakes. So whatever is lost here costs
time and nothing else, and who waits to be woken looks for himself every few seconds.

Each daemon has a queue of its own on an exchange that all of them share. Both live only as long as
those who use them. Their names begin alike, so that a user of RabbitMQ can be given rights by that.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pika
import pika.exceptions
from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection

from jexevents.backoff import Backoff
from jexevents.broker.connect import connect, translated
from jexevents.errors import BrokerUnavailable
from jexevents.logs import get_logger
from jexevents.service import Service

log = get_logger("wake")

PREFIX = "jexevents.wake."
# What is rung for within this time goes out as one message.
MOMENT_SECONDS = 0.02
# How often it is made sure that the exchange is there still: who only listens would not notice.
LOOK_SECONDS = 30.0
# After so long without a word the broker has said whether it is blocking.
_QUIET_SECONDS = 1.0
# A broker that does not answer is noticed, also at the end, within twice that.
_HEARTBEAT_SECONDS = 10
# A connection that was up for so long has proved itself: the next try may be an early one.
_PROVED_SECONDS = 10.0
_CLOSE_SECONDS = 2.0
_MOST_TOPICS = 1000
_MOST_BYTES = 64 * 1024
# What a queue keeps for a daemon that hangs.
_MOST_MESSAGES = 1000
_MOST_NAME_BYTES = 200


def exchange_of(queue: str) -> str:
    """Give the name of the exchange for the daemons that share a ``queue``, and so a ledger."""
    name = PREFIX + queue
    if len(name.encode()) <= _MOST_NAME_BYTES:
        return name
    return PREFIX + hashlib.sha256(queue.encode()).hexdigest()


class Wake(Service):
    """Rings for others, and hears when they ring.

    ``woken(topic)`` is called in the thread of this service for each topic that another one has
    rung for; it must return at once. Who rings is not woken by it. ``connected`` says whether
    others can be heard now; while it is False, nothing is.
    """

    def __init__(
        self,
        uri: str,
        exchange: str,
        woken: Callable[[str], None],
        *,
        name: str = "jexevents",
        reconnect_max_seconds: float = 30.0,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        super().__init__("wake")
        self._uri = uri
        self._exchange = exchange
        self._woken = woken
        self._client = f"{name} wake"
        self._backoff = Backoff(reconnect_max_seconds)
        self._look_seconds = look_seconds
        self._own = secrets.token_hex(8)
        self._lock = threading.Lock()
        # Topics in the order in which they were rung for.
        self._rung: dict[str, None] = {}
        self._connection: BlockingConnection | None = None
        self._reason = ""
        self.connected = False

    def ring(self, topic: str) -> None:
        """Have the others woken for ``topic``, soon. From any thread; never waits, never raises.

        What is rung for while the broker is away goes out once it is back.
        """
        with self._lock:
            is_first = not self._rung
            if len(self._rung) < _MOST_TOPICS:
                self._rung[topic] = None
        if is_first:
            self._nudge()

    def run(self) -> None:
        """Be connected, again and again, until stopped."""
        while not self.stopping.is_set():
            begun = time.monotonic()
            try:
                with translated(self._uri):
                    self._run_connected()
                continue
            except BrokerUnavailable as error:
                reason = str(error)
            except Exception as error:
                # A fault of ours: all goes on without being woken, so the process need not end.
                log.warning("wake_failed", exc_info=error)
                reason = repr(error)
            if time.monotonic() - begun > _PROVED_SECONDS:
                self._backoff.reset()
            self._say_away(reason)
            self.wait(self._backoff.next())

    def interrupt(self) -> None:
        """Wake the thread from its waiting for messages."""
        self._nudge()

    def _say_away(self, reason: str) -> None:
        """Say it once: the consumer says it each time."""
        level = log.debug if reason == self._reason else log.warning
        level("wake_away", reason=reason)
        self._reason = reason

    def _run_connected(self) -> None:
        connection = connect(self._uri, heartbeat_seconds=_HEARTBEAT_SECONDS, name=self._client)
        try:
            line = _Line(connection, self._exchange, self._own, self._hear)
            self._connection, self.connected, self._reason = connection, True, ""
            log.debug("wake_ready", exchange=self._exchange)
            while not self.stopping.is_set():
                line.look(self._look_seconds)
                line.pump(self._ring_out(line))
        finally:
            self._connection, self.connected = None, False
            _close(connection)

    def _ring_out(self, line: _Line) -> float:
        """Send what was rung for, unless something was sent just now; gives how many seconds
        nothing has to be done."""
        with self._lock:
            if not self._rung:
                return self._look_seconds
            left = line.sent_at + MOMENT_SECONDS - time.monotonic()
            if left > 0:
                return left
            topics, self._rung = list(self._rung), {}
        line.send(topics)
        return self._look_seconds

    def _hear(self, topics: list[str]) -> None:
        for topic in topics:
            try:
                self._woken(topic)
            except Exception as error:
                log.warning("wake_call_failed", topic=topic, exc_info=error)

    def _nudge(self) -> None:
        connection = self._connection
        if connection is not None:
            # It may be closed or closing; what it was to be told is looked at after the next start.
            with suppress(Exception):
                connection.add_callback_threadsafe(_nothing)


class _Line:
    """One connection: the exchange, a queue of its own, and what goes and comes there."""

    def __init__(
        self,
        connection: BlockingConnection,
        exchange: str,
        own: str,
        hear: Callable[[list[str]], None],
    ) -> None:
        self._connection, self._exchange = connection, exchange
        self._own, self._hear = own, hear
        self._cancelled = self._blocked = False
        self._bound_at = float("-inf")
        self._queue = f"{exchange}.{secrets.token_hex(8)}"
        self.sent_at = float("-inf")
        connection.add_on_connection_blocked_callback(lambda *_: self._set_blocked(True))
        connection.add_on_connection_unblocked_callback(lambda *_: self._set_blocked(False))
        self._channel: BlockingChannel = connection.channel()
        self._channel.add_on_cancel_callback(self._on_cancel)
        self._declare()

    def pump(self, seconds: float) -> None:
        """Take what comes, and return when something came or the time is over.

        Raises BrokerUnavailable where nothing can come any more.
        """
        self._connection.process_data_events(seconds)
        if self._cancelled or not self._channel.is_open:
            raise BrokerUnavailable("The exchange or the queue to be woken by was deleted.")

    def look(self, seconds: float) -> None:
        """Make sure that the exchange is there and gives to the queue, if that was ``seconds`` ago.

        Not just after something was sent: a broker that is blocking would not answer.
        """
        now = time.monotonic()
        is_quiet = now - self.sent_at > _QUIET_SECONDS and not self._blocked
        if is_quiet and now - self._bound_at >= seconds:
            self._bind()

    def send(self, topics: list[str]) -> None:
        """Send one message. Dropped while the broker takes none: it would wait for that."""
        self.sent_at = time.monotonic()
        if not self._blocked:
            body = json.dumps({"from": self._own, "topics": topics}).encode()
            self._channel.basic_publish(self._exchange, "", body)

    def _declare(self) -> None:
        self._channel.queue_declare(
            self._queue,
            exclusive=True,
            auto_delete=True,
            arguments={"x-max-length": _MOST_MESSAGES},
        )
        self._bind()
        self._channel.basic_consume(self._queue, self._on_message, auto_ack=True, exclusive=True)

    def _bind(self) -> None:
        self._channel.exchange_declare(self._exchange, "fanout", auto_delete=True)
        self._channel.queue_bind(self._queue, self._exchange)
        self._bound_at = time.monotonic()

    def _on_message(self, _channel: Any, _method: Any, _properties: Any, body: bytes) -> None:
        sender, topics = _read(body)
        if sender != self._own:
            self._hear(topics)

    def _on_cancel(self, _method: Any) -> None:
        self._cancelled = True

    def _set_blocked(self, blocked: bool) -> None:
        self._blocked = blocked


def _read(body: bytes) -> tuple[Any, list[str]]:
    """Read a message; one that is not ours has no topic."""
    if len(body) > _MOST_BYTES:
        return None, []
    try:
        message = json.loads(body)
        sender, topics = message["from"], message["topics"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None, []
    if not isinstance(topics, list):
        return None, []
    return sender, [topic for topic in topics if isinstance(topic, str)]


def _close(connection: BlockingConnection) -> None:
    """Close a connection, and wait a moment for the broker's answer.

    One that hangs, or blocks publishers, does not give it; the thread that waits on ends then or
    with the process.
    """

    def close() -> None:
        with suppress(pika.exceptions.AMQPError, OSError):
            connection.close()

    if connection.is_open:
        closing = threading.Thread(target=close, name="wake-close", daemon=True)
        closing.start()
        closing.join(_CLOSE_SECONDS)


def _nothing() -> None:
    """Only to be called: the thread looks what there is."""
