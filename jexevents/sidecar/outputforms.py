"""The forms in which an output is given: its bytes, lines of JSON, Server-Sent Events. Pure."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Protocol

from jexevents.executions.outputs import Chunk
from jexevents.rfc3339 import format_utc
from jexevents.sidecar.outputasked import EVENT_STREAM
from jexevents.sidecar.streams import HEAD, Cut

TEXT, UTF8, BINARY = "text/plain", "text/plain; charset=utf-8", "application/octet-stream"
LINES = "application/x-ndjson"
CONTENT_TYPES = (TEXT, BINARY, LINES, EVENT_STREAM)
KEEP_ALIVE_SECONDS = 15.0
_RETRY_MILLISECONDS = 2000
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

# Gives what stands in the place of a gap; may raise Cut.
OnGap = Callable[[Chunk], bytes]


class Form(Protocol):
    """A form of an answer: what stands first, what chunks become, what is said while none come."""

    content_type: str
    head: bytes

    def feed(self, chunks: Sequence[Chunk]) -> bytes:
        """Give what chunks become."""

    def quiet(self) -> bytes:
        """Give what is to be said where nothing came."""

    def finish(self) -> bytes:
        """Give what is still to be said at the end."""


def skipped(_gap: Chunk) -> bytes:
    """Say nothing of a gap: the head of the answer does."""
    return b""


def told(gap: Chunk) -> bytes:
    """Say it in a line."""
    return f"[jexevents: {gap.missing} bytes of {gap.stream} are missing: {gap.why}]\n".encode()


def unforeseen(known: Iterable[Chunk]) -> OnGap:
    """Cut the answer at a gap of which its head could not say anything; for the others see
    ``skipped``."""
    begun = {gap.offset for gap in known}
    ends = {gap.offset + gap.missing for gap in known}

    def on_gap(gap: Chunk) -> bytes:
        # One that was known may have grown since: by a part of its own, or of the other stream.
        if gap.offset in begun or gap.offset in ends:
            ends.add(gap.offset + gap.missing)
            return b""
        raise Cut

    return on_gap


class Plain:
    """The bytes as they are."""

    content_type = TEXT
    head = HEAD

    def __init__(self, on_gap: OnGap) -> None:
        self._on_gap = on_gap
        self._is_within_line = False

    def feed(self, chunks: Sequence[Chunk]) -> bytes:
        """Give their bytes; of what is missing, what is to be said of it."""
        return b"".join(map(self._bytes, chunks))

    def _bytes(self, chunk: Chunk) -> bytes:
        if not chunk.missing:
            self._is_within_line = not chunk.data.endswith(b"\n")
            return chunk.data
        said = self._on_gap(chunk)
        if said and self._is_within_line:
            said, self._is_within_line = b"\n" + said, False
        return said

    def quiet(self) -> bytes:
        """Say nothing."""
        return b""

    def finish(self) -> bytes:
        """Say nothing."""
        return b""


@dataclass(frozen=True, slots=True)
class Piece:
    """A chunk, or several that belong together; ``text`` is None where the bytes are no UTF-8."""

    stream: str
    time: int
    offset: int
    data: bytes = b""
    text: str | None = None
    missing: int = 0
    why: str = ""

    @property
    def length(self) -> int:
        """For how many bytes of the job it stands."""
        return self.missing or len(self.data)

    @property
    def end(self) -> int:
        """Where the next piece begins, in what the job wrote."""
        return self.offset + self.length

    def document(self) -> dict[str, Any]:
        """Give it as a JSON object."""
        at = format_utc(_EPOCH + timedelta(microseconds=self.time)) if self.time else None
        known = {"at": at, "stream": self.stream, "offset": self.offset}
        if self.missing:
            return {**known, "missing": self.missing, "why": self.why}
        if self.text is not None:
            return {**known, "text": self.text}
        return {**known, "base64": base64.b64encode(self.data).decode("ascii")}


class Texts:
    """Makes pieces of chunks, and cuts none within a character.

    The bytes of a character that have come wait for the others; where the other stream, a gap or
    the end comes first, they are a piece that is no text.
    """

    def __init__(self) -> None:
        self._held: Piece | None = None

    def feed(self, chunk: Chunk) -> list[Piece]:
        """Give the pieces that are complete."""
        pieces = [] if self._goes_on(chunk) else self.flush()
        if chunk.missing:
            gap = Piece(chunk.stream, chunk.time, chunk.offset, b"", None, chunk.missing, chunk.why)
            return [*pieces, gap]
        data, offset, time_ = chunk.data, chunk.offset, chunk.time
        if self._held is not None:
            data = self._held.data + data
            offset, time_, self._held = self._held.offset, self._held.time, None
        whole = _whole_characters(data)
        if whole is None:
            return [*pieces, Piece(chunk.stream, time_, offset, data)]
        if whole:
            text = data[:whole].decode("utf-8")
            pieces.append(Piece(chunk.stream, time_, offset, data[:whole], text))
        if whole < len(data):
            self._held = Piece(chunk.stream, chunk.time, offset + whole, data[whole:])
        return pieces

    def flush(self) -> list[Piece]:
        """Give what waits."""
        held, self._held = self._held, None
        return [] if held is None else [held]

    def _goes_on(self, chunk: Chunk) -> bool:
        """Whether a chunk goes on with what waits."""
        held = self._held
        if held is None or chunk.missing:
            return False
        return chunk.stream == held.stream and chunk.offset == held.end


def _whole_characters(data: bytes) -> int | None:
    """Give of how many bytes the characters are whole; None for bytes that are no UTF-8."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start if error.reason == "unexpected end of data" else None
    return len(data)


class Lines:
    """A line of JSON for each piece."""

    content_type = LINES
    head = HEAD

    def __init__(self) -> None:
        self._texts = Texts()

    def feed(self, chunks: Sequence[Chunk]) -> bytes:
        """Give a line for each piece that is complete."""
        return b"".join(_line(piece) for chunk in chunks for piece in self._texts.feed(chunk))

    def quiet(self) -> bytes:
        """Say nothing."""
        return b""

    def finish(self) -> bytes:
        """Give what waited for the rest of a character."""
        return b"".join(map(_line, self._texts.flush()))


class Events:
    """Server-Sent Events. Each has for its id where the next one begins, so that a client that
    comes again (``Last-Event-ID``) misses nothing. ``ending`` makes the data of the last event,
    given where the output ends."""

    content_type = EVENT_STREAM
    head = f"retry: {_RETRY_MILLISECONDS}\n\n".encode()

    def __init__(
        self,
        attempt: int,
        start: int,
        ending: Callable[[int], dict[str, Any]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._attempt, self._at = attempt, start
        self._ending, self._clock = ending, clock
        self._texts = Texts()
        self._said_at = clock()

    def feed(self, chunks: Sequence[Chunk]) -> bytes:
        """Give an event for each piece that is complete."""
        self._said_at = self._clock()
        return self._events(piece for chunk in chunks for piece in self._texts.feed(chunk))

    def quiet(self) -> bytes:
        """Say now and then that we are there."""
        if self._clock() - self._said_at < KEEP_ALIVE_SECONDS:
            return b""
        self._said_at = self._clock()
        return b": nothing new\n\n"

    def finish(self) -> bytes:
        """Give what waited, and the event that says how the execution stands."""
        last = self._events(self._texts.flush())
        return last + _event("end", f"{self._id()}:end", self._ending(self._at))

    def _events(self, pieces: Iterable[Piece]) -> bytes:
        return b"".join(map(self._event, pieces))

    def _event(self, piece: Piece) -> bytes:
        self._at = piece.end
        name = "gap" if piece.missing else piece.stream
        return _event(name, self._id(), piece.document())

    def _id(self) -> str:
        return f"{self._attempt}:{self._at}"


def _line(piece: Piece) -> bytes:
    return _json(piece.document()) + b"\n"


def _event(name: str, event_id: str, data: dict[str, Any]) -> bytes:
    head = f"event: {name}\nid: {event_id}\ndata: ".encode()
    return head + _json(data) + b"\n\n"


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8")


def content_type_of(data: bytes, *, is_whole: bool) -> str:
    """Say of which type bytes are; UTF-8 only where that was seen of all of them."""
    if b"\0" in data:
        return BINARY
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return TEXT
    return UTF8 if is_whole else TEXT


def gathered(chunks: Iterable[Chunk], size: int) -> Iterator[list[Chunk]]:
    """Give chunks in lists of about ``size`` bytes."""
    batch, taken = [], 0
    for chunk in chunks:
        batch.append(chunk)
        taken += len(chunk.data)
        if taken >= size:
            yield batch
            batch, taken = [], 0
    if batch:
        yield batch
