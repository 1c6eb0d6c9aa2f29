"""What is known of one file of a log, and how it is told from others.

A name says little, since rotation changes it, and an inode is used again. So a file is known by
the ``id`` of its header where HTCondor rotates it, else by how it begins, and by the bytes before
the place up to where it was read; the inode decides between files that are alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jexevents.eventlogs.headers import RotationHeader

HEAD_BYTES = 1024
TAIL_BYTES = 128
# Of one log; files that are known beyond this are long gone from the disk.
KEPT_FILES = 1000


@dataclass(slots=True)
class LogFile:
    """One file of a log, the ``ordinal``-th of its chain.

    ``name`` is its ``Log`` in messages, "" until its first event was read. ``head`` are its first
    bytes, none where a ``header`` names it: HTCondor writes that anew. ``position`` is up to where
    the broker has taken over its events, and ``tail`` the bytes before that; ``read`` and
    ``read_tail`` are the same of what was read. ``inode`` is 0 for a packed file, and below 0 for
    one that something else was written over. ``retired`` says that nothing more is expected of
    it, ``done`` that this was noted.
    """

    ordinal: int
    inode: int
    generation: int = 0
    name: str = ""
    header: RotationHeader | None = None
    head: bytes = b""
    position: int = 0
    tail: bytes = b""
    done: bool = False
    read: int = 0
    read_tail: bytes = b""
    retired: bool = False

    @property
    def is_blank(self) -> bool:
        """Whether nothing was read of it yet."""
        return self.header is None and not self.head


@dataclass(frozen=True, slots=True)
class Glimpse:
    """What a look at a file on the disk shows.

    ``size`` (bytes) is None for a packed file, whose inode says nothing either. ``head`` are its
    first bytes, unpacked. ``error`` says why nothing can be seen.
    """

    path: Path
    inode: int
    size: int | None
    head: bytes
    header: RotationHeader | None
    error: OSError | None = None

    @property
    def packed(self) -> bool:
        """Whether it is compressed."""
        return self.size is None and self.error is None


def is_alike(file: LogFile, seen: Glimpse) -> bool:
    """Tell whether what is seen begins as the file does, as far as both go."""
    if file.header is not None or seen.header is not None:
        return _id(file.header) == _id(seen.header)
    length = min(len(file.head), len(seen.head))
    return length > 0 and file.head[:length] == seen.head[:length]


def _id(header: RotationHeader | None) -> str | None:
    return None if header is None else header.id
