"""The thread that hands batches over, so that the one that owns the connection can pump it.

A batch may take long: a lock that somebody holds, a server that hangs. Meanwhile the consumer
keeps the heartbeats of its connection, and takes in and reads what the next batch is made of.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from jexevents.broker.session import Delivery, Session
from jexevents.model import Outcome
from jexevents.service import Service

# Takes what was read of each message.
Handle = Callable[[Sequence[Any]], Sequence[Outcome]]


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a batch of ``session``: its outcomes, or the error that it failed with.

    ``seconds`` is the time that it took, ``wait_seconds`` that since its first message came.
    """

    session: Session
    batch: Sequence[Delivery]
    outcomes: Sequence[Outcome]
    error: Exception | None
    seconds: float
    wait_seconds: float


class Writer(Service):
    """Hands over one batch at a time.

    ``submit``, ``take`` and ``wait_done`` are for one thread, the consumer's.
    """

    def __init__(self, handle: Handle) -> None:
        super().__init__("writer")
        self._handle = handle
        self._orders: queue.SimpleQueue[tuple[Session, Sequence[Delivery]] | None]
        self._orders = queue.SimpleQueue()
        self._written: Written | None = None
        self._done = threading.Event()
        self.busy = False

    def submit(self, session: Session, batch: Sequence[Delivery]) -> None:
        """Hand over a batch; the session is woken when it is done. Only while not ``busy``."""
        self.busy = True
        self._orders.put((session, batch))

    def take(self) -> Written | None:
        """Give what became of the batch, once, or None while that is not known."""
        if not self._done.is_set():
            return None
        self._done.clear()
        written, self._written = self._written, None
        self.busy = False
        return written

    def wait_done(self, seconds: float) -> bool:
        """Wait that long at most for the batch; whether it is done."""
        return self._done.wait(seconds)

    def run(self) -> None:
        """Hand over what is submitted until stopped."""
        while (order := self._orders.get()) is not None:
            session, batch = order
            self._written = self._write(session, batch)
            self._done.set()
            session.wake()

    def interrupt(self) -> None:
        """Wake the thread from its wait."""
        self._orders.put(None)

    def _write(self, session: Session, batch: Sequence[Delivery]) -> Written:
        began = time.monotonic()
        outcomes: Sequence[Outcome] = ()
        error = None
        try:
            outcomes = self._handle([delivery.message for delivery in batch])
        except Exception as exc:  # noqa: BLE001 - raised again in the consumer's thread
            error = exc
        seconds = time.monotonic() - began
        waited = datetime.now(timezone.utc) - batch[0].arrival.received_at
        return Written(session, batch, outcomes, error, seconds, waited.total_seconds())
