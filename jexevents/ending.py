"""How a process is told to end: by signals, by a thread that died, by what cannot be mended."""

from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

from jexevents.exits import Exit


class Ending:
    """A flag that a signal handler may set, that loops look at, and that waits end at.

    It is a pipe and not a threading.Event: an Event set by a handler that interrupts a wait
    for the same Event can lock the thread up for good.
    """

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        self._set = False
        self._lock = threading.Lock()
        self.code = Exit.OK
        self.reason = ""

    def is_set(self) -> bool:
        """Whether the process is to end."""
        return self._set

    def set(self) -> None:
        """Ask for the end; safe from signal handlers and from any thread."""
        self._set = True
        # A full pipe is full of earlier requests.
        with suppress(BlockingIOError):
            os.write(self._writer, b"\0")

    def fail(self, code: Exit, reason: str) -> None:
        """Ask for the end with an exit code; the first reason given stands."""
        with self._lock:
            if self.code is Exit.OK:
                self.code, self.reason = code, reason
        self.set()

    def wait(self, seconds: float) -> bool:
        """Wait at most so many seconds; returns at once, and True, when the end is asked for."""
        if not self._set:
            select.select([self._reader], [], [], max(0.0, seconds))
        return self._set


def on_signals(ending: Ending, hang_up: Callable[[], None]) -> None:
    """TERM and INT end the process, a second one at once; HUP calls ``hang_up``.

    ``hang_up`` runs inside the handler: it may set a flag and nothing else.
    """

    def end(number: int, _frame: FrameType | None) -> None:
        if ending.is_set():
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        ending.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGHUP, lambda _number, _frame: hang_up())
