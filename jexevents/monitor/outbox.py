"""Events that were handed over, until the broker has them and the position file says so."""

from __future__ import annotations

import json
from collections import deque
from pathlib import Path
from typing import NamedTuple, Protocol

from jexevents.eventlogs.envelope import message
from jexevents.eventlogs.occurrences import Seen
from jexevents.logs import get_logger
from jexevents.monitor.chain import Outgoing
from jexevents.monitor.logfile import LogFile
from jexevents.monitor.openfile import tail_of
from jexevents.monitor.positions import Advance, PositionFile, PositionsUnwritable
from jexevents.observers import MonitorObserver

log = get_logger("monitor")


class Sender(Protocol):
    """Takes messages to the broker, in order; nobody else hands it any."""

    def send(self, body: bytes, message_id: str | None = None) -> None:
        """Hand over a message; may wait while too much is under way."""

    def confirmed(self) -> int:
        """Say how many messages, from the first one on, the broker has taken over."""

    def wait_confirmed(self, timeout: float | None = None, count: int | None = None) -> bool:
        """Wait until so many are confirmed; give whether they are."""


class _Sent(NamedTuple):
    """What to note once the ``number``-th message is confirmed."""

    number: int
    log: Path
    file: LogFile
    end: int
    tail: bytes
    seen: Seen | None
    ends: bool
    body_bytes: int
    raw_bytes: int


class Outbox:
    """Sends events, and notes how far each log has come once the broker has taken them over.

    ``problem`` says why the position file cannot be written, or is None. What is confirmed and
    not noted is kept till it can be: after a crash it would be sent again, which does no harm.
    """

    def __init__(
        self,
        sender: Sender,
        positions: PositionFile,
        source: str | None,
        observer: MonitorObserver,
    ) -> None:
        self._sender = sender
        self._positions = positions
        self._source = source
        self._observer = observer
        self._sent: deque[_Sent] = deque()
        self._advances: dict[Path, Advance] = {}
        self._number = 0
        self._bytes_under_way = 0
        self.unnoted = 0
        self.problem: str | None = None

    @property
    def under_way(self) -> int:
        """How many were sent and are not confirmed."""
        return len(self._sent)

    @property
    def is_empty(self) -> bool:
        """Whether all that was sent is confirmed and noted."""
        return not self._sent and not self._advances

    def has_room(self, size: int, window: int, window_bytes: int) -> bool:
        """Whether a body of ``size`` bytes may go under way without making too much of it."""
        if not self._sent:
            return True
        return len(self._sent) < window and self._bytes_under_way + size <= window_bytes

    def body(self, out: Outgoing) -> bytes:
        """Give the message of an event; nothing where there is none to send."""
        if out.event is None:
            return b""
        return json.dumps(message(out.event, source=self._source, log=out.file.name)).encode()

    def send(self, path: Path, out: Outgoing, body: bytes) -> None:
        """Send an event of the log at ``path`` with its ``body``. Raises what the sender raises."""
        file, event = out.file, out.event
        if body:
            self._sender.send(body)
            self._number += 1
            self._bytes_under_way += len(body)
        if event is None:
            end, tail, seen, raw_bytes = file.read, file.read_tail, None, 0
        else:
            end, seen, raw_bytes = event.end, event.seen, event.end - event.offset
            tail = file.tail if out.gap else tail_of(event)
        self._sent.append(
            _Sent(self._number, path, file, end, tail, seen, out.ends, len(body), raw_bytes)
        )

    def wait(self, seconds: float, at_most: int = 0) -> None:
        """Wait until at most so many are under way, or that long. Raises what the sender raises."""
        self._sender.wait_confirmed(seconds, max(0, self._number - at_most))

    def collect(self) -> None:
        """Take notice of what was confirmed."""
        confirmed = self._sender.confirmed()
        events = raw_bytes = 0
        while self._sent and self._sent[0].number <= confirmed:
            sent = self._sent.popleft()
            self._bytes_under_way -= sent.body_bytes
            self._advance(sent)
            events += bool(sent.body_bytes)
            raw_bytes += sent.raw_bytes
        if events:
            self._observer.events_published(events, raw_bytes)

    def note(self) -> bool:
        """Write to the position file what was confirmed; give whether all of it is there."""
        if not self._advances:
            return True
        try:
            self._positions.note(self._advances.items())
        except PositionsUnwritable as error:
            if self.problem is None:
                log.error("positions_unwritable", reason=str(error))
            self.problem = error.message
            self._observer.positions_noted(False)
            return False
        if self.problem is not None:
            log.info("positions_writable")
        self.problem = None
        self.unnoted = 0
        self._advances = {}
        self._observer.positions_noted(True)
        return True

    def _advance(self, sent: _Sent) -> None:
        file = sent.file
        file.position, file.tail = sent.end, sent.tail
        file.done = file.done or sent.ends
        advance = self._advances.setdefault(sent.log, Advance())
        advance.files[file.ordinal] = file
        if sent.seen is not None:
            advance.seen.append(sent.seen)
        self.unnoted += 1
