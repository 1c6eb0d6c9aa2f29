"""What is dear is made once for all who look within a few seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

_KEPT_SECONDS = 5.0


@dataclass
class Kept:
    """Keeps what was made for a while, for all threads; one makes it anew, the others wait."""

    make: Callable[[], Any]
    seconds: float = _KEPT_SECONDS
    clock: Callable[[], float] = time.monotonic
    _made: Any = None
    _made_at: float = float("-inf")
    _lock: Lock = field(default_factory=Lock)

    def get(self) -> Any:
        """Give it."""
        with self._lock:
            now = self.clock()
            if now - self._made_at >= self.seconds:
                self._made = self.make()
                # A dear one is kept for longer, so that it costs a tenth of the time at most.
                self._made_at = self.clock() + 9 * (self.clock() - now)
            return self._made
