"""Events in binary mode: the attributes are headers, and the body is the data."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from jexevents import strictjson
from jexevents.errors import Invalid, Malformed, Unacceptable
from jexevents.faults import fit, shown
from jexevents.model import Arrival, Event, Fault, Reason
from jexevents.sources.cloudevents.attributes import Attributes
from jexevents.sources.cloudevents.document import event_of, faults_of
from jexevents.sources.cloudevents.media import FORM, Media, media_of
from jexevents.sources.cloudevents.words import (
    CONTENT_TYPE,
    DATA,
    DATA_BASE64,
    HTTP_PREFIX,
    SCHEMA,
)

_JSON = "application/json"


def read(arrival: Arrival, attributes: Attributes, header: str) -> Event:
    """Make the event of a message; ``header`` is what its media type stands in.

    Raises Malformed where the data is not what it is said to be, Invalid for attributes that are
    not right; with every fault of both.
    """
    typed, faults = _typed(arrival, attributes, header)
    unreadable = None
    try:
        document = {**typed, **_data(arrival.body, typed.get(CONTENT_TYPE), header)}
    except Malformed as error:
        unreadable, document = error, typed
    faults += _faults_by_header(document, attributes, header)
    if unreadable is not None:
        faults += unreadable.faults
        raise Malformed(unreadable.message, faults, reason=unreadable.reason) from unreadable
    if faults:
        raise Invalid(f"This is no {SCHEMA}: {faults[0]}.", faults)
    return event_of(arrival, document)


def _typed(
    arrival: Arrival, attributes: Attributes, header: str
) -> tuple[dict[str, Any], list[Fault]]:
    """Give the attributes with the media type among them, and what is wrong with the headers."""
    values, faults = dict(attributes.values), list(attributes.faults)
    said = arrival.properties.get("content_type")
    if said is not None:
        also = values.get(CONTENT_TYPE)
        if also is not None and also != said:
            place = fit(attributes.headers[CONTENT_TYPE])
            faults.append(Fault(place, f"none, since {header} says it", shown(also)))
        values[CONTENT_TYPE] = said
    return values, faults


def _faults_by_header(
    document: Mapping[str, Any], attributes: Attributes, header: str
) -> Iterator[Fault]:
    """Check the event; faults of headers that could not be read are told already."""
    told = {fault.pointer for fault in attributes.faults}
    for fault in faults_of(document):
        name = fault.pointer.removeprefix("/")
        place = attributes.headers.get(name, HTTP_PREFIX + name)
        if name == CONTENT_TYPE and name not in attributes.headers:
            place = header
        if fit(place) not in told:
            yield replace(fault, pointer=fit(place))


def _data(body: bytes, said: Any, header: str) -> dict[str, Any]:
    """Give the members that say the data: as JSON, as text, or as bytes in Base64.

    Raises Malformed where it is said to be JSON and is none.
    """
    if not body:
        return {}
    media = media_of(said) if isinstance(said, str) else Media("")
    if media.is_json:
        if not media.is_utf_8:
            raise charset_refused(media, header)
        return {DATA: strictjson.loads(body)}
    if media.name in ("", FORM):
        # curl says form of whatever it sends; and where nothing is said, it is mostly JSON.
        found = _json_or_none(body, media)
        if found is not None:
            return found
    if media.is_text and media.is_utf_8 and (text := _text_or_none(body)) is not None:
        return {DATA: text}
    return {DATA_BASE64: base64.b64encode(body).decode()}


def _json_or_none(body: bytes, media: Media) -> dict[str, Any] | None:
    if media.name == FORM and body.lstrip()[:1] not in (b"{", b"["):
        return None
    try:
        return {DATA: strictjson.loads(body), CONTENT_TYPE: _JSON}
    except Unacceptable:
        return None


def _text_or_none(body: bytes) -> str | None:
    """Give the text, if it is one, and PostgreSQL can keep it."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def charset_refused(media: Media, header: str) -> Malformed:
    """Give the error for JSON that is said to be in another charset than UTF-8."""
    fault = Fault(header, f"{media.name} in UTF-8", shown(media.charset))
    return Malformed("JSON is read in UTF-8 alone.", [fault], reason=Reason.CONTENT_TYPE)
