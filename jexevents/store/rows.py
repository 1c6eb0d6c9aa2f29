"""Rows to values and back: what all kinds share."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, NamedTuple

import orjson

from jexevents.lifecycle.order import Tail
from jexevents.model import Event, Position
from jexevents.store.database import Connection
from jexevents.store.literals import NULL, bytes_field, columns, copy, field
from jexevents.store.queries import QUERIES

# The columns of jobs that a folded state gives, save the phase and the tail of the fold.
JOB_FACTS = (
    "state",
    "closed",
    "submitter",
    "submitted_at",
    "started_at",
    "finished_at",
    "exit_code",
    "reason",
)
_TAIL_COLUMNS = (
    "fold_at",
    "fold_rank",
    "fold_checksum",
    "fold_log",
    "fold_offset",
    "fold_logs",
)
JOB_COLUMNS = (*JOB_FACTS, "phase", *_TAIL_COLUMNS)


class StoredEvent(NamedTuple):
    """What the fold needs of an event that the ledger has."""

    name: str
    occurred_at: datetime
    occurred_offset: str | None
    occurred_alt: datetime | None
    checksum: bytes
    data: dict[str, Any]
    position: Position | None


def stored_event(row: Sequence[Any]) -> StoredEvent:
    """Make a StoredEvent of a row of ``story``, without its job id."""
    name, at, offset, alt, checksum, data, log, log_offset = row
    position = None if log is None else Position(log, log_offset)
    return StoredEvent(name, at, offset, alt, bytes(checksum), data, position)


def tail_of(row: Sequence[Any]) -> Tail | None:
    """Give the tail of the fold out of a row of ``lock_jobs``: JOB_FACTS and then the tail's."""
    at, rank, checksum, log, offset, logs = row[len(JOB_FACTS) :]
    if at is None:
        return None
    last = None if log is None else Position(log, offset)
    return Tail((at, rank, bytes(checksum)), last, logs)


def job_columns(jobs: Iterable[tuple[str, Any]]) -> dict[str, str]:
    """Give (id, state) pairs as the columns that ``insert_jobs`` and ``update_jobs`` take."""
    return columns(("id", *JOB_COLUMNS), [(job, *job_values(state)) for job, state in jobs])


def job_values(state: Any) -> tuple[Any, ...]:
    """Give what a folded state says of the columns JOB_COLUMNS, in their order."""
    return (*_facts(state), state.phase.value, *_tail(state.tail))


_facts = attrgetter(*JOB_FACTS)


def _tail(tail: Tail | None) -> tuple[Any, ...]:
    if tail is None:
        return (None, None, None, None, None, False)
    last = tail.last
    return (
        *tail.key,
        None if last is None else last.log,
        None if last is None else last.offset,
        tail.logs,
    )


def to_json(data: Mapping[str, Any]) -> str:
    """Give a JSON object as text."""
    try:
        return orjson.dumps(data).decode()
    except TypeError:  # an integer of more than 64 bits, which jsonb takes
        return json.dumps(data, ensure_ascii=False)


def insert_event(connection: Connection, job_id: str | None, event: Event) -> int:
    """Store one event, with the id of its job (None for an event of none); give its number.

    With what COPY takes to begin and end, one event costs more than half as much again.
    """
    return QUERIES.events.insert_event(
        connection,
        job_id=job_id,
        checksum=event.checksum,
        source=event.source,
        name=event.name,
        occurred_at=event.occurred_at,
        occurred_offset=event.occurred_offset,
        occurred_alt=event.occurred_alt,
        received_at=event.received_at,
        data=to_json(event.data),
        raw=event.raw,
    )


def copy_events(connection: Connection, events: Iterable[tuple[int, str | None, Event]]) -> None:
    """Store events, each with its number and the id of its job (None for an event of none)."""
    rows = (_event_row(*one) for one in events)
    copy(connection, QUERIES.events.copy_events.sql, rows)


def _event_row(seq: int, job_id: str | None, event: Event) -> str:
    offset, alternative = event.occurred_offset, event.occurred_alt
    return "\t".join(
        (
            str(seq),
            NULL if job_id is None else job_id,
            bytes_field(event.checksum),
            field(event.source),
            field(event.name),
            event.occurred_at.isoformat(),
            NULL if offset is None else field(offset),
            NULL if alternative is None else alternative.isoformat(),
            event.received_at.isoformat(),
            to_json(event.data).replace("\\", "\\\\"),  # JSON has no bare control characters
            bytes_field(event.raw),
        )
    )
