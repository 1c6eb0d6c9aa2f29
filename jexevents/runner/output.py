"""Reads what a job wrote: one stream or both in the order of their arrival, whole, in ranges, its
last lines, or as it comes. It works while the job runs, and from any process.

Offsets count the bytes that the job wrote, also those that could not be kept: so an offset means
the same for ever, whatever is dropped later. What is missing comes as a chunk without data.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from jexevents.runner.segments import Piece, Place, Segments, Skip, opened
from jexevents.runner.supervisor.layout import STDERR, STDOUT, STREAMS

BOTH = "output"
READ_BYTES = 256 * 1024
_LINE_END = re.compile(rb"\n")
_ALL_STREAMS = frozenset(STREAMS)
_NAMED = {"stdout": frozenset({STDOUT}), "stderr": frozenset({STDERR}), BOTH: _ALL_STREAMS}


@dataclass(frozen=True)
class Chunk:
    """Bytes of a job. ``offset`` is where they begin in what was asked for; ``missing`` counts what
    could not be kept, and then there is no ``data`` but the reason in ``why``: ``dropped`` for the
    middle of too much output, ``lost`` for what the disk did not take. ``time`` is when they came,
    in microseconds since the epoch; 0 where that is not known."""

    stream: str
    time: int
    offset: int
    data: bytes
    missing: int = 0
    why: str = ""

    @property
    def length(self) -> int:
        """How many bytes of the job it stands for."""
        return self.missing or len(self.data)


class Snapshot:
    """What had come of ``which`` (stdout, stderr, or output for both) at one moment. What is
    dropped meanwhile can still be read."""

    def __init__(self, segments: Segments, which: str) -> None:
        self._segments, self._which = segments, which

    @cached_property
    def _extent(self) -> tuple[int, list[Chunk]]:
        size, gaps = 0, []
        for piece, place in self._segments.pieces(skip=lambda _offsets: True):
            size = _offset(place, self._which)
            if piece.why and piece.stream in _NAMED[self._which]:
                gaps.append(_gap(piece, size - piece.length))
        return size, gaps

    @property
    def size(self) -> int:
        """How many bytes the job had written."""
        return self._extent[0]

    @property
    def gaps(self) -> list[Chunk]:
        """What is missing, in its order."""
        return self._extent[1]

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[Chunk]:
        """Give the bytes from ``start`` up to ``stop``."""
        placed = _placed(self._segments, self._which, start)
        return _between(self._segments, placed, start, stop)

    def read_fast(self, start: int, stop: int) -> Iterator[Chunk]:
        """Give the same bytes in larger chunks, whose times are those of their first bytes."""
        placed = _placed(self._segments, self._which, start)
        return _between(self._segments, _merged(placed), start, stop)

    def last_lines(self, count: int, most_bytes: int | None = None) -> int:
        """Give the offset at which the last ``count`` lines begin; where they are longer than
        ``most_bytes``, that of the last so many bytes.

        A line that has no end yet is one; the lines of both streams are cut where the other comes
        between.
        """
        end = self.size
        least = 0 if most_bytes is None else max(0, end - most_bytes)
        # Windows from the end, each twice as long, until enough lines are in one.
        window = READ_BYTES
        while True:
            start = max(least, end - window)
            found = _line_start(self.read_fast(start, end), end, count)
            if found is not None or start == least:
                return least if found is None else found
            window *= 2


class RunOutput:
    """The output of the execution in ``folder``. ``which`` is stdout, stderr or output (both)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def snapshot(self, which: str = BOTH) -> Iterator[Snapshot]:
        """Give what has come by now; the files are open as long as the context lasts."""
        with opened(self._folder) as segments:
            yield Snapshot(segments, which)

    def size(self, which: str = BOTH) -> int:
        """Give how many bytes the job has written."""
        with self.snapshot(which) as now:
            return now.size

    def gaps(self, which: str = BOTH) -> list[Chunk]:
        """List what is missing, in its order."""
        with self.snapshot(which) as now:
            return now.gaps

    def read(self, which: str = BOTH, start: int = 0, stop: int | None = None) -> Iterator[Chunk]:
        """Give the bytes from ``start`` up to ``stop``, as far as they had come when this began."""
        with self.snapshot(which) as now:
            yield from now.read(start, stop)

    def last_lines(self, count: int, which: str = BOTH) -> int:
        """Give the offset at which the last ``count`` lines begin, see ``Snapshot``."""
        with self.snapshot(which) as now:
            return now.last_lines(count)


class Follower:
    """Gives what came since the last time, from the offset ``start`` on. It keeps its place, so
    that no call reads all again."""

    def __init__(self, folder: Path, which: str = BOTH, start: int = 0) -> None:
        self._folder, self._which, self._start = folder, which, start
        self._place = Place()

    def read(self, most_bytes: int = READ_BYTES) -> list[Chunk]:
        """Give what is new, about ``most_bytes`` at the most; empty for nothing yet."""
        found, taken = [], 0
        with opened(self._folder) as segments:
            for piece, place in segments.pieces(self._place, _before(self._which, self._start)):
                if piece.stream in _NAMED[self._which]:
                    at = _offset(place, self._which) - piece.length
                    first, last = max(at, self._start), at + piece.length
                    if first < last:
                        found += _chunks(segments, piece, at, first, last)
                        taken += 0 if piece.why else last - first
                self._place = place
                if taken >= most_bytes:
                    break
        return found


def _offset(place: Place, which: str) -> int:
    stdout, stderr = place.offsets
    return stdout + stderr if which == BOTH else (stdout if which == "stdout" else stderr)


def _before(which: str, start: int) -> Skip | None:
    """Give what skips that which ends before ``start``."""
    if not start:
        return None
    return lambda offsets: _offset(Place(offsets=offsets), which) <= start


def _placed(segments: Segments, which: str, start: int) -> Iterator[tuple[Piece, int]]:
    """Give the pieces with where they begin; of those before ``start`` not all."""
    streams = _NAMED[which]
    for piece, place in segments.pieces(skip=_before(which, start)):
        if piece.stream in streams:
            yield piece, _offset(place, which) - piece.length


def _merged(placed: Iterator[tuple[Piece, int]]) -> Iterator[tuple[Piece, int]]:
    """Make one piece of those that follow each other in one file."""
    last: tuple[Piece, int] | None = None
    for piece, at in placed:
        if last is not None and _goes_on(last, piece, at):
            last = last[0]._replace(length=last[0].length + piece.length), last[1]
            continue
        if last is not None:
            yield last
        last = piece, at
    if last is not None:
        yield last


def _goes_on(placed: tuple[Piece, int], piece: Piece, at: int) -> bool:
    last, last_at = placed
    # What was passed by between the two may have been the other stream's.
    is_next = not last.why and not piece.why and last_at + last.length == at
    return is_next and (last.stream, last.segment) == (piece.stream, piece.segment)


def _gap(piece: Piece, at: int) -> Chunk:
    return Chunk(STREAMS[piece.stream], piece.time, at, b"", piece.length, piece.why)


def _chunks(segments: Segments, piece: Piece, at: int, first: int, last: int) -> Iterator[Chunk]:
    """Give the part from ``first`` to ``last`` of a piece that begins at ``at``."""
    name = STREAMS[piece.stream]
    if piece.why:
        yield Chunk(name, piece.time, first, b"", last - first, piece.why)
        return
    while first < last:
        data = segments.data(piece, first - at, min(last - first, READ_BYTES))
        if not data:
            # Cut short by a loss of power: the index reached the disk and the bytes did not.
            yield Chunk(name, piece.time, first, b"", last - first, "lost")
            return
        yield Chunk(name, piece.time, first, data)
        first += len(data)


def _line_start(chunks: Iterator[Chunk], end: int, count: int) -> int | None:
    """Give where the last ``count`` lines before ``end`` begin, if the chunks have that."""
    if count <= 0:
        return end
    ends: list[int] = []
    for chunk in chunks:
        ends += [chunk.offset + found.end() for found in _LINE_END.finditer(chunk.data)]
        # The end of the line that the last of them follows has to be known too.
        ends = ends[-count - 1 :]
    if ends and ends[-1] == end:
        ends.pop()
    return ends[-count] if len(ends) >= count else None


def _between(
    segments: Segments, placed: Iterator[tuple[Piece, int]], start: int, stop: int | None
) -> Iterator[Chunk]:
    for piece, at in placed:
        if stop is not None and at >= stop:
            return
        first, last = max(start, at), at + piece.length
        last = last if stop is None else min(stop, last)
        if first < last:
            yield from _chunks(segments, piece, at, first, last)
