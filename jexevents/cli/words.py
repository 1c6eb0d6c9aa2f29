"""How the commands word what they say, and what they take."""

from __future__ import annotations

import argparse
import re
from datetime import timedelta

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_LONGEST = timedelta(days=36_500)  # without a bound the calendar ends before the duration


def duration(text: str) -> timedelta:
    """Read a duration such as ``90m``, ``12h``, ``30d``; raises argparse's error for others."""
    match = re.fullmatch(r"([1-9][0-9]{0,5})([smhdw])", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"expected a duration like 90m, 12h or 30d, got {text!r}")
    length = timedelta(**{_UNITS[match[2]]: int(match[1])})
    if length > _LONGEST:
        raise argparse.ArgumentTypeError(f"expected at most 36500d, got {text!r}")
    return length


def counted(number: int, noun: str) -> str:
    """Give ``1 token``, ``2 tokens``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
