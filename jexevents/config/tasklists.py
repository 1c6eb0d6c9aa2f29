"""The lists that bound what runs of container tasks may ask for."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any

from jexevents.config.misfit import Misfit

FOLDERS = "a list of absolute paths of folders, without .."
NETWORKS = "a list of names of networks, one at least, each once"
LABELS = "a list of at most 100 words of letters, digits and . _ = -"

_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=-]{0,99}")
_NETWORK = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")


def read_folders(value: Any) -> tuple[str, ...]:
    """Read folders; each is written without double slashes and without one at its end."""
    if not isinstance(value, list) or not all(map(_is_folder, value)):
        raise Misfit(FOLDERS)
    return tuple(dict.fromkeys(str(PurePosixPath(one)) for one in value))


def read_networks(value: Any) -> tuple[str, ...]:
    """Read names of networks, in their order."""
    if not isinstance(value, list) or not value or len(set(map(str, value))) < len(value):
        raise Misfit(NETWORKS)
    if not all(isinstance(one, str) and _NETWORK.fullmatch(one) for one in value):
        raise Misfit(NETWORKS)
    return tuple(value)


def read_labels(value: Any) -> tuple[str, ...]:
    """Read the labels of a worker, in the form in which runs name them."""
    fits = isinstance(value, list) and len(value) <= 100
    if not fits or not all(isinstance(one, str) and _LABEL.fullmatch(one) for one in value):
        raise Misfit(LABELS)
    return tuple(dict.fromkeys(value))


def _is_folder(value: Any) -> bool:
    if not isinstance(value, str) or not value.startswith("/") or value.startswith("//"):
        return False
    return value.isprintable() and ".." not in PurePosixPath(value).parts
