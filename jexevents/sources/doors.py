"""Which reader makes events of what comes in by which door: one table for all who read.

The daemon and a retry of rejects read by the same table, so that what is tried again is read
exactly as it was when it came.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jexevents.errors import JexError
from jexevents.model import Arrival, Event

# A reader is one function, or several of which each takes what the one before has given: the
# first an Arrival, and the last gives an Event. Any of them may raise Unacceptable. Of many
# messages each step is made for all before the next (ingest.read_all): code that runs many
# times in a row stays in the processor's caches, which takes a third off the time.
Step = Callable[[Any], Any]
Steps = tuple[Step, ...]
Reader = Callable[[Arrival], Event] | Steps


# What tells whether a message is of one kind, and what reads those that are.
Recognised = tuple[Callable[[Arrival], bool], Callable[[Arrival], Event]]

# What is read from logs without a broker in between comes in by this door.
IMPORT_DOOR = "import"

# How the messages of log monitors begin, which are nearly all.
_PLAIN = b'{"Event'


def sorting(declared: Sequence[Recognised], shaped: Sequence[Recognised]) -> Step:
    """Give the step that reads the messages of the first kind that takes them for its own.

    Those that are ``declared`` say beside their body what they are. Of ``shaped`` ones the body has
    to be looked at, and so is no body that begins as those of log monitors do. What is of none of
    these kinds goes on to the steps that follow.
    """

    def sort(arrival: Arrival) -> Event | Arrival:
        for is_one, read in declared:
            if is_one(arrival):
                return read(arrival)
        if arrival.body.startswith(_PLAIN):
            return arrival
        for is_one, read in shaped:
            if is_one(arrival):
                return read(arrival)
        return arrival

    return sort


class UnknownDoor(JexError):
    """There is no reader for what comes in by this door."""


class Doors:
    """Readers by door: ``amqp`` for every queue, or a whole origin such as ``http:jex``."""

    def __init__(self, readers: Mapping[str, Reader]) -> None:
        self._readers = {
            door: reader if isinstance(reader, tuple) else (reader,)
            for door, reader in readers.items()
        }

    def steps(self, origin: str) -> Steps:
        """Give the steps by which to read what comes from there. Raises UnknownDoor."""
        steps = self._find(origin)
        if steps is None:
            raise UnknownDoor(f"Nothing reads what comes from {origin!r}.")
        return steps

    def knows(self, origin: str) -> bool:
        """Tell whether there is a reader for this origin."""
        return self._find(origin) is not None

    def _find(self, origin: str) -> Steps | None:
        return self._readers.get(origin) or self._readers.get(origin.partition(":")[0])
