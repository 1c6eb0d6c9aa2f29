"""CloudEvents 1.0 as they come: structured and binary by both doors, batches over HTTP alone.

Whether a message is one is said beside its body: by its media type, or by headers with the prefixes
of CloudEvents. Over HTTP a JSON body that has the attributes as its members is one as well.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from jexevents import strictjson
from jexevents.errors import Invalid, Malformed, Unacceptable
from jexevents.faults import kind, shown
from jexevents.model import UNREADABLE_HEADERS, Arrival, Event, Fault, Reason
from jexevents.sources.cloudevents import attributes, binary
from jexevents.sources.cloudevents.binary import charset_refused
from jexevents.sources.cloudevents.document import (
    event_of,
    faults_of,
    is_identity,
    without_secrets,
    written,
)
from jexevents.sources.cloudevents.media import Media, media_of
from jexevents.sources.cloudevents.words import (
    BATCH,
    FAMILY,
    HTTP_PREFIX,
    REQUIRED,
    SCHEMA,
    STRUCTURED,
    has_shape,
)
from jexevents.validation import MAX_FAULTS

__all__ = [
    "MAX_BYTES",
    "is_batch",
    "is_identity",
    "is_one",
    "is_shaped",
    "kept",
    "read",
    "read_batch",
    "read_http",
    "read_shaped",
]

# What is longer is refused unread, whatever it is.
MAX_BYTES = 4 << 20

_JSON_START = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n]*([\[{])")
# Several AMQP libraries put the character set here; that is no encoding of the body.
_PLAIN = ("", "identity", "utf-8", "utf8", "us-ascii", "ascii")
# Members of the messages of log monitors.
_OF_CONDOR = frozenset(("Event", "EventTypeNumber"))
_DATA_TYPE = f"a type of the data beside {HTTP_PREFIX}* headers"
_EXPECTED = {
    "content_type": f"{STRUCTURED}, or {_DATA_TYPE}",
    "Content-Type": f"{STRUCTURED}, {BATCH}, or {_DATA_TYPE}",
}
_REMEDY = (
    "Send the attributes as members of a JSON body, or beside the data in headers: "
    f"{', '.join(HTTP_PREFIX + name for name in REQUIRED)}."
)


# --- over AMQP


def is_one(arrival: Arrival) -> bool:
    """Tell whether a message off a queue says that it is a CloudEvent.

    By its media type, or by headers of two of the attributes that it must have: of what has a
    fault, it shall be told.
    """
    properties = arrival.properties
    headers = properties.get("headers")
    if headers and isinstance(headers, Mapping):
        found = {name for _, name in attributes.named_in(headers)}
        if len(found.intersection(REQUIRED)) > 1:
            return True
    content_type = properties.get("content_type")
    # This is asked of every message, and to read the media type takes longer.
    return content_type is not None and str(content_type).lstrip().lower().startswith(FAMILY)


def read(arrival: Arrival, max_bytes: int = MAX_BYTES) -> Event:
    """Make the event of a message off a queue. Raises Malformed or Invalid with every fault."""
    media = media_of(str(arrival.properties.get("content_type", "")))
    if len(arrival.body) > max_bytes:
        fault = Fault("", f"an event of at most {max_bytes} bytes", str(len(arrival.body)))
        raise Malformed("The event is too long.", [fault], reason=Reason.TOO_LARGE)
    try:
        return _read_amqp(arrival, media)
    except Unacceptable as error:
        error.kept = kept(arrival)
        raise


def is_shaped(arrival: Arrival, max_bytes: int = MAX_BYTES) -> bool:
    """Tell whether a message off a queue is an event by its body alone: a plain JSON object.

    So it is over HTTP, whatever the media type.
    """
    body = arrival.body
    return len(body) <= max_bytes and b'"specversion"' in body and _has_shape(body)


def _has_shape(body: bytes) -> bool:
    try:
        document = strictjson.loads(body, any_text=True)
    except Unacceptable:
        return False
    return isinstance(document, dict) and not _OF_CONDOR & document.keys() and has_shape(document)


def read_shaped(arrival: Arrival) -> Event:
    """Make the event of such a message. Raises Malformed or Invalid with every fault."""
    try:
        _check_company(arrival.properties, arrival.properties.get("headers", {}))
        return _structured(arrival)
    except Unacceptable as error:
        error.kept = kept(arrival)
        raise


def _read_amqp(arrival: Arrival, media: Media) -> Event:
    headers = arrival.properties.get("headers", {})
    _check_company(arrival.properties, headers)
    if media.name == BATCH:
        fault = Fault("content_type", f"{STRUCTURED}: over AMQP, one event a message", BATCH)
        raise Malformed(
            "A batch of CloudEvents is taken over HTTP alone.",
            [fault],
            remedy="Publish each event by itself.",
            reason=Reason.SEVERAL_EVENTS,
        )
    if _is_family(media):
        _check_format(media, "content_type")
        return _structured(arrival)
    return binary.read(arrival, attributes.of_amqp(headers), "content_type")


def _check_company(properties: Mapping[str, Any], headers: Mapping[Any, Any]) -> None:
    if UNREADABLE_HEADERS in headers:
        got = "headers that are too long, nest too deep or hold what has no value"
        fault = Fault("headers", "headers that can be read", got)
        raise Malformed("The headers cannot be read.", [fault], reason=Reason.HEADERS)
    encoding = str(properties.get("content_encoding", ""))
    if encoding.strip().lower() not in _PLAIN:
        fault = Fault("content_encoding", "none, identity or utf-8", shown(encoding))
        raise Malformed("Encoded bodies are not read.", [fault], reason=Reason.ENCODING)


def kept(arrival: Arrival) -> bytes | None:
    """Give what of a refused message is kept: all but attributes that are secret by their names.

    The data is kept as that of an accepted event is. None where nobody can tell the one from the
    other.
    """
    is_declared = _is_family(media_of(str(arrival.properties.get("content_type", ""))))
    if not is_declared and (is_one(arrival) or not _has_shape(arrival.body)):
        return arrival.body
    try:
        document = strictjson.loads(arrival.body)
    except Unacceptable:
        return None
    if not isinstance(document, dict):
        return None
    masked, is_masked = without_secrets(document)
    return written(masked) if is_masked else arrival.body


# --- over HTTP


def is_batch(arrival: Arrival) -> bool:
    """Tell whether a request has a batch of events: by its media type, or being an array."""
    media = _media(arrival)
    if _is_family(media):
        return media.name == BATCH
    return not _has_attributes(arrival) and _first(arrival.body) == b"["


def read_http(arrival: Arrival) -> Event:
    """Make the event of a request that has one. Raises Malformed or Invalid with every fault.

    The reason of the error is CONTENT_TYPE where the request does not say what it is.
    """
    media = _media(arrival)
    if _is_family(media):
        _check_format(media, "Content-Type")
        return _structured(arrival)
    if _has_attributes(arrival):
        found = attributes.of_http(arrival.properties["headers"])
        return binary.read(arrival, found, "Content-Type")
    if _first(arrival.body) == b"{":
        # curl's --data says form; a JSON text that has it all says more.
        return _structured(arrival, remedy=_REMEDY)
    raise _unknown_format(media, "Content-Type")


def read_batch(arrival: Arrival) -> list[Event]:
    """Make the events of a batch, which may have none.

    Raises Malformed or Invalid where one of them is not right, with the faults of all.
    """
    media = _media(arrival)
    if _is_family(media):
        _check_format(media, "Content-Type")
    documents = strictjson.loads(arrival.body)
    if not isinstance(documents, list):
        fault = Fault("", "an array of events", shown(documents))
        raise Invalid("This is no batch of CloudEvents.", [fault])
    faults: list[Fault] = []
    for index, document in enumerate(documents):
        faults += [
            Fault(f"/{index}{fault.pointer}", fault.expected, fault.got)
            for fault in faults_of(document)
        ]
        if len(faults) >= MAX_FAULTS:
            break
    if faults:
        raise Invalid(
            f"Not all of the batch are CloudEvents: {faults[0]}.",
            faults[:MAX_FAULTS],
            remedy="Nothing of it was stored.",
        )
    return [event_of(arrival, document) for document in documents]


def _media(arrival: Arrival) -> Media:
    return media_of(arrival.properties.get("content_type") or "")


def _has_attributes(arrival: Arrival) -> bool:
    return bool(arrival.properties.get("headers"))


def _first(body: bytes) -> bytes | None:
    """Give the bracket that a body begins with, if it begins as a JSON object or array."""
    found = _JSON_START.match(body)
    return found[1] if found else None


# --- over both


def _is_family(media: Media) -> bool:
    return media.name.startswith(FAMILY)


def _check_format(media: Media, header: str) -> None:
    """Raise Malformed for CloudEvents in another format than JSON, or another charset."""
    if media.name not in (STRUCTURED, BATCH):
        raise _unknown_format(media, header)
    if not media.is_utf_8:
        raise charset_refused(media, header)


def _unknown_format(media: Media, header: str) -> Malformed:
    got = shown(media.name) if media.name else "nothing"
    return Malformed(
        "This does not say that it is a CloudEvent, or is one in a format that is not read.",
        [Fault(header, _EXPECTED[header], got)],
        remedy=_REMEDY,
        reason=Reason.CONTENT_TYPE,
    )


def _structured(arrival: Arrival, remedy: str = "") -> Event:
    document = strictjson.loads(arrival.body)
    if not isinstance(document, dict):
        fault = Fault("", "a JSON object", kind(document))
        raise Invalid(f"This is no {SCHEMA}: {fault}.", [fault], remedy=remedy)
    faults = faults_of(document)
    if faults:
        raise Invalid(f"This is no {SCHEMA}: {faults[0]}.", faults, remedy=remedy)
    return event_of(arrival, document, arrival.body)
