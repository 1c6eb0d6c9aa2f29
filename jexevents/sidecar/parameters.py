"""What stands in paths, queries and header fields: one value that reads it and describes it. Pure.

The parser of a parameter and what the OpenAPI document says of it are made together here, so that
neither says what the other does not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jexevents import rfc3339
from jexevents.errors import Unacceptable
from jexevents.lifecycle.executionid import microseconds
from jexevents.validation import is_uuid

# What a query and a path can hold at all: sidecar/requests.py refuses the rest.
PRINTABLE = r"^[^\u0000-\u001f\u007f]*$"
MOST_ID = 10**18 - 1

_SWITCHES = {"true": True, "false": False}
_FLAGS = {"1": True, "0": False}
_VISIBLE = re.compile("[!-~]{1,255}")
_DIGITS = re.compile("[0-9]{1,18}")

Read = Callable[[str], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter.

    ``read`` gives the value of a text, and raises ValueError for one that has none; ``expected``
    says in words what it takes. ``schema`` is the JSON Schema of the value as OpenAPI has it.
    ``default`` stands where the parameter does not come.
    """

    name: str
    summary: str = ""
    expected: str = "text"
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})
    read: Read = str
    default: Any = None


def is_number(text: str) -> bool:
    """Tell whether text is a number that an id can be."""
    return _DIGITS.fullmatch(text) is not None


def text(name: str, summary: str = "") -> Parameter:
    """Give a parameter that takes any text."""
    schema = {"type": "string", "pattern": PRINTABLE}
    return Parameter(name=name, summary=summary, schema=schema)


def whole(
    name: str, summary: str, least: int = 0, most: int = MOST_ID, default: int | None = None
) -> Parameter:
    """Give a parameter that takes a whole number."""
    schema: dict[str, Any] = {"type": "integer", "minimum": least, "maximum": most}
    if default is not None:
        schema["default"] = default

    def read(given: str) -> int:
        if not is_number(given) or not least <= int(given) <= most:
            raise ValueError(given)
        return int(given)

    expected = "digits, 18 at most" if most == MOST_ID else f"{least} to {most}"
    return Parameter(
        name=name, summary=summary, expected=expected, schema=schema, read=read, default=default
    )


def choice(
    name: str, summary: str, choices: Sequence[str], default: str | None = None
) -> Parameter:
    """Give a parameter that takes one of some words."""
    words = tuple(choices)
    schema = {"type": "string", "enum": list(words)}

    def read(given: str) -> str:
        if given not in words:
            raise ValueError(given)
        return given

    return Parameter(
        name=name,
        summary=summary,
        expected=" or ".join(words),
        schema=schema if default is None else {**schema, "default": default},
        read=read,
        default=default,
    )


def switch(name: str, summary: str) -> Parameter:
    """Give a parameter that is ``true`` or ``false``, which is the default."""
    return Parameter(
        name=name,
        summary=summary,
        expected="true or false",
        schema={"type": "boolean", "default": False},
        read=lambda given: _one_of(_SWITCHES, given.lower()),
        default=False,
    )


def flag(name: str, summary: str) -> Parameter:
    """Give a parameter that is ``1`` or ``0``, which is the default."""
    return Parameter(
        name=name,
        summary=summary,
        expected="0 or 1",
        schema={"type": "string", "enum": ["0", "1"], "default": "0"},
        read=lambda given: _one_of(_FLAGS, given),
        default=False,
    )


def uuid(name: str, summary: str, what: str = "the id of a job") -> Parameter:
    """Give a parameter that takes a UUID, and gives it in small letters."""

    def read(given: str) -> str:
        if not is_uuid(given):
            raise ValueError(given)
        return given.lower()

    schema = {"type": "string", "format": "uuid"}
    return Parameter(name=name, summary=summary, expected=what, schema=schema, read=read)


def instant(name: str, summary: str) -> Parameter:
    """Give a parameter that takes an instant, and gives it as a datetime."""

    def read(given: str) -> Any:
        try:
            return rfc3339.parse(given).at
        except Unacceptable as error:
            raise ValueError(given) from error

    return Parameter(
        name=name,
        summary=summary,
        expected=rfc3339.EXPECTED,
        schema={"type": "string", "format": "date-time"},
        read=read,
    )


def execution(name: str, summary: str) -> Parameter:
    """Give a parameter that takes the id of an execution, and gives it in whole microseconds."""

    def read(given: str) -> int:
        found = microseconds(given)
        if found is None:
            raise ValueError(given)
        return found

    schema = {"type": "string", "pattern": r"^([0-9]{1,9}|[1-7][0-9]{9})(\.[0-9]{1,6})?$"}
    return Parameter(
        name=name, summary=summary, expected="the id of an execution", schema=schema, read=read
    )


def _one_of(values: Mapping[str, bool], given: str) -> bool:
    if given not in values:
        raise ValueError(given)
    return values[given]


# What stands in paths, by its name there; what fits none of them is 404, as what is not known is.
IN_PATHS: Mapping[str, Parameter] = {
    one.name: one
    for one in (
        uuid("uuid", "An id in the ledger, or in the system that it came from."),
        text("job", "The name of a job."),
        execution("execution", "The id of an execution: seconds since 1970, to the microsecond."),
        text("event", "The name of an event."),
        text("name", "A name."),
        whole("task_id", "The number of a task."),
        whole("result_id", "The number of a result."),
        whole("detail_id", "The number of a single run."),
        text("actor_id", "The configured PipelineActor."),
        whole("id", "A number."),
        choice("which", "The stream.", ("stdout", "stderr", "output")),
    )
}


def _key(given: str) -> str:
    if not _VISIBLE.fullmatch(given):
        raise ValueError(given)
    return given


IDEMPOTENCY_KEY = Parameter(
    name="Idempotency-Key",
    summary="Says that what comes with the same key is the same request, sent again.",
    expected="1 to 255 visible ASCII characters",
    schema={"type": "string", "pattern": "^[!-~]{1,255}$"},
    read=_key,
)
