"""Counts of what was found, by source and day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from jexevents.auditing.finding import Finding, Lack

# A hostile producer may name a source for each event.
_MOST_PLACES = 10_000
OTHERS = ("(others)", "")


class Tally:
    """Counts findings; past some ten thousand sources and days the others are counted as one."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], Counter[Lack]] = {}
        self.total = 0

    def add(self, finding: Finding) -> None:
        """Count one."""
        place = (finding.source, finding.day)
        if place not in self._counts and len(self._counts) >= _MOST_PLACES:
            place = OTHERS
        self._counts.setdefault(place, Counter())[finding.lack] += finding.count
        self.total += finding.count

    def rows(self) -> list[tuple[str, str, Counter[Lack]]]:
        """Give source, day and counts, in the order of sources and days."""
        return [(*place, counts) for place, counts in sorted(self._counts.items())]

    def lacks(self) -> Sequence[Lack]:
        """What was found at all, in the order in which it is told."""
        found = {lack for counts in self._counts.values() for lack in counts}
        return [lack for lack in Lack if lack in found]
