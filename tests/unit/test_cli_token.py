"""The durations that commands take, such as ``jexevents token make --ttl``."""

from __future__ import annotations

import argparse
from datetime import datetime, timedelta, timezone

import pytest

from jexevents.cli.words import duration


def test_durations_have_units() -> None:
    assert duration("90m") == timedelta(minutes=90)
    assert datetime.now(timezone.utc) + duration("36500d")


@pytest.mark.parametrize("text", ["", "0d", "90", "m", "1.5h", "36501d", "999999w"])
def test_what_is_no_duration_or_has_no_end_in_the_calendar_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        duration(text)
