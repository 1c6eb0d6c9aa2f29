"""The text of a file that defines jobs: what it says, where, and what of it cannot be read."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from jexevents.definitions.located import (
    Lines,
    Located,
    NotReadable,
    json_lines,
    line_of,
)
from jexevents.definitions.yamltext import loads as yaml_loads
from jexevents.errors import Malformed
from jexevents.model import Fault
from jexevents.strictjson import loads as json_loads

ENDINGS = (".yml", ".yaml", ".json")

_GIVEN_NAME = re.compile(r"\bname[\"']?\s*:\s*[\"']?([A-Za-z0-9][A-Za-z0-9._-]{0,99})")
_LONGEST_INTEGER = 20


def stem(file: str) -> str:
    """Give the name of a file without its ending."""
    name = file.rpartition("/")[2]
    return next(name.removesuffix(end) for end in ENDINGS if name.endswith(end))


def read(file: str, body: bytes) -> tuple[Any, Lines, list[Located]]:
    """Give what a file says, the lines of its values, and its faults; values with a fault are null.

    Raises NotReadable.
    """
    try:
        text = body.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as exc:
        line = body.count(b"\n", 0, exc.start) + 1
        got = f"byte 0x{body[exc.start]:02x}"
        raise NotReadable([Located(line, Fault("", "text in UTF-8", got))]) from exc
    if not file.endswith(".json"):
        return yaml_loads(text)
    try:
        return json_loads(body), json_lines(text), []
    except Malformed as exc:
        lines = _lines_of_faulty(text)
        located = [Located(_line_told(lines, one), one) for one in exc.faults]
        document = _readable(text)
        if document is None:
            raise NotReadable(located) from exc
        return document, lines, located


def _readable(text: str) -> Any:
    """Read JSON that has a fault as far as that goes, with null for what no text may hold; None
    where it is no JSON."""
    try:
        return json.loads(
            text, parse_int=_small, parse_float=_finite, parse_constant=lambda _word: None
        )
    except (ValueError, RecursionError):
        return None


def _small(digits: str) -> int | None:
    value = int(digits) if len(digits) <= _LONGEST_INTEGER else None
    return value if value is not None and -(2**63) <= value < 2**63 else None


def _finite(digits: str) -> float | None:
    value = float(digits)
    return value if math.isfinite(value) else None


def _lines_of_faulty(text: str) -> Lines:
    try:
        return json_lines(text)
    except (IndexError, TypeError, ValueError):
        return {}


def _line_told(lines: Lines, fault: Fault) -> int | None:
    """Give the line that a fault of JSON names, or else the one of its pointer."""
    _, found, rest = fault.got.rpartition("line ")
    told = rest.partition(",")[0]
    if found and told.isdigit():
        return int(told)
    return line_of(lines, fault.pointer)


def value_at(document: Any, place: str) -> Any:
    """Give the value at a JSON pointer, None where there is none."""
    for step in place.split("/")[1:]:
        if isinstance(document, list) and step.isdigit() and int(step) < len(document):
            document = document[int(step)]
        elif isinstance(document, dict):
            document = document.get(step.replace("~1", "/").replace("~0", "~"))
        else:
            return None
    return document


def names_in(file: str, body: bytes) -> frozenset[str]:
    """Give the names that jobs may have in a file that cannot be read."""
    found = {stem(file), *_GIVEN_NAME.findall(body.decode("utf-8", "replace"))}
    return frozenset(name.replace("_", "-") for name in found)
