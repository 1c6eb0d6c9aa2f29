"""From the bytes of a log to its events, each with which of the equal ones it is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from jexevents.eventlogs.occurrences import Occurrences, Seen
from jexevents.sources.condor.message import MAX_BYTES, canonical
from jexevents.sources.condor.split import Piece, Splitter

# A message may be six times as long as what it carries (each byte as \udcXX), and RabbitMQ 4
# takes none of more than 16 MiB.
MAX_EVENT_BYTES = MAX_BYTES // 2
_FEED_BYTES = 256 * 1024


class LogEvent(NamedTuple):
    """An event of a log: ``raw`` is its bytes from ``offset`` up to ``end``.

    ``fault`` is None, or says why this is no event: it is passed on all the same, for the
    ledger to keep among its rejects, and its ``occurrence`` is 0. ``seen`` is what is to be
    kept for the count to go on after a restart; None for what has a fault.
    """

    offset: int
    end: int
    raw: bytes
    occurrence: int
    fault: str | None
    seen: Seen | None = None


class LogReader:
    """Reads one file of a log; ``counts`` is that of the whole log, over all its files.

    ``offset`` is where to begin: at the file's first byte, or behind an event.
    """

    def __init__(self, counts: Occurrences, offset: int = 0) -> None:
        self._counts = counts
        self._splitter = Splitter(offset, max_piece_bytes=MAX_EVENT_BYTES)
        self._fed = offset

    @property
    def offset(self) -> int:
        """Where the next event begins: what to remember to go on later."""
        return self._splitter.offset

    @property
    def position(self) -> int:
        """Where the next bytes to feed begin."""
        return self._fed

    @property
    def remaining(self) -> int:
        """How many bytes were fed that are in no event yet."""
        return self._splitter.remaining

    def feed(self, chunk: bytes) -> list[LogEvent]:
        """Take the next bytes and give the events that are complete now."""
        self._fed += len(chunk)
        events: list[LogEvent] = []
        # What is too long for an event is given up with all that was fed of it.
        for start in range(0, len(chunk), _FEED_BYTES):
            events += self._events(self._splitter.feed(chunk[start : start + _FEED_BYTES]))
        return events

    def finish(self) -> list[LogEvent]:
        """Give a last event that lacks nothing but the newline behind its three dots."""
        return self._events(self._splitter.finish())

    def abandon(self) -> list[LogEvent]:
        """Give all that is left, with a fault where it is no event: nothing will follow."""
        return self._events(self._splitter.abandon())

    def _events(self, pieces: Iterable[Piece]) -> list[LogEvent]:
        return [self._event(piece) for piece in pieces]

    def _event(self, piece: Piece) -> LogEvent:
        """Count the piece, unless it is none: where garbage is cut may be chance."""
        if piece.fault is not None:
            return LogEvent(piece.offset, piece.end, piece.raw, 0, piece.fault)
        seen = self._counts.note(canonical(piece.raw))
        return LogEvent(piece.offset, piece.end, piece.raw, seen.occurrence, None, seen)
