"""A look at a folder that the daemon writes to: can it, or could it make it? Makes nothing."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from pathlib import Path

from jexevents.errors import ConfigError


def look_at(option: str, folder: str) -> Iterator[str]:
    """Say in a line that the folder of an option can be used; nothing where it names none.

    Raises ConfigError where it can be neither written nor made by the user who asks.
    """
    if not folder:
        return
    found = _nearest(Path(folder))
    user = _user()
    if not found.is_dir():
        raise ConfigError(f"{option}: {found} is no folder.", remedy="Correct the path.")
    if not os.access(found, os.W_OK | os.X_OK, effective_ids=True):
        raise ConfigError(
            f"{option}: {found} cannot be written by {user}.",
            remedy=f"Let the user write there whom the daemon runs as, or correct {option}.",
        )
    if found == Path(folder):
        yield f"{folder} can be written by {user}"
    else:
        yield f"{folder} will be made when the daemon starts, by {user}"


def _nearest(path: Path) -> Path:
    """Give the path, or the first of those above it that is there."""
    return next(one for one in (path, *path.parents) if os.path.lexists(one))


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"user {os.geteuid()}"
