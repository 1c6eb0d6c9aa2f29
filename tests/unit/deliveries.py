"""Deliveries as the outbox hands them out."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from jexevents.store.outbox import DeliveredEvent, Delivery

NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
MESSAGE_ID = "5b2cf2a5-7d0b-4c4d-9a0e-5d7a8f7c1f11"
JOB_ID = "01a2041e-bec3-75ad-a31c-0a427ef2f719"
INVOCATION = "5d2a0f04-9f1e-4a86-8b9f-5d6c0e0f7a11"

JOB = {
    "id": JOB_ID, "kind": "condor", "key": "cluster1#222.0", "source": "cluster1",
    "state": "Failed", "phase": "ERROR", "submitter": "ann",
    "submitted_at": "2026-03-01T11:00:00.25Z", "started_at": "2026-03-01T11:30:00Z",
    "finished_at": "2026-03-01T12:00:00Z", "exit_code": 1, "reason": None, "held": False,
    "invocation_id": INVOCATION,
}  # fmt: skip
EXECUTION = {
    "id": JOB_ID, "kind": "command", "key": "1489895624.840211", "source": "example-job",
    "state": "COMPLETE", "phase": "COMPLETE", "submitter": "ann",
    "submitted_at": "2026-03-01T11:00:00Z", "started_at": "2026-03-01T11:30:00Z",
    "finished_at": "2026-03-01T12:00:00Z", "exit_code": 0, "reason": None, "attempt": 1,
    "status": "complete",
}  # fmt: skip
EVENT = DeliveredEvent(
    86, "cluster1", "condor", "JOB_TERMINATED", NOON, None, NOON, {"ReturnValue": 1}, bytes(32)
)
DELIVERY = Delivery(
    1, "portal", MESSAGE_ID, 86, JOB_ID, JOB, EVENT, NOON, None, None, 0, "test", NOON, 0.0
)


def delivery(**changes: Any) -> Delivery:
    """Give a delivery with changes, claimed for a minute."""
    return replace(DELIVERY, ends_at=time.monotonic() + 60, **changes)


def of_no_job(data: dict[str, Any], kind: str | None = None, name: str = "thing") -> Delivery:
    """Give a delivery of an event of no job."""
    event = EVENT._replace(kind=kind, name=name, data=data)
    return delivery(job_id=None, job=None, event=event)


def of_execution(
    name: str = "complete", data: dict[str, Any] | None = None, **changes: Any
) -> Delivery:
    """Give a delivery of an event of an execution."""
    event = EVENT._replace(kind="command", source="example-job", name=name, data=data or {})
    return delivery(**{"job": EXECUTION, "event": event, **changes})
