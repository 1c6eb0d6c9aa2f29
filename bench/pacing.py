"""Things to be done at fixed times, whatever happened to those before: an open loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator


def schedule(begin: float, rate: float, first: int = 0, every: int = 1) -> Iterator[float]:
    """Give the times of the things number ``first``, ``first + every``, ... at ``rate`` a second.

    Each time is reckoned from ``begin``, so that no error adds up and nothing late delays the
    rest. Never ends.
    """
    number = first
    while True:
        yield begin + number / rate
        number += every


def wait_until(
    due: float,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], object] = time.sleep,
) -> None:
    """Sleep until ``due``; what is past already returns at once."""
    while (left := due - clock()) > 0:
        sleep(left)
