"""Ids of executions: a JSON number of seconds since 1970, to the microsecond (seed overseer).

They are compared, and kept, as whole microseconds. The shortest form of the number is the one that
is shown: ``1489895624.840211``, ``1489888092.0``.
"""

from __future__ import annotations

import re
from decimal import Decimal
from uuid import UUID, uuid5

_FORM = re.compile(r"[0-9]{1,11}(?:\.[0-9]{1,18})?")
_MILLION = 1_000_000
# Beyond it a JSON number, which is a double to most, would not be exact to the microsecond.
_MOST = 2**33 * _MILLION - 1


def microseconds(text: str) -> int | None:
    """Read an id out of a URL or a key; None for what is none."""
    if not _FORM.fullmatch(text):
        return None
    scaled = Decimal(text) * _MILLION
    whole = int(scaled)
    return whole if whole == scaled and whole <= _MOST else None


def number(execution: int) -> float:
    """Give an id as a JSON number."""
    return execution / _MILLION


def micros(seconds: float) -> int | None:
    """Read an id that came as a JSON number; None for what is none."""
    return round(seconds * _MILLION) if 0 <= seconds <= _MOST / _MILLION else None


def shortest(execution: int) -> str:
    """Give the shortest form of an id, for URLs and keys."""
    return repr(number(execution))


def attempt_id(job_id: str, attempt: int) -> UUID:
    """Give the id of an attempt, which names its folder on the node that begins it.

    That of the first one is the execution's own.
    """
    return UUID(job_id) if attempt == 1 else uuid5(UUID(job_id), str(attempt))
