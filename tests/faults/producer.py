"""A producer that uses publisher confirms, counts, and survives the broker's death.

It has one connection in one thread. What was published and not confirmed when a connection
ended is published again on the next one: so one event may come twice.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial

import pika
from pika.adapters.select_connection import SelectConnection

from tests.faults.stories import InOrder, Message
from tests.support import wait_until

# It logs each failed connection half a dozen times.
logging.getLogger("pika").setLevel(logging.CRITICAL)

EXCHANGE = "condor_events"
_TICK_SECONDS = 0.01
# At most 1,500 messages a second, which leaves the machine some breath.
_TICK_MESSAGES = 15
_WINDOW = 400
_AGAIN_SECONDS = 0.1


class Producer:
    """Publishes what ``messages`` gives, as long as ``room()`` allows some more.

    ``confirmed`` has every message that the broker has taken over, by its number.
    """

    def __init__(self, uri: str, messages: InOrder, room: Callable[[], int]) -> None:
        self._parameters = pika.URLParameters(uri)
        self._parameters.client_properties = {"connection_name": "producer"}
        self._messages = messages
        self.room = room
        self.due: deque[Message] = deque()
        self.confirmed: dict[int, Message] = {}
        self.republished = 0
        self.sessions = 0
        self.blocked = threading.Event()
        self._finishing = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="producer", daemon=True)

    def __repr__(self) -> str:
        return (
            f"confirmed {len(self.confirmed)}, due {len(self.due)}, room {self.room()},"
            f" sessions {self.sessions}, republished {self.republished},"
            f" blocked {self.blocked.is_set()}"
        )

    def start(self) -> Producer:
        self._thread.start()
        return self

    def wait_confirmed(self, more: int, timeout: float = 60) -> None:
        """Wait until the broker has taken over so many more messages."""
        goal = len(self.confirmed) + more
        wait_until(lambda: len(self.confirmed) >= goal, timeout, f"{goal} confirmed messages")

    def again(self, messages: Iterable[Message]) -> None:
        """Publish these once more."""
        self.due.extend(messages)

    def finish(self, timeout: float = 60) -> None:
        """Take no new message, wait until all that were taken are confirmed, and end."""
        self._finishing.set()
        wait_until(self._over.is_set, timeout, "the last confirms")
        self._thread.join(10)

    def abandon(self) -> None:
        """End, whatever is confirmed or not."""
        self._over.set()
        self._thread.join(10)

    def take(self) -> Message | None:
        """Give the next message to publish, None if there is none now."""
        if self.due:
            return self.due.popleft()
        wanted = self._messages.rest if self._finishing.is_set() else self.room() > 0
        return self._messages.next() if wanted else None

    @property
    def abandoned(self) -> bool:
        return self._over.is_set()

    @property
    def done(self) -> bool:
        return self._finishing.is_set() and not self.due and not self._messages.rest

    def _run(self) -> None:
        while not self._over.is_set():
            session = _Session(self, self._parameters)
            session.run()
            self.blocked.clear()
            if self.done and not session.unconfirmed:
                self._over.set()
            # In front: the order of the log is kept as far as it can be.
            self.due.extendleft(reversed(session.unconfirmed.values()))
            self.republished += len(session.unconfirmed)
            self._over.wait(_AGAIN_SECONDS)


class _Session:
    """One connection, from its start to its end; ``unconfirmed`` is what it leaves."""

    def __init__(self, producer: Producer, parameters: pika.URLParameters) -> None:
        self._producer = producer
        self.unconfirmed: dict[int, Message] = {}
        self._returned: set[str] = set()
        self._tag = 0
        self._channel = None
        self._connection = SelectConnection(
            parameters,
            on_open_callback=self._opened,
            on_open_error_callback=self._ended,
            on_close_callback=self._ended,
        )
        self._connection.add_on_connection_blocked_callback(lambda *_: producer.blocked.set())
        self._connection.add_on_connection_unblocked_callback(lambda *_: producer.blocked.clear())

    def run(self) -> None:
        self._connection.ioloop.start()

    def _opened(self, connection: SelectConnection) -> None:
        self._producer.sessions += 1
        connection.channel(on_open_callback=self._channel_opened)

    def _channel_opened(self, channel) -> None:
        channel.add_on_close_callback(lambda *_: self._close())
        channel.add_on_return_callback(self._on_return)
        channel.confirm_delivery(self._on_confirm, callback=partial(self._begin, channel))

    def _begin(self, channel, _frame) -> None:
        self._channel = channel
        self._tick()

    def _tick(self) -> None:
        if not self._channel.is_open:
            return
        if self._producer.abandoned:
            self._close()
            return
        for _ in range(min(_TICK_MESSAGES, _WINDOW - len(self.unconfirmed))):
            if (message := self._producer.take()) is None:
                break
            self._publish(message)
        if self._producer.done and not self.unconfirmed:
            self._close()
        else:
            self._connection.ioloop.call_later(_TICK_SECONDS, self._tick)

    def _publish(self, message: Message) -> None:
        self._tag += 1
        self.unconfirmed[self._tag] = message
        properties = pika.BasicProperties(delivery_mode=2, message_id=str(message.number))
        self._channel.basic_publish(EXCHANGE, "", message.body, properties, mandatory=True)

    def _on_return(self, _channel, _method, properties, _body) -> None:
        # No queue took it: the confirm that follows means nothing.
        self._returned.add(properties.message_id)

    def _on_confirm(self, frame) -> None:
        method = frame.method
        for tag in self._tags(method.delivery_tag, method.multiple):
            message = self.unconfirmed.pop(tag)
            if isinstance(method, pika.spec.Basic.Nack) or self._was_returned(message):
                self._producer.due.append(message)
            else:
                self._producer.confirmed[message.number] = message

    def _tags(self, last: int, multiple: bool) -> list[int]:
        return [tag for tag in self.unconfirmed if tag <= last] if multiple else [last]

    def _was_returned(self, message: Message) -> bool:
        number = str(message.number)
        returned = number in self._returned
        self._returned.discard(number)
        return returned

    def _close(self) -> None:
        if self._connection.is_open:
            self._connection.close()

    def _ended(self, *_why) -> None:
        self._connection.ioloop.stop()
