"""The thread that looks at what is due, again and again."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from datetime import timedelta

from jexevents.backoff import Backoff
from jexevents.errors import Unavailable
from jexevents.logs import get_logger
from jexevents.runner.scheduler.look import Looks
from jexevents.service import Service
from jexevents.store.schedules import Overtaken

log = get_logger("scheduler")

# How long it is kept what became of due times, and how often it is looked for older ones.
KEPT = timedelta(days=90)
_DROP_EVERY_SECONDS = 600.0
_DROPPED_AT_ONCE = 1000
_RETRY_MAX_SECONDS = 5.0
# Who was overtaken lets the other daemon go first from then on, as long as that one is there.
_LET_PASS_SECONDS = (0.05, 0.25)


class Scheduler(Service):
    """Runs jobs when they are due.

    ``wake`` has it look at once, as when other definitions are in force. ``require_store`` raises
    StoreUnavailable while this process may not work.
    """

    def __init__(
        self,
        looks: Looks,
        *,
        require_store: Callable[[], None] = lambda: None,
        draw: Callable[[float, float], float] = random.uniform,
    ) -> None:
        super().__init__("scheduler")
        self._looks = looks
        self._require_store = require_store
        self._draw = draw
        self._woken = threading.Event()
        self._was_overtaken = False
        self._dropped_at = float("-inf")
        # When what is due was last looked at, in seconds since 1970; 0 before that.
        self.looked_at = 0.0

    def wake(self) -> None:
        """Have it look now. Never blocks, from any thread."""
        self._woken.set()

    def interrupt(self) -> None:
        """Wake it."""
        self._woken.set()

    def run(self) -> None:
        """Look until stopped."""
        waits = Backoff(_RETRY_MAX_SECONDS)
        while not self.stopping.is_set():
            try:
                pause = self._look()
                waits.reset()
            except Unavailable as error:
                log.debug("nothing_looked_at", reason=str(error))
                pause = waits.next()
            except MemoryError:
                # What a new process mends.
                raise
            except Exception:
                log.exception("look_broken")
                pause = waits.next()
            self._woken.wait(pause)
            self._woken.clear()

    def _look(self) -> float:
        """Look once; give how long to wait before the next look."""
        self._require_store()
        try:
            pause = self._looks.look()
        except Overtaken:
            # Another one has looked.
            self._was_overtaken = True
            self.looked_at = time.time()
            return self._draw(*_LET_PASS_SECONDS)
        self.looked_at = time.time()
        if not pause:
            self._was_overtaken = False
            return 0.0
        if self._drop_old():
            return 0.0
        return pause + self._draw(*_LET_PASS_SECONDS) if self._was_overtaken else pause

    def _drop_old(self) -> bool:
        """Remove now and then what is old; whether there may be more of it."""
        now = time.monotonic()
        if now - self._dropped_at < _DROP_EVERY_SECONDS:
            return False
        if self._looks.drop_old(KEPT, _DROPPED_AT_ONCE) == _DROPPED_AT_ONCE:
            return True
        self._dropped_at = now
        return False
