"""Which of the files are parts of one log, and in which order they were written.

Equal texts of a log are told apart by counting them over all of its files, as live reading does. So
files whose names say that they are one log's (``EventLog.2 EventLog.1 EventLog``) are read one
after the other: in the order of their headers if all have one, else as the names say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from jexevents.eventlogs.rotated import RotatedFile, in_order, parts_of_name
from jexevents.imports.files import LogFile, NoInput


@dataclass(slots=True)
class Chain:
    """Files of one log, the oldest first; ``notes`` say what is known to be missing."""

    files: list[LogFile]
    notes: list[str] = field(default_factory=list)


def chains(files: Sequence[LogFile], *, one_log: bool = False) -> list[Chain]:
    """Put files into chains: with ``one_log`` into one, in the order given.

    Raises NoInput where two files of a chain begin alike: read one after the other, each event of
    the second would count as one more.
    """
    groups = [list(files)] if one_log else _grouped(files)
    faults = [fault for group in groups for fault in _alike(group)]
    if faults:
        raise NoInput(faults)
    return [Chain(group, list(_missing(group))) for group in groups]


def _grouped(files: Sequence[LogFile]) -> list[list[LogFile]]:
    groups: dict[object, list[LogFile]] = {}
    for file in files:
        groups.setdefault(_log_of(file), []).append(file)
    return [_sorted(group) for group in groups.values()]


def _log_of(file: LogFile) -> object:
    """Tell of which log a file is, by its folder and its name without what rotation adds."""
    if file.path is None:
        return file.name
    return file.path.resolve().parent, parts_of_name(file.path.name)[0]


def _sorted(group: list[LogFile]) -> list[LogFile]:
    by_path = {file.path: file for file in group}
    if None in by_path or len(group) < 2:
        return group
    named = (
        RotatedFile(path, file.header, parts_of_name(path.name)[1])
        for path, file in by_path.items()
        if path is not None
    )
    return [by_path[one.path] for one in in_order(named)]


def _alike(group: Sequence[LogFile]) -> list[str]:
    first: dict[object, str] = {}
    faults = []
    for file in group:
        if file.first is None:
            continue
        begin = file.header.id if file.header else file.first
        other = first.setdefault(begin, file.name)
        if other != file.name:
            faults.append(
                f"{file.name}: begins with the same event as {other}, of the same log; name one"
            )
    return faults


def _missing(group: Sequence[LogFile]) -> list[str]:
    """Say which files of the log are not among these, as far as headers and names tell."""
    notes = []
    oldest = group[0]
    if _has_older(oldest):
        notes.append(
            f"{oldest.name}: the files of its log before it are not among these; equal texts are "
            "counted from 0"
        )
    for before, after in pairwise(group):
        if before.header and after.header:
            lost = after.header.sequence - before.header.sequence - 1
            if lost > 0:
                between = f"between {before.name} and {after.name}"
                notes.append(
                    f"{after.name}: {lost} of the log's files {between} are not among these"
                )
    return notes


def _has_older(file: LogFile) -> bool:
    if file.header is not None:
        return file.header.sequence > 1 or file.header.offset > 0
    return file.path is not None and parts_of_name(Path(file.path).name)[0] != file.path.name
