"""Threads for receivers of which nobody knows how many there are: few threads, and a fair turn.

Who has to wait for his receiver must not keep the others waiting for long. So no receiver has more
than a quarter of the threads at a time, and all that were slow when they were last served have
half of them together. One that answers "no" at once is not slow.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable

from jexevents.logs import get_logger

log = get_logger("hooks")

THREADS = 8
IDLE_SECONDS = 10.0

# Serves what has this name; whether it was slow, None where there was nothing to see that by.
Serve = Callable[[str], bool | None]


class Crew:
    """Threads that serve names in the order of their calls.

    They begin when there is something to do, at most ``threads`` of them, and end when there was
    nothing for ``idle_seconds``. ``on_death`` is called when one died of an exception, which
    ``exception`` is then.
    """

    def __init__(
        self,
        serve: Serve,
        on_death: Callable[[], None],
        *,
        threads: int = THREADS,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self.exception: BaseException | None = None
        self._serve = serve
        self._on_death = on_death
        self._limit = threads
        self._each = max(1, threads // 4)
        self._slow_at_once = max(1, threads // 2)
        self._idle_seconds = idle_seconds
        self._condition = threading.Condition()
        self._waiting: dict[str, None] = {}
        self._busy: Counter[str] = Counter()
        self._slow: set[str] = set()
        self._threads: set[threading.Thread] = set()
        self._numbers = set(range(1, threads + 1))
        self._idle = 0
        self._stopping = False

    @property
    def size(self) -> int:
        """How many threads there are."""
        with self._condition:
            return len(self._threads)

    def call(self, names: Iterable[str]) -> None:
        """Have these served; one that waits already keeps its place. Never blocks."""
        with self._condition:
            if self._stopping:
                return
            self._waiting |= dict.fromkeys(name for name in names if name not in self._waiting)
            self._begin()
            self._condition.notify_all()

    def somebody_waits(self) -> bool:
        """Whether there is one that a thread could serve now, were it free."""
        with self._condition:
            return self._next() is not None

    def keep(self, names: Collection[str]) -> None:
        """Forget how all others were served: these are the ones that there is something for."""
        with self._condition:
            self._slow.intersection_update([*names, *self._busy])

    def stop(self) -> None:
        """Ask the threads to end; returns without waiting for it."""
        with self._condition:
            self._stopping = True
            self._waiting = {}
            self._condition.notify_all()

    def join(self, seconds: float) -> bool:
        """Wait for the threads; whether there is none any more."""
        end = time.monotonic() + seconds
        with self._condition:
            threads = list(self._threads)
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))
        return not any(thread.is_alive() for thread in threads)

    def _begin(self) -> None:
        """Begin as many threads as there is work for."""
        wanted = len(self._waiting) - self._idle
        for _ in range(min(wanted, self._limit - len(self._threads))):
            number = min(self._numbers)
            name = f"hooks of definitions {number}"
            # A daemon thread, as those of services.
            thread = threading.Thread(target=self._main, args=(number,), name=name, daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                # The system has none to give. The next call tries again, and who calls has other
                # things to do.
                log.warning("hook_thread_not_started", reason=str(error))
                return
            self._numbers.remove(number)
            self._threads.add(thread)
            # Until it has looked for itself it is counted as one that is free.
            self._idle += 1

    def _main(self, number: int) -> None:
        try:
            while (name := self._take(number)) is not None:
                is_slow: bool | None = True
                try:
                    is_slow = self._serve(name)
                finally:
                    self._leave(name, is_slow=is_slow)
        except BaseException as error:
            log.critical("service_died", service=threading.current_thread().name, exc_info=error)
            with self._condition:
                self._go(number)
                self.exception = error
            self._on_death()

    def _take(self, number: int) -> str | None:
        """Wait for a name and take it; None when this thread is to end."""
        until = time.monotonic() + self._idle_seconds
        with self._condition:
            while True:
                name = None if self._stopping else self._next()
                if name is not None:
                    self._idle -= 1
                    self._busy[name] += 1
                    del self._waiting[name]
                    return name
                left = until - time.monotonic()
                if self._stopping or left <= 0:
                    # Under the lock: who calls now counts without this one.
                    self._go(number)
                    return None
                self._condition.wait(left)

    def _next(self) -> str | None:
        slow = sum(count for name, count in self._busy.items() if name in self._slow)
        for name in self._waiting:
            is_free = name not in self._slow or slow < self._slow_at_once
            if is_free and self._busy[name] < self._each:
                return name
        return None

    def _leave(self, name: str, *, is_slow: bool | None) -> None:
        with self._condition:
            self._idle += 1
            self._busy[name] -= 1
            if not self._busy[name]:
                del self._busy[name]
            if is_slow is not None:
                (self._slow.add if is_slow else self._slow.discard)(name)
            self._condition.notify_all()

    def _go(self, number: int) -> None:
        self._idle -= 1
        self._numbers.add(number)
        self._threads.discard(threading.current_thread())
