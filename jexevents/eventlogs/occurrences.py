"""Which of the equal texts of its log an event is.

Live reading and an import have to come to the same number, so the rule knows nothing but the
order of the texts: equal ones are counted from 0, over all files of a log, and a text is
forgotten when ``WINDOW`` others have gone by since it was last seen. HTCondor writes equal texts
within seconds of each other, if at all.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

WINDOW = 250_000

_INDEX_BITS = 48
_INDEX_MASK = (1 << _INDEX_BITS) - 1


class Seen(NamedTuple):
    """That a text came by: its digest (64 bits), which of the equal ones, the how manieth text."""

    digest: int
    occurrence: int
    index: int


class Occurrences:
    """Counts equal texts of one log; takes about 150 bytes for each of the last ``window``.

    ``index`` is how many texts were counted. What ``note`` gave can be kept, and given to
    ``restore`` after a restart, in the same order and without a hole.
    """

    def __init__(self, index: int = 0, *, window: int = WINDOW) -> None:
        self.index = index
        self._window = window
        # Occurrence and index in one number, which takes half the memory of two.
        self._last: dict[int, int] = {}
        self._recent: deque[int] = deque()

    def note(self, canonical: bytes) -> Seen:
        """Count one more text (see sources.condor.message.canonical)."""
        digest = int.from_bytes(hashlib.blake2b(canonical, digest_size=8).digest(), "big")
        before = self._last.get(digest)
        occurrence = 0 if before is None else (before >> _INDEX_BITS) + 1
        seen = Seen(digest, occurrence, self.index)
        self._put(seen)
        return seen

    def restore(self, seen: Iterable[Seen]) -> None:
        """Take over what was noted before, oldest first; ``index`` goes on behind it.

        Raises ValueError if one is missing in between.
        """
        for one in seen:
            if self._recent and one.index != self.index:
                raise ValueError(f"expected text {self.index}, got {one.index}")
            self._put(one)

    def _put(self, seen: Seen) -> None:
        self._last[seen.digest] = (seen.occurrence << _INDEX_BITS) | seen.index
        self._recent.append(seen.digest)
        self.index = seen.index + 1
        if len(self._recent) > self._window:
            self._forget(self._recent.popleft(), self.index - self._window - 1)

    def _forget(self, digest: int, index: int) -> None:
        """Drop a text that leaves the window, unless it was seen again since."""
        if self._last[digest] & _INDEX_MASK == index:
            del self._last[digest]

    def __len__(self) -> int:
        """Give how many texts are remembered."""
        return len(self._last)
