"""Prometheus's own promtool: installed, or out of Debian's package, kept in the cache."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from jexevents.tryout import apt

PACKAGE = "prometheus"
_PROGRAM = "usr/bin/promtool"
_SECONDS = 60


class Promtool:
    """Runs it; ``program`` is where it stands."""

    def __init__(self, program: Path) -> None:
        self._program = program

    def __call__(self, *arguments: object, text: str | None = None) -> tuple[int, str]:
        """Run it with ``text`` on its standard input; give its exit code and all that it said."""
        done = subprocess.run(
            [self._program, *map(str, arguments)],
            input=text or "",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        return done.returncode, done.stdout


def provided(cache: Path) -> Promtool:
    """Give it. Raises Unavailable where there is none and none can be fetched."""
    if found := shutil.which("promtool"):
        return Promtool(Path(found))
    root = apt.unpacked(
        cache,
        PACKAGE,
        [PACKAGE],
        lambda _said: None,
        whole=lambda root: (root / _PROGRAM).is_file(),
    )
    return Promtool(root / _PROGRAM)
