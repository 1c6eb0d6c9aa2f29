"""An event in the JSON format of CloudEvents, checked, and made an Event of the ledger."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from jexevents import rfc3339
from jexevents.faults import pointer, shown
from jexevents.model import Arrival, Event, Fault
from jexevents.redaction import MASK, is_secret_name
from jexevents.sources.cloudevents.words import DATA, DATA_BASE64, FORMAT, SCHEMA, identity
from jexevents.validation import MAX_FAULTS, SCHEMAS

_NAME = re.compile("[a-z0-9]+")
_NO_ATTRIBUTES = (DATA, DATA_BASE64)


def faults_of(document: Any) -> list[Fault]:
    """Say all that is wrong with an event in JSON, by pointer; at most MAX_FAULTS."""
    faults = SCHEMAS.check(SCHEMA, document)
    if isinstance(document, dict):
        faults = [*faults, *_faults_of_names(document), *_faults_of_data(document)]
    return faults[:MAX_FAULTS]


def _faults_of_names(document: Mapping[str, Any]) -> Iterator[Fault]:
    for name in document:
        if name not in _NO_ATTRIBUTES and not _NAME.fullmatch(name):
            expected = "a name of lower-case letters and digits"
            yield Fault(pointer([name]), expected, shown(name))


def _faults_of_data(document: Mapping[str, Any]) -> Iterator[Fault]:
    encoded = document.get(DATA_BASE64)
    if encoded is None:
        return
    if DATA in document:
        yield Fault(f"/{DATA_BASE64}", f"either {DATA} or {DATA_BASE64}", "both")
    if isinstance(encoded, str) and not _is_base64(encoded):
        yield Fault(f"/{DATA_BASE64}", "Base64 (RFC 4648, section 4)", shown(encoded))


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def event_of(arrival: Arrival, document: Mapping[str, Any], raw: bytes | None = None) -> Event:
    """Make the event of a document without faults.

    ``raw`` is its text as it came, None where it came in some other form.
    """
    data, is_masked = without_secrets(document)
    data = {name: value for name, value in data.items() if value is not None or name == DATA}
    time = document.get("time")
    sent = None if time is None else rfc3339.parse(time)
    return Event(
        kind=None,
        job=None,
        source=document["source"],
        name=document["type"],
        occurred_at=arrival.received_at if sent is None else sent.at,
        occurred_offset=None if sent is None else sent.offset,
        received_at=arrival.received_at,
        data=data,
        raw=written(data) if raw is None or is_masked else raw,
        checksum=identity(document["source"], document["id"]),
        format=FORMAT,
    )


def without_secrets(document: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool]:
    """Give the event with ``***`` for what its attributes' names say is secret; and whether.

    That is of attributes alone, which everybody on the way reads and logs. The data is the
    sender's, and stays as it is.
    """
    secret = [
        name
        for name, value in document.items()
        if name not in _NO_ATTRIBUTES and value is not None and is_secret_name(name)
    ]
    if not secret:
        return document, False
    return {**document, **dict.fromkeys(secret, MASK)}, True


def written(document: Mapping[str, Any]) -> bytes:
    """Write an event in JSON."""
    try:
        return orjson.dumps(document)
    except TypeError:  # an integer of more than 64 bits, or text that UTF-8 has no bytes for
        return json.dumps(document).encode()


def is_identity(checksum: bytes, source: str, raw: bytes) -> bool:
    """Tell whether a checksum is the one of the CloudEvent with this source and text."""
    if b'"specversion"' not in raw:
        return False
    try:
        document = json.loads(raw.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return False
    if not isinstance(document, dict) or document.get("source") != source:
        return False
    own_id = document.get("id")
    return isinstance(own_id, str) and checksum == identity(source, own_id)
