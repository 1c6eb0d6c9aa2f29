"""Where the values of a template will stand in the command, found out before there are any."""

from __future__ import annotations

from collections.abc import Mapping

from jinja2 import nodes

from jexevents.definitions.grammar import TemplateFault
from jexevents.definitions.sandbox import Template
from jexevents.definitions.shell import Shell

NUMBERS = ("int", "float", "bool")

_SUMS = (nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Neg)
_NUMBER_FILTERS = ("abs", "count", "float", "int", "length", "round", "sum")
_WHERE = "a value where a word can be, as it is put between quotation marks of its own"
_REMEDY = "take your marks away, or use the filter raw"


def check_places(template: Template, kinds: Mapping[str, str]) -> tuple[Shell, list[TemplateFault]]:
    """Give the place at the template's end, on one way through it, and the faults.

    There is one for each value that stands where it cannot be quoted, and where the ways through
    the template differ in what is open. ``kinds`` are the types of the variables: numbers may stand
    in more places. What only shows with the values is found when they are there.
    """
    walk = _Walk(kinds)
    return walk.body(template.tree.body, Shell()), walk.faults


class _Walk:
    def __init__(self, kinds: Mapping[str, str]) -> None:
        self._kinds = kinds
        self.faults: list[TemplateFault] = []

    def body(self, body: list[nodes.Node], shell: Shell) -> Shell:
        """Go over nodes, one after the other; give where they end."""
        for node in body:
            if isinstance(node, nodes.Output):
                self._output(node, shell)
            elif isinstance(node, nodes.If):
                shell = self._branches(node, shell)
            elif isinstance(node, nodes.For):
                shell = self._rounds(node, shell)
        return shell

    def _output(self, node: nodes.Output, shell: Shell) -> None:
        for child in node.nodes:
            if isinstance(child, nodes.TemplateData):
                shell.feed(child.data)
            elif not _is_raw(child):
                self._value(child, shell)

    def _value(self, node: nodes.Expr, shell: Shell) -> None:
        place = shell.refusal()
        if not place:
            shell.put()
            return
        if not (self._may_be_number(node) and shell.takes_numbers()):
            self.faults.append(TemplateFault(_WHERE, f"one {place}; {_REMEDY}", node.lineno))
        shell.feed("0")

    def _may_be_number(self, node: nodes.Expr) -> bool:
        if isinstance(node, nodes.Name):
            return self._kinds.get(node.name, "int") in NUMBERS
        if isinstance(node, nodes.Const):
            return isinstance(node.value, (int, float))
        if isinstance(node, nodes.Filter):
            return node.name in _NUMBER_FILTERS or (
                node.name in ("d", "default") and self._may_be_number(node.node)
            )
        if isinstance(node, nodes.CondExpr):
            return self._may_be_number(node.expr1)
        return isinstance(node, (*_SUMS, nodes.Getattr, nodes.Getitem, nodes.Call))

    def _branches(self, node: nodes.If, shell: Shell) -> Shell:
        bodies = [node.body, *(inner.body for inner in node.elif_), node.else_]
        ends = [self.body(body, shell.fork()) for body in bodies]
        self._require_same(ends, node.lineno)
        return ends[0]

    def _rounds(self, node: nodes.For, shell: Shell) -> Shell:
        ends = [self.body(body, shell.fork()) for body in (node.body, node.else_)]
        self._require_same([shell, *ends], node.lineno)
        return ends[0]

    def _require_same(self, ends: list[Shell], line: int) -> None:
        if len({end.nesting() for end in ends}) > 1:
            got = "one that is open on one way through the template and not on another"
            expected = "quotation marks and brackets that close where they open"
            self.faults.append(TemplateFault(expected, got, line))


def _is_raw(node: nodes.Expr) -> bool:
    return isinstance(node, nodes.Filter) and node.name == "raw"
