"""What could not be accepted: kept whole up to a bound, past it the first part and the hash.

The same message with the same company is one row, however often it comes: it may come again
because the answer to a COMMIT was lost, or because the daemon was killed before it could
acknowledge. Rows are always locked in the order of their checksums, and before any job, so
that daemons, retries and drops wait for each other in one direction only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

from jexevents import rfc3339
from jexevents.errors import JexError
from jexevents.model import Arrival, Reject
from jexevents.redaction import MASK, is_secret_name
from jexevents.store.database import Connection
from jexevents.store.queries import QUERIES

_MAX_DEPTH = 16
_COUNTING = ("x-delivery-count", "x-acquired-count")
_COLUMNS = (
    "received_at",
    "last_at",
    "times",
    "checksum",
    "origin",
    "source",
    "credential",
    "reason",
    "reasons",
    "properties",
    "body",
    "size",
    "sha256",
    "cut",
)


class RejectsGone(JexError):
    """Rejects that were to leave the list have left it already; ``ids`` are their numbers."""

    def __init__(self, ids: set[int]) -> None:
        super().__init__()
        self.ids = ids


def insert_rejects(connection: Connection, rejects: Sequence[Reject], max_bytes: int) -> None:
    """Store rejects; of a body over ``max_bytes`` the first part, with its size and SHA-256.

    One that is stored already counts one time more, and is rejected for the new reasons.
    """
    if not rejects:
        return
    # Equal ones are folded here: PostgreSQL refuses to touch a row twice in one statement.
    rows: dict[bytes, dict[str, Any]] = {}
    for reject in rejects:
        row = _row(reject, max_bytes)
        _fold(rows.setdefault(row["checksum"], row), row)
    columns = {name: [row[name] for row in rows.values()] for name in _COLUMNS}
    QUERIES.rejects.insert_rejects(connection, **columns)


def hold_rejects(connection: Connection, ids: Sequence[int]) -> None:
    """Keep others from rejects till the end. Raises RejectsGone unless all stand on the list."""
    missing = set(ids) - (_lock(connection, ids) if ids else set())
    if missing:
        raise RejectsGone(missing)


def take_rejects(connection: Connection, ids: Sequence[int]) -> None:
    """Take rejects that are held off the list."""
    if ids:
        QUERIES.rejects.delete_rejects(connection, ids=list(ids))


def drop_rejects(connection: Connection, ids: Sequence[int]) -> int:
    """Take those of these rejects off the list that still stand on it; give how many."""
    held = _lock(connection, ids)
    return QUERIES.rejects.delete_rejects(connection, ids=list(held)) if held else 0


def renew_rejects(connection: Connection, renewed: Mapping[int, Reject]) -> None:
    """Give rejects, by their numbers, the reasons for which they were refused just now."""
    held = _lock(connection, list(renewed))
    QUERIES.rejects.renew_rejects(
        connection,
        ids=list(held),
        reason=[renewed[number].reason.value for number in held],
        reasons=[_reasons(renewed[number]) for number in held],
    )


def _lock(connection: Connection, ids: Sequence[int]) -> set[int]:
    return {number for (number,) in QUERIES.rejects.lock_rejects(connection, ids=list(ids))}


def _row(reject: Reject, max_bytes: int) -> dict[str, Any]:
    arrival = reject.arrival
    body = arrival.body
    properties = _masked(arrival.properties)
    sha256 = hashlib.sha256(body)
    return {
        "received_at": arrival.received_at,
        "last_at": arrival.received_at,
        "times": 0,
        "checksum": _identity(arrival, _json(_lasting(properties)), sha256.hexdigest()),
        "origin": arrival.origin,
        "source": arrival.source,
        "credential": arrival.credential,
        "reason": reject.reason.value,
        "reasons": _reasons(reject),
        "properties": _json(properties),
        "body": body[:max_bytes],
        "size": len(body),
        "sha256": sha256.digest(),
        "cut": len(body) > max_bytes,
    }


def _identity(arrival: Arrival, properties: str, sha256: str) -> bytes:
    parts = [arrival.origin, arrival.source, arrival.credential, properties, sha256]
    return hashlib.sha256(json.dumps(parts).encode()).digest()


def _lasting(properties: Mapping[str, Any]) -> Mapping[str, Any]:
    """Leave out the headers that change each time that RabbitMQ hands the message out."""
    headers = properties.get("headers")
    if not isinstance(headers, Mapping):
        return properties
    kept = {name: value for name, value in headers.items() if name not in _COUNTING}
    rest = {name: value for name, value in properties.items() if name != "headers"}
    return {**rest, "headers": kept} if kept else rest


def _fold(first: dict[str, Any], again: Mapping[str, Any]) -> None:
    first["times"] += 1
    first["received_at"] = min(first["received_at"], again["received_at"])
    first["last_at"] = max(first["last_at"], again["last_at"])
    first["reason"], first["reasons"] = again["reason"], again["reasons"]


def _reasons(reject: Reject) -> str:
    return _json([asdict(fault) for fault in reject.faults])


def _json(value: Any) -> str:
    """Write JSON, the same for equal values: members in the order of their names."""
    return json.dumps(_plain(value), ensure_ascii=False, sort_keys=True)


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
    elif isinstance(value, datetime):
        value = rfc3339.format_utc(value if value.tzinfo else value.replace(tzinfo=timezone.utc))
    return str(value).encode("utf-8", "replace").decode().replace("\0", "\ufffd")
