"""The types of variables: each reads a JSON value, or a text, and is written as JSON again.

Wherever a value can be given as a text, the text may stand in JSON too: numbers may be strings.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, timezone
from typing import Any, NamedTuple

from jexevents import rfc3339, strictjson
from jexevents.errors import Unacceptable
from jexevents.faults import fit, shown

ENUM, SEQ = "enum", "seq"
MAX_DEPTH = 16

_YES, _NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
_INTEGER = re.compile(r"[-+]?[0-9]{1,19}")
_REAL = re.compile(
    r"[-+]?(?:[0-9]{1,309}(?:\.[0-9]{0,400})?|\.[0-9]{1,400})(?:[eE][-+]?[0-9]{1,4})?"
)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CLOCK = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[Tt]|[ \t]+)([0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?)"
    r"[ \t]*(Z|z|[-+][0-9]{2}(?::?[0-9]{2})?)?"
)
_INT64 = range(-(2**63), 2**63)
_UNFIT = re.compile("[\x00\ud800-\udfff]")


class Misfit(Exception):
    """A value that is none of the type; ``got`` is empty where the value itself says enough.

    ``advice`` is for who writes a definition.
    """

    def __init__(self, expected: str, got: str = "", advice: str = "") -> None:
        super().__init__(expected, got, advice)
        self.expected = expected
        self.got = got
        self.advice = advice


class Kind(NamedTuple):
    """A type: what it takes in words, how it reads a value, and how it gives that as JSON."""

    expected: str
    read: Callable[[Any], Any]
    plain: Callable[[Any], Any] = lambda value: value


def plain(kind: str, value: Any) -> Any:
    """Give a value of a type as a JSON value."""
    return value if kind == ENUM else KINDS[kind].plain(value)


def size_bytes(values: Any) -> int:
    """Give the size of JSON values."""
    return len(json.dumps(values, ensure_ascii=False).encode("utf-8"))


def read_choice(value: Any, choices: tuple[Any, ...]) -> Any:
    """Give the choice that a value is, or else the one that is written like it. Raises Misfit."""
    for choice in choices:
        if type(choice) is type(value) and choice == value:
            return choice
    if isinstance(value, (str, int, float)):
        for choice in choices:
            if written(choice) == written(value):
                return choice
    raise Misfit(told_choices(choices))


def told_choices(choices: tuple[Any, ...]) -> str:
    """Say what an enum takes."""
    return "one of " + fit(", ".join(json.dumps(one, ensure_ascii=False) for one in choices), 300)


def written(value: Any) -> str:
    """Give a scalar as it is written in a form."""
    return value if isinstance(value, str) else json.dumps(value)


# --- the scalars


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise Misfit(_TEXT, advice="what looks like something else needs quotation marks")
    if _UNFIT.search(value):
        raise Misfit(_TEXT, "a character that no text may have")
    return value


def _null(value: Any) -> None:
    if value is None or (isinstance(value, str) and value.lower() in ("", "~", "null")):
        return
    raise Misfit(KINDS["null"].expected)


def _bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in (*_YES, *_NO):
        return value.lower() in _YES
    raise Misfit(KINDS["bool"].expected)


def _int(value: Any) -> int:
    if (isinstance(value, float) and value.is_integer()) or (
        isinstance(value, str) and _INTEGER.fullmatch(value)
    ):
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value in _INT64:
        return value
    raise Misfit(KINDS["int"].expected)


def _float(value: Any) -> float:
    if isinstance(value, str) and _REAL.fullmatch(value):
        value = float(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    raise Misfit(KINDS["float"].expected)


def _binary(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        try:
            return base64.b64decode("".join(value.split()), validate=True)
        except (binascii.Error, ValueError):
            pass
    raise Misfit(KINDS["binary"].expected)


def _timestamp(value: Any) -> datetime:
    """Read RFC 3339, and what YAML takes beside it: a date alone, a blank, a missing zone."""
    if isinstance(value, datetime):
        return value
    text = value.strip() if isinstance(value, str) else ""
    try:
        if _DATE.fullmatch(text):
            day = date.fromisoformat(text)
            return datetime(day.year, day.month, day.day, tzinfo=timezone.utc)
        if found := _CLOCK.fullmatch(text):
            return rfc3339.parse(f"{found[1]}T{found[2]}{_zone(found[3])}").at
    except (Unacceptable, ValueError):
        pass
    raise Misfit(KINDS["timestamp"].expected)


def _zone(text: str | None) -> str:
    if not text or text in "Zz":
        return "Z"
    return f"{text[:3]}:{text[-2:] if len(text) > 3 else '00'}"


# --- the collections


def _json(value: Any, expected: str) -> Any:
    """Give a JSON value, read from a text if it is one, and not too deep."""
    if isinstance(value, str):
        try:
            return strictjson.loads(value.encode("utf-8", "surrogatepass"), max_depth=MAX_DEPTH)
        except Unacceptable as exc:
            raise Misfit(expected) from exc
    _require_fit(value, MAX_DEPTH)
    return value


def _require_fit(value: Any, depth: int) -> None:
    if depth < 0:
        raise Misfit(f"values nested at most {MAX_DEPTH} deep", "deeper ones")
    if isinstance(value, str):
        _text(value)
    for inner in _inner(value):
        _require_fit(inner, depth - 1)


def _inner(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return [*value.keys(), *value.values()]
    return list(value) if isinstance(value, (list, tuple)) else []


def _seq(value: Any) -> list[Any]:
    found = _json(value, KINDS[SEQ].expected)
    if not isinstance(found, (list, tuple)):
        raise Misfit(KINDS[SEQ].expected)
    return list(found)


def _map(value: Any) -> dict[str, Any]:
    found = _json(value, KINDS["map"].expected)
    if not isinstance(found, Mapping):
        raise Misfit(KINDS["map"].expected)
    return dict(found)


def _set(value: Any) -> tuple[Any, ...]:
    """Read a list, or a mapping to nulls as YAML has it; in the order given, each once."""
    expected = KINDS["set"].expected
    found = _json(value, expected)
    if isinstance(found, Mapping) and not any(one is not None for one in found.values()):
        found = list(found)
    if not isinstance(found, (list, tuple)) or any(_inner(one) for one in found):
        raise Misfit(expected)
    if any(isinstance(one, (Mapping, list, tuple)) for one in found):
        raise Misfit(expected)
    return tuple({(type(one), one): one for one in found}.values())


def _pairs(value: Any, expected: str = "") -> list[tuple[Any, Any]]:
    """Read a list of pairs, or of mappings with one member each as YAML has it, or a mapping."""
    expected = expected or KINDS["pairs"].expected
    found = _json(value, expected)
    if isinstance(found, Mapping):
        return list(found.items())
    if not isinstance(found, (list, tuple)):
        raise Misfit(expected)
    return [_pair(one, expected) for one in found]


def _pair(value: Any, expected: str) -> tuple[Any, Any]:
    if isinstance(value, Mapping) and len(value) == 1:
        return next(iter(value.items()))
    if isinstance(value, (list, tuple)) and len(value) == 2:
        return value[0], value[1]
    raise Misfit(expected, shown(value))


def _omap(value: Any) -> dict[str, Any]:
    expected = KINDS["omap"].expected
    pairs = _pairs(value, expected)
    found = {key: one for key, one in pairs if isinstance(key, str)}
    if len(found) != len(pairs):
        raise Misfit(expected, "a name that is no text, or comes twice")
    return found


def _plain_pairs(value: Any) -> list[list[Any]]:
    return [[key, one] for key, one in value]


_TEXT = "a text"
_PAIRS = "a list of pairs ([name, value]), or of mappings with one member each, or a mapping"

KINDS: dict[str, Kind] = {
    "null": Kind("null", _null),
    "bool": Kind("true or false (or yes, no, on, off, 1, 0 as a text)", _bool),
    "int": Kind("a whole number of at most 64 bits", _int),
    "float": Kind("a finite number", _float),
    "binary": Kind("bytes in base64", _binary, lambda value: base64.b64encode(value).decode()),
    "timestamp": Kind(
        "a time like 2026-01-02T15:04:05Z, or a date",
        _timestamp,
        lambda value: rfc3339.plain(value),
    ),
    "pairs": Kind(_PAIRS, _pairs, _plain_pairs),
    "omap": Kind(
        f"{_PAIRS}, each name a text and once", _omap, lambda one: _plain_pairs(one.items())
    ),
    "set": Kind("a list of texts, numbers, truth values and nulls", _set, list),
    "str": Kind(_TEXT, _text),
    SEQ: Kind("a list", _seq),
    "map": Kind("a mapping", _map, dict),
}
TYPES = (*KINDS, ENUM)
