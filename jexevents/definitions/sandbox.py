"""Templates of commands: Jinja2, with less in it than it has, and with bounds.

Jinja2's own sandbox keeps a template from reaching what is no business of it; it does not keep it
from using up all memory and time. So here a template has the kinds of nodes, filters, attributes
and functions that are listed, no others, and what makes values bigger is bounded (``bounds.py``).

A template gives pieces, not a text: texts of its own, and values that its caller has yet to write.
"""

from __future__ import annotations

import re
import types
from collections.abc import Iterator, Mapping
from typing import Any

from jinja2 import (
    StrictUndefined,
    TemplateError,
    TemplateSyntaxError,
    Undefined,
    nodes,
    pass_context,
)
from jinja2.compiler import CodeGenerator, Frame
from jinja2.meta import find_undeclared_variables
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment, SecurityError
from jinja2.utils import missing

from jexevents.definitions import bounds, filters
from jexevents.definitions.filters import Raw
from jexevents.definitions.grammar import (
    ATTRIBUTES,
    TemplateFault,
    require_known,
    require_no_length,
)
from jexevents.definitions.words import Unwritable, kind_of
from jexevents.faults import fit

MAX_SOURCE = 64 * 1024

_LOOP = "loop items"  # the name of a filter that no template can write
_NUMBERS = (int, float)
# Types as Python's own errors name them, in words.
_TYPES = {
    "NoneType": "null",
    "bool": "a truth value",
    "int": "a number",
    "float": "a number",
    "str": "a text",
    "bytes": "bytes",
    "datetime.datetime": "a time",
    "dict": "a mapping",
    "list": "a list",
    "tuple": "a list",
}
_TYPE = re.compile(rf"'({'|'.join(map(re.escape, _TYPES))})'(?: object)?")


class Value(str):
    """A piece that stands for a value, which is ``content``; whether as it is says ``raw``."""

    __slots__ = ("content", "raw")

    def __new__(cls, content: Any, raw: bool) -> Value:
        """Make one; as a text it is empty."""
        made = super().__new__(cls)
        made.content = content
        made.raw = raw
        return made

    def __str__(self) -> str:
        """Give itself: what Jinja2 makes of a value is its ``str``."""
        return self


class _Missing(StrictUndefined):
    """A variable without a value; to use it is a fault that knows its name."""

    def _fail_with_undefined_error(self, *_args: Any, **_kwargs: Any) -> Any:
        if self._undefined_obj is not missing or self._undefined_hint:
            return super()._fail_with_undefined_error()
        expected = f"a value for `{fit(self._undefined_name)}`, which the template uses"
        raise TemplateFault(expected, "none", variable=self._undefined_name)

    __iter__ = __str__ = __len__ = _fail_with_undefined_error
    __eq__ = __ne__ = __bool__ = __hash__ = _fail_with_undefined_error
    __contains__ = _fail_with_undefined_error
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _fail_with_undefined_error
    __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = _fail_with_undefined_error
    __mod__ = __rmod__ = __pos__ = __neg__ = __call__ = __getitem__ = _fail_with_undefined_error
    __lt__ = __le__ = __gt__ = __ge__ = __int__ = __float__ = _fail_with_undefined_error


class _Generator(CodeGenerator):
    """Has what builds a value go by the bounds."""

    def _bounded(self, name: str, visit: Any, node: nodes.Node, frame: Frame) -> None:
        self.write(f"environment.{name}(")
        visit(node, frame)
        self.write(")")

    def visit_List(self, node: nodes.List, frame: Frame) -> None:  # noqa: N802
        self._bounded("measured", super().visit_List, node, frame)

    def visit_Dict(self, node: nodes.Dict, frame: Frame) -> None:  # noqa: N802
        self._bounded("measured", super().visit_Dict, node, frame)

    def visit_Tuple(self, node: nodes.Tuple, frame: Frame) -> None:  # noqa: N802
        if node.ctx == "load":
            self._bounded("measured", super().visit_Tuple, node, frame)
        else:
            super().visit_Tuple(node, frame)

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802
        self.write("environment.concatenated((")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")


@pass_context
def _finalize(_context: Context, value: Any) -> Value:
    # Of a context, so that nothing is finalised while the template is compiled.
    if isinstance(value, Undefined):
        str(value)
    bounds.step()
    return Value(str.__str__(value) if isinstance(value, Raw) else value, isinstance(value, Raw))


def _range(*limits: int) -> list[int]:
    numbers = range(*limits)
    bounds.require_items(len(numbers))
    return list(numbers)


class _Environment(ImmutableSandboxedEnvironment):
    code_generator_class = _Generator
    intercepted_binops = frozenset(["+", "-", "*", "/", "//", "%", "**"])

    def __init__(self) -> None:
        super().__init__(undefined=_Missing, finalize=_finalize, optimized=False, cache_size=0)
        self.filters = {name: _checked(one) for name, one in filters.FILTERS.items()}
        self.filters[_LOOP] = bounds.Counted
        self.globals = {"range": _range}

    def measured(self, value: Any) -> Any:
        return bounds.measured(value)

    def concatenated(self, parts: tuple[Any, ...]) -> str:
        texts = [filters.text(part) for part in parts]
        bounds.require_text(sum(map(len, texts)))
        bounds.step()
        return "".join(texts)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        return any(isinstance(obj, kind) and attr in names for kind, names in ATTRIBUTES.items())

    def is_safe_callable(self, obj: Any) -> bool:
        if isinstance(obj, (types.BuiltinMethodType, types.MethodType)):
            return self.is_safe_attribute(obj.__self__, obj.__name__, obj)
        return obj is _range or isinstance(obj, Undefined)

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805
        return bounds.measured(super().call(__context, __obj, *args, **kwargs))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        bounds.step()
        for side in (left, right):
            if isinstance(side, Undefined):
                str(side)
        if isinstance(left, _NUMBERS) and isinstance(right, _NUMBERS):
            return bounds.measured(super().call_binop(context, operator, left, right))
        if operator == "+":
            return _added(left, right)
        if operator == "*":
            return _repeated(left, right)
        kinds = f"{kind_of(left)} and {kind_of(right)}"
        raise TemplateFault(f"numbers on both sides of {operator}", kinds)


def _added(left: Any, right: Any) -> Any:
    for kind in (str, list, tuple):
        if isinstance(left, kind) and isinstance(right, kind):
            size = len(left) + len(right)
            (bounds.require_text if kind is str else bounds.require_items)(size)
            return bounds.measured(kind(left) + kind(right))
    got = f"{kind_of(left)} + {kind_of(right)}"
    raise TemplateFault("two numbers, two texts or two lists; ~ makes texts of its sides", got)


def _repeated(left: Any, right: Any) -> Any:
    what, times = (right, left) if isinstance(left, int) else (left, right)
    if not (isinstance(times, int) and isinstance(what, (str, list, tuple))):
        got = f"{kind_of(left)} * {kind_of(right)}"
        raise TemplateFault("two numbers, or a text or a list and a whole number", got)
    size = len(what) * max(times, 0)
    (bounds.require_text if isinstance(what, str) else bounds.require_items)(size)
    return bounds.measured(what * times)


def _checked(function: Any) -> Any:
    """Wrap a filter: what it gives is measured. The marks by which Jinja2 hands it more stay."""

    def filtered(*args: Any, **kwargs: Any) -> Any:
        bounds.step()
        return bounds.measured(function(*args, **kwargs))

    for name in ("jinja_pass_arg", "__name__"):
        if hasattr(function, name):
            setattr(filtered, name, getattr(function, name))
    return filtered


_ENVIRONMENT = _Environment()


class Template:
    """One template; ``used`` are the names that it takes values for, ``tree`` is its syntax."""

    def __init__(self, source: str) -> None:
        """Read it. Raises TemplateFault for one that cannot be used."""
        if len(source) > MAX_SOURCE:
            raise TemplateFault(f"at most {MAX_SOURCE} characters", f"{len(source)}")
        self.source = source
        require_no_length(source)
        try:
            self.tree = _ENVIRONMENT.parse(source)
            require_known(self.tree)
            self.used = frozenset(find_undeclared_variables(self.tree)) - set(_ENVIRONMENT.globals)
            self._compiled = _compiled(source)
        except TemplateSyntaxError as exc:
            got = f"what it cannot read: {fit(exc.message or '', 200)}"
            raise TemplateFault("a Jinja2 template", got, exc.lineno) from exc
        except TemplateError as exc:
            raise TemplateFault("a Jinja2 template", fit(str(exc), 200)) from exc
        except bounds.TooMuch as exc:
            raise TemplateFault("a template within its bounds", str(exc)) from exc
        except (RecursionError, MemoryError, SyntaxError, ValueError, OverflowError) as exc:
            # What is nested too deep for the parser, for Jinja2's compiler or for Python's.
            got = "one nested too deep, or with a number too long"
            raise TemplateFault("a template of a usual form", got) from exc

    def pieces(self, values: Mapping[str, Any]) -> Iterator[str]:
        """Give its texts as ``str`` and its values as Value. Raises TemplateFault.

        Takes what ``bounds`` allow at most.
        """
        total = 0
        try:
            with bounds.budget():
                found = []
                for piece in self._compiled.root_render_func(self._compiled.new_context(values)):
                    total += len(piece)
                    bounds.require_text(total)
                    found.append(piece)
        except bounds.TooMuch as exc:
            raise TemplateFault("a template within its bounds", str(exc)) from exc
        except Unwritable as exc:
            raise TemplateFault(exc.expected, exc.got) from exc
        except TemplateFault:
            raise
        except (SecurityError, TemplateError) as exc:
            raise TemplateFault("what a template may do", fit(str(exc), 200)) from exc
        except Exception as exc:  # an operation on a value that it is not made for
            what = _TYPE.sub(lambda found: _TYPES[found[1]], fit(str(exc), 200))
            raise TemplateFault("a template that can be rendered with these values", what) from exc
        return iter(found)


def _compiled(source: str) -> Any:
    tree = _ENVIRONMENT.parse(source)
    for loop in list(tree.find_all(nodes.For)):
        loop.iter = nodes.Filter(loop.iter, _LOOP, [], [], None, None, lineno=loop.lineno)
    tree.set_environment(_ENVIRONMENT)
    return _ENVIRONMENT.from_string(tree)
