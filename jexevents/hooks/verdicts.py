"""What is to be done after a try: it is over, or there is another one, and when; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from itertools import islice

from jexevents.backoff import Random, delays
from jexevents.hooks.transport import Answer
from jexevents.store.outbox import DEAD, DELIVERED, PENDING

GONE = 410
# The first wait is anywhere up to this: 5 s, of many.
FIRST_SECONDS = 10.0
MAX_SECONDS = 3600.0
# What asked for a time is tried up to so much of it later, so that not all come back at once.
_LATER = 0.1

# Behind that many doublings every wait is the longest one.
_MOST_DOUBLINGS = 20
_SECONDS = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a delivery, in the states of the outbox; why; and when it is tried again."""

    state: str
    error: str | None = None
    retry_in_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a delivery is tried, and how long the longest wait between two tries is."""

    try_seconds: float
    max_wait_seconds: float = MAX_SECONDS
    first_wait_seconds: float = FIRST_SECONDS


def judge(
    answer: Answer,
    attempts: int,
    tried_seconds: float,
    now: datetime,
    patience: Patience,
    draw: Random,
) -> Verdict:
    """Judge the answer to a try, the ``attempts``-th (from 1), so long after the first one began.

    A receiver may ask for a longer wait than it would be, never for a shorter one.
    """
    if answer.accepted:
        return Verdict(DELIVERED, answer.error or None)
    if answer.status == GONE:
        return Verdict(DEAD, "The receiver answered 410: it wants no more of these.")
    error = answer.error or f"The receiver answered {answer.status}."
    asked = (asked_to_wait(answer, now) or 0.0) * (1.0 + _LATER * draw())
    return again(error, attempts, tried_seconds, patience, draw, asked)


def again(
    error: str,
    attempts: int,
    tried_seconds: float,
    patience: Patience,
    draw: Random,
    least_seconds: float = 0.0,
) -> Verdict:
    """Say when a delivery is tried again, in ``least_seconds`` at the soonest; or that it is dead.

    A wait that would end past the time that a delivery is tried ends there: there is a last try.
    """
    left = patience.try_seconds - tried_seconds
    if left <= 0:
        return Verdict(DEAD, f"{error} It was tried for {patience.try_seconds:g} s.")
    wait = max(least_seconds, _backoff(attempts, patience, draw))
    return Verdict(PENDING, error, min(wait, left))


def asked_to_wait(answer: Answer, now: datetime) -> float | None:
    """Give the seconds that an answer's Retry-After asks for, a number or a date; None without.

    What is no such thing asks for nothing (RFC 9110, section 10.2.3).
    """
    fields = {name.lower(): value for name, value in answer.headers.items()}
    text = fields.get("retry-after", "").strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        # The second is for numbers that no machine word holds.
        return None
    at = at if at.tzinfo else at.replace(tzinfo=timezone.utc)
    return max(0.0, (at - now).total_seconds())


def _backoff(attempts: int, patience: Patience, draw: Random) -> float:
    waits = delays(patience.max_wait_seconds, patience.first_wait_seconds, draw)
    return next(islice(waits, min(attempts, _MOST_DOUBLINGS) - 1, None))
