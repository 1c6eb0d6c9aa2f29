"""What goes out over one line after the other, and what the broker says to it.

Messages are handed over from any thread; all else happens in the one that runs the line.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice

from jexevents.backoff import Backoff
from jexevents.broker.line import Line
from jexevents.broker.window import Window
from jexevents.logs import get_logger

log = get_logger("stream")

# So many are sent in one go; then what they are to be sent by has its turn, and what came in.
_TURN = 100

NOT_YET = "not connected yet"
_LOST = "The connection to RabbitMQ was lost."
_NOT_TAKEN = "RabbitMQ did not take a message over: a queue is full, or fails."
_NO_QUEUE = (
    "No queue gets what is published to the exchange {!r} with the routing key {!r}. Start the "
    "daemon, which makes its queue and binds it, or look at RoutingKey and at the bindings."
)


class Traffic:
    """The messages under way, and the line that they go by; the owner of each line.

    ``changed`` guards ``window``, and is notified when there is a line, and when as many messages
    are confirmed as ``wake_at`` says: who waits for fewer lowers it. ``problem`` says why nothing
    can be sent now, or is None. ``lines`` counts the lines that were ready, ``refused`` how often
    a message was not taken.
    """

    def __init__(
        self,
        window: Window,
        exchange: str,
        routing_key: str,
        content_type: str,
        retry_max_seconds: float,
    ) -> None:
        self.changed = threading.Condition()
        self.wake_at: float = math.inf
        self.window = window
        self.problem: str | None = NOT_YET
        self.is_open = False
        self.lines = self.refused = 0
        self._exchange, self._routing_key = exchange, routing_key
        self._content_type = content_type
        self._retries = Backoff(retry_max_seconds)
        self._line: Line | None = None
        self._is_called = self._retry_is_due = self._is_blocked = False

    def add(self, body: bytes, message_id: str | None) -> None:
        """Take a message, for which there must be room; by one who has ``changed``."""
        self.window.add(body, message_id)
        if not self._is_called and self._line is not None:
            self._is_called = True
            self._line.call(self._pump)

    @contextmanager
    def over(self, line: Line) -> Iterator[None]:
        """Have all go by this line, until the end of the block."""
        with self.changed:
            self.window.new_channel()
            self._is_called = self._retry_is_due = self._is_blocked = False
            self._line = line
        try:
            yield
        finally:
            with self.changed:
                self._line, self.is_open = None, False
                self.problem = self.problem or _LOST

    def wake(self) -> None:
        """Wake all who wait; by one who has ``changed``."""
        self.wake_at = math.inf
        self.changed.notify_all()

    def hang_up(self) -> None:
        """End the line that there is, if any; from any thread."""
        line = self._line
        if line is not None:
            line.call(line.close)

    # --- what the line tells

    def ready(self) -> None:
        """Messages may be sent."""
        with self.changed:
            self.lines += 1
            self.is_open, self.problem = True, None
            self.wake()
        self._say_publishing()
        self._pump()

    def acked(self, tag: int, multiple: bool) -> None:
        """The broker has answered for a message, or for all up to it."""
        with self.changed:
            if self.window.ack(tag, multiple=multiple):
                if not self.window.refused:
                    self._note_taken()
                # To wake those who wait at each answer would cost as much as to send.
                if self.window.confirmed >= self.wake_at:
                    self.wake()
        self._go_on()

    def nacked(self, tag: int, multiple: bool) -> None:
        """The broker did not take a message, or all that are left up to it."""
        with self.changed:
            self.window.nack(tag, multiple=multiple)
            self._note_refused(_NOT_TAKEN)
        self._go_on()

    def returned(self, body: bytes, message_id: str | None) -> None:
        """The broker found no queue for a message; its answer comes behind that."""
        with self.changed:
            self.window.give_back(body, message_id)
            self._note_refused(_NO_QUEUE.format(self._exchange, self._routing_key))

    def blocked(self, reason: str | None) -> None:
        """The broker takes no messages for this reason, or with None takes them again."""
        with self.changed:
            self._is_blocked = reason is not None
            self.problem = None if reason is None else f"RabbitMQ takes no messages: {reason}."
        if reason is None:
            self._say_publishing()
            self._pump()
        else:
            log.warning("publisher_blocked", reason=reason)

    def _note_refused(self, problem: str) -> None:
        """Note why a message is not taken; said once till one is."""
        self.refused += 1
        if self.problem is None:
            log.warning("messages_refused", reason=problem)
        self.problem = problem

    def _note_taken(self) -> None:
        if self._retries.failures:
            self._retries.reset()
            self._say_publishing()
        if not self._is_blocked:
            self.problem = None

    def _go_on(self) -> None:
        """Send what may be sent now, and see to it that what was refused is sent again."""
        with self.changed:
            if self.window.refused and not self._retry_is_due and self._line is not None:
                self._retry_is_due = True
                self._line.call_later(self._retries.next(), self._send_again)
            waits = self.window.waits
        if waits:
            self._pump()

    def _send_again(self) -> None:
        with self.changed:
            self._retry_is_due = False
            self.window.again()
        self._pump()

    def _pump(self) -> None:
        """Send what waits, as far as that is allowed now."""
        with self.changed:
            self._is_called = False
            line = self._line
            if line is None or not self.is_open or self._is_blocked or self.window.refused:
                return
            # While messages are refused, one at a time tries how it stands.
            most = 1 if self._retries.failures else None
            entries = list(islice(self.window.to_send(most), _TURN))
        for entry in entries:
            line.publish(entry, self._content_type)
        if len(entries) == _TURN:
            line.call(self._pump)

    def _say_publishing(self) -> None:
        log.info("publishing", exchange=self._exchange)
