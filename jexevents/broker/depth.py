"""How many messages wait in the queue, for those who watch.

Asked over a connection of its own, in a thread of its own: a passive declaration of a queue that
is gone closes its channel, and one that a broker does not answer waits for ever. Neither may
touch what is being consumed.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import NamedTuple

import pika.exceptions
from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection

from jexevents.broker.connect import connect, translated
from jexevents.errors import BrokerUnavailable
from jexevents.logs import get_logger
from jexevents.service import Service

log = get_logger("depth")

LOOK_SECONDS = 10.0
# Before that the consumer may not have made the queue yet.
_FIRST_LOOK_SECONDS = 1.0
# Between two looks the connection is not served; its heartbeat must allow for that.
_HEARTBEAT_SECONDS = 30
_UNKNOWN = float("nan")


class Seen(NamedTuple):
    """What the queue had when it was looked at: seconds since 1970, and monotonic ones."""

    messages: float
    consumers: float
    at: float
    monotonic: float


_NEVER = Seen(_UNKNOWN, _UNKNOWN, 0.0, float("-inf"))


class Depth(Service):
    """Looks at the queue again and again.

    ``messages`` are those that wait for a consumer, ``consumers`` all that the queue has; both
    are NaN where the last three looks failed. ``seen_at`` is the time of the last one that did
    not, in seconds since 1970, 0 before that.
    """

    def __init__(
        self, uri: str, queue: str, *, name: str = "jexevents", look_seconds: float = LOOK_SECONDS
    ) -> None:
        super().__init__("depth")
        self._uri = uri
        self._queue = queue
        self._client = f"{name} depth"
        self._look_seconds = look_seconds
        self._connection: BlockingConnection | None = None
        self._channel: BlockingChannel | None = None
        self._seen = _NEVER

    @property
    def messages(self) -> float:
        """How many messages wait in the queue, NaN while that is unknown."""
        return self._known().messages

    @property
    def consumers(self) -> float:
        """How many consumers the queue has, NaN while that is unknown."""
        return self._known().consumers

    @property
    def seen_at(self) -> float:
        """When the queue was last seen."""
        return self._seen.at

    def run(self) -> None:
        """Look again and again until stopped."""
        try:
            pause = min(_FIRST_LOOK_SECONDS, self._look_seconds)
            while not self.wait(pause):
                self._look()
                pause = self._look_seconds
        finally:
            self._close()

    def _known(self) -> Seen:
        seen = self._seen
        fresh = time.monotonic() - seen.monotonic < 3 * self._look_seconds
        return seen if fresh else _NEVER

    def _look(self) -> None:
        try:
            with translated(self._uri):
                found = self._opened().queue_declare(self._queue, passive=True).method
        except BrokerUnavailable as error:
            # The consumer says in the log what is the matter.
            log.debug("queue_not_seen", reason=str(error))
            if self._connection is not None and not self._connection.is_open:
                self._connection = None
            return
        except Exception as error:
            # A fault of ours: nobody's work depends on a look, so the process need not end.
            log.warning("queue_look_failed", exc_info=error)
            self._close()
            return
        self._seen = Seen(found.message_count, found.consumer_count, time.time(), time.monotonic())

    def _opened(self) -> BlockingChannel:
        if self._connection is None:
            self._connection = connect(
                self._uri, heartbeat_seconds=_HEARTBEAT_SECONDS, name=self._client
            )
            self._channel = None
        if self._channel is None or not self._channel.is_open:
            self._channel = self._connection.channel()
        return self._channel

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None and connection.is_open:
            with suppress(pika.exceptions.AMQPError, OSError):
                connection.close()
