"""A form with one file (RFC 7578), read as it is sent."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

_PIECE_BYTES = 1 << 16
_ESCAPES = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})


class Form:
    """The body of a request: what stands before the file, the file, what stands behind it.

    As long as it says it is, or reading it raises OSError: the file may change meanwhile.
    """

    def __init__(self, field: str, name: str, file: BinaryIO, boundary: str) -> None:
        disposition = f'form-data; name="{field}"; filename="{name.translate(_ESCAPES)}"'
        self._head = (
            f"--{boundary}\r\nContent-Disposition: {disposition}\r\n"
            "Content-Type: application/octet-stream\r\n\r\n"
        ).encode("utf-8", "surrogateescape")
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self._file = file
        self._left = os.fstat(file.fileno()).st_size
        self._length = len(self._head) + self._left + len(self._tail)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[bytes]:
        while piece := self.read(_PIECE_BYTES):
            yield piece

    def read(self, size: int = -1) -> bytes:
        """Give the next bytes, at most ``size`` unless that is negative; b"" at the end."""
        size = _PIECE_BYTES if size < 0 else size
        if self._head:
            piece, self._head = self._head[:size], self._head[size:]
        elif self._left:
            piece = self._file.read(min(size, self._left))
            if not piece:
                raise OSError("the file became shorter while it was sent")
            self._left -= len(piece)
        else:
            piece, self._tail = self._tail[:size], self._tail[size:]
        return piece


class Upload:
    """A file to send, and the form that it goes in: opened anew for each attempt."""

    def __init__(self, path: Path, field: str) -> None:
        self._path = path
        self._field = field
        self._boundary = secrets.token_hex(16)
        self.content_type = f"multipart/form-data; boundary={self._boundary}"

    @contextmanager
    def opened(self) -> Iterator[Form]:
        """Give the body of one request. Raises OSError where the file cannot be read."""
        with self._path.open("rb") as file:
            yield Form(self._field, self._path.name, file, self._boundary)
