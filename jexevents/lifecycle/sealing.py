"""Sealed stories: one event in the place of all of a job's events.

Its data is the state that they had led to, whole and with the tail of the fold, so that a fold
which begins with it ends as the one over all of them did. It works for every kind whose state
is a dataclass with ``tail`` and with names that end in ``_at`` for its instants.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any, TypeVar

from jexevents import rfc3339
from jexevents.lifecycle.order import Tail
from jexevents.model import SEALED, Position

S = TypeVar("S")
E = TypeVar("E")


def checksum(job_id: str) -> bytes:
    """Give the identity (32 bytes) of the sealed event of a job: there can be one only."""
    return hashlib.sha256(f"{SEALED}\0{job_id}".encode()).digest()


def dump(state: Any) -> dict[str, Any]:
    """Give all fields of a state as JSON has them, instants as RFC 3339."""
    return {field.name: _plain(getattr(state, field.name)) for field in fields(state)}


def load(kind_of_state: type[S], data: Mapping[str, Any]) -> S:
    """Make the state again that ``dump`` was given; members that are no fields are ignored."""
    known = {field.name: data[field.name] for field in fields(kind_of_state) if field.name in data}
    return kind_of_state(**{name: _value(name, value) for name, value in known.items()})


def opened(kind_of_state: type[S], events: Iterable[E]) -> tuple[S, list[E]]:
    """Give the state that a story begins with, and the events that are to be folded onto it.

    That is the state of its sealed event, or a fresh one where it has none.
    """
    state, rest = None, []
    for event in events:
        if event.name == SEALED:
            state = load(kind_of_state, event.data)
        else:
            rest.append(event)
    return kind_of_state() if state is None else state, rest


def _plain(value: Any) -> Any:
    return _plain_tail(value) if isinstance(value, Tail) else rfc3339.plain(value)


def _plain_tail(tail: Tail) -> dict[str, Any]:
    at, rank, digest = tail.key
    last = tail.last
    return {
        "at": rfc3339.format_utc(at),
        "rank": rank,
        "checksum": digest.hex(),
        "log": None if last is None else last.log,
        "offset": None if last is None else last.offset,
        "logs": tail.logs,
    }


def _value(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name == "tail":
        return _tail(value)
    return rfc3339.parse(value).at if name.endswith("_at") else value


def _tail(data: Mapping[str, Any]) -> Tail:
    key = (rfc3339.parse(data["at"]).at, data["rank"], bytes.fromhex(data["checksum"]))
    last = None if data["log"] is None else Position(data["log"], data["offset"])
    return Tail(key, last, data["logs"])
