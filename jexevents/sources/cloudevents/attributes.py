"""The attributes of an event in binary mode, which stand in headers."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

from jexevents import rfc3339
from jexevents.faults import fit, kind, shown
from jexevents.model import Fault
from jexevents.sources.cloudevents.words import (
    CONTENT_TYPE,
    DATA,
    DATA_BASE64,
    HTTP_PREFIX,
    PREFIXES,
    REQUIRED,
)

_KNOWN = (*REQUIRED, "subject", "time", "dataschema", CONTENT_TYPE)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


class Attributes(NamedTuple):
    """The attributes by name, the header that each one stands in, and what cannot be read."""

    values: dict[str, Any]
    headers: dict[str, str]
    faults: list[Fault]


class _Unfit(Exception):
    """A header's value is none of an attribute: what was expected, and what came."""


def named_in(headers: Mapping[Any, Any]) -> Iterator[tuple[str, str]]:
    """Give each header that is an attribute's by its prefix, in any case, and the attribute."""
    for header in headers:
        if isinstance(header, str):
            name = header.lower()
            for prefix in PREFIXES:
                if name.startswith(prefix):
                    yield header, name[len(prefix) :]


def of_http(headers: Mapping[str, Any]) -> Attributes:
    """Read the attributes of ``ce-`` headers, whose values are quoted or percent-encoded."""
    return _read(headers, _of_http_value, (HTTP_PREFIX,))


def of_amqp(headers: Mapping[Any, Any]) -> Attributes:
    """Read the attributes of headers with any of the prefixes; values are texts or of AMQP."""
    return _read(headers, _of_amqp_value, PREFIXES)


def _read(
    headers: Mapping[Any, Any], value_of: Callable[[str, Any], Any], prefixes: tuple[str, ...]
) -> Attributes:
    values: dict[str, Any] = {}
    places: dict[str, str] = {}
    faults: list[Fault] = []
    for header, name in named_in(headers):
        if not header.lower().startswith(prefixes):
            continue
        if name in (DATA, DATA_BASE64):
            faults.append(Fault(fit(header), "the data in the body", "a header"))
            continue
        try:
            value = value_of(name, headers[header])
        except _Unfit as unfit:
            expected, got = unfit.args
            faults.append(Fault(fit(header), expected, got))
            value = None
        if name in values and values[name] != value:
            got = f"another value in {fit(places[name])}"
            faults.append(Fault(fit(header), "each attribute once", got))
        values[name], places[name] = value, header
    return Attributes(values, places, faults)


def _of_http_value(_name: str, value: str) -> str:
    """Undo the quotation marks of older senders, and then one round of percent-encoding.

    Header values come with a character for each of their bytes (PEP 3333).
    """
    quoted = _QUOTED.fullmatch(value)
    if quoted:
        value = _ESCAPED.sub(r"\1", quoted[1])
    try:
        return unquote_to_bytes(value.encode("latin-1")).decode("utf-8")
    except UnicodeError as exc:
        raise _Unfit("percent-encoded UTF-8", "other bytes") from exc


def _of_amqp_value(name: str, value: Any) -> Any:
    if name == "time" and isinstance(value, int) and not isinstance(value, bool):
        return _of_milliseconds(value)
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, datetime):
        return rfc3339.format_utc(value if value.tzinfo else value.replace(tzinfo=timezone.utc))
    if isinstance(value, bytes):
        return _of_bytes(name, value)
    raise _Unfit("a text, a whole number, a truth value or a time", kind(value))


def _of_milliseconds(value: int) -> str:
    """Read a time as AMQP 1.0 has it, in milliseconds since 1970."""
    try:
        return rfc3339.format_utc(_EPOCH + timedelta(milliseconds=value))
    except OverflowError as exc:
        raise _Unfit("milliseconds since 1970, in the years 0001 to 9999", str(value)) from exc


def _of_bytes(name: str, value: bytes) -> str:
    """Read a byte string: text, or else the Base64 that stands for bytes."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as exc:
        if name in _KNOWN:
            raise _Unfit("text in UTF-8", shown(value.decode("latin-1"))) from exc
        return base64.b64encode(value).decode()
