"""Values as PostgreSQL writes them: arrays as one literal, rows for COPY.

psycopg2 makes of a list ``ARRAY[...]`` with a constant an element, which PostgreSQL parses as
an expression: for a batch of events that took more than half of all its time, and of ours. One
literal for the whole array is read by the type's own input function (PostgreSQL manual, 8.15.2),
and COPY reads rows without any parser at all (manual, COPY, "Text Format").
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from io import BytesIO
from typing import Any

from jexevents.errors import Invalid
from jexevents.store.database import Connection

NULL = "\\N"

# How much psycopg2 asks of the buffer at a time; its default of 8 KiB costs a call each.
_CHUNK_BYTES = 1 << 20


def array(values: Iterable[Any]) -> str:
    """Give an array literal of None, text, numbers, truth values, bytes and aware datetimes."""
    elements = ["NULL" if value is None else _ELEMENTS[type(value)](value) for value in values]
    return "{" + ",".join(elements) + "}"


def columns(names: Iterable[str], rows: Iterable[Iterable[Any]]) -> dict[str, str]:
    """Give rows as one array literal a column, by the columns' names. There must be a row."""
    return dict(zip(names, map(array, zip(*rows, strict=True)), strict=True))


def _quoted(text: str) -> str:
    if "\\" in text or '"' in text:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _bytes(value: bytes) -> str:
    return f'"\\\\x{value.hex()}"'


_ELEMENTS: Mapping[type, Callable[[Any], str]] = {
    str: _quoted,
    int: str,
    bool: str,
    float: repr,
    bytes: _bytes,
    datetime: datetime.isoformat,
}


def field(text: str) -> str:
    """Give text as a field of a row for COPY."""
    if "\\" in text:
        text = text.replace("\\", "\\\\")
    if text.isprintable():
        return text
    return text.replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def bytes_field(value: bytes) -> str:
    """Give bytes as a field of a row for COPY."""
    return "\\\\x" + value.hex()


def copy(connection: Connection, statement: str, rows: Iterable[str]) -> None:
    """Send rows, their fields joined by tabs, to a ``copy ... from stdin``.

    Raises Invalid for text that no UTF-8 can hold (a lone surrogate).
    """
    try:
        content = "\n".join(rows).encode()
    except UnicodeEncodeError as error:
        raise Invalid(f"PostgreSQL cannot hold this: {error}") from error
    with connection.cursor() as cursor:
        cursor.copy_expert(statement, BytesIO(content), _CHUNK_BYTES)
