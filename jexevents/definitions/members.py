"""The members of a definition, each read into a value or a fault.

The schema ``job_definition`` has looked at their types already; here is what it cannot say.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timezone
from pathlib import PurePosixPath
from typing import Any, TypeVar
from urllib.parse import urlsplit

from jexevents.definitions import kinds
from jexevents.definitions.definition import CONCURRENCIES, RETRIED, Retries
from jexevents.definitions.kinds import Misfit
from jexevents.definitions.variables import Variable
from jexevents.errors import Invalid
from jexevents.faults import pointer, shown
from jexevents.hookwords import JOB, MAILTO, are_addresses
from jexevents.lifecycle.command import REFUSED_NAMES
from jexevents.model import Fault
from jexevents.schedules import read_schedule

T = TypeVar("T")

_YEAR_SECONDS = 31_557_600
_LARGEST_PRIORITY = 10**9
_MOST_RETRIES = 1000
_NUMBER = re.compile(r"[+-]?[0-9]{1,15}(?:\.[0-9]{1,9})?")
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_SIZE = re.compile(r"([0-9]{1,15})\s*(?:([KMG])(?:i?B)?)?")
_STATUS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")
_OURS = "JEXEVENTS_"
_UNITS = {None: 1, "K": 2**10, "M": 2**20, "G": 2**30}
# What means something else in a template than the variable of that name.
_TAKEN = frozenset((
    "true", "false", "none", "True", "False", "None", "and", "or", "not", "in", "is", "if",
    "else", "elif", "for", "loop", "range", "self",
))  # fmt: skip
_UNSEEN = datetime(2000, 1, 1, tzinfo=timezone.utc)  # for schedules without a time, as for any


class Reader:
    """Reads members of one mapping; ``faults`` are those found, their pointers into it."""

    def __init__(self, members: Mapping[str, Any]) -> None:
        self._members = members
        self.faults: list[Fault] = []

    def read(self, name: str, read: Callable[[Any], T], default: T) -> T:
        """Give what ``read`` makes of a member, ``default`` where it has no value or a fault."""
        return self._read((name,), self._members.get(name), read, default)

    def _read(
        self, path: tuple[str | int, ...], value: Any, read: Callable[[Any], T], default: T
    ) -> T:
        if value is None:
            return default
        try:
            return read(value)
        except Misfit as misfit:
            self.fault(path, misfit.expected, misfit.got or shown(value, path))
            return default

    def fault(self, path: Iterable[str | int], expected: str, got: str) -> None:
        """Note a fault."""
        self.faults.append(Fault(pointer(path), expected, got))

    # --- the members that have several parts

    def variables(self) -> tuple[Variable, ...]:
        """Give the variables; two that are equal are one."""
        found: dict[str, tuple[Mapping[str, Any], Variable]] = {}
        for index, members in enumerate(self._members.get("vars") or ()):
            name = members["name"]
            if name not in found:
                found[name] = members, self._variable(members, ("vars", index))
            elif found[name][0] != members:
                expected = "each variable once, or in the same words again"
                self.fault(("vars", index, "name"), expected, f"{shown(name)} in other words")
        return tuple(variable for _, variable in found.values())

    def _variable(self, members: Mapping[str, Any], path: tuple[str | int, ...]) -> Variable:
        name, kind = members["name"], members.get("type", "str")
        if name in _TAKEN:
            self.fault((*path, "name"), "a name that templates leave free", shown(name))
        choices = tuple(members.get("values", ()))
        if (kind == kinds.ENUM) != bool(choices):
            expected = "values beside the type enum, and beside no other"
            self.fault((*path, "values"), expected, "none" if kind == kinds.ENUM else "some")
            kind, choices = "str", ()
        if len({(type(choice), choice) for choice in choices}) < len(choices):
            self.fault((*path, "values"), "each value once", "one that comes twice")
        required = self._flag(members, (*path, "required"))
        if required and "default" in members:
            self.fault((*path, "default"), "no default where a value is required", "one")
        bare = Variable(
            name=name,
            type=kind,
            option=self._flag(members, (*path, "option")),
            choices=choices,
            required=required,
            description=members.get("description") or "",
        )
        return self._with_default(bare, members, (*path, "default"))

    def _with_default(
        self, bare: Variable, members: Mapping[str, Any], path: tuple[str | int, ...]
    ) -> Variable:
        if "default" not in members or (members["default"] is None and bare.type != "null"):
            return bare
        default = self._read(path, members["default"], bare.read, None)
        return Variable(
            name=bare.name,
            type=bare.type,
            option=bare.option,
            choices=bare.choices,
            has_default=True,
            default=default,
            required=bare.required,
            description=bare.description,
        )

    def _flag(self, members: Mapping[str, Any], path: tuple[str | int, ...]) -> bool:
        return self._read(path, members.get(str(path[-1])), kinds.KINDS["bool"].read, False)

    def schedules(self) -> tuple[Mapping[str, Any], ...]:
        """Give the schedules as they are written; one that stands alone is a list of one."""
        given = self._members.get("schedule")
        if given is None:
            return ()
        alone = isinstance(given, Mapping)
        found = [given] if alone else given
        for index, members in enumerate(found):
            try:
                path = ("schedule",) if alone else ("schedule", index)
                read_schedule(members, _UNSEEN, path)
            except Invalid as invalid:
                self.faults.extend(invalid.faults)
        return tuple(found)

    def hooks(self) -> dict[str, tuple[str, ...]]:
        """Give the URLs by status."""
        found = {}
        for status, given in (self._members.get("hooks") or {}).items():
            path = ("hooks", status)
            if not _STATUS.fullmatch(status) or status in REFUSED_NAMES:
                expected = f"the name of a status (not {', '.join(REFUSED_NAMES)})"
                self.fault(path, expected, shown(status))
            alone = isinstance(given, str)
            urls = [given] if alone else given
            for index, url in enumerate(urls):
                self._read(path if alone else (*path, index), url, _url, "")
            found[status] = tuple(dict.fromkeys(map(_normal, urls)))
        return found

    def env(self) -> dict[str, str]:
        """Give the environment; whole numbers as texts."""
        found = {}
        for name, value in (self._members.get("env") or {}).items():
            if not _ENV_NAME.fullmatch(name) or name.startswith(_OURS):
                expected = f"a name of letters, digits and _, which does not begin with {_OURS}"
                self.fault(("env", name), expected, shown(name))
            found[name] = self._read(("env", name), value, _env_value, "")
        return found

    def secrets(self) -> tuple[str, ...]:
        """Give the names of secrets; none that the environment has as well."""
        names = tuple(dict.fromkeys(self._members.get("secrets") or ()))
        for index, name in enumerate(names):
            if name in (self._members.get("env") or {}):
                self.fault(("secrets", index), "a name that env does not have", shown(name))
            if name.startswith(_OURS):
                expected = f"a name that does not begin with {_OURS}"
                self.fault(("secrets", index), expected, shown(name))
        return names

    def retries(self) -> Retries:
        """Give how it is tried again: a number alone is the count."""
        given = self._members.get("retries")
        if not isinstance(given, Mapping):
            return Retries(self.read("retries", whole(0, _MOST_RETRIES), 0))
        if "count" not in given:
            self.fault(("retries", "count"), f"a whole number to {_MOST_RETRIES}", "nothing")

        def part(name: str, read: Callable[[Any], Any], default: Any) -> Any:
            return self._read(("retries", name), given.get(name), read, default)

        default = Retries()
        return Retries(
            count=part("count", whole(0, _MOST_RETRIES), 0),
            backoff_seconds=part("backoff", number(0, _YEAR_SECONDS), default.backoff_seconds),
            factor=part("factor", number(1, 100), default.factor),
            max_backoff_seconds=part(
                "max_backoff", number(0, _YEAR_SECONDS), default.max_backoff_seconds
            ),
            on=part("on", _ends, RETRIED),
        )

    # --- the members that are one value

    def timeout_seconds(self) -> float | None:
        """Give the time-out, None for none."""
        return self.read("timeout", number(0.001, 100 * _YEAR_SECONDS), None)

    def priority(self) -> int:
        """Give the priority."""
        return self.read("priority", whole(-_LARGEST_PRIORITY, _LARGEST_PRIORITY), 0)

    def concurrency(self) -> str:
        """Give what happens while another run goes on."""
        return self.read("concurrency", _one_of(CONCURRENCIES), CONCURRENCIES[0])

    def workdir(self) -> str | None:
        """Give the working folder: absolute, or below the top of the checkout."""
        return self.read("workdir", _path, None)

    def max_output_bytes(self) -> int | None:
        """Give how much output is kept."""
        return self.read("max_output", _size, None)


def number(least: float, most: float) -> Callable[[Any], float]:
    """Give a reader of numbers between two bounds, which may be texts. It raises Misfit."""
    expected = f"a number from {least:.15g} to {most:.15g}"

    def read(value: Any) -> float:
        if isinstance(value, str) and _NUMBER.fullmatch(value):
            value = float(value)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise Misfit(expected)
        if not least <= value <= most:
            raise Misfit(expected)
        return float(value)

    return read


def whole(least: int, most: int) -> Callable[[Any], int]:
    """Give a reader of whole numbers between two bounds, which may be texts. It raises Misfit."""
    expected = f"a whole number from {least} to {most}"

    def read(value: Any) -> int:
        if isinstance(value, str) and _WHOLE.fullmatch(value):
            value = int(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if type(value) is not int or not least <= value <= most:
            raise Misfit(expected)
        return value

    return read


def _one_of(words: Iterable[str]) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in words:
            raise Misfit("one of " + ", ".join(words))
        return value

    return read


def _ends(value: Any) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else value
    return tuple(dict.fromkeys(_one_of(RETRIED)(name) for name in names))


def _size(value: Any) -> int:
    found = _SIZE.fullmatch(str(value))
    if not found or (isinstance(value, float) and not value.is_integer()):
        raise Misfit("a number of bytes, or one like 64K, 10M or 1G")
    return int(found[1]) * _UNITS[found[2]]


def _path(value: str) -> str:
    if "\0" in value or ".." in PurePosixPath(value).parts:
        raise Misfit("an absolute path, or one below the top of the repository, without ..")
    return value


def _env_value(value: Any) -> str:
    text = str(int(value)) if isinstance(value, (int, float)) else value
    return kinds.KINDS["str"].read(text)


def _normal(url: str) -> str:
    """Write a reference to a job as the names of jobs are written."""
    return JOB + url[len(JOB) :].replace("_", "-") if url.startswith(JOB) else url


def _url(value: str) -> str:
    expected = "a URL: http, https, mailto, or job: and the name of a job"
    if any(char.isspace() or not char.isprintable() for char in value):
        raise Misfit(expected)
    scheme, _, rest = value.partition(":")
    try:
        host = urlsplit(value).hostname if scheme in ("http", "https") else None
        if host:
            urlsplit(value).port  # noqa: B018 - raises for one that is none
    except ValueError as exc:
        raise Misfit(expected) from exc
    is_mail = value.startswith(MAILTO) and are_addresses(rest)
    if host or is_mail or (value.startswith(JOB) and rest):
        return value
    raise Misfit(expected)
