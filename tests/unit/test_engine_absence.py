"""Which ends an engine may not know of, by what was seen of its absences."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from jexevents.engine.absence import Absence
from jexevents.engine.states import State, state


def ended(exit_code: int, *, at: datetime | None = None) -> State:
    now: dict[str, Any] = {"Status": "exited", "ExitCode": exit_code}
    if at is not None:
        now["FinishedAt"] = at.isoformat()
    return state({"Id": "c", "State": now})


def moment(seconds: float = 0.0) -> datetime:
    return datetime.now(timezone.utc) + timedelta(seconds=seconds)


@pytest.mark.parametrize("code", [0, 6, 255])
def test_an_engine_that_was_never_away_is_believed(code: int) -> None:
    assert not Absence().hides_end(ended(code, at=moment()))


def test_what_ended_when_the_engine_came_back_may_not_have_ended_with_0() -> None:
    absence = Absence()
    absence.missed()
    assert absence.hides_end(ended(0, at=moment(0.5)))
    assert absence.hides_end(ended(0))
    assert not absence.hides_end(ended(6, at=moment(0.5)))


def test_clocks_may_differ_a_little() -> None:
    absence = Absence()
    absence.missed()
    assert absence.hides_end(ended(0, at=moment(-0.5)))


def test_what_ended_before_the_last_miss_did_so() -> None:
    absence = Absence()
    absence.missed()
    assert not absence.hides_end(ended(0, at=moment(-5)))


def test_what_ran_on_over_the_absence_ends_before_the_engines_eyes() -> None:
    absence = Absence()
    absence.missed()
    absence.over()
    assert not absence.hides_end(ended(0, at=moment(0.5)))
    absence.missed()
    assert absence.hides_end(ended(0, at=moment(0.5)))


def test_exit_255_is_doubted_after_any_absence() -> None:
    absence = Absence()
    absence.missed()
    absence.over()
    assert absence.hides_end(ended(255, at=moment(-5)))
