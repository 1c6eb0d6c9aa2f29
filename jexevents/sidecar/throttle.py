"""Slows those down who guess: after some failures, each next one costs a wait."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from jexevents.sidecar.problems import too_many

FREE = 10
LONGEST_SECONDS = 60.0
FORGOTTEN_SECONDS = 600.0
# So many callers are remembered; who has as many addresses gains nothing by failing from each.
CALLERS = 10_000


@dataclass(slots=True)
class _Failures:
    """How often a caller failed, when last, and until when it has to wait."""

    count: int = 0
    last_at: float = 0.0
    until: float = 0.0


class Throttle:
    """Counts failures by caller, or whatever else is slowed alone; safe to share between threads.

    The first ``FREE`` cost nothing; then the wait doubles from a second up to LONGEST_SECONDS. A
    caller that did not fail for FORGOTTEN_SECONDS begins anew. While it waits, what it sends is
    not looked at: a right guess must look like a wrong one.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._callers: OrderedDict[str, _Failures] = OrderedDict()

    def check(self, caller: str) -> None:
        """Raise Problem (429) if this caller has to wait."""
        with self._lock:
            failures = self._callers.get(caller)
            left = 0.0 if failures is None else failures.until - self._clock()
        if left > 0:
            seconds = math.ceil(left)
            detail = f"Too many failed attempts at this came from here. Try again in {seconds} s."
            raise too_many(detail, seconds)

    def succeeded(self, caller: str) -> None:
        """Forget the failures of this caller."""
        with self._lock:
            self._callers.pop(caller, None)

    def failed(self, caller: str) -> None:
        """Note a failure."""
        now = self._clock()
        with self._lock:
            failures = self._callers.pop(caller, None)
            if failures is None or now - failures.last_at > FORGOTTEN_SECONDS:
                failures = _Failures()
            failures.count += 1
            failures.last_at = now
            over = failures.count - FREE
            if over > 0:
                failures.until = now + min(2.0 ** min(over - 1, 30), LONGEST_SECONDS)
            self._callers[caller] = failures
            while len(self._callers) > CALLERS:
                self._callers.popitem(last=False)
