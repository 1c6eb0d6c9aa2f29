"""Bodies that come or go in pieces: bounded ones in, long ones out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from threading import BoundedSemaphore
from typing import BinaryIO

from waitress.channel import ClientDisconnected

from jexevents.sidecar import problems
from jexevents.sidecar.responses import Response

# Where the server puts into the environ what says whether an answer is wanted still.
UNWANTED = "jexevents.unwanted"
# So often it is looked whether who gets a long answer may have it still.
ADMISSION_SECONDS = 15.0


class Head(bytes):
    """No bytes, which a body gives first to have the head of its answer sent at once."""

    def __bool__(self) -> bool:
        """Be taken for a piece: WSGI sends the head with the first one that is not empty."""
        return True


HEAD = Head()


class Cut(ClientDisconnected):
    """An answer ends before its end, and its reader must see that: nobody wants it any more, or
    it cannot be gone on with. The connection is closed, without a word in the log."""


class Unwanted:
    """Whether a long answer is wanted no more: nobody waits for it (``is_gone``), or who asked is
    let in no more (``is_out``), which may be dear and is looked at now and then."""

    def __init__(
        self,
        is_gone: Callable[[], bool],
        is_out: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._is_gone = is_gone
        self._is_out = is_out
        self._clock = clock
        self._looked_at = clock()

    def __call__(self) -> bool:
        """Say so."""
        if self._is_gone():
            return True
        if self._clock() - self._looked_at < ADMISSION_SECONDS:
            return False
        self._looked_at = self._clock()
        return self._is_out()


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


class Place:
    """A request's place among the long answers: taken before the answer, or by the handler when it
    sees that the answer is long; given back once, when that ends, however it ends."""

    def __init__(self, places: BoundedSemaphore) -> None:
        self._places = places
        self._is_taken = False

    def take(self) -> None:
        """Take the place, if that was not done; raises Problem (503) where none is free."""
        if self._is_taken:
            return
        if not self._places.acquire(blocking=False):
            raise problems.unavailable("Too many long answers are under way.")
        self._is_taken = True

    def close(self) -> None:
        """Give the place back; a second time does nothing."""
        was_taken, self._is_taken = self._is_taken, False
        if was_taken:
            self._places.release()

    def held_by(self, response: Response) -> Response:
        """Give the response so that its end gives the place back."""
        if not self._is_taken:
            return response
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
