"""YAML as definitions are written in it: what JSON can say, each thing in one way.

PyYAML reads YAML 1.1, in which ``no`` is false, ``1_000`` a number, ``12:30`` 750 and ``0777``
511. Here a plain scalar is what the core schema of YAML 1.2 makes of it, so all but the last are
texts; a number with a leading zero means one thing here and another there, and is refused. So are
duplicate keys, numbers that are no JSON, tags of programming languages, and more than one document.

Only PyYAML's parser is used, event by event: its composer calls itself for each level of nesting
and can be made to use up the stack. Aliases are copied, within ``MAX_VALUES``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from jexevents.definitions.located import Lines, Located, NotReadable, Path
from jexevents.faults import fit, pointer, shown
from jexevents.model import Fault

MAX_DEPTH = 32
MAX_VALUES = 100_000
MAX_FAULTS = 1000

_Parser = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
_PREFIX = "tag:yaml.org,2002:"
_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")
_REAL = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NO_NUMBER = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_INT64 = range(-(2**63), 2**63)
_LONGEST_INTEGER = 20
_TEXT_TAGS = ("str", "binary", "timestamp")
_SCALAR_TAGS = {"int": int, "float": (int, float), "bool": bool, "null": type(None)}
_LIST_TAGS = ("seq", "omap", "pairs")
_MERGE = "<<"
_UNFIT = re.compile("[\x00\ud800-\udfff]")  # what PostgreSQL and commands cannot have


class _Node(NamedTuple):
    """One value of the text: a str, a list of nodes, or a list of pairs of nodes."""

    content: Any
    line: int
    tag: str | None = None
    plain: bool = False
    is_map: bool = False


class _Bad(Exception):
    """A value that is not taken; the message is what was expected and what came."""

    def __init__(self, expected: str, got: str) -> None:
        super().__init__(expected, got)
        self.expected = expected
        self.got = got


def loads(text: str) -> tuple[Any, Lines, list[Located]]:
    """Read one document: its JSON value, the line (from 1) of every path in it, and its faults.

    Values that have a fault are null. Raises NotReadable for what is no YAML at all, or too much,
    or has more than ``MAX_FAULTS``; nothing else.
    """
    node = _parsed(text)
    if node is None:
        raise NotReadable([Located(1, Fault("", "a definition, or a list of them", "nothing"))])
    builder = _Builder()
    try:
        value = builder.built(node, ())
    except RecursionError as exc:  # merges of merges of merges
        raise _too_much(node.line) from exc
    return value, builder.lines, builder.faults


def _parsed(text: str) -> _Node | None:
    try:
        return _composed(yaml.parse(text, Loader=_Parser))
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        raise NotReadable([_syntax(text, exc.problem or exc.context or "", mark)]) from exc
    except (yaml.YAMLError, RecursionError) as exc:
        raise NotReadable([Located(None, Fault("", "YAML", fit(str(exc), 200)))]) from exc


def _syntax(text: str, problem: str, mark: yaml.Mark | None) -> Located:
    lines = text.splitlines()
    line = min(mark.line + 1, max(len(lines), 1)) if mark else None
    got = fit(problem, 200) or "what is no YAML"
    # Where the parser notices it, or just above: it is one that looks ahead.
    near = lines[max(line - 2, 0) : line] if line else ()
    if any(one.strip() == "..." and one != "..." for one in near):
        got += "; `...` ends a document at the beginning of a line only"
    if any("\t" in one[: len(one) - len(one.lstrip())] for one in near):
        got += "; indent by blanks, not by tabs"
    return Located(line, Fault("", "YAML", got))


def _refused(line: int, expected: str, got: str) -> NotReadable:
    return NotReadable([Located(line, Fault("", expected, got))])


def _composed(events: Iterator[Any]) -> _Node | None:
    """Make a tree of the events; None for an empty document."""
    root: _Node | None = None
    open_nodes: list[tuple[_Node, str | None]] = []
    anchors: dict[str, _Node] = {}
    documents = count = 0
    for event in events:
        line = event.start_mark.line + 1
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise _refused(line, "one document; several jobs are a list", "a second `---`")
        elif isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
            node, anchor = open_nodes.pop()
            if anchor:
                anchors[anchor] = node
        elif isinstance(event, yaml.NodeEvent):
            count += 1
            node = _node_of(event, line, anchors)
            root = node if root is None else root
            if open_nodes:
                open_nodes[-1][0].content.append(node)
            if isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent)):
                open_nodes.append((node, event.anchor))
                if len(open_nodes) > MAX_DEPTH or count > MAX_VALUES:
                    raise _too_much(line)
            elif getattr(event, "anchor", None) and isinstance(event, yaml.ScalarEvent):
                anchors[event.anchor] = node
    empty = root is not None and root.content == "" and root.plain and root.tag is None
    return None if empty else root


def _too_much(line: int) -> NotReadable:
    limit = f"values nested at most {MAX_DEPTH} deep, and at most {MAX_VALUES} of them"
    return _refused(line, limit, "more")


def _node_of(event: Any, line: int, anchors: dict[str, _Node]) -> _Node:
    if isinstance(event, yaml.AliasEvent):
        if event.anchor not in anchors:
            expected = "an alias of something whole that stands before it"
            raise _refused(line, expected, shown(f"*{event.anchor}"))
        return anchors[event.anchor]._replace(line=line)
    if isinstance(event, yaml.ScalarEvent):
        return _Node(event.value, line, event.tag, plain=event.implicit[0])
    return _Node([], line, event.tag, is_map=isinstance(event, yaml.MappingStartEvent))


class _Builder:
    """Makes JSON values of nodes, and notes where they stand and what is wrong."""

    def __init__(self) -> None:
        self.lines: dict[Path, int] = {}
        self.faults: list[Located] = []
        self._count = 0

    def built(self, node: _Node, path: Path) -> Any:
        """Make the value of a node. Raises NotReadable for what is too much, whatever it is."""
        self._count_one(node, path)
        self.lines.setdefault(path, node.line)
        try:
            if isinstance(node.content, str):
                return _scalar(node)
            return self._map(node, path) if node.is_map else self._list(node, path)
        except _Bad as bad:
            self._wrong(node.line, path, bad.expected, bad.got)
            return None

    def _count_one(self, node: _Node, path: Path) -> None:
        self._count += 1
        if self._count > MAX_VALUES or len(path) > MAX_DEPTH:
            raise _too_much(node.line)

    def _wrong(self, line: int, path: Path, expected: str, got: str) -> None:
        self.faults.append(Located(line, Fault(pointer(path), expected, got)))
        if len(self.faults) >= MAX_FAULTS:
            raise NotReadable(self.faults)

    def _list(self, node: _Node, path: Path) -> list[Any]:
        items = [self.built(item, (*path, index)) for index, item in enumerate(node.content)]
        _require_tag(node, _LIST_TAGS)
        return items

    def _map(self, node: _Node, path: Path) -> Any:
        members: dict[str, Any] = {}
        merged: list[_Node] = []
        for key, value in zip(node.content[::2], node.content[1::2], strict=True):
            if not isinstance(key.content, str):
                self._wrong(key.line, path, "a text as name of a member", "a list or a mapping")
            elif key.content == _MERGE and key.plain:
                merged.append(value)
            elif _UNFIT.search(key.content):
                expected = "a name without NUL characters and lone surrogates"
                self._wrong(key.line, path, expected, shown(key.content))
            elif key.content in members:
                again = f"{shown(key.content)} once more"
                self._wrong(key.line, (*path, key.content), "each name once", again)
            else:
                inner = (*path, key.content)
                self.lines[inner] = key.line
                members[key.content] = self.built(value, inner)
        for value in merged:
            self._merge(members, value, path)
        _require_tag(node, ("map", "set"))
        return list(members) if node.tag == f"{_PREFIX}set" else members

    def _merge(self, members: dict[str, Any], node: _Node, path: Path) -> None:
        """Add the members of a mapping, or of several, that are not there yet."""
        sources = [node] if node.is_map or isinstance(node.content, str) else node.content
        for source in sources:
            if not source.is_map:
                expected = "a mapping behind `<<`, or a list of mappings"
                self._wrong(node.line, path, expected, "something else")
                continue
            self._count_one(source, path)
            noted = dict(self.lines)
            found = self._map(source, path)
            self.lines |= noted
            members |= {name: value for name, value in found.items() if name not in members}


def _require_tag(node: _Node, allowed: tuple[str, ...]) -> None:
    if node.tag in (None, "!") or node.tag in (f"{_PREFIX}{name}" for name in allowed):
        return
    names = ", ".join(f"!!{name}" for name in allowed)
    raise _Bad(f"no tag here but {names}", shown(node.tag.replace(_PREFIX, "!!")))


def _scalar(node: _Node) -> Any:
    text = node.content
    if _UNFIT.search(text):
        raise _Bad("a text without NUL characters and lone surrogates", shown(text))
    if node.tag in (None, "!"):
        return _resolved(text) if node.plain and node.tag is None else text
    name = node.tag.removeprefix(_PREFIX)
    if name in _TEXT_TAGS:
        return text
    if name not in _SCALAR_TAGS:
        _require_tag(node, (*_TEXT_TAGS, *_SCALAR_TAGS))
    value = _resolved(text)
    kind = _SCALAR_TAGS[name]
    if not isinstance(value, kind) or (isinstance(value, bool) and name != "bool"):
        raise _Bad(f"what !!{name} says", shown(text))
    return float(value) if name == "float" else value


def _resolved(text: str) -> Any:
    """Give the value of a plain scalar. Raises _Bad for those that mean several things."""
    if _NULL.fullmatch(text):
        return None
    if _BOOL.fullmatch(text):
        return text.lower() == "true"
    if _LEADING_ZERO.fullmatch(text):
        raise _Bad(
            "a number without leading zeros, or a text in quotation marks",
            f"{fit(text)}, which YAML 1.1 reads as octal and YAML 1.2 as decimal",
        )
    if _NO_NUMBER.fullmatch(text):
        raise _Bad("a finite number", fit(text))
    if _INTEGER.fullmatch(text):
        return _integer(text, 10)
    if _BASED.fullmatch(text):
        return _integer(text, 0)
    if _REAL.fullmatch(text):
        return _real(text)
    return text


def _integer(text: str, base: int) -> int:
    if len(text) <= _LONGEST_INTEGER or (base == 0 and len(text) < 100):
        value = int(text, base)
        if value in _INT64:
            return value
    raise _Bad("an integer of at most 64 bits, or a text in quotation marks", fit(text))


def _real(text: str) -> float:
    value = float(text)
    if math.isfinite(value):
        return value
    raise _Bad("a number that a double can hold", fit(text))
