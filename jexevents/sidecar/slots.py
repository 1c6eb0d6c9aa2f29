"""Who may be served now: requests that ask the database, so that those that do not always are.

A database that hangs holds every thread that asks it. The server has a few threads more than
there are slots; what finds all slots held by requests that do not end is told so at once, and
/healthz never waits behind it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from jexevents.sidecar import problems

# Threads beside the slots, which only wait for a slot or answer without the database.
SPARE_THREADS = 2
PATIENCE_SECONDS = 1.0


# Lends the slot of a request to others while it waits for something.
Aside = Callable[[], AbstractContextManager[None]]


class Slots:
    """At most ``count`` requests at a time.

    Who comes when all are taken waits, as long as any of them ends within ``patience_seconds``.
    """

    def __init__(
        self,
        count: int,
        *,
        patience_seconds: float = PATIENCE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._free = count
        self._patience_seconds = patience_seconds
        self._clock = clock
        self._changed = threading.Condition()
        self._moved_at = clock()

    @contextmanager
    def taken(self) -> Iterator[Aside]:
        """Hold a slot. Raises Problem (503) where none becomes free and nothing moves.

        Gives what makes a context in which the slot is not held: for one who waits for something
        else than the database. The end of that context takes a slot again, or raises Problem.
        """
        held = self._take()

        @contextmanager
        def aside() -> Iterator[None]:
            nonlocal held
            held = self._give()
            try:
                yield
            finally:
                held = self._take()

        try:
            yield aside
        finally:
            if held:
                self._give()

    def _take(self) -> bool:
        with self._changed:
            self._wait()
            self._free -= 1
            self._moved_at = self._clock()
        return True

    def _give(self) -> bool:
        with self._changed:
            self._free += 1
            self._moved_at = self._clock()
            self._changed.notify()
        return False

    def _wait(self) -> None:
        while not self._free:
            left = self._moved_at + self._patience_seconds - self._clock()
            if left <= 0:
                raise problems.unavailable("All requests under way wait for the database.")
            self._changed.wait(left)
