"""Which logs the paths and patterns of ``EventLog`` name at the moment."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from jexevents.eventlogs.rotated import base_of


def logs(names: Sequence[str], known: Iterable[Path] = ()) -> list[Path]:
    """List the logs that ``names`` (paths and patterns with ``*``, ``?``, ``[]``, ``**``) mean.

    A path counts whether its file is there or not, a pattern as far as files are there. What is
    an older part of another log, ``known`` ones among them, is no log itself; and one that
    several paths lead to is given once.
    """
    plain = [Path(os.path.abspath(name)) for name in names if not is_pattern(name)]
    found = [
        Path(os.path.abspath(match))
        for name in names
        if is_pattern(name)
        for match in sorted(glob.glob(name, recursive=True))
        if os.path.isfile(match)
    ]
    bases = {*plain, *found, *known}
    parts = [path for path in found if base_of(path) in bases]
    given = dict.fromkeys(path for path in (*plain, *found) if path in plain or path not in parts)
    return list({os.path.realpath(path): path for path in reversed(given)}.values())[::-1]


def is_pattern(name: str) -> bool:
    """Tell whether ``name`` may mean several files."""
    return glob.has_magic(name)
