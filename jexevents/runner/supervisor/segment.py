"""One piece of what a job wrote: its stdout, its stderr, and the order and times of both."""

from __future__ import annotations

import os

from jexevents.runner.supervisor.files import MODE, append_whole, write_all
from jexevents.runner.supervisor.layout import (
    HEADER,
    KIND_SHIFT,
    LOST,
    MAGIC,
    RECORD,
    STDERR,
    STDOUT,
    file_names,
)

# What one stream brings within this time, with nothing of the other between, is one record.
TOGETHER_MICROSECONDS = 1000
_NEW = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC


class Segment:
    """Files that only grow. Nothing of them stands on the disk before the first byte comes.

    ``folder`` ends with a slash; empty is the current one.
    """

    def __init__(self, number: int, starts: tuple[int, int], folder: str = "") -> None:
        self.names = tuple(folder + name for name in file_names(number))
        self.bytes = 0
        self.records = 0
        self._header = HEADER.pack(MAGIC, number, *starts, 0)
        self._open: dict[int, int] = {}
        self._sizes = {STDOUT: 0, STDERR: 0}
        self._index: int | None = None
        self._index_size = 0
        self._last = (0, 0, 0)

    def append(self, stream: int, data: memoryview, now: int) -> tuple[int, OSError | None]:
        """Append what ``stream`` brought at ``now`` (microseconds); give how many bytes are kept
        and what kept it from the rest."""
        try:
            self._ready()
            descriptor = self._descriptor(stream)
        except OSError as error:
            return 0, error
        done, error = write_all(descriptor, data, self._sizes[stream])
        if done:
            try:
                self._record(stream, done, now)
            except OSError as failed:
                # Bytes without a record would shift all that come later.
                os.ftruncate(descriptor, self._sizes[stream])
                return 0, failed
            self._sizes[stream] += done
            self.bytes += done
        return done, error

    def note_loss(self, stream: int, count: int, now: int) -> None:
        """State that ``count`` bytes of a stream are missing here; raises OSError."""
        self._ready()
        self._record(stream | LOST, count, now)

    def sync(self) -> None:
        """Have it outlive a loss of power; raises OSError."""
        for name in self.names:
            try:
                descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            try:
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)

    def close(self) -> None:
        """Close the files."""
        for descriptor in self._descriptors():
            os.close(descriptor)
        self._open, self._index = {}, None

    def remove(self) -> None:
        """Close and remove the files."""
        self.close()
        for name in self.names:
            try:
                os.unlink(name)
            except FileNotFoundError:
                pass

    def _descriptors(self) -> list[int]:
        return [*self._open.values(), *([] if self._index is None else [self._index])]

    def _ready(self) -> None:
        if self._index is None:
            self._index = os.open(self.names[2], _NEW, MODE)
        if not self._index_size:
            append_whole(self._index, self._header, 0)
            self._index_size = len(self._header)

    def _descriptor(self, stream: int) -> int:
        if stream not in self._open:
            self._open[stream] = os.open(self.names[stream - 1], _NEW, MODE)
        return self._open[stream]

    def _record(self, kind: int, count: int, now: int) -> None:
        since, last_kind, last_count = self._last
        if last_kind == kind and 0 <= now - since < TOGETHER_MICROSECONDS:
            at, self._last = self._index_size - RECORD.size, (since, kind, last_count + count)
            # It stands there already, so there is room for it.
            os.pwrite(self._index, _pack(*self._last), at)
            return
        append_whole(self._index, _pack(now, kind, count), self._index_size)
        self._index_size += RECORD.size
        self.records += 1
        self._last = (now, kind, count)


def _pack(time: int, kind: int, count: int) -> bytes:
    return RECORD.pack(time, kind << KIND_SHIFT | count)
