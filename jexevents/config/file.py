"""Reads the JSON file of a configuration: one object, every key once, and says what is amiss."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jexevents.config.contents import os_reason, read_bytes
from jexevents.config.faults import ConfigFault
from jexevents.config.misfit import Misfit
from jexevents.faults import kind

_BOMS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


@dataclass(slots=True)
class ConfigFile:
    """What a file holds: its pairs, what is wrong with it, and whether everybody may read it."""

    path: Path
    pairs: dict[str, Any] = field(default_factory=dict)
    faults: list[ConfigFault] = field(default_factory=list)
    open_to_all: bool = False

    def blame(self, expected: str, got: str, remedy: str = "", key: str = "") -> None:
        """Note a fault of this file."""
        self.faults.append(ConfigFault(str(self.path), key, expected, got, remedy))


def read_json_file(path: Path) -> ConfigFile:
    """Read a configuration file; what is wrong stands in ``faults``, nothing is raised."""
    result = ConfigFile(path)
    try:
        content, result.open_to_all = read_bytes(path)
        text = _decode(content)
    except OSError as exc:
        result.blame("a readable file", os_reason(exc), "Check the path and the permissions.")
    except Misfit as exc:
        result.blame("a JSON object in UTF-8", str(exc), "See docs/configuration.md.")
    else:
        _parse(text, result)
    return result


def _decode(content: bytes) -> str:
    if content.startswith(_BOMS):
        raise Misfit("a file that begins with a byte order mark (save it as UTF-8 without BOM)")
    if not content.strip():
        raise Misfit("an empty file")
    try:
        return content.decode()
    except UnicodeDecodeError as exc:
        raise Misfit(f"a byte that is not UTF-8, at offset {exc.start}") from None


def _parse(text: str, result: ConfigFile) -> None:
    def collect(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        for key in sorted({key for key in keys if keys.count(key) > 1}):
            result.blame("every key once", "it twice", "Remove one of them.", key)
        return dict(pairs)

    try:
        value = json.loads(text, object_pairs_hook=collect, parse_constant=_refuse_constant)
    except json.JSONDecodeError as exc:
        where = f"line {exc.lineno}, column {exc.colno}"
        result.blame("JSON", f"a fault at {where}: {exc.msg}", "Correct the JSON there.")
    except (ValueError, RecursionError) as exc:
        reason = str(exc) if isinstance(exc, Misfit) else "numbers too long or nesting too deep"
        result.blame("JSON", reason, "Correct the JSON.")
    else:
        _take(value, result)


def _take(value: Any, result: ConfigFile) -> None:
    if isinstance(value, dict):
        result.pairs = value
    else:
        result.blame("a JSON object", f"another JSON value ({kind(value)})", "Put it in {}.")


def _refuse_constant(name: str) -> None:
    raise Misfit(f"{name}, which is no JSON")
