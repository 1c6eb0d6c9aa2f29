"""The XML form of a ClassAd: ``<c><a n="Name"><s>text</s></a> ... </c>``.

A scanner of its own, for two reasons: no document type is ever processed, so there are no
entities to expand, and HTCondor writes control characters that an XML parser must refuse.
Elements: s string (with the escapes of a ClassAd literal inside), i integer, r real, b
boolean (``v="t"``), e expression, l list, c ad, un undefined, er error, at and rt times.
Source: HTCondor's ClassAd XML writer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from jexevents.faults import shown
from jexevents.model import Reason
from jexevents.sources.condor.classad import (
    MAX_DEPTH,
    finite,
    read_value,
    storable,
    unescape_literal,
)
from jexevents.sources.condor.unreadable import unreadable

_TOKEN = re.compile(
    r"""<(/?)([A-Za-z]+)            # a tag that opens or closes
        ((?:\s+[A-Za-z]+\s*=\s*(?:"[^"]*"|'[^']*'))*)
        \s*(/?)>
        |([^<]+)                    # or the text between two""",
    re.VERBOSE,
)
_ATTRIBUTE = re.compile(r"""([A-Za-z]+)\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_REFERENCE = re.compile(r"&(#\d{1,7}|#x[0-9A-Fa-f]{1,6}|[a-z]{1,6});")
_NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"', "apos": "'"}
_PROLOGUE = re.compile(r"\s*(?:<\?[^>]*\?>\s*)?(?:<!DOCTYPE[^>\[]*>\s*)?(?:<classads>\s*)?")
_EPILOGUE = re.compile(r"\s*(?:</classads>\s*)?")

_Token = tuple[str, str, str, str]  # kind (open, close, empty, text, end), tag, attributes, text


def read_xml(text: str) -> dict[str, Any]:
    """Read one ``<c>`` ad.

    Raises Malformed for anything else: a document type with declarations, nesting past
    ``classad.MAX_DEPTH``, a tag that is not closed, a second ad.
    """
    begin = _PROLOGUE.match(text)
    reader = _Reader(text, begin.end() if begin else 0)
    reader.expect("open", "c")
    ad = reader.ad(1)
    if not _EPILOGUE.fullmatch(text, reader.pos):
        several = "<c>" in text[reader.pos :]
        reason = Reason.SEVERAL_EVENTS if several else Reason.UNREADABLE_EVENT
        raise unreadable("one <c> ad", "more behind its end", reason)
    return ad


def _plain(text: str) -> str:
    """Undo the escapes of XML; an unknown reference stays as it is."""
    return _REFERENCE.sub(_referred, text) if "&" in text else text


def _referred(match: re.Match[str]) -> str:
    """Give the character of one reference."""
    name = match[1]
    if name[0] != "#":
        return _NAMED.get(name, match[0])
    code = int(name[2:], 16) if name[1] == "x" else int(name[1:])
    return storable(chr(code)) if code <= 0x10FFFF else match[0]


def _attribute(attributes: str, name: str) -> str:
    """Give the value of one attribute of a tag, empty if it has none."""
    for match in _ATTRIBUTE.finditer(attributes):
        if match[1] == name:
            return _plain(match[2] if match[2] is not None else match[3])
    return ""


def _integer(text: str) -> Any:
    """Read the text of ``<i>``; what is no integer stays text."""
    value = read_value(text.strip()) if text.strip() else text
    return value if type(value) is int else text


def _real(text: str) -> Any:
    """Read the text of ``<r>``, where HTCondor also writes INF and NaN."""
    try:
        return finite(float(text.replace("_", "?")))
    except ValueError:
        return text


_LEAVES = {
    "s": unescape_literal,
    "e": str.strip,
    "at": str.strip,
    "rt": str.strip,
    "i": _integer,
    "r": _real,
}


class _Reader:
    """Walks through the tags of one ad; ``pos`` is where the next token starts."""

    def __init__(self, text: str, pos: int) -> None:
        self.text = text
        self.pos = pos

    def token(self) -> _Token:
        """Take the next token. Raises Malformed where there is no tag that may be."""
        match = _TOKEN.match(self.text, self.pos)
        if not match:
            found = self.text[self.pos : self.pos + 20] or "the end"
            cut = ">" not in self.text[self.pos :]
            reason = Reason.TRUNCATED_EVENT if cut else Reason.UNREADABLE_EVENT
            raise unreadable("a tag of a ClassAd in XML", shown(found), reason)
        self.pos = match.end()
        closing, tag, attributes, empty, text = match.groups()
        if text is not None:
            return "text", "", "", text
        kind = "close" if closing else "empty" if empty else "open"
        return kind, tag, attributes, ""

    def tags(self) -> Iterator[_Token]:
        """Take tokens, without the blanks between tags. Raises Malformed for other text."""
        while True:
            token = self.token()
            if token[0] != "text":
                yield token
            elif token[3].strip():
                raise unreadable("a tag", shown(token[3].strip()))

    def expect(self, kind: str, tag: str) -> str:
        """Take the next tag, which must be this one; give its attributes."""
        token = next(self.tags())
        if token[:2] != (kind, tag):
            slash = "/" if kind == "close" else ""
            raise unreadable(f"<{slash}{tag}>", f"<{token[1]}>")
        return token[2]

    def ad(self, depth: int) -> dict[str, Any]:
        """Read attributes up to ``</c>``."""
        if depth > MAX_DEPTH:
            raise unreadable(f"at most {MAX_DEPTH} levels of nesting", "more")
        ad: dict[str, Any] = {}
        for kind, tag, attributes, _ in self.tags():
            if (kind, tag) == ("close", "c"):
                return ad
            if (kind, tag) != ("open", "a"):
                raise unreadable("<a> or </c>", f"<{tag}>")
            ad[storable(_attribute(attributes, "n"))] = self.value(next(self.tags()), depth)
            self.expect("close", "a")
        return ad

    def value(self, token: _Token, depth: int) -> Any:
        """Read the value that starts with ``token``."""
        kind, tag, attributes, _ = token
        if kind == "close":
            raise unreadable("a value", f"</{tag}>")
        if tag == "b":
            return self._end(kind, tag, _attribute(attributes, "v").lower() == "t")
        if tag in ("un", "er"):
            return self._end(kind, tag, None if tag == "un" else "error")
        if kind == "empty":
            return {"c": {}, "l": []}.get(tag, "")
        return self._content(tag, depth)

    def _content(self, tag: str, depth: int) -> Any:
        """Read what stands between the two tags of a value."""
        if tag == "c":
            return self.ad(depth + 1)
        if tag == "l":
            return self._list(depth + 1)
        return _LEAVES.get(tag, str)(self._text(tag))

    def _end(self, kind: str, tag: str, value: Any) -> Any:
        """Give ``value`` after its closing tag, if it has one."""
        if kind == "open":
            self.expect("close", tag)
        return value

    def _list(self, depth: int) -> list[Any]:
        """Read elements up to ``</l>``."""
        if depth > MAX_DEPTH:
            raise unreadable(f"at most {MAX_DEPTH} levels of nesting", "more")
        items: list[Any] = []
        for token in self.tags():
            if token[:2] == ("close", "l"):
                break
            items.append(self.value(token, depth))
        return items

    def _text(self, tag: str) -> str:
        """Read text and the closing tag behind it."""
        token = self.token()
        if token[0] == "text":
            self.expect("close", tag)
            return _plain(token[3])
        if token[:2] != ("close", tag):
            raise unreadable(f"</{tag}>", f"<{token[1]}>")
        return ""
