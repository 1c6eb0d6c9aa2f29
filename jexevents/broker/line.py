"""One connection for publishing, served by a loop of its own, and not for several threads.

pika's blocking channel waits for the confirm of each message before the next one can go out. Here
they go out as they come, and the answers are taken as they come.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

import pika
import pika.exceptions
from pika.adapters.select_connection import IOLoop, SelectConnection
from pika.channel import Channel

from jexevents.broker.window import Entry

# How long the broker has to answer that the connection is to be closed; one that hangs, or blocks
# publishers, does not.
_CLOSE_SECONDS = 1.0


class Owner(Protocol):
    """Whom a line tells what happens, in the thread that runs it."""

    def ready(self) -> None:
        """Messages may be sent."""

    def acked(self, tag: int, multiple: bool) -> None:
        """The broker has answered for a message, or for all up to it."""

    def nacked(self, tag: int, multiple: bool) -> None:
        """The broker did not take a message, or all that are left up to it."""

    def returned(self, body: bytes, message_id: str | None) -> None:
        """The broker found no queue for a message; its answer comes behind that."""

    def blocked(self, reason: str | None) -> None:
        """The broker takes no messages for this reason, or with None takes them again."""


class Line:
    """A connection to the exchange: ``run`` opens it and serves it till it ends."""

    def __init__(
        self, parameters: pika.URLParameters, exchange: str, routing_key: str, owner: Owner
    ) -> None:
        self._exchange, self._routing_key = exchange, routing_key
        self._owner = owner
        self._channel: Channel | None = None
        self._error: BaseException | None = None
        self._is_ending = False
        self._loop = IOLoop()
        self._connection = SelectConnection(
            parameters,
            on_open_callback=self._on_open,
            on_open_error_callback=self._on_end,
            on_close_callback=self._on_end,
            custom_ioloop=self._loop,
        )
        self._connection.add_on_connection_blocked_callback(self._on_blocked)
        self._connection.add_on_connection_unblocked_callback(lambda *_: owner.blocked(None))

    def run(self) -> None:
        """Serve the connection until it ends, or ``close`` was called.

        Raises what it ended by, pika's errors too.
        """
        try:
            self._loop.start()
        finally:
            self._loop.close()
        if self._error is not None:
            raise self._error

    def call(self, function: Callable[[], None]) -> None:
        """Have ``run`` call a function soon; from any thread, and also when it has ended."""
        # The loop may be closed, or closing.
        with suppress(Exception):
            self._loop.add_callback_threadsafe(function)

    def call_later(self, seconds: float, function: Callable[[], None]) -> None:
        """Have a function called after a while, unless the connection ends before."""
        self._loop.call_later(seconds, function)

    def publish(self, entry: Entry, content_type: str) -> None:
        """Send a persistent message that is to come back if no queue gets it.

        One that comes when the channel is gone is sent over the next one.
        """
        if self._channel is None or not self._channel.is_open:
            return
        properties = pika.BasicProperties(
            content_type=content_type, delivery_mode=2, message_id=entry.message_id
        )
        self._channel.basic_publish(
            self._exchange, self._routing_key, entry.body, properties, mandatory=True
        )

    def close(self) -> None:
        """End the connection; for the thread that runs it, or before that."""
        self._is_ending = True
        if not (self._connection.is_closing or self._connection.is_closed):
            self._connection.close()
        self._loop.call_later(_CLOSE_SECONDS, self._loop.stop)

    def _on_open(self, connection: SelectConnection) -> None:
        connection.channel(on_open_callback=self._on_channel)

    def _on_channel(self, channel: Channel) -> None:
        channel.add_on_close_callback(self._on_channel_closed)
        channel.add_on_return_callback(self._on_return)
        channel.confirm_delivery(self._on_answer, lambda _frame: self._on_ready(channel))

    def _on_ready(self, channel: Channel) -> None:
        self._channel = channel
        self._owner.ready()

    def _on_answer(self, frame: Any) -> None:
        tag, multiple = frame.method.delivery_tag, frame.method.multiple
        if isinstance(frame.method, pika.spec.Basic.Ack):
            self._owner.acked(tag, multiple)
        else:
            self._owner.nacked(tag, multiple)

    def _on_return(self, _channel: Any, _method: Any, properties: Any, body: bytes) -> None:
        self._owner.returned(body, properties.message_id)

    def _on_blocked(self, _connection: Any, frame: Any) -> None:
        self._owner.blocked(frame.method.reason or "no reason given")

    def _on_channel_closed(self, _channel: Channel, error: BaseException) -> None:
        self._channel = None
        if isinstance(error, pika.exceptions.ChannelClosedByBroker):
            self._error = error
            self.close()

    def _on_end(self, _connection: Any, error: BaseException) -> None:
        self._channel = None
        if not self._is_ending:
            self._error = _as_pika_s(error)
        self._loop.stop()


def _as_pika_s(error: BaseException) -> BaseException:
    """Give an error of the tree that all of pika's errors are in, save those of connecting."""
    if isinstance(error, pika.exceptions.AMQPError | OSError):
        return error
    causes = getattr(error, "exceptions", None)
    return pika.exceptions.AMQPConnectionError(causes[-1] if causes else error)
