"""All that a container writes, each byte once, also over an absence of the engine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from jexevents.backoff import Backoff
from jexevents.engine.absence import Absence
from jexevents.engine.frames import Frame
from jexevents.engine.position import Position
from jexevents.engine.states import State
from jexevents.errors import EngineUnavailable
from jexevents.logs import get_logger

if TYPE_CHECKING:
    from jexevents.engine.containers import Containers, LogStream

log = get_logger(__name__)

_CAP_SECONDS = 5.0
_BASE_SECONDS = 0.02
_MOST_SILENT_SECONDS = 3600.0


class Follower:
    """The log of one container from its beginning to its end: iterated by one thread, once.

    It is followed; when that comes to an end and the engine says that the container has ended,
    it is read once more, since what was followed may lack the last messages. While the engine is
    away it is asked again, with growing pauses, for as long as it takes.

    A log that says nothing is asked for anew after ``silent_seconds``, then after twice that, and
    so on up to an hour: an engine that forgot its follower is noticed that way. What is seen of
    the engine's absences is told to ``absence``.

    The iteration raises NotThere if the container is removed, EngineRefused if its log cannot be
    read. A container that was never started is waited for.
    """

    def __init__(
        self, containers: Containers, name: str, absence: Absence, *, silent_seconds: float
    ) -> None:
        self._containers = containers
        self._name = name
        self._first_silent_seconds = self._silent_seconds = silent_seconds
        self._position = Position()
        self._backoff = Backoff(_CAP_SECONDS, _BASE_SECONDS)
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._stream: LogStream | None = None
        self._away = False
        self._absence = absence
        # As it was when the engine was last asked.
        self.state: State | None = None

    @property
    def away(self) -> bool:
        """Whether the engine does not answer just now."""
        return self._away

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames; ends when all was given, or at ``close``."""
        while not self._closed.is_set():
            before = self._position.given
            try:
                self.state = self._containers.inspect(self._name)
                ended = self.state.ended
                if not ended:
                    self._absence.over()
                self._came_back()
                yield from self._read(follow=not ended)
                if ended:
                    return
            except EngineUnavailable as exc:
                self._failed(exc)
            if self._position.given > before:
                self._backoff.reset()
            elif not self._closed.is_set():
                self._closed.wait(self._backoff.next())

    def look(self) -> None:
        """Ask now whether the container has ended, where somebody knows that it has."""
        with self._lock:
            if self._stream is not None:
                self._stream.close()

    def close(self) -> None:
        """End the iteration, also one that waits; may be called at any time, by any thread."""
        self._closed.set()
        self.look()

    def _read(self, *, follow: bool) -> Iterator[Frame]:
        stream = self._containers.logs(
            self._name,
            self._position.begin(),
            follow=follow,
            silent_seconds=self._silent_seconds if follow else None,
        )
        with self._lock:
            self._stream = stream
        if self._closed.is_set():
            return
        for frame in stream:
            fresh = self._position.take(frame)
            if fresh is not None:
                self._silent_seconds = self._first_silent_seconds
                yield fresh

    def _failed(self, exc: EngineUnavailable) -> None:
        if exc.timed_out:
            self._silent_seconds = min(2 * self._silent_seconds, _MOST_SILENT_SECONDS)
            return
        self._absence.missed()
        if not self._away:
            self._away = True
            log.warning("engine_away", container=self._name, error=str(exc))

    def _came_back(self) -> None:
        if self._away:
            self._away = False
            log.info("engine_back", container=self._name)
