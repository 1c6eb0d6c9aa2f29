"""The files of an output, as the supervisor writes them (supervisor/segment.py), opened to read."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from struct import Struct
from typing import NamedTuple

from jexevents.runner.supervisor.layout import (
    HEADER,
    KIND_SHIFT,
    LENGTH_MASK,
    LOST,
    MAGIC,
    RECORD,
    STATE,
    STDOUT,
    STREAMS,
    file_names,
)

DROPPED, LOST_WORD = "dropped", "lost"
_TAIL = re.compile(r"tail-(\d+)\.index")
_BLOCK_RECORDS = 4096
_LEAST_LOST = LOST << KIND_SHIFT
_TRIES = 100


class Place(NamedTuple):
    """How far somebody has read: in which segment, up to which record, how many bytes of that
    record (it may still grow); where that is in each stream, and in the segment's file of it."""

    segment: int = 0
    record: int = 0
    taken: int = 0
    offsets: tuple[int, int] = (0, 0)
    positions: tuple[int, int] = (0, 0)


class Piece(NamedTuple):
    """What one record stands for, or a gap (``why`` says of which kind)."""

    stream: int
    time: int
    length: int
    why: str = ""
    segment: int = 0
    at: int = 0


# Whether what comes before these offsets of both streams need not be given.
Skip = Callable[[tuple[int, int]], bool]


class _Opened:
    """One segment's files."""

    def __init__(self, stack: ExitStack, folder: Path, number: int) -> None:
        self.number = number
        self._names = [folder / name for name in file_names(number)]
        self._index = _descriptor(stack, self._names[2])
        self._files: dict[int, int] = {}
        header = os.pread(self._index, HEADER.size, 0)
        self.is_whole = len(header) == HEADER.size and header[: len(MAGIC)] == MAGIC
        self.starts: tuple[int, int] = HEADER.unpack(header)[2:4] if self.is_whole else (0, 0)
        size = os.fstat(self._index).st_size - HEADER.size
        self._records = max(0, size // RECORD.size)
        # The last record may grow while this is read; it is taken as it is now.
        self._last = self._raw(self._records - 1) if self._records else b""
        for stream in STREAMS:
            if self._names[stream - 1].exists():
                self._files[stream] = _descriptor(stack, self._names[stream - 1])

    def records(self, first: int, last: int | None = None) -> Iterator[tuple[int, int, int]]:
        """Give time, kind and length of each record from number ``first`` up to ``last``."""
        at, end = first, self._records if last is None else last
        while at < end:
            count = min(_BLOCK_RECORDS, end - at)
            for time, word in RECORD.iter_unpack(self._block(at, count)):
                yield time, word >> KIND_SHIFT, word & LENGTH_MASK
            at += count

    def blocks(self, first: int) -> Iterator[tuple[int, tuple[int, int] | None]]:
        """Give, block by block, the number of the record behind it, and how many bytes of each
        stream it stands for; None where any of them are lost.

        The last record of the segment is in none, for it may grow.
        """
        at, end = first, self._records - 1
        while at < end:
            count = min(_BLOCK_RECORDS, end - at)
            words = Struct(f"<{2 * count}Q").unpack(self._block(at, count))[1::2]
            at += count
            if max(words) >= _LEAST_LOST:
                yield at, None
            else:
                lengths = [word & LENGTH_MASK for word in words if word >> KIND_SHIFT == STDOUT]
                stdout, all_kinds = sum(lengths), sum([word & LENGTH_MASK for word in words])
                yield at, (stdout, all_kinds - stdout)

    def _block(self, at: int, count: int) -> bytes:
        block = os.pread(self._index, count * RECORD.size, self._position(at))
        return block[: -RECORD.size] + self._last if at + count == self._records else block

    def data(self, stream: int, at: int, count: int) -> bytes:
        return os.pread(self._files[stream], count, at) if stream in self._files else b""

    def _position(self, record: int) -> int:
        return HEADER.size + record * RECORD.size

    def _raw(self, record: int) -> bytes:
        return os.pread(self._index, RECORD.size, self._position(record))


class Segments:
    """All segments as they stood at one moment. What is dropped meanwhile can still be read."""

    def __init__(self, segments: list[_Opened], ends: tuple[int, int]) -> None:
        self._segments = {each.number: each for each in segments}
        self._ends = ends

    def pieces(
        self, place: Place | None = None, skip: Skip | None = None
    ) -> Iterator[tuple[Piece, Place]]:
        """Give the pieces behind ``place``, each with the place behind it.

        Those that ``skip`` does not want are left out block by block, so that many are passed by
        without a look at each; the last of a segment is never left out, and no gap.
        """
        place = place or Place()
        for number, segment in sorted(self._segments.items()):
            if number < place.segment or not segment.is_whole:
                continue
            if number > place.segment:
                for piece in _missing(place.offsets, segment.starts, DROPPED):
                    place = _behind(place, piece)
                    yield piece, place
                place = Place(number, offsets=place.offsets)
            for found in _in_segment(segment, place, skip):
                place = found[1]
                yield found
        for piece in _missing(place.offsets, self._ends, LOST_WORD):
            place = _behind(place, piece)
            yield piece, place

    def data(self, piece: Piece, skip: int, count: int) -> bytes:
        """Give up to ``count`` bytes of a piece, from its byte ``skip`` on; fewer at its end."""
        count = min(count, piece.length - skip)
        return self._segments[piece.segment].data(piece.stream, piece.at + skip, count)


@contextmanager
def opened(folder: Path) -> Iterator[Segments]:
    """Open all segments of the output in ``folder``; none where nothing came yet."""
    for _ in range(_TRIES):
        # Before the files: what has ended by now is whole in them.
        ends = _ends(folder)
        with ExitStack() as stack:
            try:
                segments = [_Opened(stack, folder, number) for number in _numbers(folder)]
            except FileNotFoundError:
                continue  # one was dropped just now
            yield Segments(segments, ends)
            return
    raise TimeoutError(f"{folder}: its output changes faster than it can be opened")


def _numbers(folder: Path) -> list[int]:
    names = os.listdir(folder) if folder.exists() else []
    tail = sorted(int(found[1]) for name in names if (found := _TAIL.fullmatch(name)))
    return [*([0] if file_names(0)[2] in names else []), *tail]


def _ends(folder: Path) -> tuple[int, int]:
    """Give how many bytes came by each stream, if it is known that no more will."""
    try:
        state = json.loads((folder / STATE).read_bytes())
    except FileNotFoundError:
        return 0, 0
    output = state.get("output", {})
    return output.get("stdout", 0), output.get("stderr", 0)


def _in_segment(segment: _Opened, place: Place, skip: Skip | None) -> Iterator[tuple[Piece, Place]]:
    if skip is not None and not place.taken:
        for record, lengths in segment.blocks(place.record):
            after = None if lengths is None else _sum(place.offsets, lengths)
            if after is not None and skip(after):
                positions = _sum(place.positions, lengths)
                place = Place(place.segment, record, 0, after, positions)
                continue
            for found in _records(segment, place, record):
                place = found[1]
                yield found
    yield from _records(segment, place, None)


def _records(segment: _Opened, place: Place, last: int | None) -> Iterator[tuple[Piece, Place]]:
    _, first, taken, offsets, positions = place
    # One by one, and plainly: there may be millions.
    offset, position = list(offsets), list(positions)
    for number, (time, kind, length) in enumerate(segment.records(first, last), first):
        if length > taken:
            stream, grown = kind & ~LOST, length - taken
            at = position[stream - 1]
            offset[stream - 1] += grown
            why = LOST_WORD
            if not kind & LOST:
                position[stream - 1] += grown
                why = ""
            piece = Piece(stream, time, grown, why, segment.number, at)
            yield piece, Place(segment.number, number, length, tuple(offset), tuple(position))
        taken = 0


def _missing(ends: tuple[int, int], starts: tuple[int, int], why: str) -> list[Piece]:
    gaps = zip(STREAMS, ends, starts, strict=True)
    return [Piece(stream, 0, start - end, why) for stream, end, start in gaps if start > end]


def _behind(place: Place, piece: Piece) -> Place:
    """Give the place behind a piece; what is missing takes no room in the files."""
    moved = [piece.length if stream == piece.stream else 0 for stream in STREAMS]
    kept = [0, 0] if piece.why else moved
    return place._replace(offsets=_sum(place.offsets, moved), positions=_sum(place.positions, kept))


def _sum(pair: tuple[int, int], other: Sequence[int]) -> tuple[int, int]:
    return pair[0] + other[0], pair[1] + other[1]


def _descriptor(stack: ExitStack, path: Path) -> int:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    stack.callback(os.close, descriptor)
    return descriptor
