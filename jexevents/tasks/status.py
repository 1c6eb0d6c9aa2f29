"""How results and their runs stand, in the words of the seed; pure.

A result that is not over is QUEUED until one of its runs has begun, or ended; RUNNING from then on.
One that is over is ERROR where a run failed, else KILLED where one was killed, else CANCELLED where
one was cancelled, else COMPLETE.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from jexevents.lifecycle import command

QUEUED, RUNNING, COMPLETE, ERROR = "QUEUED", "RUNNING", "COMPLETE", "ERROR"
CANCELLED, KILLED = "CANCELLED", "KILLED"

# The status of a run by its state in the ledger.
STATUSES = {
    command.QUEUED: QUEUED,
    command.RUNNING: RUNNING,
    command.STOPPED: RUNNING,
    command.COMPLETE: COMPLETE,
    command.FAILED: ERROR,
    command.TIMED_OUT: ERROR,
    command.LOST: ERROR,
    command.CANCELLED: CANCELLED,
    command.KILLED: KILLED,
}
WORDS = (QUEUED, RUNNING, COMPLETE, ERROR, CANCELLED, KILLED)
_ENDS = (ERROR, KILLED, CANCELLED)

Row = Mapping[str, Any]


def detail_key(result_id: int, number: int) -> str:
    """Give the key that a run has in the ledger."""
    return f"{result_id}/{number}"


def states_of(status: str) -> tuple[str, ...]:
    """Give the states of the ledger that a status stands for."""
    return tuple(state for state, word in STATUSES.items() if word == status)


def counts_of(row: Row) -> dict[str, int]:
    """Give how many runs of a result have which status; ``row`` is one of store.results."""
    return {word: row[word.lower()] for word in WORDS}


def is_over(row: Row) -> bool:
    """Whether all runs of a result have ended."""
    return not (row["queued"] or row["running"])


def status_of(row: Row) -> str:
    """Give the status of a result."""
    if is_over(row):
        return next((word for word in _ENDS if row[word.lower()]), COMPLETE)
    has_begun = row["waiting_again"] or row["queued"] < row["times"]
    return RUNNING if has_begun else QUEUED


def seconds_between(start: datetime | None, end: datetime | None) -> float | None:
    """Give a duration; None where one of them is not known. Clocks of two nodes may differ: then it
    is not below 0."""
    return None if start is None or end is None else max(0.0, (end - start).total_seconds())
