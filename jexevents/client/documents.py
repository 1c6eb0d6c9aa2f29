"""The events of a file: one JSON object, an array of them, or one (or an array) a line."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, NamedTuple

from jexevents import strictjson
from jexevents.errors import Unacceptable
from jexevents.faults import kind

# Far above what any server takes for one event.
MAX_BYTES = 64 << 20

_SYSTEM_IDS = ("smrtLinkId", "smrtlinkId")


class Found(NamedTuple):
    """What stands at a place of a file: an event, or why there is none."""

    place: str
    document: dict[str, Any] | None
    fault: str = ""


def documents(stream: BinaryIO) -> Iterator[Found]:
    """Read events, those of lines one after the other as they come. Raises OSError.

    The first line decides: if it is JSON by itself, so must all the others be.
    """
    number, first = _first_line(stream)
    if not first:
        return
    try:
        value = strictjson.loads(first)
    except Unacceptable:
        yield from _whole(first, stream)
        return
    yield from _values(f"line {number}", value)
    yield from _lines(number, stream)


def completed(document: Mapping[str, Any], system: str | None) -> Mapping[str, Any]:
    """Give an event with the ids that it lacks, as a system's own EventManager adds them.

    That is of the system and of the event itself. Without ``system`` nothing is added.
    """
    if system is None:
        return document
    added = {}
    if not any(name in document for name in _SYSTEM_IDS):
        added[_SYSTEM_IDS[0]] = system
    if "uuid" not in document:
        added["uuid"] = str(uuid.uuid4())
    return {**added, **document}


def _first_line(stream: BinaryIO) -> tuple[int, bytes]:
    """Give the first line that is not blank, and its number; b"" at the end."""
    number = 0
    while line := stream.readline(MAX_BYTES + 1):
        number += 1
        if line.strip():
            return number, line
    return number, b""


def _whole(begin: bytes, stream: BinaryIO) -> Iterator[Found]:
    room = max(0, MAX_BYTES + 1 - len(begin))
    body = begin + stream.read(room)
    if len(body) > MAX_BYTES:
        yield Found("", None, f"more than {MAX_BYTES} bytes, and not one event a line")
        return
    try:
        value = strictjson.loads(body)
    except Unacceptable as error:
        yield Found("", None, _told(error))
        return
    yield from _values("", value)


def _lines(number: int, stream: BinaryIO) -> Iterator[Found]:
    while line := stream.readline(MAX_BYTES + 1):
        number += 1
        place = f"line {number}"
        if len(line) > MAX_BYTES:
            yield Found(place, None, f"a line of more than {MAX_BYTES} bytes; the rest is not read")
            return
        if not line.strip():
            continue
        try:
            value = strictjson.loads(line)
        except Unacceptable as error:
            yield Found(place, None, _told(error))
            continue
        yield from _values(place, value)


def _values(place: str, value: Any) -> Iterator[Found]:
    if not isinstance(value, list):
        yield _one(place, value)
        return
    for index, entry in enumerate(value):
        yield _one(f"{place} entry {index + 1}".strip(), entry)


def _one(place: str, value: Any) -> Found:
    if isinstance(value, dict):
        return Found(place, value)
    return Found(place, None, f"expected a JSON object, got {kind(value)}")


def _told(error: Unacceptable) -> str:
    return "; ".join([error.message, *(str(fault) for fault in error.faults)])
