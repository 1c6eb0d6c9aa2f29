"""Who may try to reach a server that lets callers wait for nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from jexevents.errors import StoreUnavailable

# A failure that took less is told to everybody anew: it holds nobody up.
_LONG_SECONDS = 1.0


class Door:
    """After an attempt that took long and failed, one caller at a time tries again.

    A server that hangs refuses nothing: each caller would wait for the whole time-out, and
    those who need no server would wait for the threads that do. So for as long as the attempt
    took, and while another is under way, callers are told at once that it is away.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failure: StoreUnavailable | None = None
        self._shut_until = float("-inf")
        self._tried = False

    @contextmanager
    def passed(self) -> Iterator[None]:
        """Try it: the block raises StoreUnavailable where it fails. So does a shut door."""
        probes = self._knock()
        began = self._clock()
        try:
            yield
        except StoreUnavailable as error:
            self._note(error, self._clock() - began)
            raise
        else:
            self._note(None, 0)
        finally:
            if probes:
                self._tried = False

    def _knock(self) -> bool:
        """Raise StoreUnavailable where one must not try; give whether one tries for all."""
        with self._lock:
            if self._failure is None:
                return False
            if self._tried or self._clock() < self._shut_until:
                raise StoreUnavailable(self._failure.message, remedy=self._failure.remedy)
            self._tried = True
            return True

    def _note(self, failure: StoreUnavailable | None, took_seconds: float) -> None:
        with self._lock:
            self._failure = failure if took_seconds >= _LONG_SECONDS else None
            self._shut_until = self._clock() + took_seconds
