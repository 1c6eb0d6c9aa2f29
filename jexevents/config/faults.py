"""What is wrong with a configuration, in words, without any password."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jexevents.config.misfit import Wrong
from jexevents.config.option import Option
from jexevents.redaction import redact, redact_text, redact_uri

# The place of a value that nobody has given.
DEFAULT = "default"

_SHOWN_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class ConfigFault:
    """One thing that is wrong.

    ``place`` is the file, ``environment`` or ``default``, ``key`` the key or variable ("" for the
    whole), ``expected`` and ``got`` what should be there and what is, ``remedy`` what to do about
    it.
    """

    place: str
    key: str
    expected: str
    got: str
    remedy: str = ""

    def __str__(self) -> str:
        """Give the fault as one line."""
        where = f"{self.place}: {self.key}" if self.key else self.place
        return f"{where}: expected {self.expected}, got {self.got}. {self.remedy}".rstrip()


@dataclass(frozen=True, slots=True)
class Given:
    """A value as it came: the JSON value, from where, and the folder that its paths count from.

    ``typed`` is what the user typed, where that was the text of an environment variable.
    """

    value: Any
    place: str
    key: str
    folder: Path
    typed: str | None = None


def misfit(option: Option, given: Given, expected: str) -> ConfigFault:
    """Give the fault of a value that its option does not take."""
    value = given.value if given.typed is None else given.typed
    return ConfigFault(
        given.place, given.key, expected, _describe(value, option), _advise(option, given)
    )


def misfits(given: Given, wrongs: Iterable[Wrong]) -> list[ConfigFault]:
    """Give the faults of what stands within a value."""
    return [
        ConfigFault(given.place, given.key + where, expected, got, remedy)
        for where, expected, got, remedy in wrongs
    ]


def unknown(place: str, key: str, known: Iterable[str]) -> ConfigFault:
    """Give the fault of a name that nothing has, with the nearest one that something has.

    The value is left out: a misspelled AMQPURI has a password in it, too.
    """
    known = list(known)
    folded = {name.upper(): name for name in known}
    near = difflib.get_close_matches(key.upper(), folded, n=1, cutoff=0.5)
    remedy = "Remove it."
    if near:
        hint = "Names are case-sensitive: did" if near[0] == key.upper() else "Did"
        remedy = f"{hint} you mean {folded[near[0]]}?"
    return ConfigFault(
        place, redact_text(key)[:_SHOWN_CHARACTERS], "a known name", "an unknown one", remedy
    )


def _describe(value: Any, option: Option) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    kind = _kind(value)
    if option.secret:
        return f"{kind} (not shown, it may hold a password)"
    shown = _shown(value)
    if len(shown) > _SHOWN_CHARACTERS:
        shown = shown[:_SHOWN_CHARACTERS] + "..."
    return f"{kind} {shown}"


def _shown(value: Any) -> str:
    try:
        # Once more as a whole: a password with a space in it ends a URI too early.
        return redact_uri(json.dumps(redact(value)))
    except RecursionError:
        return "(nested too deep to show)"


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return "the text"
    if isinstance(value, dict):
        return "the object"
    return "the list" if isinstance(value, list) else "the number"


def _advise(option: Option, given: Given) -> str:
    example = option.example if option.example is not None else option.default
    if given.typed is None:
        return f'For instance: "{option.name}": {json.dumps(example)}'
    plain = example if isinstance(example, str) else json.dumps(example)
    return f"For instance: {given.key}='{plain}'"
