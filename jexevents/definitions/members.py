"""The members of a definition, each read into a value or a fault.

The schema ``job_definition`` has looked at their types already; here is what it cannot say.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any, TypeVar

from jexevents.definitions import kinds, scalars
from jexevents.definitions.definition import CONCURRENCIES, RETRIED, Retries
from jexevents.definitions.kinds import Misfit
from jexevents.definitions.variables import Variable
from jexevents.definitions.wrongs import Path, Wrongs
from jexevents.errors import Invalid
from jexevents.faults import pointer, shown
from jexevents.lifecycle.command import REFUSED_NAMES
from jexevents.model import Fault
from jexevents.schedules import read_schedule

T = TypeVar("T")

_NOTHING_WRONG = Wrongs()
_YEAR_SECONDS = 31_557_600
_LARGEST_PRIORITY = 10**9
_MOST_RETRIES = 1000
_STATUS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")
_OURS = "JEXEVENTS_"
# What means something else in a template than the variable of that name.
_TAKEN = frozenset((
    "true", "false", "none", "True", "False", "None", "and", "or", "not", "in", "is", "if",
    "else", "elif", "for", "loop", "range", "self",
))  # fmt: skip
_UNSEEN = datetime(2000, 1, 1, tzinfo=timezone.utc)  # for schedules without a time, as for any


class Reader:
    """Reads members of one mapping; ``faults`` are those found, their pointers into it.

    ``wrongs`` is what was found wrong before. ``variables`` says whether it knows all their names
    (``names_known``), and of which it knows no type (``untyped``).
    """

    def __init__(self, members: Mapping[str, Any], wrongs: Wrongs = _NOTHING_WRONG) -> None:
        self._members = members
        self._wrongs = wrongs
        self.faults: list[Fault] = []
        self.names_known = not wrongs.at(("vars",))
        self.untyped: set[str] = set()

    def read(self, name: str, read: Callable[[Any], T], default: T) -> T:
        """Give what ``read`` makes of a member, ``default`` where it has no value or a fault."""
        return self._read((name,), self._members.get(name), read, default)

    def _read(self, path: Path, value: Any, read: Callable[[Any], T], default: T) -> T:
        if value is None or self._wrongs.within(path):
            return default
        try:
            return read(value)
        except Misfit as misfit:
            told = filter(None, (misfit.expected, misfit.advice))
            self.fault(path, "; ".join(told), misfit.got or shown(value, path))
            return default

    def _given(self, name: str) -> Any:
        """Give a member as it is written, None where it is no such thing at all."""
        return None if self._wrongs.at((name,)) else self._members.get(name)

    def fault(self, path: Iterable[str | int], expected: str, got: str) -> None:
        """Note a fault."""
        self.faults.append(Fault(pointer(path), expected, got))

    # --- the members that have several parts

    def variables(self) -> tuple[Variable, ...]:
        """Give the variables; two that are equal are one."""
        found: dict[str, tuple[Mapping[str, Any], Variable]] = {}
        for index, members in enumerate(self._given("vars") or ()):
            path = ("vars", index)
            if self._wrongs.at(path) or self._wrongs.at((*path, "name")):
                self.names_known = False
                continue
            name = members["name"]
            if name not in found:
                found[name] = members, self._variable(members, path)
            elif found[name][0] != members:
                expected = "each variable once, or in the same words again"
                self.fault((*path, "name"), expected, f"{shown(name)} in other words")
        return tuple(variable for _, variable in found.values())

    def _variable(self, members: Mapping[str, Any], path: Path) -> Variable:
        name, kind = members["name"], self._type(members, path)
        if name in _TAKEN:
            self.fault((*path, "name"), "a name that templates leave free", shown(name))
        choices = self._choices(members, kind, path)
        required = self._flag(members, (*path, "required"))
        if required and "default" in members:
            self.fault((*path, "default"), "no default where a value is required", "one")
        if kind is None or (kind == kinds.ENUM) != bool(choices):
            self.untyped.add(name)
            kind, choices = "str", ()
        bare = Variable(
            name=name,
            type=kind,
            option=self._flag(members, (*path, "option")),
            choices=choices,
            required=required,
            description="" if self._wrongs.at((*path, "description")) else _text(members),
        )
        if name in self.untyped:
            return bare
        return self._with_default(bare, members, (*path, "default"))

    def _type(self, members: Mapping[str, Any], path: Path) -> str | None:
        """Give the type of a variable; None where it is not known which is meant."""
        if self._wrongs.at((*path, "type")):
            return None
        if "type" not in members and self._wrongs.has_strange(path):
            return None
        return members.get("type", "str")

    def _choices(self, members: Mapping[str, Any], kind: str | None, path: Path) -> tuple[Any, ...]:
        place = (*path, "values")
        if self._wrongs.within(place):
            return ()
        choices = tuple(members.get("values", ()))
        if len({(type(choice), choice) for choice in choices}) < len(choices):
            self.fault(place, "each value once", "one that comes twice")
        is_known = kind is not None and (choices or not self._wrongs.has_strange(path))
        if is_known and (kind == kinds.ENUM) != bool(choices):
            expected = "values beside the type enum, and beside no other"
            self.fault(place, expected, "none" if kind == kinds.ENUM else "some")
        return choices

    def _with_default(self, bare: Variable, members: Mapping[str, Any], path: Path) -> Variable:
        if "default" not in members or (members["default"] is None and bare.type != "null"):
            return bare
        default = self._read(path, members["default"], bare.read, None)
        return replace(bare, has_default=True, default=default)

    def _flag(self, members: Mapping[str, Any], path: Path) -> bool:
        return self._read(path, members.get(str(path[-1])), kinds.KINDS["bool"].read, False)

    def schedules(self) -> tuple[Mapping[str, Any], ...]:
        """Give the schedules as they are written; one that stands alone is a list of one."""
        given = self._given("schedule")
        if given is None:
            return ()
        alone = isinstance(given, Mapping)
        found = [given] if alone else given
        for index, members in enumerate(found):
            path = ("schedule",) if alone else ("schedule", index)
            if self._wrongs.at(path):
                continue
            try:
                read_schedule(self._wrongs.rest(members, path), _UNSEEN, path)
            except Invalid as invalid:
                self.faults.extend(invalid.faults)
        return tuple(found)

    def hooks(self) -> dict[str, tuple[str, ...]]:
        """Give the URLs by status."""
        found = {}
        for status, given in (self._given("hooks") or {}).items():
            path = ("hooks", status)
            if not _STATUS.fullmatch(status) or status in REFUSED_NAMES:
                expected = f"the name of a status (not {', '.join(REFUSED_NAMES)})"
                self.fault(path, expected, shown(status))
            if self._wrongs.at(path):
                continue
            alone = isinstance(given, str)
            read = [
                self._read(path if alone else (*path, index), url, scalars.url, "")
                for index, url in enumerate([given] if alone else given)
            ]
            found[status] = tuple(dict.fromkeys(map(scalars.normal, filter(None, read))))
        return found

    def env(self) -> dict[str, str]:
        """Give the environment; whole numbers as texts."""
        found = {}
        for name, value in (self._given("env") or {}).items():
            if not _ENV_NAME.fullmatch(name) or name.startswith(_OURS):
                expected = f"a name of letters, digits and _, which does not begin with {_OURS}"
                self.fault(("env", name), expected, shown(name))
            found[name] = self._read(("env", name), value, scalars.env_value, "")
        return found

    def secrets(self) -> tuple[str, ...]:
        """Give the names of secrets; none that the environment has as well."""
        found: dict[str, None] = {}
        for index, name in enumerate(self._given("secrets") or ()):
            if self._wrongs.at(("secrets", index)) or name in found:
                continue
            found[name] = None
            if name in (self._given("env") or {}):
                self.fault(("secrets", index), "a name that env does not have", shown(name))
            if name.startswith(_OURS):
                expected = f"a name that does not begin with {_OURS}"
                self.fault(("secrets", index), expected, shown(name))
        return tuple(found)

    def retries(self) -> Retries:
        """Give how it is tried again: a number alone is the count."""
        given = self._given("retries")
        if not isinstance(given, Mapping):
            return Retries(self.read("retries", scalars.whole(0, _MOST_RETRIES), 0))
        if "count" not in given and not self._wrongs.has_strange(("retries",)):
            self.fault(("retries", "count"), f"a whole number to {_MOST_RETRIES}", "nothing")

        def part(name: str, read: Callable[[Any], Any], default: Any) -> Any:
            return self._read(("retries", name), given.get(name), read, default)

        default, number = Retries(), scalars.number
        return Retries(
            count=part("count", scalars.whole(0, _MOST_RETRIES), 0),
            backoff_seconds=part("backoff", number(0, _YEAR_SECONDS), default.backoff_seconds),
            factor=part("factor", number(1, 100), default.factor),
            max_backoff_seconds=part(
                "max_backoff", number(0, _YEAR_SECONDS), default.max_backoff_seconds
            ),
            on=part("on", scalars.ends, RETRIED),
        )

    # --- the members that are one value

    def timeout_seconds(self) -> float | None:
        """Give the time-out, None for none."""
        return self.read("timeout", scalars.number(0.001, 100 * _YEAR_SECONDS), None)

    def priority(self) -> int:
        """Give the priority."""
        return self.read("priority", scalars.whole(-_LARGEST_PRIORITY, _LARGEST_PRIORITY), 0)

    def concurrency(self) -> str:
        """Give what happens while another run goes on."""
        return self.read("concurrency", scalars.one_of(CONCURRENCIES), CONCURRENCIES[0])

    def workdir(self) -> str | None:
        """Give the working folder: absolute, or below the top of the checkout."""
        return self.read("workdir", scalars.path, None)

    def max_output_bytes(self) -> int | None:
        """Give how much output is kept."""
        return self.read("max_output", scalars.size, None)


def _text(members: Mapping[str, Any]) -> str:
    return members.get("description") or ""
