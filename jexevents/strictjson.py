"""JSON as RFC 8259 has it and as PostgreSQL can hold it; all else is refused with a place.

Python's ``json`` takes more than JSON (NaN, Infinity) and more than a ``jsonb`` column can
keep (NUL characters, lone surrogates), and answers hostile input with RecursionError,
ValueError or quadratic work. Duplicate names are refused because readers disagree on which of
them counts (RFC 8259, section 4). Time and memory are linear in the size of the body.

A leading byte order mark is skipped: senders must not write one, parsers may ignore it
(RFC 8259, section 8.1), and Windows tools do write it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from typing import NoReturn

from jexevents.errors import Malformed
from jexevents.faults import fit, pointer, shown
from jexevents.model import Fault, Reason

MAX_DEPTH = 64
MAX_FAULTS = 20
MAX_INTEGER = 2**63 - 1
MIN_INTEGER = -(2**63)
MAX_NUMBER_CHARACTERS = 1000  # a double needs 17 digits; reading one of millions is slow

_LONGEST_INTEGER = len(str(MIN_INTEGER))
_BOM = "\ufeff"
_SPACE = " \t\r\n"
_UNSTORABLE_ESCAPE = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_NOT_BRACKETS = re.compile(r"[^][{}]+")


def loads(body: bytes, *, max_depth: int = MAX_DEPTH, any_text: bool = False) -> object:
    """Read one JSON text.

    Integers are within signed 64 bits, reals are finite, text holds neither NUL nor lone
    surrogates, arrays and objects nest at most ``max_depth`` deep. Raises Malformed with at
    most ``MAX_FAULTS`` faults; nothing else, whatever the bytes are.

    With ``any_text`` text may hold anything, bytes that are no UTF-8 too, as
    ``surrogateescape`` reads them: for senders who force raw bytes into strings. The caller
    then sees to it that nothing of the kind is stored as text.
    """
    text = _decoded(body, "surrogateescape" if any_text else "strict")
    if text.count("[") + text.count("{") > max_depth:
        _refuse_depth(text, max_depth)
    value, suspect = _parsed(text)
    unstorable = not any_text and "\\u" in text and _UNSTORABLE_ESCAPE.search(text)
    if suspect or unstorable:
        faults = list(_faults(value, any_text))
        if faults:
            raise _NotJson(f"The body is JSON that cannot be kept as it is: {faults[0]}.", faults)
    return value


class _NotJson(Malformed):
    """The text is no JSON, or none that can be kept."""

    reason = Reason.NOT_JSON


class _Bad:
    """Stands in the parsed value where something is that JSON or the ledger does not take."""

    __slots__ = ("expected", "got")

    def __init__(self, expected: str, got: str) -> None:
        self.expected = expected
        self.got = got


class _Repeating(dict):
    """An object of which ``name`` came more than once."""

    __slots__ = ("name",)


class _SuspectError(Exception):
    """Ends the quick reading: something is bad, and the thorough one has to say what."""


def _integer(digits: str) -> int | _Bad:
    if len(digits) <= _LONGEST_INTEGER:
        value = int(digits)
        if MIN_INTEGER <= value <= MAX_INTEGER:
            return value
    return _Bad("an integer of at most 64 bits", fit(digits))


def _real(digits: str) -> float | _Bad:
    if len(digits) > MAX_NUMBER_CHARACTERS:
        return _Bad(f"a number of at most {MAX_NUMBER_CHARACTERS} characters", fit(digits))
    value = float(digits)
    if math.isfinite(value):
        return value
    return _Bad("a number that a double can hold", fit(digits))


def _constant(word: str) -> _Bad:
    return _Bad("a JSON value", word)


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) == len(pairs):
        return value
    repeating = _Repeating(value)
    repeating.name = _first_repeated(pairs)
    return repeating


def _or_suspect(hook: Callable) -> Callable:
    def checked(read: object) -> object:
        value = hook(read)
        if value.__class__ is _Bad or value.__class__ is _Repeating:
            raise _SuspectError
        return value

    return checked


def _first_repeated(pairs: list[tuple[str, object]]) -> str:
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            return name
        seen.add(name)
    return ""


def _decoded(body: bytes, errors: str) -> str:
    try:
        text = body.decode("utf-8", errors)
    except UnicodeDecodeError as exc:
        got = f"byte 0x{body[exc.start]:02x} at offset {exc.start}"
        raise _NotJson(
            f"The body is not UTF-8: {got}.", [Fault("", "JSON text in UTF-8", got)]
        ) from exc
    text = text.removeprefix(_BOM)
    if not text.strip(_SPACE):
        raise _NotJson("The body is empty.", [Fault("", "a JSON text", "nothing")])
    return text


# Made once: making a decoder costs as much as reading a small message with it.
_MARKING = json.JSONDecoder(
    parse_int=_integer,
    parse_float=_real,
    parse_constant=_constant,
    object_pairs_hook=_members,
)
_QUICK = json.JSONDecoder(
    parse_int=_or_suspect(_integer),
    parse_float=_or_suspect(_real),
    parse_constant=_or_suspect(_constant),
    object_pairs_hook=_or_suspect(_members),
)


def _parsed(text: str) -> tuple[object, bool]:
    """Read the text; True beside the value where it may hold marks of what is bad."""
    try:
        return _decode(text, _QUICK), False
    except _SuspectError:
        pass
    return _decode(text, _MARKING), True


def _decode(text: str, decoder: json.JSONDecoder) -> object:
    try:
        return decoder.decode(text)
    except json.JSONDecodeError as exc:
        _refuse_syntax(exc)
    except RecursionError as exc:  # only where the caller's own stack is nearly used up
        raise _NotJson("The body nests too deep.", [Fault("", "less nesting", "more")]) from exc


def _refuse_syntax(exc: json.JSONDecodeError) -> NoReturn:
    place = f"line {exc.lineno}, column {exc.colno}"
    if exc.msg == "Extra data":
        expected, message = "one JSON text and nothing behind it", f"More follows at {place}."
    else:
        expected, message = "JSON", f"The body is not JSON: {exc.msg} at {place}."
    rest = exc.doc[exc.pos : exc.pos + 1]
    got = f"{shown(rest) if rest else 'the end'} at {place} ({exc.msg})"
    raise _NotJson(message, [Fault("", expected, got)]) from exc


def _refuse_depth(text: str, max_depth: int) -> None:
    """Raise Malformed where brackets outside strings nest too deep.

    Without escapes every second piece between quotation marks is outside a string. That holds
    up to the first error of syntax, and the parser does not go beyond that one either.
    """
    outside = "".join(text.replace("\\\\", "").replace('\\"', "").split('"')[::2])
    depth = 0
    for bracket in _NOT_BRACKETS.sub("", outside):
        depth += 1 if bracket in "[{" else -1
        if depth > max_depth:
            expected = f"arrays and objects nested at most {max_depth} deep"
            raise _NotJson("The body nests too deep.", [Fault("", expected, "deeper nesting")])


# A path is (parent, step), None at the top: as a text each one would cost its whole length.
_Path = tuple["_Path | None", "str | int"]


def _faults(document: object, any_text: bool) -> Iterator[Fault]:
    waiting: list[tuple[_Path | None, object]] = [(None, document)]
    count = 0
    while waiting and count < MAX_FAULTS:
        path, value = waiting.pop()
        for expected, got in _wrongs(value, any_text):
            count += 1
            yield Fault(pointer(_steps(path)), expected, got)
        waiting.extend(((path, step), child) for step, child in _children(value))


def _wrongs(value: object, any_text: bool) -> Iterator[tuple[str, str]]:
    if isinstance(value, _Bad):
        yield value.expected, value.got
    if isinstance(value, _Repeating):
        yield "each name once in an object", f"{shown(value.name)} more than once"
    if any_text:
        return
    if isinstance(value, str):
        yield from _unstorable(value, "text")
    elif isinstance(value, dict):
        for name in value:
            yield from _unstorable(name, "a name")


def _unstorable(text: str, what: str) -> Iterator[tuple[str, str]]:
    found = _UNSTORABLE.search(text)
    if found:
        which = "NUL character" if found.group() == "\0" else "lone surrogate"
        yield f"{what} without NUL characters and lone surrogates", f"a {which}"


def _children(value: object) -> Iterator[tuple[str | int, object]]:
    if isinstance(value, dict):
        yield from reversed(value.items())
    elif isinstance(value, list):
        yield from zip(range(len(value) - 1, -1, -1), reversed(value), strict=True)


def _steps(path: _Path | None) -> list[str | int]:
    steps: list[str | int] = []
    while path is not None:
        path, step = path
        steps.append(step)
    return steps[::-1]
