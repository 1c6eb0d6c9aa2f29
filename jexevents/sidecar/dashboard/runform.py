"""The form by which a defined job is run, made of its variables; pure.

A field that is left empty gives no value: the default stands, or nothing. Only a text whose default
was deleted is meant to be empty. A list has an item a line, or is JSON as all that is no scalar.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from jexevents.definitions import kinds
from jexevents.definitions.variables import Variable, told
from jexevents.faults import names_secret, pointer
from jexevents.sidecar.dashboard.forms import Form
from jexevents.sidecar.dashboard.inputs import CHOICE, LINES, SECRET, TEXT, Input

# Before the names of variables, which may be called as fields are that every form has.
PREFIX = "v."
_TEXT, _BOOL = "str", "bool"
_STRUCTURED = ("pairs", "omap", "set", "map")
_MODES = {"int": "numeric", "float": "decimal"}
_NOTHING_CHOSEN = ("", "\N{EN DASH}")


def inputs_of(variables: Sequence[Variable], form: Form | None = None) -> list[Input]:
    """Give the fields, with the defaults or with what ``form`` has; no secret is shown again."""
    return [_input(one, form) for one in variables]


def texts_of(variables: Sequence[Variable], form: Form) -> dict[str, list[str]]:
    """Give the texts of a form by the names of variables, as ``definitions.variables.read_texts``
    takes them; names that no variable has are among them, and are refused there."""
    known = {one.name: one for one in variables}
    found = {}
    for field, texts in form.fields.items():
        if field.startswith(PREFIX):
            name = field.removeprefix(PREFIX)
            given = _given(known[name], texts[-1]) if name in known else list(texts)
            if given is not None:
                found[name] = given
    return found


def _given(variable: Variable, text: str) -> list[str] | None:
    """Give what a field has; None where that is nothing."""
    if text == "":
        return [""] if _may_be_empty(variable) else None
    if variable.type == kinds.SEQ and not text.lstrip().startswith("["):
        return [line for line in text.split("\n") if line.strip()] or None
    return [text if variable.type in (_TEXT, kinds.ENUM) else text.strip()]


def _may_be_empty(variable: Variable) -> bool:
    if variable.type == kinds.ENUM:
        return "" in variable.choices
    return variable.type == _TEXT and variable.has_default and bool(variable.default)


def _input(variable: Variable, form: Form | None) -> Input:
    name = PREFIX + variable.name
    value = _written(variable)
    choices = _choices(variable)
    is_secret = names_secret(variable.name) and not choices
    if form is not None and name in form.fields and not is_secret:
        value = form.fields[name][-1]
    return Input(
        name,
        variable.name,
        pointer([variable.name]),
        CHOICE if choices else SECRET if is_secret else _kind(variable, value),
        value,
        _hint(variable),
        # A choice that has no empty one is always made.
        variable.required and not variable.has_default and not _may_be_empty(variable),
        choices,
        _MODES.get(variable.type),
    )


def _kind(variable: Variable, value: str) -> str:
    is_long = variable.type in (kinds.SEQ, *_STRUCTURED) or "\n" in value
    return LINES if is_long else TEXT


def _choices(variable: Variable) -> tuple[tuple[str, str], ...]:
    if variable.type == _BOOL:
        words = ["true", "false"]
    elif variable.type == kinds.ENUM:
        words = list(map(kinds.written, variable.choices))
    else:
        return ()
    found = tuple((word, word) for word in dict.fromkeys(words))
    is_chosen = variable.has_default and _written(variable) in words
    return found if is_chosen or "" in words else (_NOTHING_CHOSEN, *found)


def _written(variable: Variable) -> str:
    """Give the default as the field has it."""
    if not variable.has_default or variable.default is None:
        return ""
    value = kinds.plain(variable.type, variable.default)
    if variable.type == kinds.ENUM:
        return kinds.written(value)
    if variable.type == kinds.SEQ and _fits_lines(value):
        return "\n".join(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _fits_lines(value: Sequence[Any]) -> bool:
    """Whether a list can be written an item a line, and is read so again."""
    texts = [one for one in value if isinstance(one, str) and one.strip() and "\n" not in one]
    return bool(texts) and len(texts) == len(value) and not texts[0].lstrip().startswith("[")


def _hint(variable: Variable) -> str:
    parts = [variable.description.strip()]
    if variable.type == kinds.SEQ:
        parts.append("a list: an item a line, or JSON")
    elif variable.type in _STRUCTURED:
        parts.append(f"{told(variable)}, in JSON")
    elif variable.type not in (_TEXT, _BOOL, kinds.ENUM):
        parts.append(told(variable))
    if variable.type not in (_BOOL, kinds.ENUM) and names_secret(variable.name):
        parts.append(
            "it is not shown here, but the ledger keeps it: what is secret belongs into JobSecrets"
        )
    return "; ".join(part for part in parts if part)
