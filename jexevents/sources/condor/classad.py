"""ClassAd values as plain Python ones.

Literals become what JSON has: strings, integers, reals, booleans, lists, objects;
``undefined`` becomes None. All that JSON has not is kept as its ClassAd text: expressions
(``time()``), ``error``, times (``absTime("...")``) and reals that are no number
(``real("INF")``, ``real("NaN")``), without the ``/Expr(...)/`` that HTCondor's JSON form puts
around it, so that the three forms of one event read alike.

Sources: the ClassAd language reference and what HTCondor 25.14.1 does with the cases of
tests/unit/test_condor_classad.py. It makes 0 of an integer past 64 bits; here it stays whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from jexevents.sources.condor.unreadable import unreadable

MAX_DEPTH = 64
MAX_DIGITS = 400
REPLACEMENT = "\ufffd"

_INTEGER = re.compile(r"-?\d+", re.ASCII)
_REAL = re.compile(r"-?(?:\d+\.\d+|\.\d+|\d+(?=[eE]))(?:[eE][-+]?\d+)?", re.ASCII)
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_QUOTED_NAME = re.compile(r"'(?:[^'\\]|\\.)*'", re.DOTALL)
_NAME = re.compile(r"\s*(?:([A-Za-z_][A-Za-z0-9_.]*)|'((?:[^'\\]|\\.)*)')\s*=(?!=)", re.ASCII)
_BLANK = re.compile(r"\s*")
_ESCAPE = re.compile(r"((?:\\[0-3]?[0-7]{1,2})+)|\\(.)", re.DOTALL)
_SIMPLE_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_EXPRESSION = re.compile(r"/Expr\((.*)\)/", re.DOTALL)

_WORDS = {"true": True, "false": False, "undefined": None, "error": "error"}

Unescape = Callable[[str], str]


def storable(text: str) -> str:
    """Replace what PostgreSQL cannot store in text: NUL and lone surrogates."""
    return _UNSTORABLE.sub(REPLACEMENT, text)


def read_line(line: str) -> tuple[str, Any] | None:
    """Read a line ``Name = value`` of the long form; None if it is not one.

    In this form a backslash escapes a quotation mark and nothing else, so that Windows paths
    need no care (HTCondor's rule for job ads).
    """
    name, _, text = line.partition("=")
    name, text = name.strip(), text.strip()
    if not text or text[0] in "=?!" or not name.isidentifier() or not name.isascii():
        return None
    try:
        return name, read_value(text)
    except ValueError:
        return None


def read_value(text: str, unescape: Unescape | None = None) -> Any:
    """Read one value from text without blanks around it.

    ``unescape`` turns the inside of a string literal into its text; the long form's rule if
    not given. What is no literal is given back as it stands. Raises ValueError for a literal
    that is not closed.
    """
    if text[:1] == '"' and "\\" not in text and text.find('"', 1) == len(text) - 1 > 0:
        return text[1:-1]
    if _INTEGER.fullmatch(text):
        return int(text) if len(text) <= MAX_DIGITS else text
    word = text.lower()
    if word in _WORDS:
        return _WORDS[word]
    if _REAL.fullmatch(text):
        return finite(float(text))
    return _read_structure(text, unescape or unescape_long_form)


def finite(number: float) -> float | str:
    """Give a real as it is, or as ClassAd text where JSON has no number for it."""
    if number != number:
        return 'real("NaN")'
    if number in (float("inf"), float("-inf")):
        return 'real("INF")' if number > 0 else 'real("-INF")'
    return number


def unescape_long_form(inner: str) -> str:
    """Undo the only escape of the long form."""
    return inner.replace('\\"', '"')


def unescape_literal(inner: str) -> str:
    """Undo the escapes of a literal: ``\\n``, ``\\"``, and ``\\303\\251`` for bytes of UTF-8."""
    return _ESCAPE.sub(_escaped, inner) if "\\" in inner else inner


def _escaped(match: re.Match[str]) -> str:
    """Give the characters that one escape, or a row of octal ones, stands for."""
    if match[1] is None:
        return _SIMPLE_ESCAPES.get(match[2], match[2])
    codes = bytes(int(code, 8) for code in match[1].split("\\")[1:])
    return storable(codes.decode("utf-8", "replace"))


def read_ad(text: str) -> dict[str, Any]:
    """Read a bracketed ad ``[ a = 1; b = "x" ]``.

    Raises ValueError if it is not one, or not closed.
    """
    value = _read_structure(text.strip(), unescape_literal)
    if not isinstance(value, dict):
        raise ValueError("not a bracketed ClassAd")
    return value


def _read_structure(text: str, unescape: Unescape) -> Any:
    """Read a string with escapes, a list or an ad; give any other text back."""
    if text[:1] not in ('"', "{", "["):
        return text
    reader = _Reader(text, unescape)
    value = reader.value("")
    if _BLANK.match(text, reader.pos).end() != len(text):  # type: ignore[union-attr]
        return text
    return value


class _Reader:
    """Walks through one value; ``pos`` is where the next thing starts."""

    def __init__(self, text: str, unescape: Unescape) -> None:
        self.text = text
        self.pos = 0
        self.depth = 0
        self.unescape = unescape

    def value(self, ends: str) -> Any:
        """Read one value, up to one of the characters ``ends``."""
        start = self._skip_blanks()
        value = self._literal(start)
        after = self._skip_blanks()
        if value is not _NO_LITERAL and (after == len(self.text) or self.text[after] in ends):
            return value
        if not ends and value is not _NO_LITERAL:
            return value
        return self._rest(start, ends)

    def _literal(self, start: int) -> Any:
        """Read what starts with its own kind of bracket."""
        first = self.text[start : start + 1]
        if first == '"':
            return self._string(start)
        if first == "{":
            return self._nested(self._list)
        if first == "[":
            return self._nested(self._ad)
        return _NO_LITERAL

    def _skip_blanks(self) -> int:
        """Go to the next character that is none."""
        self.pos = _BLANK.match(self.text, self.pos).end()  # type: ignore[union-attr]
        return self.pos

    def _string(self, start: int) -> str:
        """Read a string literal; a path may end in a backslash before the closing mark."""
        match = _STRING.match(self.text, start)
        if match:
            self.pos = match.end()
            return self.unescape(match[0][1:-1])
        if start == 0 and len(self.text) > 1 and self.text.endswith('"'):
            self.pos = len(self.text)
            return self.unescape(self.text[1:-2]) + "\\"
        raise ValueError("a string is not closed")

    def _nested(self, read: Callable[[], Any]) -> Any:
        """Read a list or an ad one level further down."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ValueError("nested too deep")
        self.pos += 1
        value = read()
        self.depth -= 1
        return value

    def _list(self) -> list[Any]:
        """Read the elements of a list and its closing brace."""
        items: list[Any] = []
        while not self._closed("}"):
            items.append(self.value(",}"))
            self._separator(",", "}")
        return items

    def _ad(self) -> dict[str, Any]:
        """Read the attributes of an ad and its closing bracket."""
        ad: dict[str, Any] = {}
        while not self._closed("]"):
            match = _NAME.match(self.text, self.pos)
            if not match:
                raise ValueError("an attribute has no name")
            self.pos = match.end()
            ad[storable(match[1] or match[2] or "")] = self.value(";]")
            self._separator(";", "]")
        return ad

    def _closed(self, bracket: str) -> bool:
        """Tell whether the closing ``bracket`` comes next, and step over it."""
        self._skip_blanks()
        if not self.text.startswith(bracket, self.pos):
            return False
        self.pos += 1
        return True

    def _separator(self, separator: str, bracket: str) -> None:
        """Step over ``separator``; what else may come is the closing ``bracket``."""
        self._skip_blanks()
        if self.text.startswith(separator, self.pos):
            self.pos += 1
        elif not self.text.startswith(bracket, self.pos):
            raise ValueError("a list or an ad is not closed")

    def _rest(self, start: int, ends: str) -> Any:
        """Read from ``start`` what is a plain literal or an expression, up to ``ends``."""
        self.pos = start
        level = 0
        while self.pos < len(self.text):
            char = self.text[self.pos]
            if level == 0 and char in ends:
                break
            level += (char in "([{") - (char in ")]}")
            self.pos = self._step(char)
        return read_value_plain(self.text[start : self.pos].strip())

    def _step(self, char: str) -> int:
        """Give the position after this character, or after the string that starts here."""
        pattern = {'"': _STRING, "'": _QUOTED_NAME}.get(char)
        match = pattern.match(self.text, self.pos) if pattern else None
        return match.end() if match else self.pos + 1


_NO_LITERAL = object()


def read_value_plain(text: str) -> Any:
    """Read a number or a word; anything else is an expression and stays text."""
    if not text:
        raise ValueError("a value is missing")
    if text[0] in '"{[':
        return text
    return read_value(text)


def from_json(value: Any, depth: int = 0) -> Any:
    """Turn what a JSON parser gave into a value as this module describes it.

    Raises Malformed for nesting past ``MAX_DEPTH``.
    """
    if type(value) is str:
        return _from_json_text(value)
    if type(value) is float:
        return finite(value)
    if type(value) in (dict, list):
        return _from_json_nested(value, depth + 1)
    return value


def _from_json_text(value: str) -> str:
    """Take an expression out of its wrapping, and out of any text what cannot be stored."""
    if value.startswith("/Expr("):
        match = _EXPRESSION.fullmatch(value)
        value = match[1] if match else value
    return value if value.isascii() and "\0" not in value else storable(value)


def _from_json_nested(value: Any, depth: int) -> Any:
    """Go through a list or an object."""
    if depth > MAX_DEPTH:
        raise unreadable(f"at most {MAX_DEPTH} levels of nesting", "more")
    if type(value) is list:
        return [from_json(item, depth) for item in value]
    return {storable(key): from_json(item, depth) for key, item in value.items()}
