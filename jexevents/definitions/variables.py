"""Variables of a definition, and the values they are given: from JSON, or from texts of a form."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jexevents.definitions import kinds
from jexevents.definitions.kinds import Misfit
from jexevents.definitions.words import Unwritable, words_of
from jexevents.errors import Invalid
from jexevents.faults import SHOWN_CHARACTERS, fit, names_secret, pointer, shown
from jexevents.model import Fault

# As much as the system takes as one word; of all values together, as JSON.
MAX_VALUES_BYTES = 128 * 1024
_NAMES_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable: ``type`` is one of ``kinds.KINDS``; ``choices`` are the values of an enum.

    ``default`` is its value where none is given, if it ``has_default``. An ``option`` that the
    template does not use is appended as ``--NAME VALUE``.
    """

    name: str
    type: str = "str"
    option: bool = False
    choices: tuple[Any, ...] = ()
    has_default: bool = False
    default: Any = None
    required: bool = False
    description: str = ""

    def read(self, value: Any) -> Any:
        """Make the value of a JSON value. Raises Misfit."""
        if self.type == kinds.ENUM:
            return kinds.read_choice(value, self.choices)
        return kinds.KINDS[self.type].read(value)

    def read_texts(self, texts: Sequence[str]) -> Any:
        """Make the value of the texts that a form or a query has for the name. Raises Misfit."""
        if self.type == kinds.SEQ and not (len(texts) == 1 and texts[0].lstrip().startswith("[")):
            return kinds.KINDS[kinds.SEQ].read(list(texts))
        if len(texts) != 1:
            raise Misfit("one value", str(len(texts)))
        return self.read(texts[0])

    def words(self, value: Any) -> list[str]:
        """Give the words by which a value is appended to a command. Raises Unwritable.

        An option that is true is its name alone; one that is false or null is nothing. Each item
        of an option that is a list has the name before it.
        """
        if not self.option:
            return [] if value is None else words_of(value)
        name = f"--{self.name}"
        if value is None or value is False:
            return []
        if value is True:
            return [name]
        return [part for word in words_of(value) for part in (name, word)]


def read_values(variables: Sequence[Variable], given: Mapping[str, Any]) -> dict[str, Any]:
    """Make the values of JSON values by name, with the defaults; what has neither is not in it.

    Raises Invalid with a fault for each name that is unknown, value that is missing, and value
    that is wrong; its pointers are into ``given``.
    """
    return _read(variables, given, Variable.read, _shown)


def read_texts(variables: Sequence[Variable], given: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """As ``read_values``, of the texts of a form or a query by name."""
    return _read(variables, given, Variable.read_texts, _shown_texts)


def as_json(variables: Sequence[Variable], values: Mapping[str, Any]) -> dict[str, Any]:
    """Give values as JSON values, of which ``read_values`` makes the same again."""
    types = {variable.name: variable.type for variable in variables}
    return {name: kinds.plain(types[name], value) for name, value in values.items()}


def appended(variables: Sequence[Variable], values: Mapping[str, Any]) -> Iterator[str]:
    """Give the words of values, in the order of the variables. Raises Invalid."""
    for variable in variables:
        if variable.name in values:
            try:
                yield from variable.words(values[variable.name])
            except Unwritable as exc:
                fault = Fault(pointer([variable.name]), exc.expected, exc.got)
                raise Invalid("The values cannot be appended to the command.", [fault]) from exc


def _read(
    variables: Sequence[Variable],
    given: Mapping[str, Any],
    read: Callable[[Variable, Any], Any],
    show: Callable[[Any, Sequence[str]], str],
) -> dict[str, Any]:
    known = {variable.name: variable for variable in variables}
    faults = [_unknown(name, known) for name in given if name not in known]
    values: dict[str, Any] = {}
    for name, variable in known.items():
        try:
            if name in given:
                values[name] = read(variable, given[name])
            elif variable.has_default:
                values[name] = variable.default
            elif variable.required:
                faults.append(
                    Fault(pointer([name]), f"{told(variable)}; it is required", "nothing")
                )
        except Misfit as misfit:
            got = misfit.got or show(given[name], [name])
            faults.append(Fault(pointer([name]), misfit.expected, got))
    faults += _too_big(variables, values)
    if faults:
        raise Invalid(f"The values are not those of the job: {faults[0]}.", faults)
    return values


def told(variable: Variable) -> str:
    """Say what a variable takes."""
    if variable.type == kinds.ENUM:
        return kinds.told_choices(variable.choices)
    return kinds.KINDS[variable.type].expected


def _unknown(name: str, known: Mapping[str, Variable]) -> Fault:
    names = ", ".join(list(known)[:_NAMES_SHOWN]) or "none: the job takes no values"
    return Fault(pointer([name]), f"a variable of the job ({names})", "another name")


def _shown(value: Any, path: Sequence[str]) -> str:
    """Show a value, a short list of scalars with what is in it."""
    has_inner = isinstance(value, list) and any(isinstance(one, (list, dict)) for one in value)
    if not isinstance(value, list) or has_inner or any(map(names_secret, path)):
        return shown(value, path)
    return fit(json.dumps(value[:SHOWN_CHARACTERS], ensure_ascii=False))


def _shown_texts(texts: Sequence[str], path: Sequence[str]) -> str:
    """Show the texts of a form for one name; one alone is shown as it is."""
    return shown(texts[0], path) if len(texts) == 1 else _shown(list(texts), path)


def _too_big(variables: Sequence[Variable], values: Mapping[str, Any]) -> Iterator[Fault]:
    size = kinds.size_bytes(as_json(variables, values))
    if size > MAX_VALUES_BYTES:
        yield Fault("", f"values of at most {MAX_VALUES_BYTES} bytes, as JSON", f"{size} bytes")
