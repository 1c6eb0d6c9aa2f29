"""What a template of a command may have of Jinja2's language, and what is refused of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from jinja2 import nodes
from jinja2.runtime import LoopContext

from jexevents.definitions import bounds, filters
from jexevents.errors import JexError
from jexevents.faults import fit

MAX_NODES = 5_000

_NODES = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.List,
    nodes.Tuple, nodes.Dict, nodes.Pair, nodes.Keyword, nodes.CondExpr, nodes.Filter, nodes.Test,
    nodes.Call, nodes.Getitem, nodes.Getattr, nodes.Slice, nodes.Concat, nodes.Compare,
    nodes.Operand, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Add, nodes.Sub, nodes.Mod,
    nodes.And, nodes.Or, nodes.Not, nodes.Neg, nodes.Pos, nodes.If, nodes.For, nodes.Assign,
)  # fmt: skip
_NAMES = {
    nodes.AssignBlock: "{% set %} with a block", nodes.Block: "{% block %}",
    nodes.CallBlock: "{% call %}", nodes.Extends: "{% extends %}",
    nodes.FilterBlock: "{% filter %}", nodes.FromImport: "{% from %}",
    nodes.Import: "{% import %}", nodes.Include: "{% include %}", nodes.Macro: "{% macro %}",
    nodes.Pow: "**", nodes.With: "{% with %}", nodes.NSRef: "a namespace",
}  # fmt: skip
ATTRIBUTES: dict[type, frozenset[str]] = {
    str: frozenset((
        "capitalize", "casefold", "count", "endswith", "find", "index", "isalnum", "isalpha",
        "isdigit", "islower", "isnumeric", "isspace", "isupper", "lower", "lstrip", "partition",
        "removeprefix", "removesuffix", "rpartition", "rsplit", "rstrip", "split", "splitlines",
        "startswith", "strip", "swapcase", "title", "upper",
    )),
    dict: frozenset(("get", "items", "keys", "values")),
    list: frozenset(("count", "index")),
    tuple: frozenset(("count", "index")),
    datetime: frozenset((
        "year", "month", "day", "hour", "minute", "second", "microsecond", "isoformat",
        "timestamp", "weekday", "isoweekday",
    )),
    LoopContext: frozenset((
        "index", "index0", "first", "last", "length", "revindex", "revindex0", "previtem",
        "nextitem", "cycle", "changed",
    )),
}  # fmt: skip
_LENGTH = "${#"


class TemplateFault(JexError):
    """A template cannot be used; ``line`` is the one in it, from 1, None for none.

    ``variable`` is the one that is to blame, if it is a variable of which there is no value.
    ``others`` are further faults of the same template, where they are known.
    """

    others: tuple[TemplateFault, ...] = ()

    def __init__(
        self, expected: str, got: str, line: int | None = None, variable: str | None = None
    ) -> None:
        super().__init__(f"expected {expected}, got {got}")
        self.expected = expected
        self.got = got
        self.line = line
        self.variable = variable


def raise_all(faults: Sequence[TemplateFault]) -> None:
    """Raise the first of several faults, with the others; nothing where there is none."""
    if faults:
        first, *others = faults
        first.others = tuple(others)
        raise first


def require_no_length(source: str) -> None:
    """Raise TemplateFault for ``${#``, of which Jinja2 takes the end for a comment."""
    parts = source.split("{%")
    if any(_LENGTH in part for part in parts if not part.lstrip("-+ ").startswith("raw")):
        expected = "no `${#`, in which a comment of the template begins"
        raise TemplateFault(expected, "one; {% raw %} before and {% endraw %} behind it help")


def require_known(tree: nodes.Template) -> None:
    """Raise TemplateFault for what a template may not have."""
    waiting: list[nodes.Node] = [tree]
    count = 0
    while waiting:
        node = waiting.pop()
        count += 1
        if count > MAX_NODES:
            raise TemplateFault(f"a template of at most {MAX_NODES} parts", "more")
        waiting.extend(node.iter_child_nodes())
        if type(node) not in _NODES:
            name = _NAMES.get(type(node), type(node).__name__)
            raise TemplateFault("what a template of a command may have", name, node.lineno)
        _require_allowed(node)


def _require_allowed(node: nodes.Node) -> None:
    if isinstance(node, nodes.For) and node.recursive:
        raise TemplateFault("a loop that is not recursive", "a recursive one", node.lineno)
    if isinstance(node, nodes.Call) and (node.dyn_args or node.dyn_kwargs):
        raise TemplateFault("arguments one by one", "* or **", node.lineno)
    if isinstance(node, nodes.Const) and isinstance(node.value, int):
        bounds.require_integer(node.value)
    if isinstance(node, nodes.Filter) and node.name not in filters.FILTERS:
        known = ", ".join(sorted(filters.FILTERS))
        raise TemplateFault(f"a filter of: {known}", f"`{fit(node.name)}`", node.lineno)
