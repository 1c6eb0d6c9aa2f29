"""Where the senders of a hook wait for work."""

from __future__ import annotations

import threading


class Desk:
    """Calls senders; a call that finds none waiting is kept for the next one that comes."""

    def __init__(self, senders: int) -> None:
        self._senders = senders
        self._calls = 0
        self._condition = threading.Condition()

    def call(self, count: int = 1) -> None:
        """Call so many senders, at most all."""
        with self._condition:
            self._calls = min(self._calls + count, self._senders)
            self._condition.notify(count)

    def call_all(self) -> None:
        """Call all senders."""
        self.call(self._senders)

    def wait(self) -> None:
        """Wait for a call, and answer it."""
        with self._condition:
            while not self._calls:
                self._condition.wait()
            self._calls -= 1
