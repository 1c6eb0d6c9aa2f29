"""Waits for descriptors and for one moment, and calls who is concerned."""

from __future__ import annotations

import select
import time

_MOST_SECONDS = 3600.0


class Loop:
    """The one place where a supervisor waits. What became readable first is served first, so that
    two streams come in the order in which they were written."""

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._served: dict[int, object] = {}

    def add(self, descriptor: int, serve: object) -> None:
        """Call ``serve()`` whenever there is something to read, or an end."""
        self._served[descriptor] = serve
        self._poll.register(descriptor, select.EPOLLIN)

    def remove(self, descriptor: int) -> None:
        """Call it no more; the descriptor must still be open."""
        if self._served.pop(descriptor, None) is not None:
            self._poll.unregister(descriptor)

    def also_writable(self, descriptor: int, wanted: bool) -> None:
        """Call it also whenever there is room to write, or no more."""
        self._poll.modify(descriptor, select.EPOLLIN | (select.EPOLLOUT if wanted else 0))

    def wait(self, until: float | None) -> None:
        """Wait for something to do and do it; at the longest until this moment (monotonic)."""
        left = _MOST_SECONDS if until is None else min(until - time.monotonic(), _MOST_SECONDS)
        for descriptor, _ in self._poll.poll(max(0.0, left)):
            serve = self._served.get(descriptor)
            if serve is not None:
                serve()
