"""Which of the files that are on the disk are known, and which are to be read next. No reading
but of the bytes that tell files apart."""

from __future__ import annotations

import errno
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jexevents.eventlogs.rotated import rotated
from jexevents.monitor.logfile import Glimpse, LogFile, is_alike
from jexevents.monitor.openfile import glimpse

_TRIES = 5

GONE, TRUNCATED, DAMAGED = "gone", "truncated", "damaged"


@dataclass(slots=True)
class View:
    """What a look at a log shows.

    ``found`` are known files and where they are now. ``new`` are the files behind the last known
    one, oldest first. ``missing`` says why the end of that may be lost, "" if it is not.
    ``passed_over`` are older files that nothing is known of.
    """

    found: list[tuple[LogFile, Glimpse]] = field(default_factory=list)
    new: list[Glimpse] = field(default_factory=list)
    missing: str = ""
    passed_over: list[Path] = field(default_factory=list)


def candidates(path: Path) -> list[Glimpse]:
    """Look at all files of the log at ``path``, the oldest first; itself, if it is there, last.

    A file that cannot be looked at is given with its error. Raises OSError if the folder, or the
    log itself, cannot be read.
    """
    for _ in range(_TRIES):
        before = _listing(path)
        seen = [_glimpse(part, is_log=part == path) for part in before]
        if _listing(path) == before:  # else files were renamed while they were looked at
            break
    return [one for one in seen if one is not None]


def _listing(path: Path) -> dict[Path, int]:
    target = Path(os.path.realpath(path))
    parts = [] if target == path else _rotated(target)
    inodes: dict[Path, int] = {}
    for part in [*parts, *_rotated(path), path]:
        try:
            inodes[part] = os.stat(part).st_ino
        except FileNotFoundError:
            continue
    return inodes


def _rotated(path: Path) -> list[Path]:
    try:
        return [file.path for file in rotated(path)]
    except FileNotFoundError:
        return []  # not even its folder is there


def _glimpse(path: Path, *, is_log: bool) -> Glimpse | None:
    try:
        return glimpse(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        if is_log:
            raise
        try:
            inode = os.stat(path).st_ino
        except OSError:
            return None
        return Glimpse(path, inode, None, b"", None, error)


def compare(
    path: Path, files: Sequence[LogFile], seen: Sequence[Glimpse], held: Collection[int]
) -> View:
    """Find the known ``files`` of the log at ``path`` among those ``seen`` on the disk.

    ``held`` are the ordinals of those that are open. A known file that is not in its place any
    more loses its inode here. Raises the error of a file that is to be read next and cannot be.
    """
    matched = _by_inode(files, seen)
    copies = _by_content(path, files, seen, matched)
    view = View([(file, seen[index]) for index, file in sorted(matched.items())])
    last = files[-1] if files else None
    places = [index for index, file in matched.items() if file is last]
    known = matched.keys() | copies
    behind = places[0] if places else -1
    # One that is retired was read to its end, and may be removed.
    if last and not last.retired and not places and last.ordinal not in held:
        view.missing = TRUNCATED if last.inode < 0 else GONE
    for index, one in enumerate(seen):
        if index in known:
            continue
        if index < behind or _is_older(one, last):
            view.passed_over.append(one.path)
        else:
            view.new.append(one)
    view.new = _readable(view, is_first=last is None)
    return view


def _by_inode(files: Sequence[LogFile], seen: Sequence[Glimpse]) -> dict[int, LogFile]:
    """Find the files that are where they were, under whatever name."""
    matched: dict[int, LogFile] = {}
    newest = {file.inode: file for file in files if file.inode > 0}
    for index, one in enumerate(seen):
        file = newest.get(one.inode)
        if file is None:
            continue
        if one.error is not None or (file.is_blank and file.read == 0) or _is_same(file, one):
            matched[index] = file
        elif is_alike(file, one) and file.header is not None:
            matched[index] = file  # of its own; it has only become shorter
        else:
            file.inode = -file.inode
    return matched


def _by_content(
    path: Path,
    files: Sequence[LogFile],
    seen: Sequence[Glimpse],
    matched: dict[int, LogFile],
) -> set[int]:
    """Find files that were copied, or packed; adds to ``matched`` those that are read on there.

    Gives the others: copies of files that are still in their place, or that are not whole.
    """
    copies: set[int] = set()
    taken = {file.ordinal for file in matched.values()}
    for index, one in enumerate(seen):
        if index in matched or one.error is not None:
            continue
        for file in reversed(files):
            if not is_alike(file, one):
                continue
            if file.ordinal not in taken and _is_same(file, one):
                matched[index] = file
                taken.add(file.ordinal)
                file.inode = one.inode
                break
            if one.path != path:
                copies.add(index)
                break
    return copies


def _is_same(file: LogFile, seen: Glimpse) -> bool:
    """Tell whether what is seen is the file, as far as it was read."""
    if not is_alike(file, seen):
        return False
    if seen.size is None:
        return True
    if seen.size < file.read:
        return False
    try:
        descriptor = os.open(seen.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        length = len(file.read_tail)
        return os.pread(descriptor, length, file.read - length) == file.read_tail
    finally:
        os.close(descriptor)


def _is_older(seen: Glimpse, last: LogFile | None) -> bool:
    if last is None or last.header is None or seen.header is None:
        return False
    return seen.header.ctime < last.header.ctime


def _readable(view: View, *, is_first: bool) -> list[Glimpse]:
    """Leave out what cannot be read: before the first start, or because it is damaged.

    Raises the error of what can be had by waiting.
    """
    readable = []
    for one in view.new:
        if one.error is None:
            readable.append(one)
        elif is_first:
            view.passed_over.append(one.path)
        elif one.error.errno == errno.EBADMSG:
            view.missing = DAMAGED
        else:
            raise one.error
    return readable
