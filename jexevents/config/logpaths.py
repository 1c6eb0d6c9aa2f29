"""The paths and patterns of the logs that the monitor follows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from jexevents.config.misfit import Misfit
from jexevents.config.uris import resolve_path

EXPECTED = (
    'a path or a pattern, or a list of up to 1000, each of at most 4096 bytes; "" or [] for none'
)
_MOST = 1000
_MOST_BYTES = 4096
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def read_log_paths(value: Any) -> tuple[str, ...]:
    """Read a text, or a list of texts, each once. Raises Misfit."""
    if isinstance(value, str):
        value = [value] if value else []
    if not isinstance(value, list) or len(value) > _MOST or not all(map(_is_path, value)):
        raise Misfit(EXPECTED)
    return tuple(dict.fromkeys(value))


def resolve_log_paths(paths: tuple[str, ...], folder: Path) -> tuple[str, ...]:
    """Make them absolute, from ``folder``."""
    return tuple(dict.fromkeys(resolve_path(path, folder) for path in paths))


def _is_path(value: Any) -> bool:
    if not isinstance(value, str) or not value.strip() or _CONTROL.search(value):
        return False
    return len(value.encode("utf-8", "surrogatepass")) <= _MOST_BYTES
