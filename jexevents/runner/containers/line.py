"""How the thread of a container tells the worker's thread what is new."""

from __future__ import annotations

import os
import threading
from collections import deque
from contextlib import suppress
from typing import Any


class Line:
    """News from one thread to another, with a descriptor that says that there are some.

    Any thread tells and hangs up; one takes, and releases it. What is told after that is not heard.
    """

    def __init__(self) -> None:
        self._news: deque[Any] = deque()
        self._bell, self._rope = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._hung_up = False
        self._released = False
        self._lock = threading.Lock()

    @property
    def closed(self) -> bool:
        """Whether nothing more will come, and all that came was taken."""
        return self._hung_up and not self._news

    def fileno(self) -> int:
        """Give the descriptor, which is readable while there is news."""
        return self._bell

    def tell(self, news: Any) -> None:
        """Say something."""
        self._news.append(news)
        self._ring()

    def hang_up(self) -> None:
        """Say that nothing more will come."""
        self._hung_up = True
        self._ring()

    def take(self) -> list[Any]:
        """Give what is new, in its order."""
        with suppress(BlockingIOError):
            os.read(self._bell, 4096)
        taken = []
        with suppress(IndexError):
            while True:
                taken.append(self._news.popleft())
        return taken

    def release(self) -> None:
        """Close the descriptors."""
        with self._lock:
            self._released = True
            os.close(self._bell)
            os.close(self._rope)

    def _ring(self) -> None:
        with self._lock, suppress(BlockingIOError):
            if not self._released:
                os.write(self._rope, b"x")
