"""Values as words of a command: their texts, and how a shell is to read them as they are."""

from __future__ import annotations

import base64
import json
import re
import shlex
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from jexevents import rfc3339

# What no shell reads as anything but itself where an argument stands alone between blanks.
_BARE = re.compile(r"[A-Za-z0-9_./@%+:,-]+")


# In this order: to Python a truth value is a number.
_KINDS: dict[str, type | tuple[type, ...]] = {
    "a truth value": bool,
    "a number": (int, float),
    "a text": str,
    "bytes": bytes,
    "a time": datetime,
    "a mapping": Mapping,
    "a list": (list, tuple),
}


class Unwritable(Exception):
    """A value that cannot be a word; the message says what was expected and what came."""

    def __init__(self, expected: str, got: str) -> None:
        super().__init__(f"expected {expected}, got {got}")
        self.expected = expected
        self.got = got


def words_of(value: Any) -> list[str]:
    """Give a value as words: of a list, set or the like each item is one, of all else it is one.

    Raises Unwritable.
    """
    if isinstance(value, (list, tuple)):
        return [word_of(item) for item in value]
    return [word_of(value)]


def word_of(value: Any) -> str:
    """Give a value as one word: a text as it is, a mapping or a list as its JSON.

    A time stamp is RFC 3339, a truth value ``true`` or ``false``, null the empty text; bytes must
    be UTF-8, since what is run is kept as text. Raises Unwritable.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, datetime):
        return rfc3339.format_utc(value)
    if isinstance(value, (Mapping, list, tuple)):
        return json_of(value)
    text = _decoded(value) if isinstance(value, bytes) else value
    if not isinstance(text, str):
        raise Unwritable("a value of a variable", kind_of(value))
    if "\0" in text:
        raise Unwritable("a text without NUL, which no command can be given", "a NUL")
    return text


def kind_of(value: Any) -> str:
    """Say in words of what kind a value is."""
    if value is None:
        return "null"
    for word, types in _KINDS.items():
        if isinstance(value, types):
            return word
    return "something else"


def json_of(value: Any) -> str:
    """Give a value as JSON text on one line; bytes as base64, time stamps as RFC 3339."""
    return json.dumps(value, ensure_ascii=False, default=_plain)


def is_number(value: Any) -> bool:
    """Tell whether a value's word has nothing in it that a shell could read otherwise."""
    return isinstance(value, (bool, int, float))


def quoted(word: str) -> str:
    """Give a word for a shell, within quotation marks whatever it is."""
    return "'" + word.replace("'", "'\"'\"'") + "'"


def shell_word(word: str) -> str:
    """Give a word for a shell where a whole argument stands: without marks if none are needed."""
    return word if _BARE.fullmatch(word) else quoted(word)


def for_inner_shell(word: str) -> str:
    """Give a word for the shell that a command gives it to, as ``ssh`` and ``sh -c`` do."""
    return shlex.quote(word)


def _decoded(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise Unwritable("bytes that are UTF-8, or the filter base64", "others") from exc


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, datetime):
        return rfc3339.format_utc(value)
    raise Unwritable("a value of a variable", kind_of(value))
