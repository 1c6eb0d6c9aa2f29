"""How long to wait before trying again: growing, capped, with full jitter. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

Random = Callable[[], float]


def delays(
    cap_seconds: float, base_seconds: float = 0.1, draw: Random = random.random
) -> Iterator[float]:
    """Yield waits in seconds without end, each anywhere between 0 and a bound.

    The bound is ``base_seconds`` at first, doubles, and stays at ``cap_seconds``: "full jitter",
    which lets many clients come back one by one (AWS Architecture Blog, 2015, "Exponential
    Backoff And Jitter"). ``draw`` gives a number from 0 to 1.
    """
    bound = min(base_seconds, cap_seconds)
    while True:
        yield draw() * bound
        bound = min(bound * 2, cap_seconds)


class Backoff:
    """The waits of one connection: ``next`` after each failure, ``reset`` after a success."""

    def __init__(
        self, cap_seconds: float, base_seconds: float = 0.1, draw: Random = random.random
    ) -> None:
        self._arguments = (cap_seconds, base_seconds, draw)
        self.reset()

    def next(self) -> float:
        """Give the next wait in seconds."""
        self.failures += 1
        return next(self._delays)

    def reset(self) -> None:
        """Begin again with the shortest wait."""
        self.failures = 0
        self._delays = delays(*self._arguments)
