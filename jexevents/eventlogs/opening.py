"""Opening a log's file, packed or not."""

from __future__ import annotations

import errno
import gzip
import io
import os
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

if sys.version_info >= (3, 14):
    from compression.zstd import ZstdError, ZstdFile
else:
    from backports.zstd import ZstdError, ZstdFile

_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
HEAD_BYTES = 4096


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
        return cast(BinaryIO, ZstdFile(file))
    return file


@contextmanager
def damage_told(path: Path) -> Iterator[None]:
    """Turn what the unpackers raise into OSError with the path."""
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error, ZstdError) as error:
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
