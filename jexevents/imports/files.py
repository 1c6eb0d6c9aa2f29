"""The files to import: there, readable, unpacked, and what their first event says of them."""

from __future__ import annotations

import errno
import gzip
import io
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import BinaryIO, Protocol

from jexevents.errors import JexError
from jexevents.eventlogs.headers import RotationHeader, rotation_header
from jexevents.eventlogs.occurrences import Occurrences
from jexevents.eventlogs.opening import HEAD_BYTES, damage_told, unpacked
from jexevents.eventlogs.reading import LogReader

STDIN = "-"

# What gzip's own errors and those of ``damage_told`` have.
_DAMAGED = (None, errno.EBADMSG)


class NoInput(JexError):
    """Files that are to be read are not there, or cannot be read; one line of ``faults`` a file."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults), remedy="Nothing was imported.")


class Plain(Protocol):
    """What a file holds, read from begin to end."""

    def read(self, size: int) -> bytes:
        """Give as much as is asked for, less only at the end."""

    def read1(self, size: int) -> bytes:
        """Give what there is, at most as much; waits only for the first byte."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A file being read: ``packed`` as it lies on the disk, ``plain`` what it holds."""

    packed: BinaryIO
    plain: Plain

    @property
    def is_packed(self) -> bool:
        """Whether it is compressed."""
        return self.packed is not self.plain

    @property
    def packed_at(self) -> datetime | None:
        """When the content was written by the word of gzip, which few others keep."""
        seconds = getattr(self.plain, "mtime", None) if isinstance(self.plain, gzip.GzipFile) else 0
        return datetime.fromtimestamp(seconds, timezone.utc) if seconds else None


@dataclass(slots=True)
class LogFile:
    """One file to import.

    ``size`` (bytes on the disk) and ``inode`` are None for what comes through a pipe; ``first`` is
    the first event, and ``header`` what it says, where it is a header of HTCondor.
    """

    name: str
    path: Path | None
    size: int | None
    inode: int | None
    written_at: datetime | None
    place: tuple[int, int] | None = None
    begin: int = 0
    first: bytes | None = None
    header: RotationHeader | None = None

    @property
    def opens_again(self) -> bool:
        """Whether it can be read twice."""
        return self.size is not None

    @contextmanager
    def opened(self) -> Iterator[Opened]:
        """Open it at its begin. Raises OSError, in the block too, where packed data is damaged."""
        with self._file() as file, damage_told(Path(self.name)):
            yield Opened(file, unpacked(file))

    def _file(self) -> io.BufferedReader:
        if self.path is not None:
            return self.path.open("rb")
        if not self.opens_again:
            return io.BufferedReader(_Pipe())
        file = os.fdopen(os.dup(sys.stdin.fileno()), "rb")
        file.seek(self.begin)
        return file


class _Pipe(io.RawIOBase):
    """The standard input, which gives as many bytes at first as tell how it is packed."""

    _FIRST_BYTES = 4

    def __init__(self) -> None:
        super().__init__()
        self._fresh = True

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        wanted = self._FIRST_BYTES if self._fresh else 1
        self._fresh = False
        held = 0
        while held < min(wanted, len(buffer)):
            piece = os.read(sys.stdin.fileno(), len(buffer) - held)
            if not piece:
                break
            buffer[held : held + len(piece)] = piece
            held += len(piece)
        return held


def found(names: Sequence[str]) -> list[LogFile]:
    """Find the files with these names, ``-`` being the standard input.

    Raises NoInput with every fault.
    """
    files: list[LogFile] = []
    faults: list[str] = []
    seen: dict[tuple[int, int], str] = {}
    for name in names:
        try:
            file = _found(name)
        except OSError as error:
            faults.append(f"{name}: {_words(error)}")
            continue
        twice = file.place and seen.get(file.place)
        if twice:
            faults.append(f"{name}: the same file as {twice}; name it once")
        elif file.place:
            seen[file.place] = name
        files.append(file)
    if names.count(STDIN) > 1:
        faults.append("-: the standard input can be read once")
    if faults:
        raise NoInput(faults)
    return files


def _found(name: str) -> LogFile:
    if name == STDIN:
        return _standard_input()
    path = Path(name)
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, "a folder; name the files in it")
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "no file; give what it holds on the standard input, as -")
    return _looked_into(_regular(name, path, status))


def _standard_input() -> LogFile:
    if sys.stdin is None:
        raise OSError(errno.EBADF, "the standard input is closed")
    status = os.fstat(sys.stdin.fileno())
    if not stat.S_ISREG(status.st_mode):
        return LogFile(STDIN, None, None, None, None)
    file = _regular(STDIN, None, status)
    file.begin = os.lseek(sys.stdin.fileno(), 0, os.SEEK_CUR)
    return _looked_into(file)


def _regular(name: str, path: Path | None, status: os.stat_result) -> LogFile:
    written_at = datetime.fromtimestamp(status.st_mtime, timezone.utc)
    place = (status.st_dev, status.st_ino)
    return LogFile(name, path, status.st_size, status.st_ino, written_at, place)


def _looked_into(file: LogFile) -> LogFile:
    """Read the first event. What it is packed in may be damaged, which is told when all is read."""
    try:
        with file.opened() as opened:
            if opened.is_packed:
                file.inode = None
            head = _head(opened.plain)
    except OSError as error:
        if error.errno not in _DAMAGED:
            raise
        return file
    events = LogReader(Occurrences()).feed(head)
    if events:
        file.first = events[0].raw
        file.header = rotation_header(events[0].raw)
    return file


def _head(plain: Plain) -> bytes:
    head = b""
    while len(head) < HEAD_BYTES and (piece := plain.read(HEAD_BYTES - len(head))):
        head += piece
    return head


def _words(error: OSError) -> str:
    return error.strerror or str(error)
