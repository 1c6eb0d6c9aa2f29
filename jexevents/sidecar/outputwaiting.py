"""Waiting for what executions write, and for what the ledger hears of them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from jexevents.errors import StoreUnavailable
from jexevents.sidecar.requests import Request
from jexevents.sidecar.streams import Cut
from jexevents.store.execution_outputs import ExecutionOutputs, OutputPlace

_SHORTEST_SECONDS, _LONGEST_SECONDS, _LONGER = 0.02, 0.5, 1.5
# How long the last word waits for the ledger to hear of the end that the files tell of.
_SETTLE_SECONDS = 5.0
_SHOWN = ("attempt", "current", "state", "phase", "exit_code", "reason")


class Pause:
    """Pauses that grow as long as nothing comes."""

    def __init__(self, sleep: Callable[[float], None]) -> None:
        self._sleep, self._seconds = sleep, _SHORTEST_SECONDS

    def wait(self) -> None:
        """Wait a little, the next time a little longer."""
        self._sleep(self._seconds)
        self._seconds = min(self._seconds * _LONGER, _LONGEST_SECONDS)

    def shorten(self) -> None:
        """Something came: begin anew."""
        self._seconds = _SHORTEST_SECONDS


@dataclass(frozen=True, slots=True)
class Watch:
    """Looks what the ledger knows of an attempt by now."""

    store: ExecutionOutputs
    sleep: Callable[[float], None]
    clock: Callable[[], float]

    def look(self, place: OutputPlace) -> OutputPlace:
        """Give what is known; what was known before where the store is away."""
        with suppress(StoreUnavailable):
            return self.store.of_attempt(place.job_id, place.attempt) or place
        return place

    def ending(self, request: Request, place: OutputPlace, offset: int) -> dict[str, Any]:
        """Say how the execution stands, once the ledger has heard of the attempt's end."""
        until, pause = self.clock() + _SETTLE_SECONDS, Pause(self.sleep)
        place = self.look(place)
        while not place.is_past and self.clock() < until:
            require_wanted(request)
            pause.wait()
            place = self.look(place)
        return {"offset": offset, **{name: getattr(place, name) for name in _SHOWN}}


def require_wanted(request: Request) -> None:
    """Raise Cut where nobody waits for the answer any more, or the sidecar stops."""
    if request.unwanted():
        raise Cut
