"""Which reader makes events of what comes in by which door: one table for all who read.

The daemon and a retry of rejects read by the same table, so that what is tried again is read
exactly as it was when it came.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from jexevents.errors import JexError
from jexevents.model import Arrival, Event

Reader = Callable[[Arrival], Event]


class UnknownDoor(JexError):
    """There is no reader for what comes in by this door."""


class Doors:
    """Readers by door: ``amqp`` for every queue, or a whole origin such as ``http:jex``."""

    def __init__(self, readers: Mapping[str, Reader]) -> None:
        self._readers = dict(readers)

    def read(self, arrival: Arrival) -> Event:
        """Make the event. Raises Unacceptable with every fault, or UnknownDoor."""
        return self._reader(arrival.origin)(arrival)

    def knows(self, origin: str) -> bool:
        """Tell whether there is a reader for this origin."""
        return self._find(origin) is not None

    def _reader(self, origin: str) -> Reader:
        reader = self._find(origin)
        if reader is None:
            raise UnknownDoor(f"Nothing reads what comes from {origin!r}.")
        return reader

    def _find(self, origin: str) -> Reader | None:
        return self._readers.get(origin) or self._readers.get(origin.partition(":")[0])
