"""A delivery that is made up, to see whether a receiver takes it; pure."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from jexevents.hooks.hook import Hook
from jexevents.hookwords import OVERSEER, SMRTLINK
from jexevents.model import Kind
from jexevents.rfc3339 import format_utc
from jexevents.store.outbox import DeliveredEvent, Delivery

# The event is called so. Of an execution it is a word of the job's own: it claims no end.
NAME, STATUS = "TEST", "test"
_SOURCE = "jexevents"
_NO_ID = "00000000-0000-0000-0000-000000000000"
_DATA = {"test": True, "message": "Nothing has happened: `jexevents hooks test` sent this."}


def example(hook: Hook, message_id: str, at: datetime) -> Delivery:
    """Give a delivery of an event that never was; the id of its job is all zeros.

    It is of a kind that the hook takes: of SMRT Link for its format, of an execution for Overseer's
    and for a hook of executions, else of condor. ``message_id`` is a UUID, ``at`` an aware instant.
    """
    kind = _kind(hook)
    name = STATUS if kind == Kind.COMMAND.value else NAME
    identity = hashlib.sha256(message_id.encode()).digest()
    data = _system_event(message_id, at) if kind == SMRTLINK else _DATA
    event = DeliveredEvent(0, _SOURCE, kind, name, at, None, at, data, identity)
    job = _execution(at) if kind == Kind.COMMAND.value else _job(kind, at)
    return Delivery(0, hook.name, message_id, 0, _NO_ID, job, event, at, None, None, 0, "", at, 0.0)


def _kind(hook: Hook) -> str:
    if hook.format == SMRTLINK:
        return SMRTLINK
    kinds = [Kind.CONDOR.value, Kind.COMMAND.value]
    if hook.format == OVERSEER:
        kinds.reverse()
    return next((kind for kind in kinds if hook.takes_kind(kind)), kinds[0])


def _execution(at: datetime) -> dict[str, Any]:
    """Give an execution that runs; its id is that of one which was asked for at that instant."""
    key = repr(at.timestamp())
    return _begun(Kind.COMMAND.value, key, at) | {"attempt": 1, "status": STATUS}


def _job(kind: str, at: datetime) -> dict[str, Any]:
    over = {"state": "Completed", "phase": "COMPLETE", "finished_at": format_utc(at)}
    own = {"exit_code": 0, "held": False, "invocation_id": _NO_ID}
    return _begun(kind, "jexevents#0.0", at) | over | own


def _begun(kind: str, key: str, at: datetime) -> dict[str, Any]:
    """Give what is shown of a job of any kind that has begun."""
    now = format_utc(at)
    return {
        "id": _NO_ID,
        "kind": kind,
        "key": key,
        "source": _SOURCE,
        "state": "RUNNING",
        "phase": "RUNNING",
        "submitter": _SOURCE,
        "submitted_at": now,
        "started_at": now,
        "finished_at": None,
        "exit_code": None,
        "reason": None,
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
