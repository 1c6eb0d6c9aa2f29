"""Answers with a head that is whole.

http.client takes the end of a connection for the end of a line, and of all headers: of a receiver
that dies while it answers, ``HTTP/1.1 200 O`` would be a success.
"""

from __future__ import annotations

from http.client import HTTPResponse
from typing import Any


class HeadCut(ConnectionError):
    """The connection ended in the middle of an answer's head."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class WholeHead(HTTPResponse):
    """An answer whose status line and headers came to their end."""

    def begin(self) -> None:
        """Read the head. Raises HeadCut, beside what it raises anyway."""
        lines = _Lines(self.fp)
        self.fp = lines
        try:
            super().begin()
        finally:
            if self.fp is lines:
                self.fp = lines.file


class _Lines:
    """The lines of a head, out of a file."""

    def __init__(self, file: Any) -> None:
        self.file = file
        self._began = False

    def readline(self, limit: int) -> bytes:
        """Give a line. A connection that ends before any is no matter of ours."""
        line = self.file.readline(limit)
        if not line.endswith(b"\n") and len(line) < limit and (line or self._began):
            raise HeadCut
        self._began = True
        return line

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)
