"""What a job writes goes to files, in the order in which it comes, within bounds.

Up to half of the limit it is the first segment. Past that come small segments, of which the oldest
is removed as soon as all together are more than the other half: the middle is dropped.
"""

from __future__ import annotations

import sys

from jexevents.runner.supervisor.layout import STDERR, STDOUT, STREAMS
from jexevents.runner.supervisor.segment import Segment

# A smaller limit would cut the end into files of a few bytes.
LEAST_LIMIT = 64 * 1024
PIECES = 8
# As many bytes as one record stands for at least, before the index counts as full.
BYTES_A_RECORD = 64
# After a failed write nothing is tried for so long: it would be kept in shreds.
PAUSE_MICROSECONDS = 100_000


class Output:
    """Both streams of one job. It never raises and never waits for room: what cannot be kept is
    counted and told of."""

    def __init__(self, limit: int | None, folder: str = "") -> None:
        self._folder = folder
        self._half = sys.maxsize if limit is None else max(limit, LEAST_LIMIT) // 2
        self._first = Segment(0, (0, 0), folder)
        self._tail: list[Segment] = []
        self._tail_bytes = 0
        self._number = 0
        self.came = {STDOUT: 0, STDERR: 0}
        self.kept = 0
        self.lost = {STDOUT: 0, STDERR: 0}
        self.trouble = ""
        # Where the index has come to, in bytes of the job.
        self._at = {STDOUT: 0, STDERR: 0}
        # Lost, and not yet told of in the index.
        self._untold = {STDOUT: 0, STDERR: 0}
        self._retry_at = 0

    def write(self, stream: int, data: memoryview, now: int) -> None:
        """Keep what ``stream`` brought at ``now``, in microseconds since the epoch."""
        self.came[stream] += len(data)
        if self.lost_untold and not self._tell(now):
            self._lose(stream, len(data))
            return
        while data:
            segment, room = self._room()
            done, error = segment.append(stream, data[:room], now)
            self._count(segment, stream, done)
            data = data[done:]
            if error is not None:
                self._fail(error, now)
                self._lose(stream, len(data))
                return

    @property
    def lost_untold(self) -> bool:
        """Whether bytes were lost that the index does not tell of."""
        return any(self._untold.values())

    def finish(self, now: int, *, durable: bool = True) -> None:
        """End it: all that came stands in the files, or is counted as lost."""
        self._retry_at = 0
        if self.lost_untold:
            self._tell(now)
        for segment in (self._first, *self._tail):
            try:
                if durable:
                    segment.sync()
            except OSError as error:
                self.trouble = self.trouble or error.strerror
            segment.close()

    def numbers(self) -> dict:
        """Give what state.json says of it, in bytes."""
        return {
            **{name: self.came[stream] for stream, name in STREAMS.items()},
            "kept": self.kept,
            "dropped": sum(self.came.values()) - self.kept - sum(self.lost.values()),
            "lost": {name: self.lost[stream] for stream, name in STREAMS.items()},
            "untold": {name: self._untold[stream] for stream, name in STREAMS.items()},
            "trouble": self.trouble,
        }

    def _room(self) -> tuple[Segment, int]:
        """Give the segment that is written now, and how many bytes it takes."""
        if not self._tail and not _is_full(self._first, self._half):
            return self._first, self._half - self._first.bytes
        each = self._half // PIECES
        if not self._tail or _is_full(self._tail[-1], each):
            self._begin()
        return self._tail[-1], each - self._tail[-1].bytes

    def _begin(self) -> None:
        (self._tail[-1] if self._tail else self._first).close()
        self._number += 1
        starts = self._at[STDOUT], self._at[STDERR]
        self._tail.append(Segment(self._number, starts, self._folder))

    def _count(self, segment: Segment, stream: int, done: int) -> None:
        self.kept += done
        self._at[stream] += done
        if segment is self._first:
            return
        self._tail_bytes += done
        while self._tail_bytes > self._half or len(self._tail) > PIECES + 1:
            oldest = self._tail.pop(0)
            oldest.remove()
            self._tail_bytes -= oldest.bytes
            self.kept -= oldest.bytes

    def _lose(self, stream: int, count: int) -> None:
        self.lost[stream] += count
        self._untold[stream] += count

    def _fail(self, error: OSError, now: int) -> None:
        self.trouble = self.trouble or error.strerror
        self._retry_at = now + PAUSE_MICROSECONDS

    def _tell(self, now: int) -> bool:
        """Note in the index what was lost; False where there is still no room for that."""
        # A clock that was set back must not make this a long time.
        if 0 < self._retry_at - now <= PAUSE_MICROSECONDS:
            return False
        segment, _ = self._room()
        try:
            for stream, count in self._untold.items():
                if count:
                    segment.note_loss(stream, count, now)
                    self._at[stream] += count
                    self._untold[stream] = 0
        except OSError as error:
            self._fail(error, now)
            return False
        return True


def _is_full(segment: Segment, size: int) -> bool:
    least = LEAST_LIMIT // PIECES
    return segment.bytes >= size or segment.records >= max(size, least) // BYTES_A_RECORD
