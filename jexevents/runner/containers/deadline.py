"""The timeout of a container: TERM when its time is over, KILL after a grace."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from jexevents.engine.containers import Containers
from jexevents.errors import EngineRefused, EngineUnavailable
from jexevents.logs import get_logger
from jexevents.runner.containers.notes import Notes

if TYPE_CHECKING:
    from jexevents.runner.containers.life import Wanted

log = get_logger("runner")

_AGAIN_SECONDS = 1.0
_LONGEST_SECONDS = 3600.0


class Deadline:
    """A thread that waits till the time of one container, that began at ``started`` (microseconds
    since 1970), is over. While it is stopped, its time stands still."""

    def __init__(self, containers: Containers, wanted: Wanted, notes: Notes, started: int) -> None:
        self._containers = containers
        self._wanted = wanted
        self._notes = notes
        self._started = started
        self._changed = threading.Event()
        self._over = False
        name = f"timeout of {wanted.name}"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to wait."""
        self._thread.start()

    def look(self) -> None:
        """Reckon again how long is left."""
        self._changed.set()

    def end(self) -> None:
        """Wait no more: it has ended, or is left."""
        self._over = True
        self._changed.set()

    def _run(self) -> None:
        while (left := self._left()) > 0:
            if self._waits(left):
                return
        self._notes.ask("time-out", "")
        self._send("SIGTERM")
        end = time.monotonic() + self._wanted.grace_seconds
        while (left := end - time.monotonic()) > 0:
            if self._waits(left):
                return
        while not self._over:
            self._send("SIGKILL")
            self._waits(_AGAIN_SECONDS)

    def _waits(self, seconds: float) -> bool:
        """Wait so long, or till something changes; True where it is over."""
        self._changed.wait(min(seconds, _LONGEST_SECONDS))
        self._changed.clear()
        return self._over

    def _left(self) -> float:
        if self._notes.is_paused:
            return _LONGEST_SECONDS
        now = time.time_ns() // 1000
        ran = now - self._started - self._notes.paused_microseconds(now)
        return self._wanted.timeout_seconds - ran / 1_000_000

    def _send(self, signal: str) -> None:
        try:
            self._containers.kill(self._wanted.name, signal)
        except (EngineRefused, EngineUnavailable) as error:
            log.debug("timeout_not_sent", container=self._wanted.name, reason=str(error))
