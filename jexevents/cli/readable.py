"""Rejects as people and programs can read them, whatever is in them.

What goes to a terminal has no control characters left: they could make it do anything.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any

from jexevents.rfc3339 import plain

Row = Mapping[str, Any]

SHOWN_TEXT_CHARACTERS = 65_536
SHOWN_BYTES = 4096
_WIDTH = 16
_LAYOUT = "\n\t"
_FACTS = (
    "id",
    "reason",
    "received_at",
    "last_at",
    "times",
    "tried_at",
    "origin",
    "source",
    "credential",
    "size",
    "sha256",
    "cut",
)


def safe(text: str, kept: str = "") -> str:
    """Give a text with what does not print written out; ``kept`` are exceptions."""
    return "".join(one if one.isprintable() or one in kept else _escape(one) for one in text)


def facts(row: Row) -> dict[str, Any]:
    """Give what is known of a reject beside its body, as JSON values."""
    known = {name: plain(row[name]) for name in _FACTS}
    known["sha256"] = bytes(row["sha256"]).hex()
    return known | {"reasons": row["reasons"], "properties": row["properties"]}


def exported(row: Row) -> dict[str, Any]:
    """Give a reject as JSON values without a loss: the body as text, else as base64."""
    body = bytes(row["body"])
    try:
        return facts(row) | {"body": body.decode("utf-8")}
    except UnicodeDecodeError:
        return facts(row) | {"body_base64": base64.b64encode(body).decode("ascii")}


def lines(row: Row) -> Iterator[str]:
    """Give a reject for a terminal, line by line."""
    known = facts(row)
    for name in _FACTS:
        value = "" if known[name] is None else safe(str(known[name]))
        yield f"{name + ':':<13}{value}".rstrip()
    yield "reasons:"
    for fault in row["reasons"]:
        place = fault["pointer"] or "(document)"
        yield safe(f"  {place}: expected {fault['expected']}, got {fault['got']}")
    yield f"properties:  {safe(json.dumps(row['properties'], ensure_ascii=False))}"
    yield from _body(bytes(row["body"]))


def fault_line(row: Row) -> str:
    """Give the first fault of a reject in one line."""
    fault = row["reasons"][0]
    more = len(row["reasons"]) - 1
    rest = f" (and {more} more)" if more else ""
    place = f"{fault['pointer']}: " if fault["pointer"] else ""
    return safe(f"{place}expected {fault['expected']}, got {fault['got']}{rest}")


def _body(body: bytes) -> Iterator[str]:
    if not body:
        yield "body:        (empty)"
        return
    text = _text(body)
    if text is None:
        yield "body (bytes in hexadecimal digits):"
        yield from _dump(body[:SHOWN_BYTES])
        shown, unit = SHOWN_BYTES, "bytes"
    else:
        yield "body:"
        yield safe(text[:SHOWN_TEXT_CHARACTERS], _LAYOUT).removesuffix("\n")
        shown, unit = SHOWN_TEXT_CHARACTERS, "characters"
    if len(body if text is None else text) > shown:
        yield f"(the first {shown} {unit}; jexevents rejects export has more)"


def _text(body: bytes) -> str | None:
    """Give a body as text if it is one; None if it is not UTF-8, or full of what is none."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return None
    odd = sum(not one.isprintable() and one not in "\r\n\t" for one in text[:SHOWN_BYTES])
    return text if odd * 10 <= min(len(text), SHOWN_BYTES) else None


def _dump(body: bytes) -> Iterator[str]:
    for start in range(0, len(body), _WIDTH):
        piece = body[start : start + _WIDTH]
        ascii_text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in piece)
        yield f"  {start:06x}  {piece.hex(' '):<{3 * _WIDTH}} {ascii_text}"


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
