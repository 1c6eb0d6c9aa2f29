"""Durations as the commands take them: a number and a unit, like 12h or 180d."""

from __future__ import annotations

import argparse
import re
from datetime import timedelta

_UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
    "y": timedelta(days=365),
}
_EXAMPLES = {"s": 300, "m": 90, "h": 12, "d": 180, "w": 26, "y": 1}
_LONGEST = timedelta(days=36_500)  # without a bound the calendar ends before the duration


def duration(text: str, units: str = "smhdw") -> timedelta:
    """Read a duration in one of these units; raises argparse's error for what is none."""
    match = re.fullmatch(rf"([1-9][0-9]{{0,5}})([{units}])", text, re.ASCII)
    if match is None:
        known = ", ".join(f"{_EXAMPLES[unit]}{unit}" for unit in units)
        raise argparse.ArgumentTypeError(f"expected a duration like {known}; got {text!r}")
    length = int(match[1]) * _UNITS[match[2]]
    if length > _LONGEST:
        raise argparse.ArgumentTypeError(f"expected at most 36500d, got {text!r}")
    return length
