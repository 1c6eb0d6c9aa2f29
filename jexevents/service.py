"""What everything is that runs in a thread: start, stop, join, and a death that is noticed."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable

from jexevents.errors import ServiceEnded
from jexevents.logs import get_logger

log = get_logger("service")


class Service(ABC):
    """A thread that runs once, from ``start`` to ``stop``.

    ``start``, ``stop`` and ``join`` may be called in any order, from any thread, any number of
    times. Stopping is for good: one stopped before its start never runs. Subclasses write
    ``run``, which returns soon after ``stopping`` is set, and ``interrupt`` where something
    blocks that the event does not wake.

    ``exception`` is what ``run`` died of, None while all is well. ``on_death``, which may be
    set until the start, is called with the service, in its thread, when that has happened.
    """

    def __init__(self, name: str, on_death: Callable[[Service], None] | None = None) -> None:
        self.name = name
        self.stopping = threading.Event()
        self.exception: BaseException | None = None
        self.on_death = on_death
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @abstractmethod
    def run(self) -> None:
        """Work until ``stopping`` is set. An exception, or an end before that, is a death."""

    def interrupt(self) -> None:  # noqa: B027 - most services need none
        """Wake ``run`` from a call that does not see ``stopping``.

        Called at most once, by the thread that stops, and possibly before ``run`` has begun.
        """

    @property
    def failed(self) -> bool:
        """Whether ``run`` died."""
        return self.exception is not None

    @property
    def alive(self) -> bool:
        """Whether the thread is there: started, and not ended."""
        thread = self._current()
        return thread is not None and thread.is_alive()

    def start(self) -> None:
        """Start the thread, unless it was started or stopped before."""
        with self._lock:
            if self._thread is not None or self.stopping.is_set():
                return
            # A daemon thread: one that hangs must not keep the process from ending.
            thread = threading.Thread(target=self._main, name=self.name, daemon=True)
            thread.start()
            self._thread = thread

    def stop(self) -> None:
        """Ask the thread to end; returns without waiting for it."""
        with self._lock:
            if self.stopping.is_set():
                return
            self.stopping.set()
            runs = self._thread is not None
        if runs:
            self._interrupt()

    def join(self, timeout_seconds: float | None = None) -> bool:
        """Wait for the end of the thread; give whether there is none running any more.

        Called by the thread itself it gives False at once.
        """
        thread = self._current()
        if thread is None:
            return True
        if thread is threading.current_thread():
            return False
        thread.join(timeout_seconds)
        return not thread.is_alive()

    def wait(self, seconds: float | None) -> bool:
        """Wait that long, or until ``stop`` if that is sooner; give whether it was stopped."""
        return self.stopping.wait(seconds)

    def _current(self) -> threading.Thread | None:
        # Under the lock, or a thread that was just started would be taken for none.
        with self._lock:
            return self._thread

    def _main(self) -> None:
        log.debug("service_started", service=self.name)
        try:
            self.run()
            if not self.stopping.is_set():
                raise ServiceEnded(f"The service {self.name} ended unasked.")
        except BaseException as exc:
            self.exception = exc
            log.critical("service_died", service=self.name, exc_info=exc)
            self._report_death()
        else:
            log.debug("service_stopped", service=self.name)

    def _report_death(self) -> None:
        if self.on_death is None:
            return
        try:
            self.on_death(self)
        except Exception:
            log.exception("service_death_not_reported", service=self.name)

    def _interrupt(self) -> None:
        try:
            self.interrupt()
        except Exception:
            log.exception("service_not_interrupted", service=self.name)
