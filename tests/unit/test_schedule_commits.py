"""Which daemon may schedule, by the commit that it has in force."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from jexevents.runner.scheduler.commits import may_look
from jexevents.store.schedules import State

NOON = datetime(2026, 3, 2, 12, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("commit", "looked_ago", "may"),
    [
        ("mine", 0, True),
        ("mine", 3600, True),
        (None, 0, True),
        ("other", None, True),
        ("other", 0, False),
        ("other", 60, False),
        ("other", 60.1, True),
        # The clock was set back: a little, and far.
        ("other", -60, False),
        ("other", -60.1, True),
    ],
)
def test_whose_commit_is_in_force_or_when_nobody_looks(
    commit: str | None, looked_ago: float | None, may: bool
) -> None:
    looked_at = None if looked_ago is None else NOON - timedelta(seconds=looked_ago)
    assert may_look("mine", State(looked_at, commit, None, 0, 0), NOON) is may
