"""The events of a running execution as they come."""

from __future__ import annotations

import json
import socket
from types import TracebackType
from typing import Any

_MOST_BYTES = 1 << 20
_PIECE_BYTES = 64 * 1024


class Watch:
    """A connection over which a supervisor sends events; it never blocks. For one thread.

    It can be registered with ``selectors`` for reading. ``last`` is the number of the last event
    that was given. Once ``closed``, no more come this way: the execution has ended, its supervisor
    was killed, or the reading was too slow. The folder says which, and ``events(after=last)`` of it
    what is missing, if anything.
    """

    def __init__(self, connection: socket.socket, after: int) -> None:
        self._connection = connection
        self._came = b""
        self.last = after
        self.closed = False

    def fileno(self) -> int:
        """Give the descriptor; it stays open until ``close``."""
        return self._connection.fileno()

    def read(self) -> list[dict[str, Any]]:
        """Give the events that have come, in their order; none if there are none yet.

        Not all at once where there are very many: the descriptor stays readable then.
        """
        self._receive()
        *lines, self._came = self._came.split(b"\n")
        events = [json.loads(line) for line in lines]
        if events:
            self.last = events[-1]["seq"]
        return events

    def close(self) -> None:
        """Hear no more; twice is once. Take it out of a selector before."""
        self.closed = True
        self._connection.close()

    def __enter__(self) -> Watch:
        """Give the watch itself; it is closed at the end of the block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _receive(self) -> None:
        pieces, count = [self._came], 0
        while not self.closed and count < _MOST_BYTES:
            try:
                piece = self._connection.recv(_PIECE_BYTES)
            except BlockingIOError:
                break
            except OSError:
                piece = b""
            self.closed = not piece
            pieces.append(piece)
            count += len(piece)
        self._came = b"".join(pieces)
