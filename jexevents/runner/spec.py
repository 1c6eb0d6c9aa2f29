"""What one execution runs, as the worker hands it to a supervisor."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from jexevents.runner.supervisor.masking import mask_text
from jexevents.runner.supervisor.spec import packed, secret_bytes

_REMEDY = "This comes from the definition of the job, or from what calls the runner."


@dataclass(frozen=True)
class Spec:
    """One execution: either ``argv``, or ``command`` for the shell.

    ``env`` is all that the job has for its environment. ``timeout_seconds`` and
    ``max_output_bytes`` are None for no limit. ``secrets`` are texts that must not come to rest; a
    ``user`` is a name or a number, None for the daemon's. Without ``cgroup`` no control group is
    made, though this machine would allow it. Raises ValueError with all that is wrong.
    """

    id: UUID
    argv: Sequence[str] | None = None
    command: str | None = None
    cwd: str = "/"
    env: Mapping[str, str] = field(default_factory=dict)
    timeout_seconds: float | None = None
    grace_seconds: float = 10.0
    max_output_bytes: int | None = None
    secrets: Sequence[str] = ()
    user: str | None = None
    umask: int = 0o022
    cgroup: bool = True

    def __post_init__(self) -> None:
        if wrong := [*_wrong_words(self), *_wrong_numbers(self)]:
            raise ValueError(f"{'; '.join(wrong)}. {_REMEDY}")

    def packed(self) -> bytes:
        """Give it for the pipe to the supervisor, secrets and all."""
        return packed(self._members())

    def masked(self) -> dict[str, Any]:
        """Give its members for a file: the secrets are counted, and are *** wherever they stand."""
        members = self._members()
        secrets = secret_bytes(members)
        members["secrets"] = len(secrets)
        return _masked(members, secrets)

    def _members(self) -> dict[str, Any]:
        env = {"JEXEVENTS_PYTHON": sys.executable, **self.env}
        return {
            "id": str(self.id),
            "argv": None if self.argv is None else list(self.argv),
            "command": self.command,
            "cwd": self.cwd,
            "env": env,
            "timeout_seconds": self.timeout_seconds,
            "grace_seconds": self.grace_seconds,
            "max_output_bytes": self.max_output_bytes,
            "secrets": list(self.secrets),
            "user": self.user,
            "umask": self.umask,
            "cgroup": self.cgroup,
        }


def _wrong_words(spec: Spec) -> list[str]:
    wrong = []
    if (spec.argv is None) == (spec.command is None):
        wrong.append("an execution has either argv or command")
    if spec.argv is not None and (not spec.argv or not spec.argv[0]):
        wrong.append("argv names a program first")
    if not spec.cwd.startswith("/"):
        wrong.append("cwd is an absolute path")
    texts = (*(spec.argv or ()), spec.command or "", spec.cwd, spec.user or "")
    if any("\0" in text for text in (*texts, *spec.env, *spec.env.values())):
        wrong.append("no text has a NUL in it")
    if any(not name or "=" in name for name in spec.env):
        wrong.append("the name of a variable is not empty and has no =")
    return wrong


def _wrong_numbers(spec: Spec) -> list[str]:
    wrong = []
    timeout, limit = spec.timeout_seconds, spec.max_output_bytes
    if timeout is not None and not (math.isfinite(timeout) and timeout > 0):
        wrong.append("timeout_seconds is more than 0")
    if not (math.isfinite(spec.grace_seconds) and spec.grace_seconds >= 0):
        wrong.append("grace_seconds is 0 or more")
    if limit is not None and limit < 0:
        wrong.append("max_output_bytes is 0 or more")
    if not 0 <= spec.umask <= 0o777:
        wrong.append("umask is from 0 to 0o777")
    return wrong


def _masked(value: Any, secrets: list[bytes]) -> Any:
    if isinstance(value, str):
        return mask_text(value, secrets)
    if isinstance(value, list):
        return [_masked(each, secrets) for each in value]
    if isinstance(value, dict):
        return {name: _masked(each, secrets) for name, each in value.items()}
    return value
