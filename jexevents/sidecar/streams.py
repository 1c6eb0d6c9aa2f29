"""Bodies that come or go in pieces: bounded ones in, long ones out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

from jexevents.sidecar.responses import Response


class Limited:
    """The first ``left`` bytes of a stream."""

    def __init__(self, stream: BinaryIO, left: int) -> None:
        self._stream = stream
        self._left = left

    def read(self, size: int = -1) -> bytes:
        """Read up to ``size`` bytes, all that is left where it is below zero."""
        wanted = self._left if size < 0 else min(size, self._left)
        piece = self._stream.read(wanted) if wanted else b""
        self._left -= len(piece)
        return piece


class Lease:
    """A place among the long answers, given back once: when the answer ends, however it ends."""

    def __init__(self, release: Callable[[], None]) -> None:
        self._release: Callable[[], None] | None = release

    def close(self) -> None:
        """Give the place back; a second time does nothing."""
        release, self._release = self._release, None
        if release is not None:
            release()

    def held_by(self, response: Response) -> Response:
        """Give the response so that its end gives the place back."""
        if response.body is None or isinstance(response.body, (dict, list, str, bytes)):
            self.close()
            return response
        stream = Stream(response.body, self.close)
        return Response(response.status, stream, response.headers, response.content_type)


class Stream:
    """An iterable body that calls ``ended`` at its end, its failure and its closing."""

    def __init__(self, body: Iterable[bytes], ended: Callable[[], None]) -> None:
        self._body = body
        self._pieces = iter(body)
        self._ended = ended

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            return next(self._pieces)
        except BaseException:
            self._ended()
            raise

    def close(self) -> None:
        """Close the body, as PEP 3333 has the server do."""
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        finally:
            self._ended()
