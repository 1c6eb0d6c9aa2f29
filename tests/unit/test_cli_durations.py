"""The durations that the commands take."""

from __future__ import annotations

import argparse
from datetime import datetime, timedelta, timezone

import pytest

from jexevents.cli.durations import duration


def test_durations_have_units() -> None:
    assert duration("90m") == timedelta(minutes=90)
    assert datetime.now(timezone.utc) + duration("36500d")


@pytest.mark.parametrize("text", ["", "0d", "90", "m", "1.5h", "36501d", "999999w"])
def test_what_is_no_duration_or_has_no_end_in_the_calendar_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        duration(text)


def test_a_command_may_take_other_units() -> None:
    assert duration("1y", units="hdwy") == timedelta(days=365)
    with pytest.raises(argparse.ArgumentTypeError, match=r"12h, 180d, 26w, 1y; got '6m'"):
        duration("6m", units="hdwy")
