"""The members of a hook: how each is read, and what it means. Pure; no text holds a secret."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any, NamedTuple

from jexevents.config import uris
from jexevents.config.misfit import Misfit
from jexevents.hookwords import (
    CLOUDEVENTS,
    FORMATS,
    NO_KIND,
    OF_DEFINITION_FORM,
    TIMEOUT_SECONDS,
    TRY_SECONDS,
    is_of_definition,
)
from jexevents.model import Kind

# What the keys EventURL and JEXURL stand for.
EVENT_HOOK, JEX_HOOK = "event-url", "jex-url"

KINDS = tuple(sorted([*(kind.value for kind in Kind), NO_KIND]))

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_PATTERN = re.compile(r"[^\x00-\x1f\x7f]{1,255}")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_HEADER_VALUE = re.compile(r"(?! )[\x20-\x7e]{0,4096}(?<! )")
_UID = re.compile(r"[!-9;-~]{1,255}")  # printable, without the colon that ends it
_PREFIX = "whsec_"
_KEY_BYTES = range(24, 65)
# What the request has by itself, or what says how it is transported.
_OWN_HEADERS = (
    "authentication",
    "connection",
    "content-length",
    "content-type",
    "expect",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
)


class Member(NamedTuple):
    """One member of a hook: what reads it (raising Misfit), and what it means, for the docs."""

    name: str
    attribute: str
    read: Callable[[Any], Any]
    default: str
    help: str
    secret: bool = False


def _require(holds: object, expected: str) -> None:
    if not holds:
        raise Misfit(expected)


def _read_name(value: Any) -> str:
    expected = "a-z, 0-9 and '-', at most 63 characters, not beginning with '-'"
    _require(isinstance(value, str) and _NAME.fullmatch(value), expected)
    _require(value not in (EVENT_HOOK, JEX_HOOK), f"another name: {value} is that of an option")
    of_definition = f"another name: {OF_DEFINITION_FORM} are those of hooks of job definitions"
    _require(not is_of_definition(value), of_definition)
    return value


def _patterns(value: Any) -> tuple[str, ...]:
    expected = "a list of at most 100 patterns such as JOB_*, none of them empty"
    _require(isinstance(value, list) and len(value) <= 100, expected)
    fits = all(isinstance(one, str) and _PATTERN.fullmatch(one) for one in value)
    _require(fits, expected)
    return tuple(value)


def _read_kinds(value: Any) -> tuple[str, ...]:
    patterns = _patterns(value)
    matched = all(any(fnmatchcase(kind, one) for kind in KINDS) for one in patterns)
    _require(matched, f"patterns that match one of {', '.join(KINDS)}")
    return patterns


def _read_format(value: Any) -> str:
    _require(isinstance(value, str) and value in FORMATS, "one of " + ", ".join(FORMATS))
    return value


def _read_headers(value: Any) -> Mapping[str, str]:
    expected = "an object of at most 50 headers, names to printable ASCII text"
    _require(isinstance(value, dict) and len(value) <= 50, expected)
    for name, text in value.items():
        _require(_HEADER.fullmatch(name), expected)
        _require(isinstance(text, str) and _HEADER_VALUE.fullmatch(text), expected)
        own = name.lower() in _OWN_HEADERS or name.lower().startswith(("webhook-", "ce-"))
        _require(not own, f"headers other than those that every request has ({name})")
    _require(len({name.lower() for name in value}) == len(value), "every header once")
    return MappingProxyType(dict(value))


SECRET = f'"{_PREFIX}" and the base64 of 24 to 64 bytes'


def read_secrets(value: Any) -> tuple[str, ...]:
    """Read one secret or a list of them. Raises Misfit."""
    secrets = value if isinstance(value, list) else [value]
    _require(0 < len(secrets) <= 10, f"{SECRET}, or a list of up to 10 such")
    for one in secrets:
        _require(isinstance(one, str) and _is_secret(one), SECRET)
    return tuple(secrets)


def _is_secret(text: str) -> bool:
    try:
        key = base64.b64decode(text.removeprefix(_PREFIX).encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return False
    return text.startswith(_PREFIX) and len(key) in _KEY_BYTES


def _read_path(value: Any) -> str:
    _require(isinstance(value, str) and _PATTERN.fullmatch(value), "the path of a file")
    return value


def _read_hmac(value: Any) -> tuple[str, str]:
    expected = 'an object {"UID": ..., "Secret": ...}, the UID of printable ASCII without ":"'
    _require(isinstance(value, dict) and set(value) == {"UID", "Secret"}, expected)
    uid, secret = value["UID"], value["Secret"]
    _require(isinstance(uid, str) and _UID.fullmatch(uid), expected)
    _require(isinstance(secret, str) and _PATTERN.fullmatch(secret), expected)
    return uid, secret


def _seconds(least: float, most: float) -> Callable[[Any], float]:
    def read(value: Any) -> float:
        fits = type(value) in (int, float) and least <= value <= most
        _require(fits, f"a number of seconds from {least:g} to {most:g}")
        return float(value)

    return read


def _read_switch(value: Any) -> bool:
    _require(isinstance(value, bool), "true or false")
    return value


NONE_GIVEN = "none: must be given"

MEMBERS = (
    Member(
        "Name",
        "name",
        _read_name,
        NONE_GIVEN,
        "What it is called in `/hooks`, logs and metrics: a-z, 0-9 and `-`. Deliveries that wait "
        "belong to the name: under another one they are not sent.",
    ),
    Member(
        "URL",
        "url",
        uris.read_hook_url,
        NONE_GIVEN,
        "Where to send: `https://`, `http://`, or `mailto:ann@example.org,bob@example.org`; or "
        "`job:NAME`, which starts that job of the repository.",
        secret=True,
    ),
    Member("Sources", "sources", _patterns, "`[]`", "Which sources, as patterns; empty is all."),
    Member(
        "Kinds",
        "kinds",
        _read_kinds,
        "`[]`",
        "Which kinds of jobs, as patterns: " + ", ".join(f"`{kind}`" for kind in KINDS) + ".",
    ),
    Member("Events", "events", _patterns, "`[]`", "Which names of events, as patterns."),
    Member(
        "States",
        "states",
        _patterns,
        "`[]`",
        "If given, only events by which a job came to one of these states, as patterns: words of "
        'its kind (`Failed`) or phases (`ERROR`). `["*"]` is every change.',
    ),
    Member(
        "Format",
        "format",
        _read_format,
        f"`{CLOUDEVENTS}`",
        "What is sent: " + ", ".join(f"`{form}`" for form in FORMATS) + ".",
    ),
    Member(
        "Headers",
        "headers",
        _read_headers,
        "`{}`",
        "Further headers of each request, such as an `Authorization`; shown nowhere.",
        secret=True,
    ),
    Member(
        "Secret",
        "secrets",
        read_secrets,
        "none",
        "What requests are signed with (Standard Webhooks): `whsec_` and the base64 of 24 to 64 "
        "bytes; a list of such while one takes the place of the other.",
        secret=True,
    ),
    Member(
        "SecretFile",
        "secret_file",
        _read_path,
        "none",
        "A file that holds it, or several, one a line; read at start. Relative to this file.",
    ),
    Member(
        "HMAC",
        "hmac",
        _read_hmac,
        "none",
        '`{"UID": ..., "Secret": ...}`: sign as clients of SMRT Link do; only with that format.',
        secret=True,
    ),
    Member(
        "TimeoutSeconds",
        "timeout_seconds",
        _seconds(0.1, 300),
        f"`{TIMEOUT_SECONDS:g}`",
        "How long one try may take, the answer included.",
    ),
    Member(
        "TryForSeconds",
        "try_seconds",
        _seconds(0, 30 * 86400),
        f"`{TRY_SECONDS:g}`",
        "How long after the first try a delivery is tried again; then it is dead, and kept.",
    ),
    Member("Disabled", "disabled", _read_switch, "`false`", "Take nothing for it, send nothing."),
)
