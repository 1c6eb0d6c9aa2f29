"""The secrets that jobs get: read when a job begins, from files or the daemon's environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from jexevents.errors import CannotRun

_REMEDY = "See to JobSecrets in the configuration of this node."


class Place(Protocol):
    """Where a secret is: a file, or a variable of the environment."""

    name: str
    file: str | None
    environment: str | None


class Secrets:
    """Gives the texts of secrets by their names."""

    def __init__(self, places: tuple[Place, ...]) -> None:
        self._places = {place.name: place for place in places}

    def __call__(self, names: tuple[str, ...]) -> Mapping[str, str]:
        """Read the secrets of these names. Raises CannotRun for one that cannot be had."""
        return {name: self._read(name) for name in names}

    def _read(self, name: str) -> str:
        place = self._places.get(name)
        if place is None:
            raise CannotRun(f"There is no secret {name} on this node.", remedy=_REMEDY)
        text = _of_file(place) if place.file is not None else _of_environment(place)
        if not text or "\0" in text:
            raise CannotRun(f"The secret {name} is empty, or has a NUL in it.", remedy=_REMEDY)
        return text


def _of_file(place: Place) -> str:
    try:
        return Path(place.file).read_text("utf-8").removesuffix("\n").removesuffix("\r")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise CannotRun(
            f"The file of the secret {place.name} cannot be read: {why}.", remedy=_REMEDY
        ) from None


def _of_environment(place: Place) -> str:
    text = os.environ.get(place.environment)
    if text is None:
        raise CannotRun(
            f"The variable of the secret {place.name} is not set: {place.environment}.",
            remedy=_REMEDY,
        )
    return text
