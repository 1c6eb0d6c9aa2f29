"""What is wrong with an event that cannot be read, in one shape."""

from __future__ import annotations

from jexevents.errors import Malformed
from jexevents.faults import fit
from jexevents.model import Fault, Reason


def unreadable(expected: str, got: str, reason: Reason = Reason.UNREADABLE_EVENT) -> Malformed:
    """Give the error that says what was expected and what came; the caller raises it."""
    came = fit(got)
    return Malformed(f"expected {expected}, got {came}", [Fault("", expected, came)], reason=reason)
