"""Fields of forms that are filled in: what each shows, and what was wrong with it. Pure.

A form that is refused is shown again with what was filled in, each fault beside its field.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from jexevents.errors import JexError
from jexevents.model import Fault

TEXT, LINES, CHOICE, SECRET = "text", "lines", "choice", "secret"


@dataclass(frozen=True, slots=True)
class Input:
    """A field. ``pointer`` is where faults point that are its own; those below are its own, too.

    ``choices`` are pairs of what is sent and what is shown. ``mode`` is what a keyboard on a screen
    shows (``inputmode``).
    """

    name: str
    label: str
    pointer: str
    kind: str = TEXT
    value: str = ""
    hint: str = ""
    required: bool = False
    choices: Sequence[tuple[str, str]] = ()
    mode: str | None = None
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a form was not taken; ``faults`` are those that belong to none of its fields."""

    message: str
    faults: tuple[Fault, ...] = ()


def refused_inputs(
    inputs: Iterable[Input], error: JexError, faults: Sequence[Fault] | None = None
) -> tuple[list[Input], Refused]:
    """Give the fields with the faults that are their own, and what else is to be said."""
    left = list(getattr(error, "faults", ()) if faults is None else faults)
    shown = []
    for one in inputs:
        own = tuple(fault for fault in left if _is_at(fault.pointer, one.pointer))
        left = [fault for fault in left if fault not in own]
        shown.append(replace(one, faults=own) if own else one)
    return shown, Refused(str(error), tuple(left))


def _is_at(pointer: str, place: str) -> bool:
    return pointer == place or pointer.startswith(f"{place}/")
