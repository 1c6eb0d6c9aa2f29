"""A delivery that is made up, to see whether a receiver takes it; pure."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from jexevents.hooks.hook import Hook
from jexevents.hookwords import SMRTLINK
from jexevents.rfc3339 import format_utc
from jexevents.store.outbox import DeliveredEvent, Delivery

NAME = "TEST"
_NO_ID = "00000000-0000-0000-0000-000000000000"
_DATA = {"test": True, "message": "Nothing has happened: `jexevents hooks test` sent this."}


def example(hook: Hook, message_id: str, at: datetime) -> Delivery:
    """Give a delivery of an event that never was; the id of its job is all zeros.

    ``message_id`` is a UUID, ``at`` an aware instant.
    """
    kind = SMRTLINK if hook.format == SMRTLINK else "condor"
    identity = hashlib.sha256(message_id.encode()).digest()
    data = _system_event(message_id, at) if kind == SMRTLINK else _DATA
    event = DeliveredEvent(0, "jexevents", kind, NAME, at, None, at, data, identity)
    return Delivery(
        0, hook.name, message_id, 0, _NO_ID, _job(kind, at), event, at, None, None, 0, "", at, 0.0
    )


def _job(kind: str, at: datetime) -> dict[str, Any]:
    now = format_utc(at)
    return {
        "id": _NO_ID,
        "kind": kind,
        "key": "jexevents#0.0",
        "source": "jexevents",
        "state": "Completed",
        "phase": "COMPLETE",
        "submitter": "jexevents",
        "submitted_at": now,
        "started_at": now,
        "finished_at": now,
        "exit_code": 0,
        "reason": None,
        "held": False,
        "invocation_id": _NO_ID,
    }


def _system_event(message_id: str, at: datetime) -> dict[str, Any]:
    return {
        "smrtLinkId": _NO_ID,
        "smrtlinkId": _NO_ID,
        "uuid": message_id,
        "createdAt": format_utc(at),
        "eventTypeId": "sl_test_event",
        "eventTypeVersion": 1,
        "message": _DATA,
        "dnsName": None,
    }
