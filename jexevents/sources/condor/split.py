"""Cutting a log into events while it grows.

A log is text, JSON or XML; which one is seen at the start of each event, so that a log whose
form was changed is read on. Nothing is lost: what belongs to no event comes out as a piece
with a fault, and a new event ends one that was never finished.

Offsets equal those of HTCondor's reader (a text event ends behind the newline of its ``...``,
a JSON object behind its ``}``, an XML one behind its ``</c>``) except that

- the reader gives some kinds of event without the newline of their last ``...``, and not
  others; here ``finish`` gives them all, and ``feed`` none;
- the reader gives an XML event before the whole of its ``</c>`` is there;
- an event that the reader refuses costs it everything up to the next ``...``; here it is a
  piece like any other;
- lines between a ``...`` and the next header are for the reader part of what follows.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

MAX_PIECE_BYTES = 16 * 1024 * 1024

_HEADER_START = rb"\d{3} \(-?\d{1,10}\.-?\d{1,10}\.-?\d{1,10}\) [\d/-]{5,10}[ T]\d\d:\d\d:\d\d"
# Longer than any header's start: a search that found nothing steps back by this much, and
# with fewer bytes than this it cannot be told whether a line is a header.
_HEADER_BYTES = 80

_HEADER = re.compile(_HEADER_START)
_BLANKS = re.compile(rb"[ \t\r\n]*")
# All of these begin with a newline, which makes searching several times as fast as "^".
_TEXT_END = re.compile(rb"\n(?:\.\.\.\r?\n|(?=" + _HEADER_START + rb"))")
_GARBAGE_END = re.compile(rb"\n(?:\.\.\.\r?\n|(?=\{|<c>|" + _HEADER_START + rb"))")
_LAST_TERMINATOR = re.compile(rb"\n\.\.\.\r?\Z")
_STRAY_TERMINATOR = re.compile(rb"\.\.\.\r?\n")
_JSON_STEP = re.compile(rb'"[^"\\\n]*(?:\\.[^"\\\n]*)*"|["{}]|\n\{', re.DOTALL)
_JSON_STRING_STEP = re.compile(rb'["\\]|\n\{')
_XML_STEP = re.compile(rb"</?c>|\n<c>")
_XML_AROUND = (b"<?xml", b"<!DOCTYPE", b"<classads", b"</classads")
_XML_AROUND_BYTES = 4096

_MAX_DEPTH = 1000

_UNFINISHED = "expected the event's end before the next one begins"
_NO_EVENT = "expected an event, got something else"
_CUT_OFF = "expected the event's end before the log ended"
_TOO_LONG = "expected an event of at most {} bytes"


class Piece(NamedTuple):
    """A stretch of a log: ``raw`` is its bytes from ``offset`` up to ``end``.

    ``fault`` is None for what looks like one event, else it says why this is none.
    """

    offset: int
    end: int
    raw: bytes
    fault: str | None


_Cut = tuple[int, "str | None"]


class Splitter:
    """Cuts the bytes it is fed into pieces; offsets count from the first byte ever fed.

    ``offset`` lets it begin in the middle of a log, at the end of an event. Work and memory
    are linear in what is fed, in chunks of any size: no byte is searched more than a few
    times, and nothing longer than ``max_piece_bytes`` is waited for.
    """

    def __init__(self, offset: int = 0, *, max_piece_bytes: int = MAX_PIECE_BYTES) -> None:
        self._buffer = bytearray()
        self._base = offset  # of the buffer's first byte
        self._start = 0  # of the piece in hand
        self._scan = 0  # where its search goes on
        self._depth = 0  # of braces or of <c>
        self._in_string = False
        self._cut: Callable[[], _Cut | None] | None = None
        self._max = max_piece_bytes

    @property
    def remaining(self) -> int:
        """Bytes that were fed and are in no piece yet: the beginning of an event."""
        return len(self._buffer) - self._start

    @property
    def offset(self) -> int:
        """Where the next piece begins: what a reader has to remember to go on later."""
        return self._base + self._start

    def feed(self, chunk: bytes) -> list[Piece]:
        """Take the next bytes of the log and give the pieces that are now complete."""
        self._buffer += chunk
        pieces: list[Piece] = []
        while (piece := self._next()) is not None:
            pieces.append(piece)
        self._forget()
        return pieces

    def finish(self) -> list[Piece]:
        """Give what can be taken for complete if nothing follows.

        That is a last text event whose ``...`` has no newline. An incomplete event is not
        given; ``remaining`` tells how long it is.
        """
        if self._cut not in (self._cut_text, self._cut_garbage):
            return []
        if not _LAST_TERMINATOR.search(self._buffer, max(self._start, len(self._buffer) - 5)):
            return []
        fault = None if self._cut == self._cut_text else _NO_EVENT
        piece = self._take(len(self._buffer), fault)
        self._forget()
        return [piece]

    def abandon(self) -> list[Piece]:
        """Give what is left of a log to which nothing will be added: a piece with a fault."""
        pieces = self.finish()
        if self.remaining:
            pieces.append(self._take(len(self._buffer), _CUT_OFF))
            self._forget()
        return pieces

    def _next(self) -> Piece | None:
        """Give the next complete piece, if there is one in the buffer."""
        if self._cut is None and not self._begin():
            return None
        cut = self._cut() if self._cut else None
        if cut is not None:
            return self._take(*cut)
        if self.remaining > self._max:
            return self._take_too_long()
        return None

    def _take(self, end: int, fault: str | None) -> Piece:
        """Make a piece of the buffer up to ``end`` and begin anew behind it."""
        raw = bytes(memoryview(self._buffer)[self._start : end])
        piece = Piece(self._base + self._start, self._base + end, raw, fault)
        self._start = end
        self._cut = None
        return piece

    def _take_too_long(self) -> Piece:
        """Give up on what does not end. What follows in its last line belongs to it."""
        piece = self._take(len(self._buffer), _TOO_LONG.format(self._max))
        if not piece.raw.endswith(b"\n"):
            self._cut, self._scan = self._cut_garbage, self._start
        return piece

    def _forget(self) -> None:
        """Drop from the buffer what has been given."""
        del self._buffer[: self._start]
        self._base += self._start
        self._scan -= self._start
        self._start = 0

    def _begin(self) -> bool:
        """See what begins at the next byte that is not blank; False if that is too early."""
        self._start = _BLANKS.match(self._buffer, self._start).end()  # type: ignore[union-attr]
        self._scan = self._start
        first = self._buffer[self._start : self._start + 1]
        if first == b"{":
            self._depth, self._in_string, self._cut = 0, False, self._cut_json
        elif first == b"<":
            self._begin_xml()
        elif first:
            self._begin_text()
        return self._cut is not None

    def _begin_text(self) -> None:
        """Tell the header of an event from garbage."""
        if _HEADER.match(self._buffer, self._start):
            self._cut = self._cut_text
        elif self.remaining >= _HEADER_BYTES or b"\n" in self._buffer[self._start :]:
            self._cut = self._cut_garbage

    def _begin_xml(self) -> None:
        """Tell an ad from what stands around ads, which is passed over."""
        head = bytes(self._buffer[self._start : self._start + 12])
        if head.startswith(b"<c>"):
            self._scan, self._depth, self._cut = self._start + 3, 1, self._cut_xml
        elif head.startswith(_XML_AROUND):
            self._pass_over_tag()
        elif not any(whole.startswith(head) for whole in (b"<c>", *_XML_AROUND)):
            self._cut = self._cut_garbage

    def _pass_over_tag(self) -> None:
        """Step over one tag and see what begins behind it."""
        end = self._buffer.find(b">", self._start)
        if end >= 0:
            self._start = end + 1
            self._begin()
        elif self.remaining > _XML_AROUND_BYTES:
            self._cut = self._cut_garbage

    def _search(self, pattern: re.Pattern[bytes]) -> re.Match[bytes] | None:
        """Search from where the last search ended; leave out nothing that has only begun."""
        match = pattern.search(self._buffer, self._scan)
        if match is None:
            self._scan = max(self._scan, len(self._buffer) - _HEADER_BYTES)
        return match

    def _cut_text(self) -> _Cut | None:
        """Find the end of a text event: its ``...``, or a header that should not be there."""
        match = self._search(_TEXT_END)
        if match is None:
            return None
        return match.end(), _UNFINISHED if match.end() == match.start() + 1 else None

    def _cut_garbage(self) -> _Cut | None:
        """Find where events go on: behind a ``...`` or where one begins."""
        stray = _STRAY_TERMINATOR.match(self._buffer, self._start)
        if stray and self._scan == self._start:
            return stray.end(), _NO_EVENT
        match = self._search(_GARBAGE_END)
        return (match.end(), _NO_EVENT) if match else None

    def _cut_json(self) -> _Cut | None:
        """Find the brace that closes the object; a brace that opens a line opens a new one."""
        while True:
            pattern = _JSON_STRING_STEP if self._in_string else _JSON_STEP
            match = pattern.search(self._buffer, self._scan)
            if match is None:
                # A newline at the end may be the first half of "\n{".
                ended = self._buffer.endswith(b"\n", self._scan)
                self._scan = len(self._buffer) - ended
                return None
            step = match[0]
            if step == b"\n{" and self._depth:
                return match.start() + 1, _UNFINISHED
            if step == b"\\" and match.end() == len(self._buffer):
                self._scan = match.start()
                return None
            self._scan = match.end() + (step == b"\\")
            if self._closes(step):
                return self._scan, None
            if self._depth > _MAX_DEPTH:
                # No event is nested like this; to go on counting would only cost time.
                self._cut = self._cut_garbage
                return self._cut_garbage()

    def _closes(self, step: bytes) -> bool:
        """Count a brace or a quotation mark; tell whether the object ends with it."""
        if step == b'"':
            self._in_string = not self._in_string
        elif step == b"}":
            self._depth -= 1
            return self._depth <= 0
        elif step.endswith(b"{"):
            self._depth += 1
        return False

    def _cut_xml(self) -> _Cut | None:
        """Find the ``</c>`` of an ad; a ``<c>`` that opens a line opens a new one."""
        while (match := _XML_STEP.search(self._buffer, self._scan)) is not None:
            if match[0] == b"\n<c>":
                return match.start() + 1, _UNFINISHED
            self._depth += -1 if match[0] == b"</c>" else 1
            self._scan = match.end()
            if self._depth == 0:
                return self._scan, None
            if self._depth > _MAX_DEPTH:
                self._cut = self._cut_garbage
                return self._cut_garbage()
        self._scan = max(self._scan, len(self._buffer) - 4)
        return None
