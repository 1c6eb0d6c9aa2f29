"""What drives a PipelineJob, as events: JSON documents, URL parameters, callbacks; and creations.

The same three mechanisms come over HTTP and over AMQP (seed pipelinejobs-manager, "Update Job
State"). What HTTP has in the URL, AMQP has in headers of the same names: ``uuid``, ``event``,
``status``, ``token``. A property or header ``type`` says what the body is (``FORMATS``); without
it the parameters and the shape of the body decide.

Secrets stop here: the event has a hash of the token, and its texts have ``***`` where it stood.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from jexevents import strictjson
from jexevents.errors import Invalid, Malformed, Unacceptable
from jexevents.faults import kind
from jexevents.lifecycle import pipeline
from jexevents.model import Arrival, Event, Fault, Reason
from jexevents.sources.cloudevents.words import has_shape
from jexevents.sources.pipelinejobs.callbacks import agave_identity, read_agave, read_tapis
from jexevents.sources.pipelinejobs.events import read_event
from jexevents.sources.pipelinejobs.secret import redacted, secrets_of
from jexevents.sources.pipelinejobs.words import (
    AGAVE_CALLBACK,
    EVENT,
    FORMATS,
    PARAMETERS,
    QUERY,
    TAPIS_NOTIFICATION,
    identity,
)

_BEGINS_CONDOR = b'{"Event'

# Members of the messages of log monitors, and of those about PipelineJobs.
_OF_CONDOR = frozenset(("Event", "EventTypeNumber"))
_OF_PIPELINES = frozenset(("uuid", "token", "name", "event", "action"))

# What is longer is refused unread, whatever it is.
MAX_BYTES = 8 << 20


def is_one(arrival: Arrival, max_bytes: int = MAX_BYTES) -> bool:
    """Tell whether a message off a queue is about a PipelineJob, and not from a log monitor."""
    body = arrival.body
    if body.startswith(_BEGINS_CONDOR) or len(body) > max_bytes:
        return False
    named = arrival.properties.get("type") or _header(arrival, "type")
    if named in FORMATS:
        return True
    if _header(arrival, "uuid") and _header(arrival, "token"):
        return True
    return (b'"uuid"' in body or b'"token"' in body) and _has_shape(body)


def _has_shape(body: bytes) -> bool:
    try:
        document = strictjson.loads(body, any_text=True)
    except Unacceptable:
        return False
    if not isinstance(document, dict) or _OF_CONDOR & document.keys() or has_shape(document):
        return False
    # Two of them: of what has a fault, it shall be told here.
    return len(_OF_PIPELINES & document.keys()) > 1


def read(arrival: Arrival) -> Event:
    """Make the event of one message. Raises Malformed or Invalid with every fault."""
    try:
        return _read(arrival)
    except Unacceptable as error:
        tokens = _parameters(arrival).get("token"), _token_of(arrival.body)
        error.kept = redacted(arrival.body, secrets_of(arrival, *tokens))
        raise


def _token_of(body: bytes) -> str | None:
    """Give the token in a body that is no message, if it can be told at all."""
    try:
        document = strictjson.loads(body, any_text=True)
    except Unacceptable:
        return None
    token = document.get("token") if isinstance(document, dict) else None
    return token if isinstance(token, str) else None


def _read(arrival: Arrival) -> Event:
    parameters = _parameters(arrival)
    document = _document(arrival, parameters)
    if is_deletion(document):
        raise Invalid(
            "A deletion is taken over HTTP alone.",
            [Fault("/action", "an event or a callback", "delete")],
            remedy="POST it to the actor's messages, or DELETE the job.",
        )
    form = _format(arrival, parameters, document)
    if form == EVENT:
        return read_event(arrival, parameters, document)
    if form == TAPIS_NOTIFICATION:
        return read_tapis(arrival, parameters, document)
    return read_agave(arrival, parameters, document)


def is_deletion(document: Any) -> bool:
    """Tell whether a document asks for a job to be deleted, and is no event."""
    is_one = isinstance(document, dict) and document.get("action") == "delete"
    return is_one and "name" not in document


def is_identity(name: str, checksum: bytes, raw: bytes) -> bool:
    """Tell whether a checksum is the one of a callback with this text, as far as it says so.

    That of an event of an event door is its key or a random number.
    """
    sender, dot, status = name.partition(".")
    if not dot:
        return True
    try:
        document = json.loads(raw)
    except ValueError:
        return False
    if sender == pipeline.TAPIS:
        told = document["event"].get("uuid") or document.get("eventUuid")
        return told is None or checksum == identity(pipeline.TAPIS, told)
    own = agave_identity(document, status)
    return own is None or checksum == own


def _header(arrival: Arrival, name: str) -> Any:
    headers = arrival.properties.get("headers")
    return headers.get(name) if isinstance(headers, Mapping) else None


def _parameters(arrival: Arrival) -> dict[str, str]:
    query = arrival.properties.get(QUERY)
    if query is None:
        found = {name: _header(arrival, name) for name in PARAMETERS}
        query = {name: str(value) for name, value in found.items() if value is not None}
    return {name: value for name, value in query.items() if name in PARAMETERS and value}


def _document(arrival: Arrival, parameters: Mapping[str, str]) -> dict[str, Any]:
    """Read the body; what has none says all in its parameters."""
    if not arrival.body.strip() and "event" in parameters:
        return {}
    document = strictjson.loads(arrival.body)
    if not isinstance(document, dict):
        raise Malformed(
            "The body is no JSON object.",
            [Fault("", "a JSON object", kind(document))],
            reason=Reason.SCHEMA,
        )
    return document


def _format(arrival: Arrival, parameters: Mapping[str, str], document: Mapping[str, Any]) -> str:
    named = arrival.properties.get("type") or _header(arrival, "type")
    if named in FORMATS:
        return named
    if "event" in parameters:
        return EVENT
    if isinstance(document.get("event"), dict) and "type" in document["event"]:
        return TAPIS_NOTIFICATION
    if "status" in parameters or ("appId" in document and "status" in document):
        return AGAVE_CALLBACK
    return EVENT
