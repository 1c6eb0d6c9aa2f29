"""How a process is told to end: by signals, by a thread that died, by what cannot be mended."""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import NoReturn

from jexevents.exits import Exit
from jexevents.logs import get_logger
from jexevents.service import Service

log = get_logger("ending")

# Promise 6 gives 10 s; the rest is for the interpreter's own end and a busy machine.
GRACE_SECONDS = 8.5

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)


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

    @property
    def reader(self) -> int:
        """A file descriptor that can be read from when the end was asked for."""
        return self._reader

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


class Signals(Service):
    """TERM and INT end the process, a second one at once; HUP calls ``on_hang_up``.

    With ``before_end`` the first TERM or INT calls that alone, and the next one ends the process.
    QUIT ends it without that.

    Python runs a handler in the main thread and between two of its instructions: a consumer that
    waits inside libpq for a lock, or for a server that hangs, would not hear of it. So the
    handlers do nothing, and a thread reads the numbers where the interpreter writes them at
    once. It also sees to it that an end that was asked for comes within ``grace_seconds``: what
    is still in hand then goes back to the broker unacknowledged, as after a kill.
    """

    def __init__(self, ending: Ending, *, grace_seconds: float = GRACE_SECONDS) -> None:
        super().__init__("signals", lambda died: ending.fail(Exit.SOFTWARE, f"{died.name} died"))
        self.on_hang_up: Callable[[], None] = lambda: None
        self.before_end: Callable[[], None] | None = None
        self._ending = ending
        self._grace_seconds = grace_seconds
        self._deadline: float | None = None
        self._asked = False
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)

    def __enter__(self) -> Signals:
        """Take the signals; in the main thread only."""
        self._before = {number: signal.signal(number, _ignore) for number in _SIGNALS}
        self._wakeup_before = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        signal.set_wakeup_fd(self._wakeup_before)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self.stop()
        self.join()

    def run(self) -> None:
        """Wait for signals, and for the end to come."""
        while not self.stopping.is_set():
            if self._deadline is None and self._ending.is_set():
                self._deadline = time.monotonic() + self._grace_seconds
            if self._deadline is not None and time.monotonic() >= self._deadline:
                self._give_up()
            for number in self._wait():
                self._take(number)

    def interrupt(self) -> None:
        """Wake the thread from its wait."""
        os.write(self._writer, b"\0")

    def _wait(self) -> bytes:
        """Give the numbers of the signals that came; none when something else is to be done."""
        if self._deadline is None:
            watched, seconds = [self._reader, self._ending.reader], None
        else:
            watched, seconds = [self._reader], max(0.0, self._deadline - time.monotonic())
        ready, _, _ = select.select(watched, [], [], seconds)
        return os.read(self._reader, 64) if self._reader in ready else b""

    def _take(self, number: int) -> None:
        if number == signal.SIGHUP:
            self.on_hang_up()
        elif number in _SIGNALS:
            before, self.before_end = self.before_end, None
            if before is not None and number != signal.SIGQUIT and not self._ending.is_set():
                log.info("draining", signal=signal.Signals(number).name)
                before()
                return
            if self._asked:
                _exit_now(128 + number, "asked to end twice")
            self._asked = True
            log.info("ending", signal=signal.Signals(number).name)
            self._ending.set()

    def _give_up(self) -> None:
        reason = f"not done in {self._grace_seconds:g} s; what is in hand goes back"
        _exit_now(int(self._ending.code), self._ending.reason or reason)


def _exit_now(code: int, reason: str) -> NoReturn:
    # From 128 on the code is a signal's: somebody wanted it so.
    record = log.error if 0 < code < 128 else log.warning
    record("stopped", exit_code=code, reason=reason, forced=True)
    os._exit(code)


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: a signal that has a handler is written to the wake-up pipe."""
