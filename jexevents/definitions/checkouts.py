"""Checkouts: the files of a commit in a folder of their own, which nobody changes.

A checkout is written file by file from the objects of the commit, not by git: so its files have the
bytes that were committed, no filter, hook, attribute or submodule has a say, and what a hostile
tree holds is seen before anything is written. Symbolic links are made last, when nothing is written
any more that could go through one.

It stands below a folder that is named for this boot of the machine, and is made anew after the next
one: so no file is waited for to be on the disk. Nothing that we run lives longer than a boot.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

from jexevents.definitions.locking import locked
from jexevents.definitions.mirror import Entry, Mirror, is_commit
from jexevents.errors import RepositoryUnavailable
from jexevents.faults import fit, in_words
from jexevents.processes import boot

_FILE_MODES = {"100644": 0o444, "100664": 0o444, "100755": 0o555}
_LINK, _SUBMODULE = "120000", "160000"
_LONGEST_LINK = 4096
_LOCK_SECONDS = 120.0
_CHUNK = 1024 * 1024
_HOLDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")
_UNFINISHED = ".new-"


class Limits(NamedTuple):
    """How big a checkout may be."""

    files: int = 50_000
    file_bytes: int = 256 * 1024 * 1024
    all_bytes: int = 1024 * 1024 * 1024


class Checkouts:
    """The checkouts of a mirror. To take, release and prune, ``locked`` must be held."""

    def __init__(self, mirror: Mirror, limits: Limits = Limits()) -> None:  # noqa: B008
        self._mirror = mirror
        self._limits = limits
        self._all = mirror.place / "checkouts"
        self._folder = self._all / re.sub(r"[^A-Za-z0-9]", "", boot())
        self._holds = mirror.place / "holds"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold what all who change checkouts must hold. Raises RepositoryUnavailable."""
        with locked(self._mirror.place / "checkouts.lock", _LOCK_SECONDS):
            yield

    def path(self, commit: str) -> Path:
        """Give the folder of a commit's checkout, whether it is there or not."""
        return self._folder / commit

    def take(self, commit: str, holder: str) -> Path:
        """Make the checkout if it is not there, and hold it in the name of ``holder``.

        A commit that the mirror does not have is refused. Raises RepositoryUnavailable.
        """
        if not _HOLDER.fullmatch(holder):
            raise ValueError(f"no name of a holder: {holder!r}")
        if not is_commit(commit):
            raise ValueError(f"no id of a commit: {commit!r}")
        try:
            self._make(commit)
            hold = self._holds / commit / holder
            hold.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            hold.touch(mode=0o600)
        except OSError as exc:
            reason = "disk" if exc.errno in (errno.ENOSPC, errno.EDQUOT) else "checkout"
            message = f"Commit {commit} cannot be checked out: {in_words(exc)}."
            raise RepositoryUnavailable(message, reason=reason) from exc
        return self.path(commit)

    def release(self, commit: str, holder: str) -> None:
        """Hold it no longer in that name; no fault if it was not held."""
        with suppress(FileNotFoundError):
            (self._holds / commit / holder).unlink()
        with suppress(OSError):
            (self._holds / commit).rmdir()

    def held(self) -> dict[str, set[str]]:
        """Give who holds which commit."""
        found: dict[str, set[str]] = {}
        with suppress(FileNotFoundError):
            for commit in os.listdir(self._holds):
                with suppress(FileNotFoundError):
                    holders = set(os.listdir(self._holds / commit))
                    if holders:
                        found[commit] = holders
        return found

    def prune(self) -> list[str]:
        """Remove the checkouts that nobody holds, and what was left unfinished; give commits."""
        held, removed = self.held(), []
        if not self._all.is_dir():
            return []
        for folder in self._all.iterdir():
            if folder != self._folder:
                remove(folder)
        for checkout in list(self._folder.iterdir()) if self._folder.is_dir() else []:
            if checkout.name not in held:
                remove(checkout)
                removed.append(checkout.name)
        return sorted(name for name in removed if not name.startswith(_UNFINISHED))

    def _make(self, commit: str) -> None:
        if self.path(commit).is_dir():
            return
        if not self._mirror.has(commit):
            message = f"Commit {commit} is not here any more."
            raise RepositoryUnavailable(message, reason="no-commit")
        entries = self._mirror.entries(commit)
        _require_bearable(commit, entries, self._limits)
        for folder in (self._all, self._folder):
            folder.mkdir(mode=0o711, exist_ok=True)
        new = tempfile.mkdtemp(prefix=_UNFINISHED, dir=self._folder)
        try:
            self._write(commit, entries, os.fsencode(new))
            os.rename(new, self.path(commit))
        except BaseException:
            remove(Path(new))
            raise

    def _write(self, commit: str, entries: list[Entry], top: bytes) -> None:
        blobs = [entry for entry in entries if entry.kind == "blob"]
        links: list[tuple[bytes, bytes]] = []
        with self._mirror.contents(blobs) as output:
            for entry in blobs:
                place = os.path.join(top, entry.path)
                _require_content(commit, entry, output)
                if entry.mode == _LINK:
                    links.append((_read(output, entry.size), place))
                else:
                    os.makedirs(os.path.dirname(place), mode=0o755, exist_ok=True)
                    _write_file(place, _FILE_MODES[entry.mode], output, entry.size)
                _read(output, 1)
        for entry in entries:
            if entry.mode == _SUBMODULE:
                os.makedirs(os.path.join(top, entry.path), exist_ok=True)
        for target, place in links:
            os.makedirs(os.path.dirname(place), mode=0o755, exist_ok=True)
            os.symlink(target, place)
        for folder, _, _ in os.walk(top, topdown=False):
            os.chmod(folder, 0o555)


def _require_bearable(commit: str, entries: list[Entry], limits: Limits) -> None:
    """Raise RepositoryUnavailable for a tree that is too big, or that no git would make."""
    wrong = ""
    if len(entries) > limits.files:
        wrong = f"it has {len(entries)} files, more than {limits.files}"
    elif (size := sum(entry.size for entry in entries)) > limits.all_bytes:
        wrong = f"its files have {size} bytes, more than {limits.all_bytes}"
    else:
        wrong = next(filter(None, (_wrong(entry, limits) for entry in entries)), "")
    if wrong:
        message = f"Commit {commit} cannot be checked out: {wrong}."
        raise RepositoryUnavailable(message, reason="checkout")


def _wrong(entry: Entry, limits: Limits) -> str:
    name = fit(entry.path.decode("utf-8", "replace"), 200)
    parts = entry.path.split(b"/")
    if any(part in (b"", b".", b"..") or part.lower() == b".git" for part in parts):
        return f"{name} is no path"
    known = {"blob": (*_FILE_MODES, _LINK), "commit": (_SUBMODULE,)}
    if entry.mode not in known.get(entry.kind, ()):
        return f"{name} has the mode {entry.mode}"
    if entry.size > (_LONGEST_LINK if entry.mode == _LINK else limits.file_bytes):
        return f"{name} has {entry.size} bytes"
    return ""


def _require_content(commit: str, entry: Entry, output: BinaryIO) -> None:
    """Read the line before a content, and raise RepositoryUnavailable if it is not the one."""
    expected = f"{entry.oid} blob {entry.size}\n".encode("ascii")
    line = output.readline(len(expected) + 100)
    if line != expected:
        name = fit(entry.path.decode("utf-8", "replace"), 200)
        message = f"Commit {commit} cannot be read: {name} is broken or took too long."
        raise RepositoryUnavailable(message, reason="broken")


def _read(output: BinaryIO, size: int) -> bytes:
    found = output.read(size)
    if len(found) != size:
        raise RepositoryUnavailable("The mirror cannot be read to the end.", reason="broken")
    return found


def _write_file(place: bytes, mode: int, output: BinaryIO, size: int) -> None:
    # Not through a link, and nothing twice: a tree that has a name twice is refused here.
    number = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with open(number, "wb") as file:
        while size:
            chunk = _read(output, min(size, _CHUNK))
            file.write(chunk)
            size -= len(chunk)
        os.fchmod(number, mode)


def remove(folder: Path) -> None:
    """Remove a folder whose folders cannot be written to."""
    for inner, _, _ in os.walk(folder):
        with suppress(OSError):
            os.chmod(inner, stat.S_IRWXU)
    shutil.rmtree(folder, ignore_errors=True)
