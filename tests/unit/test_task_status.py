"""A result's status is the fold of its runs'."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from jexevents.lifecycle import command
from jexevents.tasks.status import STATUSES, WORDS, is_over, seconds_between, states_of, status_of

NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)


def row(waiting_again: int = 0, **counts: int) -> dict[str, int]:
    told = {word.lower(): counts.get(word.lower(), 0) for word in WORDS}
    return {**told, "times": sum(told.values()), "waiting_again": waiting_again}


@pytest.mark.parametrize(
    ("found", "status"),
    [
        (row(queued=3), "QUEUED"),
        (row(queued=3, waiting_again=1), "RUNNING"),
        (row(queued=2, running=1), "RUNNING"),
        (row(queued=2, complete=1), "RUNNING"),
        (row(queued=2, cancelled=1), "RUNNING"),
        (row(running=1, error=2), "RUNNING"),
        (row(complete=3), "COMPLETE"),
        (row(complete=2, error=1), "ERROR"),
        (row(complete=1, error=1, killed=1, cancelled=1), "ERROR"),
        (row(complete=1, killed=1, cancelled=1), "KILLED"),
        (row(complete=2, cancelled=1), "CANCELLED"),
    ],
)
def test_status_of_results(found: dict[str, int], status: str) -> None:
    assert status_of(found) == status
    assert is_over(found) == (status not in ("QUEUED", "RUNNING"))


def test_every_state_of_the_ledger_has_a_status() -> None:
    assert set(STATUSES) == set(command.STATES)
    assert set(STATUSES.values()) == set(WORDS)
    assert sorted(state for word in WORDS for state in states_of(word)) == sorted(command.STATES)


def test_durations() -> None:
    assert seconds_between(NOON, NOON + timedelta(seconds=1.5)) == 1.5
    assert seconds_between(NOON, NOON - timedelta(seconds=1)) == 0
    assert seconds_between(None, NOON) is None
    assert seconds_between(NOON, None) is None
