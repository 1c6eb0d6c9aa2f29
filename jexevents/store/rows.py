"""Rows to values and back: what all kinds share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from jexevents.lifecycle.order import Tail
from jexevents.model import Position

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


def read_job_facts(state: Any, row: Sequence[Any]) -> None:
    """Fill a fresh state from a row of ``lock_jobs``, without its id, kind and key."""
    for name, value in zip(JOB_FACTS, row, strict=False):
        setattr(state, name, value)
    at, rank, checksum, log, offset, logs = row[len(JOB_FACTS) :]
    if at is not None:
        last = None if log is None else Position(log, offset)
        state.tail = Tail((at, rank, bytes(checksum)), last, logs)


def job_columns(jobs: Iterable[tuple[str, Any]]) -> dict[str, list[Any]]:
    """Give (id, state) pairs as the columns that ``insert_jobs`` and ``update_jobs`` take."""
    rows = [(job, *job_values(state)) for job, state in jobs]
    names = ("id", *JOB_COLUMNS)
    return dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))


def job_values(state: Any) -> tuple[Any, ...]:
    """Give what a folded state says of the columns JOB_COLUMNS, in their order."""
    facts = (getattr(state, name) for name in JOB_FACTS)
    return (*facts, state.phase.value, *_tail(state.tail))


def _tail(tail: Tail | None) -> tuple[Any, ...]:
    if tail is None:
        return (None, None, None, None, None, False)
    at, rank, checksum = tail.key
    last = tail.last
    return (
        at,
        rank,
        checksum,
        None if last is None else last.log,
        None if last is None else last.offset,
        tail.logs,
    )
