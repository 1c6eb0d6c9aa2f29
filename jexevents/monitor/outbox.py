"""Events that were handed over, until the broker has them and the position file says so."""

from __future__ import annotations

import json
import time
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

log = get_logger("monitor")


class Sender(Protocol):
    """Takes messages to the broker, in order; nobody else hands it any."""

    def body(self, out: Outgoing) -> bytes:
        """Give the message of an event; nothing where there is none to send."""
        if out.event is None:
            return b""
        return json.dumps(message(out.event, source=self._source, log=out.file.name)).encode()

    def send(self, path: Path, out: Outgoing, body: bytes) -> None:
        """Send an event of the log at ``path``, with its ``body``. Raises what the sender raises."""
        file, event = out.file, out.event
        if body:
            self._sender.send(body)
            self._number += 1
            self.bytes_under_way += len(body)
        if event is None:
            end, tail, seen = file.read, file.read_tail, None
        else:
            end, seen = event.end, event.seen
            tail = file.tail if out.gap else tail_of(event)
        self._sent.append(_Sent(self._number, path, file, end, tail, seen, out.ends, len(body)))

    def wait(self, seconds: float, at_most: int = 0) -> None:
        """Wait until at most so many are under way, or that long. Raises what the sender raises."""
        self._sender.wait_confirmed(seconds, max(0, self._number - at_most))

    def collect(self) -> None:
        """Take notice of what was confirmed."""
        confirmed = self._sender.confirmed()
        while self._sent and self._sent[0].number <= confirmed:
            sent = self._sent.popleft()
            self._advance(sent)
            self.bytes_under_way -= sent.body_bytes

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
            return False
        if self.problem is not None:
            log.info("positions_writable")
        self.problem = None
        self._advances = {}
        self.unnoted = 0
        self.noted_at = time.time()
        return True

    def forget(self, path: Path) -> None:
        """Forget what is not noted yet of a log."""
        self._advances.pop(path, None)

    def _advance(self, sent: _Sent) -> None:
        file = sent.file
        file.position, file.tail = sent.end, sent.tail
        file.done = file.done or sent.ends
        advance = self._advances.setdefault(sent.log, Advance())
        advance.files[file.ordinal] = file
        if sent.seen is not None:
            advance.seen.append(sent.seen)
        self.unnoted += 1
