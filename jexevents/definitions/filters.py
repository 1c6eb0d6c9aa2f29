"""The filters of templates: those of Jinja2 whose result is bounded by what they take, and ours."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from jinja2.filters import FILTERS as _JINJA
from jinja2.runtime import Undefined

from jexevents.definitions import bounds, words
from jexevents.definitions.words import Unwritable, kind_of

_OF_JINJA = (
    "abs", "capitalize", "count", "d", "default", "dictsort", "first", "float", "int", "items",
    "last", "length", "list", "lower", "map", "max", "min", "reject", "rejectattr", "reverse",
    "select", "selectattr", "sort", "sum", "title", "trim", "truncate", "unique", "upper",
)  # fmt: skip
_MOST_DIGITS = 15
_TIME_FORMAT = re.compile(r"(?:[^%]|%[aAbBdHIjmMpSUuVwWyYzZGfFT%])*")
_LONGEST_TIME_FORMAT = 200


class Raw(str):
    """A text that goes into the command as it is; whatever is done to it makes it a plain one."""

    __slots__ = ()


def text(value: Any) -> str:
    """Give a value as a text, as one word of a command has it. Raises Unwritable, TooMuch."""
    if isinstance(value, Undefined):
        return str(value)
    word = words.word_of(value)
    bounds.require_text(len(word))
    return str.__str__(word)


def raw(value: Any) -> Raw:
    """Have a value written into the command as it is, of a list each item, with blanks between."""
    if isinstance(value, Undefined):
        str(value)
    return Raw(" ".join(words.words_of(value)))


def _join(items: Iterable[Any], separator: str = "", attribute: Any = None) -> str:
    if attribute is not None:
        raise Unwritable("join without an attribute; map comes before", "one")
    texts = [text(item) for item in bounds.measured(items)]
    bounds.require_text(sum(map(len, texts)) + len(separator) * max(len(texts) - 1, 0))
    return separator.join(texts)


def _replace(value: Any, old: str, new: str, count: int = -1) -> str:
    whole = text(value)
    times = whole.count(old) if count < 0 else min(whole.count(old), count)
    bounds.require_text(len(whole) + times * (len(new) - len(old)))
    return whole.replace(old, new, times)


def _round(value: float, precision: int = 0, method: str = "common") -> float:
    if method != "common" or not -_MOST_DIGITS <= precision <= _MOST_DIGITS:
        raise Unwritable(f"at most {_MOST_DIGITS} digits and no method", "others")
    return round(float(value), precision)


def _base64(value: Any) -> str:
    content = value if isinstance(value, bytes) else text(value).encode("utf-8")
    return base64.b64encode(content).decode("ascii")


def _strftime(value: Any, form: str) -> str:
    if not isinstance(value, datetime):
        raise Unwritable("a time stamp for strftime", kind_of(value))
    if len(form) > _LONGEST_TIME_FORMAT or not _TIME_FORMAT.fullmatch(form):
        raise Unwritable("a format of plain directives such as %Y-%m-%d", "another")
    return value.strftime(form)


FILTERS: dict[str, Callable[..., Any]] = {name: _JINJA[name] for name in _OF_JINJA} | {
    "base64": _base64,
    "join": _join,
    "quote": lambda value: words.for_inner_shell(text(value)),
    "raw": raw,
    "replace": _replace,
    "round": _round,
    "strftime": _strftime,
    "string": text,
    "tojson": lambda value: words.json_of(value),
}
