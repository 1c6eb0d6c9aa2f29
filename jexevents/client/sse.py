"""Server-Sent Events, read as they come (the WHATWG's HTML standard, section 9.2.6). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from jexevents.errors import ServerAway

# Ours are far below it; what has no end must not fill the memory.
MAX_EVENT_BYTES = 32 << 20


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event: its name, its data as a text, and the id to come again with."""

    name: str
    data: str
    id: str


def events(pieces: Iterable[bytes]) -> Iterator[ServerEvent | None]:
    """Give the events in pieces of bytes as soon as each is whole; None for what only says that the
    server is there, one without a name for what has nothing but an id. What is cut off at the end
    is no event. Raises ServerAway for one without an end."""
    lines: list[str] = []
    room, last_id = MAX_EVENT_BYTES, ""
    for line in _lines(pieces):
        if line:
            lines.append(line)
            room -= len(line)
            if room < 0:
                raise _endless()
            continue
        event, last_id = _event(lines, last_id)
        lines.clear()
        room = MAX_EVENT_BYTES
        yield event


def _event(lines: Iterable[str], last_id: str) -> tuple[ServerEvent | None, str]:
    name, data, before = "message", [], last_id
    for line in lines:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            data.append(value)
        elif field == "event":
            name = value or name
        elif field == "id" and "\0" not in value:
            last_id = value
    if data:
        return ServerEvent(name, "\n".join(data), last_id), last_id
    return (None if last_id == before else ServerEvent("", "", last_id)), last_id


def _lines(pieces: Iterable[bytes]) -> Iterator[str]:
    """Give whole lines; they end with LF, CR LF or CR."""
    held = b""
    for piece in pieces:
        held = (held + piece).replace(b"\r\n", b"\n")
        # A CR at the very end may be the first half of a CR LF.
        whole = held[:-1].replace(b"\r", b"\n") + held[-1:]
        *done, held = whole.split(b"\n")
        if len(held) > MAX_EVENT_BYTES:
            raise _endless()
        yield from (line.decode("utf-8", "replace") for line in done)


def _endless() -> ServerAway:
    return ServerAway("An event of the server has no end.")
