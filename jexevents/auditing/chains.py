"""The files of a log follow each other by the sequence in their headers; here is where one lacks.

A header says neither which log its file is of nor which file came before it. So of one source the
headers, in the order in which the files were begun, are put into chains: a header goes on the chain
that ends with the number before its own. One with the number 1 begins a chain, and so does the
first that is known of a log, whatever its number: what was before it nobody has read here. A number
that skips some goes on the chain that ends nearest below it, and what it skips is a gap.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from jexevents.sources.condor.rotation import RotationHeader

# Of one source; who has more logs than these makes up their headers.
_MOST_CHAINS = 1000


class Link(NamedTuple):
    """A header, and the number of the event that has it."""

    header: RotationHeader
    seq: int


@dataclass(frozen=True, slots=True)
class Missing:
    """Files of a log that no header is known of: those between two that are known."""

    before: Link
    after: Link

    @property
    def files(self) -> int:
        """How many are missing."""
        return self.after.header.sequence - self.before.header.sequence - 1

    @property
    def size(self) -> int | None:
        """How many bytes these hold, as far as the headers tell, else None."""
        before, after = self.before.header, self.after.header
        lost = after.offset - before.offset - before.size
        return lost if before.size and lost > 0 else None


def missing_files(links: Iterable[Link]) -> Iterator[Missing]:
    """Give what is missing between the headers of one source, which come by ``ctime``."""
    ends: list[Link] = []
    # The same header in another form of the log, or sent by two monitors, has the same ctime.
    now, known = None, set()
    for link in links:
        if link.header.ctime != now:
            now, known = link.header.ctime, set()
        if link.header.id in known:
            continue
        known.add(link.header.id)
        found = _put(ends, link)
        if found is not None:
            yield found


def _put(ends: list[Link], link: Link) -> Missing | None:
    """Put a link at the end of its chain; give what is missing before it."""
    sequence = link.header.sequence
    below = [index for index, end in enumerate(ends) if end.header.sequence < sequence]
    if not below:
        ends.append(link)
        del ends[:-_MOST_CHAINS]
        return None
    nearest = max(below, key=lambda index: (ends[index].header.sequence, index))
    before = ends.pop(nearest)
    ends.append(link)
    return Missing(before, link) if before.header.sequence < sequence - 1 else None
