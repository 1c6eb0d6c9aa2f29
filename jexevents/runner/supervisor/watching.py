"""Who watches an execution: each event goes to him as a line as soon as it is on the disk.

What is sent comes out of events.jsonl, so a watcher who is slow costs no memory. Its lines are
numbered as the events are, without a gap.
"""

from __future__ import annotations

import os
import time

from jexevents.runner.supervisor.jsontext import dumps
from jexevents.runner.supervisor.layout import EVENTS

WATCHERS = 16
# Who takes nothing while so much comes does not read any more.
BEHIND_BYTES = 256 * 1024
_PIECE_BYTES = 64 * 1024
# After so many pieces the job has its turn.
_PIECES = 4
_LAST_SECONDS = 2.0


class _Watcher:
    """One connection: how many lines are not for it still, and from where on it is to be sent."""

    def __init__(self, connection: object, skip: int) -> None:
        self.connection, self.skip, self.offset = connection, skip, 0
        # How long the file was when nothing more could be sent; None while all goes well.
        self.stuck_at: int | None = None


class Watchers:
    """All who watch; none of them is waited for."""

    def __init__(self, loop: object, events: object) -> None:
        self._loop, self._events = loop, events
        self._watchers: dict[int, _Watcher] = {}
        self._file: int | None = None
        self._told = 0
        self._tail, self._ends = b"", False

    def add(self, connection: object, after: int) -> None:
        """Send the events with higher numbers than ``after`` from now on, those that are there
        first. With too many of them, the one that came first has to go."""
        if self._file is None:
            self._file = os.open(EVENTS, os.O_RDONLY | os.O_CLOEXEC)
        if len(self._watchers) >= WATCHERS:
            self._leave(next(iter(self._watchers)))
        descriptor = connection.fileno()
        self._loop.add(descriptor, lambda: self._serve(descriptor))
        self._watchers[descriptor] = _Watcher(connection, after)
        self._send(descriptor)

    def tell(self) -> None:
        """Send what has come since."""
        if self._events.size != self._told:
            self._told = self._events.size
            for descriptor in list(self._watchers):
                self._send(descriptor)

    def finish(self, unwritten: list[dict]) -> None:
        """Send the rest, and the events that only the last state has; then close all. Who does not
        read is waited for a moment."""
        self._tail = "".join(dumps(event) + "\n" for event in unwritten).encode()
        self._ends = True
        for descriptor in list(self._watchers):
            self._send(descriptor)
        end = time.monotonic() + _LAST_SECONDS
        while self._watchers and time.monotonic() < end:
            self._loop.wait(end)
        self.close()

    def close(self) -> None:
        """Close all, whatever they have of it."""
        for descriptor in list(self._watchers):
            self._leave(descriptor)

    def _serve(self, descriptor: int) -> None:
        """He has room again, or left, or said something, which is not for a watcher to do."""
        try:
            self._watchers[descriptor].connection.recv(1)
        except BlockingIOError:
            self._send(descriptor)
        except OSError:
            self._leave(descriptor)
        else:
            self._leave(descriptor)

    def _send(self, descriptor: int) -> None:
        watcher = self._watchers[descriptor]
        try:
            self._send_pieces(watcher)
        except OSError:
            self._leave(descriptor)
            return
        waits = watcher.offset < self._events.size + len(self._tail)
        if (self._ends and not waits) or self._is_gone(watcher):
            self._leave(descriptor)
        else:
            self._loop.also_writable(descriptor, waits)

    def _send_pieces(self, watcher: _Watcher) -> None:
        for _ in range(_PIECES):
            piece = self._piece(watcher)
            if not piece:
                return
            try:
                watcher.offset += watcher.connection.send(piece)
            except BlockingIOError:
                if watcher.stuck_at is None:
                    watcher.stuck_at = self._events.size
                return
            watcher.stuck_at = None

    def _is_gone(self, watcher: _Watcher) -> bool:
        stuck_at = watcher.stuck_at
        return stuck_at is not None and self._events.size - stuck_at > BEHIND_BYTES

    def _piece(self, watcher: _Watcher) -> bytes:
        """Give what is next for him; empty where he has all."""
        size = self._events.size
        while watcher.offset < size + len(self._tail):
            if watcher.offset < size:
                count = min(size - watcher.offset, _PIECE_BYTES)
                piece = os.pread(self._file, count, watcher.offset)
                if not piece:
                    raise OSError("events.jsonl was cut off from outside")
            else:
                piece = self._tail[watcher.offset - size :]
            begin = _behind_lines(piece, watcher)
            watcher.offset += begin
            if begin < len(piece):
                return piece[begin:]
        return b""

    def _leave(self, descriptor: int) -> None:
        watcher = self._watchers.pop(descriptor)
        self._loop.remove(descriptor)
        watcher.connection.close()


def _behind_lines(piece: bytes, watcher: _Watcher) -> int:
    """Give where in ``piece`` the lines end that are not for the watcher, and count them off."""
    at = 0
    while watcher.skip:
        found = piece.find(b"\n", at) + 1
        if not found:
            return len(piece)
        at = found
        watcher.skip -= 1
    return at
