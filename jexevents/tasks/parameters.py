"""The parameters of a run (seed stevedore): read into what a container is made of. Pure."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from jexevents.definitions import kinds
from jexevents.definitions.kinds import Misfit
from jexevents.definitions.members import Reader
from jexevents.definitions.scalars import number
from jexevents.errors import Invalid
from jexevents.executions.run import ContainerRun, Mount
from jexevents.faults import shown

# What every run carries with it, in the queue and in its first event; and all runs together.
MAX_BYTES = 64 * 1024
MAX_BYTES_OF_ALL = 64 * 1024 * 1024
# The engine's own least.
LEAST_MEMORY = 6 * 1024 * 1024
MAX_MOUNTS, MAX_LABELS, MAX_VARIABLES = 50, 32, 1000

LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=-]{0,99}")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,99})?")
_SIZE = re.compile(r"([0-9]{1,15})\s*([bkmgt]?)(?:i?b)?", re.IGNORECASE)
_UNITS = {"": 1, "b": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_MOST_MEMORY = 2**50
_OURS = "JEXEVENTS_"


@dataclass(frozen=True, slots=True)
class Policy:
    """What this site allows: folders below which mounts are, networks (the first is the default),
    and how many runs are asked for at once."""

    mount_folders: Sequence[str] = ()
    networks: Sequence[str] = ("none", "bridge")
    max_times: int = 10_000


def read(parameters: Mapping[str, Any], policy: Policy, times: int = 1) -> ContainerRun:
    """Read the parameters of so many runs, which have the types of the schema ``task_operation``.

    The image is left empty. Raises Invalid with every fault.
    """
    reader = _Parameters(parameters, policy)
    run = reader.run()
    if not 1 <= times <= policy.max_times:
        expected = f"1 to {policy.max_times} (TaskMaxTimes)"
        reader.fault(("times",), expected, str(times))
    size = len(json.dumps(parameters, ensure_ascii=False).encode("utf-8", "replace"))
    if size > MAX_BYTES:
        reader.fault((), f"at most {MAX_BYTES} bytes of parameters", f"{size} bytes")
    elif size * times > MAX_BYTES_OF_ALL:
        expected = f"at most {MAX_BYTES_OF_ALL} bytes of parameters in all runs together"
        reader.fault((), expected, f"{times} times {size} bytes")
    if reader.faults:
        raise Invalid(f"The task cannot be run so: {reader.faults[0]}.", reader.faults)
    return run


def with_image(run: ContainerRun, image: str, repository: str, pull: bool) -> ContainerRun:
    """Give the same run of an image."""
    return replace(run, image=image, repository=repository, pull=pull)


class _Parameters(Reader):
    def __init__(self, members: Mapping[str, Any], policy: Policy) -> None:
        super().__init__(members)
        self._policy = policy

    def run(self) -> ContainerRun:
        environment = self._environment()
        return ContainerRun(
            image="",
            repository="",
            command=self.read("command", _words, None),
            entrypoint=self.read("entrypoint", _words, None),
            environment=environment,
            secrets=self._secrets(environment),
            workdir=self.read("workdir", _absolute, None),
            mounts=self._mounts(),
            memory_bytes=self.read("memory", _memory, None),
            cpus=self.read("cpus", number(0.01, 1024), None),
            user=self.read("user", _user, None),
            network=self.read("network", self._network, self._policy.networks[0]),
            timeout_seconds=self.timeout_seconds(),
            max_output_bytes=self.max_output_bytes(),
            priority=self.priority(),
            labels=self.read("labels", _labels, ()),
            retries=self.retries(),
        )

    def _network(self, value: str) -> str:
        if value not in self._policy.networks:
            raise Misfit(f"one of {', '.join(self._policy.networks)} (TaskNetworks)")
        return value

    def _environment(self) -> dict[str, str]:
        given = self._members.get("environment")
        if given is None:
            return {}
        if isinstance(given, Mapping):
            pairs = [(("environment", name), name, value) for name, value in given.items()]
        else:
            pairs = self._pairs([given] if isinstance(given, str) else given)
        if len(pairs) > MAX_VARIABLES:
            self.fault(("environment",), f"at most {MAX_VARIABLES} variables", str(len(pairs)))
        found: dict[str, str] = {}
        for path, name, value in pairs:
            if not _ENV_NAME.fullmatch(name) or name.startswith(_OURS):
                expected = f"a name of letters, digits and _, which does not begin with {_OURS}"
                self.fault(path, expected, shown(name))
            elif name in found:
                self.fault(path, "each name once", f"{name} twice")
            found[name] = self._read(path, value, _value, "")
        return found

    def _pairs(self, given: Sequence[str]) -> list[tuple[tuple[str | int, ...], str, str]]:
        found = []
        for index, text in enumerate(given):
            name, equals, value = text.partition("=")
            path = ("environment", index)
            if equals:
                found.append((path, name, value))
            else:
                self.fault(path, "NAME=VALUE", shown(text))
        return found

    def _secrets(self, environment: Mapping[str, str]) -> tuple[str, ...]:
        given = self._members.get("secrets") or ()
        names = tuple(dict.fromkeys([given] if isinstance(given, str) else given))
        for index, name in enumerate(names):
            if not _ENV_NAME.fullmatch(name) or name.startswith(_OURS) or name in environment:
                expected = "the name of a secret (JobSecrets) that environment does not have"
                self.fault(("secrets", index), expected, shown(name))
        return names

    def _mounts(self) -> tuple[Mount, ...]:
        given = self._members.get("mounts") or ()
        if len(given) > MAX_MOUNTS:
            self.fault(("mounts",), f"at most {MAX_MOUNTS} mounts", str(len(given)))
        found: dict[str, Mount] = {}
        for index, one in enumerate(given):
            source = self._read(("mounts", index, "source"), one["source"], self._source, "")
            target = self._read(("mounts", index, "target"), one["target"], _target, "")
            if target and target in found:
                self.fault(("mounts", index, "target"), "each target once", f"{target} twice")
            found[target] = Mount(source, target, one.get("read_only") is True)
        return tuple(found.values())

    def _source(self, value: str) -> str:
        """Look at the text alone: where its links lead, the worker sees that has the folder."""
        path = PurePosixPath(_absolute(value))
        folders = self._policy.mount_folders
        if not any(path.is_relative_to(folder) for folder in folders):
            raise Misfit(f"a folder below {' or '.join(folders)} (TaskMountFolders)"
                         if folders else "none: TaskMountFolders names no folder")  # fmt: skip
        return str(path)


def _words(value: str | Sequence[str]) -> tuple[str, ...] | None:
    """Read words, of a text as a shell splits it; None for none: those of the image."""
    if isinstance(value, str):
        try:
            value = shlex.split(_text(value))
        except ValueError as exc:
            raise Misfit("words, each quotation mark closed") from exc
    return tuple(map(_text, value)) or None


def _text(value: str) -> str:
    return kinds.KINDS["str"].read(value)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return _text(value if isinstance(value, str) else repr(value))


def _absolute(value: str) -> str:
    expected = "an absolute path without .."
    path = PurePosixPath(_text(value))
    if not value.startswith("/") or value.startswith("//") or ".." in path.parts:
        raise Misfit(expected)
    return str(path)


def _target(value: str) -> str:
    path = _absolute(value)
    if path == "/":
        raise Misfit("a folder below the container's /")
    return path


def _memory(value: int | str) -> int:
    found = _SIZE.fullmatch(str(value)) if not isinstance(value, float) else None
    size = int(found[1]) * _UNITS[found[2].lower()] if found else 0
    if not LEAST_MEMORY <= size <= _MOST_MEMORY:
        raise Misfit(f"bytes, or a number like 512m or 2g, and {LEAST_MEMORY} bytes at least")
    return size


def _user(value: int | str) -> str:
    if not _USER.fullmatch(str(value)):
        raise Misfit("a user, or USER:GROUP, by names or numbers")
    return str(value)


def _labels(value: str | Sequence[str]) -> tuple[str, ...]:
    names = tuple(dict.fromkeys([value] if isinstance(value, str) else value))
    if len(names) > MAX_LABELS or not all(map(LABEL.fullmatch, names)):
        raise Misfit(f"at most {MAX_LABELS} words of letters, digits and . _ = -")
    return names
