"""Opening a log's file, packed or not."""

from __future__ import annotations

import errno
import gzip
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import zstandard

_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
HEAD_BYTES = 4096
_CHUNK_BYTES = 16 * 1024

Buffer = bytearray | memoryview


@contextmanager
def open_log(path: Path) -> Iterator[BinaryIO]:
    """Open for reading what the file holds, unpacked if need be.

    Raises OSError, within the block too, where compressed data is damaged or cut off.
    """
    with path.open("rb") as file, damage_told(path):
        yield unpacked(file)


def unpacked(file: io.BufferedReader) -> BinaryIO:
    """Give what ``file`` holds; gzip and Zstandard are told by its first bytes, not its name."""
    magic = file.peek(4)[:4]
    if magic.startswith(_GZIP_MAGIC):
        return cast(BinaryIO, gzip.GzipFile(fileobj=file))
    if magic == _ZSTD_MAGIC:
        return io.BufferedReader(_Zstandard(file))
    return file


class _Zstandard(io.RawIOBase):
    """What a file holds, one frame after the other. The library's own reader takes a file that is
    cut off for one that ends there."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._packed = self._plain = b""
        self._is_within = False

    def readable(self) -> bool:
        """Give True."""
        return True

    def readinto(self, buffer: Buffer) -> int:
        """Unpack some; raises EOFError if the file ends within a frame."""
        view = memoryview(buffer).cast("B")
        while not self._plain:
            if not self._packed:
                self._packed = self._file.read(_CHUNK_BYTES)
            if not self._packed:
                if self._is_within:
                    raise EOFError("it ends before its last frame does")
                return 0
            self._unpack()
        size = min(len(view), len(self._plain))
        view[:size], self._plain = self._plain[:size], self._plain[size:]
        return size

    def _unpack(self) -> None:
        self._plain, self._is_within = self._frame.decompress(self._packed), True
        self._packed = self._frame.unused_data if self._frame.eof else b""
        if self._frame.eof:
            self._frame, self._is_within = zstandard.ZstdDecompressor().decompressobj(), False


@contextmanager
def damage_told(path: Path) -> Iterator[None]:
    """Turn what the unpackers raise into OSError with the path."""
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError) as error:
        reason = f"the compressed data is damaged or cut off ({error})"
        raise OSError(errno.EBADMSG, reason, os.fspath(path)) from error


def is_packed(path: Path) -> bool:
    """Tell whether the file is compressed. Raises OSError."""
    with path.open("rb") as file:
        return unpacked(file) is not file


def head(path: Path, size: int = HEAD_BYTES) -> bytes:
    """Give the first ``size`` bytes of what the file holds, or all if it holds less.

    Raises OSError.
    """
    with open_log(path) as file:
        parts = []
        while size > 0 and (part := file.read(size)):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)
