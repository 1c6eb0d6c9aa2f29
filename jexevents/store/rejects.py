"""What could not be accepted: kept whole up to a bound, past it the first part and the hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from jexevents.model import Reject
from jexevents.redaction import MASK, is_secret_name
from jexevents.store.database import Connection
from jexevents.store.queries import QUERIES

_MAX_DEPTH = 16
_COLUMNS = (
    "received_at",
    "origin",
    "source",
    "credential",
    "reasons",
    "properties",
    "body",
    "size",
    "sha256",
    "cut",
)


def insert_rejects(connection: Connection, rejects: Sequence[Reject], max_bytes: int) -> None:
    """Store rejects; of a body over ``max_bytes`` the first part, with its size and SHA-256."""
    if not rejects:
        return
    rows = [_row(reject, max_bytes) for reject in rejects]
    columns = dict(zip(_COLUMNS, map(list, zip(*rows, strict=True)), strict=True))
    QUERIES.rejects.insert_rejects(connection, **columns)


def _row(reject: Reject, max_bytes: int) -> tuple[Any, ...]:
    arrival = reject.arrival
    body = arrival.body
    return (
        arrival.received_at,
        arrival.origin,
        arrival.source,
        reject.credential,
        _json([asdict(fault) for fault in reject.faults]),
        _json(_masked(arrival.properties)),
        body[:max_bytes],
        len(body),
        hashlib.sha256(body).digest(),
        len(body) > max_bytes,
    )


def _json(value: Any) -> str:
    return json.dumps(_plain(value), ensure_ascii=False)


def _masked(value: Any, room: int = _MAX_DEPTH) -> Any:
    """Give properties without the values of members whose names say that they are secret."""
    if isinstance(value, list) and room:
        return [_masked(item, room - 1) for item in value]
    if not isinstance(value, Mapping) or not room:
        return value
    return {
        name: MASK if is_secret_name(_plain(name)) else _masked(item, room - 1)
        for name, item in value.items()
    }


def _plain(value: Any, room: int = _MAX_DEPTH) -> Any:
    """Make of anything what jsonb has a place for: no NUL, no half surrogate pair, no NaN.

    What nests deeper than ``room`` is left out: a header may nest until Python's stack ends.
    """
    if isinstance(value, dict | list | tuple) and not room:
        return "..."
    if isinstance(value, dict):
        return {str(_plain(str(name))): _plain(item, room - 1) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, room - 1) for item in value]
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return str(value).encode("utf-8", "replace").decode().replace("\0", "\ufffd")
