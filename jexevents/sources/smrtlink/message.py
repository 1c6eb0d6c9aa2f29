"""What comes in as an event of SMRT Link, over HTTP or off a queue, as an Event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jexevents import strictjson
from jexevents.errors import Forbidden, Invalid, Malformed, Unacceptable
from jexevents.faults import kind, shown
from jexevents.model import Arrival, Event, Fault, Reason
from jexevents.sources.cloudevents.words import has_shape
from jexevents.sources.doors import Step
from jexevents.sources.smrtlink.events import system_event
from jexevents.sources.smrtlink.types import EventTypes
from jexevents.sources.smrtlink.words import (
    OTHER_SYSTEM_ID,
    SCHEMA,
    SYSTEM,
    SYSTEM_ID,
    identity,
)
from jexevents.validation import SCHEMAS, absent, is_uuid

_OF_CONDOR = frozenset(("Event", "EventTypeNumber"))
_NEEDED = "the id of the system; required unless the credential is good for one system alone"
_OWN = frozenset(("eventTypeId", "eventTypeVersion", SYSTEM_ID, OTHER_SYSTEM_ID))


def is_one(arrival: Arrival, max_bytes: int) -> bool:
    """Tell whether a message off a queue is an event of SMRT Link.

    By the property ``type``, or by its members: two that no other message has both of.
    """
    body = arrival.body
    if len(body) > max_bytes:
        return False
    if arrival.properties.get("type") == SCHEMA:
        return True
    return b'"eventTypeId"' in body and _has_shape(body)


def _has_shape(body: bytes) -> bool:
    try:
        document = strictjson.loads(body, any_text=True)
    except Unacceptable:
        return False
    if not isinstance(document, dict) or _OF_CONDOR & document.keys() or has_shape(document):
        return False
    return "uuid" in document or len(_OWN & document.keys()) > 1


def reader(types: EventTypes) -> Step:
    """Give what makes the event of an arrival.

    It raises Malformed or Invalid with every fault, and Forbidden where the sender is good for
    another system alone.
    """

    def read(arrival: Arrival) -> Event:
        document = strictjson.loads(arrival.body)
        if not isinstance(document, dict):
            raise Malformed(
                "The body is no JSON object.",
                [Fault("", "a JSON object", kind(document))],
                reason=Reason.SCHEMA,
            )
        document = _of_system(document, arrival.properties.get(SYSTEM))
        faults = _faults(document, types)
        if faults:
            raise Invalid(f"This is no {SCHEMA}: {faults[0]}.", faults)
        return system_event(document, received_at=arrival.received_at, raw=arrival.body)

    return read


def _of_system(document: dict[str, Any], bound: str | None) -> dict[str, Any]:
    """Give a document with its system's id, whichever way it is spelled or known."""
    ids = [document[name] for name in (SYSTEM_ID, OTHER_SYSTEM_ID) if name in document]
    if not ids:
        # A SMRT Link Message: as its own EventManager adds the id, so do we where it is known.
        return document if bound is None else {**document, SYSTEM_ID: bound}
    ids = [one.lower() if isinstance(one, str) else one for one in ids]
    if len(ids) > 1 and ids[0] != ids[1]:
        fault = Fault(f"/{OTHER_SYSTEM_ID}", f"the same as in {SYSTEM_ID}", shown(ids[1]))
        raise Invalid("The system has two ids.", [fault])
    if bound is not None and is_uuid(str(ids[0])) and ids[0] != bound:
        raise Forbidden(f"This credential is good for the system {bound} alone.")
    return {**document, SYSTEM_ID: ids[0]}


def _faults(document: Mapping[str, Any], types: EventTypes) -> list[Fault]:
    faults = SCHEMAS.check(SCHEMA, document)
    if SYSTEM_ID not in document:
        # Not the schema's to say: of some senders it is known.
        faults.append(Fault(f"/{SYSTEM_ID}", _NEEDED, absent(document, SYSTEM_ID)))
        faults.sort(key=lambda fault: fault.pointer)
    if faults:
        return faults
    version = int(document.get("eventTypeVersion", 1))
    return types.check(document["eventTypeId"], version, document["message"])


def is_identity(checksum: bytes, raw: bytes) -> bool:
    """Tell whether a checksum is the one of an event of SMRT Link with this text."""
    try:
        document = strictjson.loads(raw)
    except Unacceptable:
        return False
    found = document.get("uuid") if isinstance(document, dict) else None
    return isinstance(found, str) and checksum == identity(found)
