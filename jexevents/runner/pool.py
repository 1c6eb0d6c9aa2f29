"""Threads that do what may take long, and that keep no process from ending."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable

from jexevents.logs import get_logger

log = get_logger("runner")

Task = Callable[[], None]


class Pool:
    """At most ``count`` threads, made as they are needed, called ``name``."""

    def __init__(self, name: str, count: int) -> None:
        self._name = name
        self._count = count
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._idle = threading.Semaphore(0)
        self._lock = threading.Lock()

    def do(self, task: Task) -> None:
        """Have a task done by the next thread that is free; what it raises is logged."""
        self._tasks.put(task)
        if self._idle.acquire(blocking=False):
            return
        with self._lock:
            if len(self._threads) < self._count:
                name = f"{self._name} {len(self._threads) + 1}"
                thread = threading.Thread(target=self._work, name=name, daemon=True)
                self._threads.append(thread)
                thread.start()

    def end(self, seconds: float) -> None:
        """Let the threads finish what they do, for so long at most; what waits is not begun."""
        with self._lock:
            threads = list(self._threads)
        while True:
            try:
                self._tasks.get_nowait()
            except queue.Empty:
                break
        for _ in threads:
            self._tasks.put(None)
        end = time.monotonic() + seconds
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            try:
                task()
            except Exception:
                log.exception("task_failed", pool=self._name)
            self._idle.release()
