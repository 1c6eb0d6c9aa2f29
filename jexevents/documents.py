"""Documents that are the same whether they are asked for or sent; pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

# The JEX interface has one word for what the ledger calls a phase.
STATUS_BY_PHASE: Mapping[str, str] = {
    "QUEUED": "Submitted",
    "RUNNING": "Running",
    "COMPLETE": "Completed",
    "ERROR": "Failed",
    "CANCELLED": "Failed",
}

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_ENDED = ("Completed", "Failed")


def last_event(uuid: str, phase: str, finished_at: datetime | None) -> dict[str, Any]:
    """Give the state document of a job of any kind (schema last_events).

    ``uuid`` is the id that it is asked for or known by, ``finished_at`` an aware instant.
    """
    status = STATUS_BY_PHASE[phase]
    state = {"status": status, "uuid": uuid}
    if status in _ENDED and finished_at is not None:
        state["completion_date"] = str((finished_at - _EPOCH) // timedelta(milliseconds=1))
    return {"state": state}
