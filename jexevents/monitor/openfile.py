"""One file of a log, open for reading, whatever becomes of its name."""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Container
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from jexevents.eventlogs.headers import header_of_file, rotation_header
from jexevents.eventlogs.naming import log_name
from jexevents.eventlogs.occurrences import Occurrences
from jexevents.eventlogs.opening import HEAD_BYTES as GLIMPSE_BYTES
from jexevents.eventlogs.opening import damage_told, unpacked
from jexevents.eventlogs.reading import LogEvent, LogReader
from jexevents.monitor.logfile import HEAD_BYTES, TAIL_BYTES, Glimpse, LogFile

CHUNK_BYTES = 256 * 1024


class Truncated(Exception):
    """The file holds less than, or other than, what was read of it."""


class OpenFile:
    """Reads a file on from ``file.read``.

    ``names`` are those that other files of the log have. ``missing`` says why the end of the file
    before it may be lost, "" if it is not. Raises OSError if it cannot be opened;
    FileNotFoundError also if another file has its path by now.
    """

    def __init__(
        self,
        file: LogFile,
        seen: Glimpse,
        counts: Occurrences,
        *,
        names: Container[str] = (),
        missing: str = "",
    ) -> None:
        self.file = file
        self.path = seen.path
        self.missing = missing
        self.quiet_since = 0.0
        self.more = False
        self._names = names
        self._seen = seen
        self._reader = LogReader(counts, file.read)
        self._stack = ExitStack()
        self._file = self._stack.enter_context(_open(seen))
        self._packed = self._skip() if seen.packed else None
        # What was read last, to see that it still stands there; from ``_floor`` on, since what
        # stands before may be a header, which is written anew.
        self._tail = file.read_tail
        self._floor = file.read - len(file.read_tail) if file.name else None

    @property
    def packed(self) -> bool:
        """Whether it is compressed, so that it cannot grow."""
        return self._packed is not None

    @property
    def inode(self) -> int:
        """The inode, also of a file that has no name any more."""
        return os.fstat(self._file.fileno()).st_ino

    @property
    def links(self) -> int:
        """How many names the file has, 0 once it was removed."""
        return os.fstat(self._file.fileno()).st_nlink

    @property
    def remaining(self) -> int:
        """How many bytes were read that are in no event yet."""
        return self._reader.remaining

    @property
    def unread(self) -> int:
        """How many bytes there are behind what was read; 0 where that is not known."""
        if self.packed:
            return 0
        return max(0, os.fstat(self._file.fileno()).st_size - self._reader.position)

    def read(self) -> list[LogEvent]:
        """Read a bit on and give the events that are complete now.

        ``more`` then says whether there is more to read at once. Raises Truncated, and OSError.
        """
        chunk = self._chunk()
        self.more = bool(chunk)
        if not chunk:
            return []
        self._remember(chunk)
        return self._taken(self._reader.feed(chunk))

    def abandon(self) -> list[LogEvent]:
        """Give all that is left, since nothing will follow."""
        return self._taken(self._reader.abandon())

    def is_intact(self) -> bool:
        """Tell whether what was read last still stands there. Raises OSError."""
        if self.packed:
            return True
        if os.fstat(self._file.fileno()).st_size < self._reader.position:
            return False
        position = self._reader.position
        length = min(len(self._tail), position - (self._floor or 0))
        tail = self._tail[len(self._tail) - length :]
        if os.pread(self._file.fileno(), length, position - length) != tail:
            return False
        return length == TAIL_BYTES or self.file.header is None or self._has_own_header()

    def _has_own_header(self) -> bool:
        """Tell whether the header is still the one that was read, as far as there is one."""
        header = header_of_file(os.pread(self._file.fileno(), GLIMPSE_BYTES, 0))
        return header is None or self.file.header is None or header.id == self.file.header.id

    def close(self) -> None:
        """Close the file; safe to call again."""
        self._stack.close()

    def _chunk(self) -> bytes:
        if self._packed is not None:
            with damage_told(self.path):
                return self._packed.read(CHUNK_BYTES)
        if not self.is_intact() or not self._is_as_seen():
            raise Truncated
        return os.pread(self._file.fileno(), CHUNK_BYTES, self._reader.position)

    def _is_as_seen(self) -> bool:
        """Tell, before anything is read, whether it is still the file that was looked at."""
        if self._reader.position > 0:
            return True
        return _begins_alike(os.pread(self._file.fileno(), GLIMPSE_BYTES, 0), self._seen)

    def _skip(self) -> BinaryIO:
        """Unpack what was read already. Raises OSError if there is less."""
        with damage_told(self.path):
            stream = unpacked(self._file)
            left = self.file.read
            while left > 0:
                part = stream.read(min(left, CHUNK_BYTES))
                if not part:
                    raise EOFError("it holds less than was read of it before")
                left -= len(part)
            return stream

    def _remember(self, chunk: bytes) -> None:
        """Keep the file's first bytes, and the last that were read."""
        self._tail = (self._tail + chunk)[-TAIL_BYTES:]
        file, begun = self.file, self._reader.position
        if file.header is None and begun <= len(file.head) < HEAD_BYTES:
            file.head = (file.head + chunk[len(file.head) - begun :])[:HEAD_BYTES]

    def _taken(self, events: list[LogEvent]) -> list[LogEvent]:
        if events:
            if self._floor is None:
                self._name(events[0])
            self.file.read = events[-1].end
            self.file.read_tail = tail_of(events[-1])
        return events

    def _name(self, first: LogEvent) -> None:
        file, inode = self.file, None if self.packed else self.inode
        file.header = rotation_header(first.raw)
        file.name = log_name(first.raw, inode)
        self._floor = 0
        if file.header is not None:
            file.head, self._floor = b"", first.end
        else:
            while file.name in self._names:
                file.generation += 1
                file.name = log_name(first.raw, inode, file.generation)


def tail_of(event: LogEvent) -> bytes:
    """Give the bytes before the event's end that stay there; a header is written anew."""
    return b"" if rotation_header(event.raw) is not None else event.raw[-TAIL_BYTES:]


def glimpse(path: Path) -> Glimpse:
    """Look at a file. Raises OSError, also for what is no regular file."""
    with _opened(path) as file:
        status = os.fstat(file.fileno())
        plain = unpacked(file)
        with damage_told(path):
            head = plain.read(GLIMPSE_BYTES)
        is_packed = plain is not file
        return Glimpse(
            path,
            0 if is_packed else status.st_ino,
            None if is_packed else status.st_size,
            head,
            header_of_file(head),
        )


def _opened(path: Path) -> io.BufferedReader:
    """Open without waiting for anybody, as a pipe would."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    file = os.fdopen(descriptor, "rb")
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "it is no regular file", os.fspath(path))
    return file


def _open(seen: Glimpse) -> io.BufferedReader:
    file = _opened(seen.path)
    is_other = False
    if not seen.packed and os.fstat(file.fileno()).st_ino != seen.inode:
        is_other = True
    elif not seen.packed:
        is_other = not _begins_alike(os.pread(file.fileno(), GLIMPSE_BYTES, 0), seen)
    if is_other:
        file.close()
        raise FileNotFoundError(errno.ENOENT, "another file has its name now", str(seen.path))
    return file


def _begins_alike(head: bytes, seen: Glimpse) -> bool:
    """Tell whether a file still begins as it did, but for a header that was written anew."""
    if seen.header is not None:
        header = header_of_file(head)
        return header is not None and header.id == seen.header.id
    return head.startswith(seen.head)
