"""Which files hold the older parts of a log, and in which order.

HTCondor renames ``EventLog`` to ``EventLog.old``, or to ``EventLog.1`` and so on up; logrotate
appends a number or a date, and may compress. By name alone this is a guess: a reader that knows
a log's files tells them by what they begin with (see monitor).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from jexevents.eventlogs.headers import RotationHeader, header_of_file
from jexevents.eventlogs.opening import head

_NUMBER = r"\.(?P<number>\d{1,5})"
_OLD = r"(?P<old>\.old)"
_DATE = r"[.-](?P<date>(?:\d{4}-?\d\d-?\d\d|\d{9,10})(?:[T._-]?\d\d[-:]?\d\d(?:[-:]?\d\d)?)?)"
_COPY = r"(?P<again>[.-]\d{1,4})?"
_SUFFIX = re.compile(rf"(?:{_OLD}|{_DATE}{_COPY}|{_NUMBER})(?P<packed>\.gz|\.zst)?", re.ASCII)
_ENDING = re.compile(rf"(?:{_SUFFIX.pattern})\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class RotatedFile:
    """One older file of a log; ``header`` is None where HTCondor did not rotate it itself."""

    path: Path
    header: RotationHeader | None
    rank: tuple[int, int, str]


def rotated(path: Path) -> list[RotatedFile]:
    """List the older files of the log at ``path``, the oldest first; the log itself is none.

    A file that is there plain and compressed at once is given once, plain. Raises OSError if
    the folder cannot be read; a file that cannot be read is given without its header.
    """
    found: dict[str, tuple[Path, re.Match[str]]] = {}
    for entry in sorted(os.listdir(path.parent)):
        match = _SUFFIX.fullmatch(entry[len(path.name) :]) if entry.startswith(path.name) else None
        if match is not None and (path.parent / entry).is_file():
            plain = entry.removesuffix(match["packed"] or "")
            found.setdefault(plain, (path.parent / entry, match))
    return in_order(_file(file, match) for file, match in found.values())


def parts_of_name(name: str) -> tuple[str, tuple[int, int, str]]:
    """Give the name of the log that a file is of, by its name alone, and its rank among these.

    That of the log itself is the last.
    """
    match = _ENDING.search(name)
    if match is not None and match.start():
        return name[: match.start()], _rank(match)
    return re.sub(r"\.(?:gz|zst)\Z", "", name), (3, 0, "")


def in_order(files: Iterable[RotatedFile]) -> list[RotatedFile]:
    """Sort as the files were written: as their headers say if all have one, else by name."""
    listed = sorted(files, key=lambda file: file.rank)
    if all(file.header is not None for file in listed):
        listed.sort(key=lambda file: file.header[:1] + file.header[2:3])  # type: ignore[index]
    return listed


def base_of(path: Path) -> Path | None:
    """Give the log that the file at ``path`` would be an older part of, by its name alone."""
    match = _ENDING.search(path.name)
    return path.with_name(path.name[: match.start()]) if match and match.start() else None


def _file(path: Path, match: re.Match[str]) -> RotatedFile:
    try:
        header = header_of_file(head(path))
    except OSError:
        header = None
    return RotatedFile(path, header, _rank(match))


def _rank(match: re.Match[str]) -> tuple[int, int, str]:
    """Rank by name: dates first, then numbers downwards, ``.old`` last."""
    if match["date"]:
        again = int((match["again"] or "-0")[1:])
        return 0, 0, f"{re.sub('[^0-9]', '', match['date']):0<20}{again:04d}"
    if match["number"]:
        return 1, -int(match["number"]), ""
    return 2, 0, ""
