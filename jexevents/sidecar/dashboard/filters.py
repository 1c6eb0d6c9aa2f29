"""How values are shown on pages; pure. What is given to these may be anything that came in."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any

from markupsafe import Markup, escape

_NONE = "\N{EN DASH}"
_SHORT = 120
_MOST_JSON = 20_000
# What cannot be seen, or turns around what stands beside it; line feeds and tabs apart.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
_ENDS_OF_LINES = re.compile("[\n\t]")
_UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


def when(value: datetime | None) -> Markup:
    """Give a time in UTC to the second, with all of it for programs and who points at it."""
    if value is None:
        return Markup(_NONE)
    at = value.astimezone(timezone.utc)
    full = at.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        full, full, f"{at:%Y-%m-%d %H:%M:%S}"
    )


def lasting(seconds: float | None) -> str:
    """Give a duration in the two largest units that it has, such as 2 h 5 min."""
    if seconds is None:
        return _NONE
    if 0 < seconds < 0.1:
        return f"{seconds * 1000:.1f} ms"
    if 0 <= seconds < 10:
        return f"{seconds:.1f} s"
    left, told = int(abs(seconds)), []
    for unit, size in _UNITS:
        if left >= size:
            told.append(f"{left // size} {unit}")
            left %= size
    return ("\N{MINUS SIGN}" if seconds < 0 else "") + " ".join(told[:2])


def between(start: datetime | None, end: datetime | None) -> str:
    """Give how long it was from one time to the other."""
    return _NONE if start is None or end is None else lasting((end - start).total_seconds())


def short(value: Any, limit: int = _SHORT) -> str:
    """Give a text that fits into a cell of a table; an en dash for none."""
    text = str(value)
    cut = text if len(text) <= limit else f"{text[: limit - 1]}…"
    return _NONE if value is None or value == "" else _ENDS_OF_LINES.sub(_written_out, lines(cut))


def whole(value: Any) -> str:
    """Give a text as long as it is, in one line."""
    return short(value, len(str(value)))


def lines(text: str) -> str:
    """Give a text of several lines, with characters that cannot be seen written out."""
    return _UNSEEN.sub(_written_out, text)


def _written_out(found: re.Match[str]) -> str:
    return f"\\u{ord(found.group()):04x}"


def number(value: float | None) -> str:
    """Give a number with its thousands apart."""
    if value is None:
        return _NONE
    return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def size(value: float | None) -> str:
    """Give a number of bytes in a unit in which it is short."""
    if value is None:
        return _NONE
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def document(value: Any) -> str:
    """Give a JSON value for reading, cut where it is very long."""
    text = json.dumps(value, ensure_ascii=False, indent=2, default=str)
    if len(text) <= _MOST_JSON:
        return lines(text)
    return f"{lines(text[:_MOST_JSON])}\n… and {len(text) - _MOST_JSON} more characters"


def attributes(given: Mapping[str, Any]) -> Markup:
    """Give attributes of an element, those without a value left out."""
    return Markup("").join(
        Markup(' {}="{}"').format(name.replace("_", "-"), escape(value))
        for name, value in given.items()
        if value is not None
    )


FILTERS: Mapping[str, Callable[..., Any]] = {
    "when": when,
    "lasting": lasting,
    "short": short,
    "whole": whole,
    "lines": lines,
    "number": number,
    "size": size,
    "document": document,
    "attributes": attributes,
}
