"""The total order in which a job's events are folded, whatever the order they came in.

Events of one log go by their offset in it. An event without a position is merged in by its
instant, then the kind's own rank, then its checksum, and never reorders those of a log. The
same holds between two logs. So the order is that of a merge of sorted runs: one run for each
log, one for each event that has no position; the run whose first event has the least key
goes next (promise 3 of the design).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar

from jexevents.model import Position

Key = tuple[datetime, int, bytes]


class Placed(Protocol):
    """What the order needs to know of an event."""

    checksum: bytes
    position: Position | None


E = TypeVar("E", bound=Placed)


@dataclass(frozen=True, slots=True)
class Tail:
    """Where a fold ended: the greatest key seen, and the position of the event that came last.

    ``logs`` says whether any event folded so far has a position.
    """

    key: Key
    last: Position | None
    logs: bool

    def precedes(self, key: Key, position: Position | None) -> bool:
        """Whether an event with this key and position is next in order behind all folded ones.

        May say no where a look at all events would say yes (then the job is folded anew),
        never the other way round.
        """
        if position is None:
            return key > self.key
        if self.last is not None and self.last.log == position.log:
            # The last in order is the last of its log; behind it nothing of another run waits.
            return position.offset > self.last.offset
        return not self.logs and key > self.key


def extend(tail: Tail | None, key: Key, position: Position | None) -> Tail:
    """Give the tail after one more event, which must be next in order."""
    if tail is None:
        return Tail(key, position, position is not None)
    return Tail(max(tail.key, key), position, tail.logs or position is not None)


def placed(key: Callable[[E], Key], events: Iterable[E]) -> list[tuple[Key, E]]:
    """Give events with their keys, in the order of the fold."""
    return ordered([(key(event), event) for event in events])


def fold_on(
    state: Any, events: Iterable[tuple[Key, E]], apply: Callable[[Any, Key, E], object]
) -> bool:
    """Fold more events, as ``placed`` gives them, into ``state`` in place, each by ``apply``.

    False if one of them is not next in order: then the state is of no use any more, and the caller
    has to fold all events of the job.
    """
    for place, event in events:
        if state.tail is not None and not state.tail.precedes(place, event.position):
            return False
        apply(state, place, event)
    return True


def ordered(events: Sequence[tuple[Key, E]]) -> list[tuple[Key, E]]:
    """Sort (key, event) pairs into the order of the fold."""
    if len(events) < 2:
        return list(events)
    runs = _runs(events)
    if len(runs) == 1:
        return runs[0]
    heap = [(run[0][0], number, 0) for number, run in enumerate(runs)]
    heapq.heapify(heap)
    result = []
    while heap:
        _, number, index = heap[0]
        run = runs[number]
        result.append(run[index])
        if index + 1 < len(run):
            heapq.heapreplace(heap, (run[index + 1][0], number, index + 1))
        else:
            heapq.heappop(heap)
    return result


def _runs(events: Sequence[tuple[Key, E]]) -> Sequence[list[tuple[Key, E]]]:
    logs: dict[str, list[tuple[Key, E]]] = {}
    loose = []
    for pair in events:
        position = pair[1].position
        if position is None:
            loose.append([pair])
        else:
            logs.setdefault(position.log, []).append(pair)
    for run in logs.values():
        run.sort(key=lambda pair: (pair[1].position.offset, pair[0]))
    return [*logs.values(), *loose]
