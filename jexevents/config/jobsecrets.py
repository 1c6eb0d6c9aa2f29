"""Where secrets of jobs come from: by name, a file or a variable of the daemon's environment.

They are read whenever a job begins, so that a new one needs no restart; none is kept here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jexevents.config.misfit import Misfit

EXPECTED = (
    'an object like {"DB_PASSWORD": {"File": "/run/secrets/db"}, "TOKEN": {"Environment": "TOKEN"}}'
    ", each name that of a variable"
)

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")


@dataclass(frozen=True, slots=True)
class JobSecret:
    """A secret: the variable that a job gets it as, and the file or the variable that holds it."""

    name: str
    file: str | None = None
    environment: str | None = None


def read_job_secrets(value: Any) -> tuple[JobSecret, ...]:
    """Read where secrets come from. Raises Misfit."""
    if not isinstance(value, Mapping):
        raise Misfit(EXPECTED)
    return tuple(_read(name, told) for name, told in value.items())


def resolve_job_secrets(secrets: tuple[JobSecret, ...], folder: Path) -> tuple[JobSecret, ...]:
    """Have relative paths count from ``folder``."""
    return tuple(
        one if one.file is None else JobSecret(one.name, str(folder / Path(one.file).expanduser()))
        for one in secrets
    )


def show_job_secrets(secrets: tuple[JobSecret, ...]) -> dict[str, dict[str, str]]:
    """Give them as JSON again: they name places, and hold no secret."""
    return {
        one.name: {"File": one.file} if one.file is not None else {"Environment": one.environment}
        for one in secrets
    }


def _read(name: str, told: Any) -> JobSecret:
    if not _NAME.fullmatch(name) or not isinstance(told, Mapping) or len(told) != 1:
        raise Misfit(EXPECTED)
    ((where, what),) = told.items()
    if not isinstance(what, str) or not what or "\0" in what:
        raise Misfit(EXPECTED)
    if where == "File":
        return JobSecret(name, file=what)
    if where != "Environment" or not _NAME.fullmatch(what):
        raise Misfit(EXPECTED)
    return JobSecret(name, environment=what)
