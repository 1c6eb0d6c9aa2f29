"""The frames of a log: which stream, when, and the bytes that a container wrote. Pure.

The engine puts eight bytes before each message of the log, its stream and its length, and the
time with a blank before what was written.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from jexevents.errors import EngineRefused

HEADER_BYTES = 8
# The engine cuts what has no newline after 16 KiB; this is far beyond what any engine sends.
MAX_FRAME_BYTES = 1 << 24
STDOUT, STDERR = "stdout", "stderr"

_STREAMS = {0: STDOUT, 1: STDOUT, 2: STDERR}
_SYSTEM = 3  # the engine itself, which could not go on
_NO_BYTES = b"\0\0\0"
_LONGEST_TIME = 64
_TIME = re.compile(
    rb"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?"
    rb"(Z|[+-][0-9]{2}:[0-9]{2}) "
)


class Frame(NamedTuple):
    """One message: ``time_ns`` since 1970, 0 where the engine gave no time."""

    stream: str
    time_ns: int
    data: bytes


class Splitter:
    """Cuts the bytes of an answer into frames, wherever they were cut on their way."""

    def __init__(self) -> None:
        self._rest = b""

    @property
    def torn(self) -> bool:
        """Whether a frame has begun and not ended."""
        return bool(self._rest)

    def feed(self, piece: bytes) -> list[Frame]:
        """Give the frames that are whole now.

        Raises EngineRefused where the bytes are no frames, or where the engine says in one that
        it cannot go on.
        """
        content = self._rest + piece if self._rest else piece
        at, size, frames = 0, len(content), []
        while size - at >= HEADER_BYTES:
            end = at + HEADER_BYTES + _length(content, at)
            if end > size:
                break
            frames.append(_frame(content[at], content[at + HEADER_BYTES : end]))
            at = end
        self._rest = content[at:]
        return frames


def _length(content: bytes, at: int) -> int:
    length = int.from_bytes(content[at + 4 : at + HEADER_BYTES], "big")
    if content[at] > _SYSTEM or content[at + 1 : at + 4] != _NO_BYTES or length > MAX_FRAME_BYTES:
        raise EngineRefused(200, "a log that is not in frames; has the container a terminal?")
    return length


def _frame(stream: int, content: bytes) -> Frame:
    if stream == _SYSTEM:
        raise EngineRefused(200, content.decode(errors="replace").strip())
    found = _TIME.match(content, 0, _LONGEST_TIME)
    at = _time_ns(*found.groups()) if found else None
    if at is None:
        return Frame(_STREAMS[stream], 0, content)
    return Frame(_STREAMS[stream], at, content[found.end() :])


def _time_ns(second: bytes, fraction: bytes | None, zone: bytes) -> int | None:
    whole = _seconds(second, zone)
    if whole is None:
        return None
    return whole * 1_000_000_000 + (int(fraction.ljust(9, b"0")) if fraction else 0)


@lru_cache(maxsize=256)
def _seconds(second: bytes, zone: bytes) -> int | None:
    zone = b"+00:00" if zone == b"Z" else zone
    try:
        return int(datetime.fromisoformat((second + zone).decode("ascii")).timestamp())
    except (ValueError, OverflowError):
        return None


def as_since(time_ns: int) -> str:
    """Write a time as the engine takes it: seconds, a point, nanoseconds."""
    return f"{time_ns // 1_000_000_000}.{time_ns % 1_000_000_000:09d}"
