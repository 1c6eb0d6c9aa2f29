"""The folder of uploads: files that come, that are kept by date, and that nobody knows of.

A file is written under a name of its own and renamed when all of it is on the disk. Whoever
writes one holds a lock on it (flock) that ends with the process, so that what a killed process
left can be told from what another writes just now. Folders have mode 0700, files 0600.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import BinaryIO

from jexevents.disk import sync_folder
from jexevents.errors import FilesUnavailable, StorageFull

INCOMING = ".incoming-"
# What has no row so long after it was written will never have one.
UNCLAIMED_SECONDS = 3600.0
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_UUID = r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
_KEPT = re.compile(rf"[0-9]{{4}}/[0-9]{{2}}/[0-9]{{2}}/({_UUID})-[A-Za-z0-9_-][A-Za-z0-9._-]*")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_NAME = 100
_MAKE_ROOM = "Make room where UploadDir is, or have `jexevents prune` remove old uploads."
_AT_ONCE = 500
_RENAME_TRIES = 5


def is_full(error: OSError) -> bool:
    """Whether there is no room for what was to be written."""
    return error.errno in _FULL


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Raise errors of the file system as our own."""
    try:
        yield
    except OSError as error:
        if is_full(error):
            raise StorageFull(remedy=_MAKE_ROOM) from error
        raise FilesUnavailable(
            f"The upload folder: {what}: {error.strerror or error}.",
            remedy="Look at UploadDir and its permissions.",
        ) from error


def safe_name(filename: str) -> str:
    """Give a file's name without its folders, in letters, digits, ``.``, ``_`` and ``-`` only."""
    last = re.split(r"[/\\]", filename)[-1]
    name = _UNSAFE.sub("_", last).lstrip(".") or "upload"
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 20] + name[-20:]


def kept_path(upload_id: str, filename: str, at: datetime) -> str:
    """Give the path below the folder: ``YYYY/MM/DD/UUID-NAME``, by the date in UTC."""
    return f"{at.astimezone(timezone.utc):%Y/%m/%d}/{upload_id}-{safe_name(filename)}"


class Incoming:
    """A file that is being written. Made by UploadFolder; ``close`` or ``discard`` it.

    ``size`` and ``sha256`` are those of what was written so far.
    """

    def __init__(self, folder: UploadFolder, path: Path, descriptor: int) -> None:
        self._folder = folder
        self._path = path
        self._file = os.fdopen(descriptor, "w+b", buffering=0)
        self._hash = hashlib.sha256()
        self.size = 0

    def hold(self) -> bool:
        """Lock it; False where it was swept away before. Raises OSError."""
        fcntl.flock(self._file.fileno(), fcntl.LOCK_EX)
        return os.fstat(self._file.fileno()).st_nlink > 0

    @property
    def sha256(self) -> bytes:
        """The hash of what was written."""
        return self._hash.digest()

    @property
    def file(self) -> BinaryIO:
        """What was written, from its begin."""
        self._file.seek(0)
        return self._file

    def write(self, piece: bytes) -> None:
        """Add to it. Raises StorageFull, FilesUnavailable."""
        rest = memoryview(piece)
        with _told("a file cannot be written"):
            while rest:
                rest = rest[self._file.write(rest) :]
        self._hash.update(piece)
        self.size += len(piece)

    def keep(self, relative: str) -> None:
        """Bring it onto the disk and to its place; once there, it stays.

        Raises StorageFull, FilesUnavailable.
        """
        target = self._folder.path / relative
        if self._path == target:
            return
        with _told("a file cannot be kept"):
            os.fsync(self._file.fileno())
            for folder in self._renamed(target):
                sync_folder(folder)

    def _renamed(self, target: Path) -> list[Path]:
        """Rename it; gives the folders whose entries changed."""
        for left in reversed(range(_RENAME_TRIES)):
            changed = _make_folders(target.parent)
            with self._folder.lock:
                try:
                    os.rename(self._path, target)
                except FileNotFoundError:
                    # Somebody who prunes took the empty folder away between the two.
                    if not left:
                        raise
                    continue
                self._path = target
                return changed
        return []

    def close(self) -> None:
        """Let go of it, and leave it where it is."""
        with suppress(OSError):
            self._file.close()

    def discard(self) -> None:
        """Remove it, wherever it is; not another file that took its place."""
        with suppress(OSError), self._folder.lock:
            if os.path.samestat(os.fstat(self._file.fileno()), os.stat(self._path)):
                os.unlink(self._path)
        self.close()


class UploadFolder:
    """The folder at ``path``; it is made when it is needed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = threading.Lock()

    def make(self) -> None:
        """See to it that the folder is there. Raises StorageFull, FilesUnavailable."""
        with _told("it cannot be made"):
            _make_folders(self.path)

    def incoming(self) -> Incoming:
        """Begin a file. Raises StorageFull, FilesUnavailable."""
        self.make()
        with _told("a file cannot be made"):
            while True:
                path = self.path / f"{INCOMING}{os.urandom(12).hex()}"
                flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
                one = Incoming(self, path, os.open(path, flags, 0o600))
                try:
                    if one.hold():
                        return one
                except OSError:
                    one.discard()
                    raise
                one.close()

    def open(self, relative: str) -> BinaryIO | None:
        """Open a kept file; None where there is none. Raises FilesUnavailable."""
        if not _KEPT.fullmatch(relative):
            return None
        with _told("a file cannot be read"), suppress(FileNotFoundError):
            return open(self.path / relative, "rb")
        return None

    def remove(self, relative: str) -> bool:
        """Remove a kept file and folders that are empty then; whether it is not there any more."""
        if not _KEPT.fullmatch(relative):
            return False
        try:
            with suppress(FileNotFoundError):
                os.unlink(self.path / relative)
        except OSError:
            return False
        self._tidy(relative)
        return True

    def sweep_incoming(self) -> int:
        """Remove what processes that are gone were writing; gives how many files."""
        with suppress(OSError):
            names = [name for name in os.listdir(self.path) if name.startswith(INCOMING)]
            return sum(self._swept(name) for name in names)
        return 0

    def sweep_unclaimed(
        self,
        known: Callable[[Sequence[str]], set[str]],
        now: Callable[[], float] = time.time,
    ) -> int:
        """Remove kept files that nothing is known of; gives how many.

        ``known`` gives those of some ids that are uploads. A file that somebody
        holds, or that is younger than an hour, stays.
        """
        swept = 0
        found = self._old_files(now() - UNCLAIMED_SECONDS)
        while some := [one for _, one in zip(range(_AT_ONCE), found, strict=False)]:
            claimed = known([_KEPT.fullmatch(one)[1] for one in some])
            for relative in some:
                if _KEPT.fullmatch(relative)[1] not in claimed and self._swept(relative):
                    self._tidy(relative)
                    swept += 1
        return swept

    def _old_files(self, before: float) -> Iterator[str]:
        for place, folders, names in os.walk(self.path):
            folders.sort()
            for name in sorted(names):
                path = Path(place, name)
                relative = path.relative_to(self.path).as_posix()
                with suppress(OSError):
                    if _KEPT.fullmatch(relative) and path.stat().st_mtime < before:
                        yield relative

    def _swept(self, relative: str) -> bool:
        """Remove a file unless somebody holds it."""
        try:
            descriptor = os.open(self.path / relative, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(self.path / relative)
        except OSError:
            return False
        finally:
            os.close(descriptor)
        return True

    def _tidy(self, relative: str) -> None:
        """Remove the folders of a date that are empty, up to the year's."""
        with suppress(OSError):
            for folder in list(Path(relative).parents)[:-1]:
                os.rmdir(self.path / folder)


def _make_folders(folder: Path) -> list[Path]:
    """Make folders with mode 0700; gives those whose entries changed, or are about to."""
    changed = [folder]
    while not folder.is_dir():
        folder = folder.parent
        changed.append(folder)
    for made in reversed(changed[:-1]):
        with suppress(FileExistsError):
            os.mkdir(made, 0o700)
    return changed
