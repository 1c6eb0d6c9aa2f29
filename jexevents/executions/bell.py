"""A bell for threads of one process that wait for something to be written to the ledger."""

from __future__ import annotations

import threading


class Bell:
    """Rung whenever something was written; ``count`` says how often."""

    def __init__(self) -> None:
        self.count = 0
        self._rung = threading.Condition()

    def ring(self) -> None:
        """Wake all who wait."""
        with self._rung:
            self.count += 1
            self._rung.notify_all()

    def wait(self, heard: int, seconds: float) -> None:
        """Wait till it was rung more often than ``heard``, for so long at most."""
        with self._rung:
            self._rung.wait_for(lambda: self.count != heard, seconds)
