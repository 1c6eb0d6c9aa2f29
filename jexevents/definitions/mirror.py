"""A bare repository on this machine that follows a branch of another.

It keeps the commits that were in force, also when the branch is forced to something else, and has
none of the other's configuration, hooks or attributes. A mirror that is broken is made anew.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from jexevents.definitions.git import Git, GitFailed
from jexevents.definitions.locking import locked
from jexevents.errors import RepositoryUnavailable
from jexevents.faults import fit
from jexevents.redaction import redact_uri

_SHORT_SECONDS = 30.0
_GC_SECONDS = 600.0
_GC_LOOSE = 3000
_SHOWN_CHARACTERS = 600

_REFS = "refs/jexevents"
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_NO_BRANCH = re.compile(r"couldn't find remote ref|remote ref .* not found")
_NO_ROOM = re.compile(r"No space left|quota exceeded", re.IGNORECASE)
_NOT_SHALLOW = "support shallow"
_OTHER_HASH = "mismatched algorithms"
_BROKEN = re.compile(
    r"not a git repository|corrupt|bad object|unable to read|missing (?:blob|tree|commit)"
    r"|inflate|bad (?:pack|config)|not a valid object|garbage|unable to find"
)


class Entry(NamedTuple):
    """A file of a commit: its path in bytes, as git has it, and its mode, kind, id and size."""

    path: bytes
    mode: str
    kind: str
    oid: str
    size: int


class Mirror:
    """The mirror of one URL in ``place``, which may be shared by several daemons of one machine.

    One that is ``shallow`` has the newest commit alone, where the server can give that.
    """

    def __init__(
        self, place: Path, url: str, branch: str, seconds: float, *, shallow: bool = False
    ) -> None:
        self.place = place
        self._shallow = shallow
        self._url = url
        self._branch = branch
        self._seconds = seconds
        self._folder = place / "mirror.git"
        self._git = Git(self._folder)
        self._fetched = f"{_REFS}/fetched/{_short(branch)}"

    def close(self) -> None:
        """End what git does."""
        self._git.close()

    @contextmanager
    def locked(self) -> Iterator[int]:
        """Hold what all who change the mirror must hold. Raises RepositoryUnavailable."""
        with locked(self.place / "mirror.lock", self._seconds) as number:
            yield number

    # --- with the lock held

    def fetch(self, lock: int) -> str:
        """Ask the repository for the branch; give its commit. Raises RepositoryUnavailable."""
        if not self.is_there():
            self._make(lock, "sha1", self._folder)
        self._tidy()
        try:
            return self._fetch(lock, self._folder)
        except GitFailed as exc:
            if _OTHER_HASH in exc.complaint:
                return self._fetch_anew(lock, "sha256")
            if _BROKEN.search(exc.complaint) and not self._is_sound(lock):
                return self._fetch_anew(lock, "sha1")
            raise self._unavailable(exc) from exc

    def make_anew(self, lock: int) -> str:
        """Put a new mirror in the place of one that is broken; give the branch's commit."""
        return self._fetch_anew(lock, "sha1")

    def entries(self, commit: str) -> list[Entry]:
        """Give the files of a commit. Raises RepositoryUnavailable."""
        listing = self._read("ls-tree", "-r", "-z", "-l", "--full-tree", commit)
        try:
            return [_entry(line) for line in listing.split(b"\0") if line]
        except ValueError as exc:  # the size of an object that cannot be read is BAD
            message = f"The mirror of commit {commit} is broken."
            raise RepositoryUnavailable(message, reason="broken") from exc

    @contextmanager
    def contents(self, entries: list[Entry]) -> Iterator[BinaryIO]:
        """Give, as ``git cat-file --batch`` prints them, the contents of files."""
        asked = "".join(f"{entry.oid}\n" for entry in entries).encode("ascii")
        arguments = ("cat-file", "--batch", "--buffer")
        with self._git.reading(*arguments, asked=asked, seconds=self._seconds) as output:
            yield output

    def has(self, commit: str) -> bool:
        """Tell whether a commit is here."""
        try:
            self._git.run("cat-file", "-e", f"{commit}^{{commit}}", seconds=_SHORT_SECONDS)
        except GitFailed:
            return False
        return True

    def is_forward(self, old: str, new: str) -> bool:
        """Tell whether ``new`` has ``old`` in its history: if not, the branch was forced."""
        try:
            self._git.run("merge-base", "--is-ancestor", old, new, seconds=_SHORT_SECONDS)
        except GitFailed:
            return False
        return True

    def keep(self, lock: int, commit: str) -> None:
        """Keep a commit whatever becomes of the branch."""
        self._write(lock, "update-ref", f"{_REFS}/kept/{commit}", commit)

    def forget(self, lock: int, commit: str) -> None:
        """Keep a commit no longer."""
        self._write(lock, "update-ref", "-d", f"{_REFS}/kept/{commit}")

    def kept(self) -> list[str]:
        """Give the commits that are kept."""
        return [name.rpartition("/")[2] for name in self._names(f"{_REFS}/kept")]

    def in_force(self, key: str) -> str | None:
        """Give the commit that was in force for ``key`` (branch and folder), None for none."""
        try:
            found = self._git.run("rev-parse", "-q", "--verify", _in_force(key), seconds=30.0)
        except GitFailed:
            return None
        return found.decode("ascii").strip()

    def put_in_force(self, lock: int, key: str, commit: str) -> None:
        """Note which commit is in force, for after a restart."""
        self.keep(lock, commit)
        self._write(lock, "update-ref", _in_force(key), commit)

    def pack(self, lock: int) -> None:
        """Pack what has gathered, if it is much."""
        settings = ("-c", f"gc.auto={_GC_LOOSE}", "-c", "gc.autoDetach=false")
        self._git.run(*settings, "gc", "--auto", "--quiet", seconds=_GC_SECONDS, keep=(lock,))

    # --- how

    def _fetch(self, lock: int, folder: Path) -> str:
        given = self._branch or "HEAD"
        source = given if given == "HEAD" or given.startswith("refs/") else f"refs/heads/{given}"
        try:
            self._ask(lock, folder, source)
        except GitFailed as exc:
            if not (self._shallow and _NOT_SHALLOW in exc.complaint):
                raise
            self._shallow = False
            self._ask(lock, folder, source)
        arguments = ("rev-parse", "--verify", f"{self._fetched}^{{commit}}")
        commit = self._git.run(*arguments, seconds=_SHORT_SECONDS, folder=folder)
        return commit.decode("ascii").strip()

    def _ask(self, lock: int, folder: Path, source: str) -> None:
        depth = ("--depth=1",) if self._shallow else ()
        self._git.run(
            "fetch", "--quiet", "--force", "--no-tags", "--no-recurse-submodules", *depth,
            "--no-auto-maintenance", "--no-write-fetch-head", "--",
            self._url, f"+{source}:{self._fetched}",
            seconds=self._seconds, reaches=True, keep=(lock,), folder=folder,
        )  # fmt: skip

    def _fetch_anew(self, lock: int, hashes: str) -> str:
        """Fetch into a new mirror; the old one stays until that is done."""
        new, old = self.place / "mirror.new", self.place / "mirror.old"
        try:
            self._make(lock, hashes, new)
            commit = self._fetch(lock, new)
        except GitFailed as exc:
            raise self._unavailable(exc) from exc
        shutil.rmtree(old, ignore_errors=True)
        os.rename(self._folder, old)
        os.rename(new, self._folder)
        shutil.rmtree(old, ignore_errors=True)
        return commit

    def _make(self, lock: int, hashes: str, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        form = () if hashes == "sha1" else (f"--object-format={hashes}",)
        try:
            arguments = ("init", "--quiet", "--bare", "--template=", *form, ".")
            self._git.run(*arguments, seconds=_SHORT_SECONDS, keep=(lock,), folder=folder)
        except GitFailed as exc:
            raise self._unavailable(exc) from exc

    def is_there(self) -> bool:
        """Tell whether there is a mirror."""
        return (self._folder / "HEAD").is_file() and (self._folder / "objects").is_dir()

    def _is_sound(self, lock: int) -> bool:
        try:
            arguments = ("fsck", "--connectivity-only", "--no-dangling")
            self._git.run(*arguments, seconds=self._seconds, keep=(lock,))
        except GitFailed as exc:
            return exc.timed_out
        return True

    def _tidy(self) -> None:
        """Remove what a git that was killed has left; nobody else works here now."""
        for folder, names, files in os.walk(self._folder):
            inner = Path(folder).relative_to(self._folder).parts
            if inner[:1] == ("objects",) and inner[1:] not in ((), ("pack",)):
                names.clear()
            left = [name for name in files if name.endswith(".lock") or name.startswith("tmp_")]
            for name in left:
                (Path(folder) / name).unlink(missing_ok=True)
            for name in [one for one in names if one.startswith(("tmp_objdir", "incoming-"))]:
                shutil.rmtree(Path(folder) / name, ignore_errors=True)
                names.remove(name)

    def _names(self, below: str) -> list[str]:
        return self._read("for-each-ref", "--format=%(refname)", below).decode("ascii").split()

    def _read(self, *arguments: str) -> bytes:
        try:
            return self._git.run(*arguments, seconds=self._seconds)
        except GitFailed as exc:
            raise self._unavailable(exc, "broken") from exc

    def _write(self, lock: int, *arguments: str) -> None:
        try:
            self._git.run(*arguments, seconds=_SHORT_SECONDS, keep=(lock,))
        except GitFailed as exc:
            raise self._unavailable(exc, "broken") from exc

    def _unavailable(self, exc: GitFailed, reason: str = "away") -> RepositoryUnavailable:
        where = redact_uri(self._url)
        told = fit(exc.complaint, _SHOWN_CHARACTERS)
        if exc.timed_out:
            return RepositoryUnavailable(f"{where}: {told}", reason="hangs")
        if _NO_BRANCH.search(exc.complaint):
            branch = f"branch {self._branch}" if self._branch else "commit"
            message = f"{where} has no {branch}: it is empty, or the branch was removed."
            return RepositoryUnavailable(message, reason="no-branch")
        if _NO_ROOM.search(exc.complaint):
            reason = "disk"
        return RepositoryUnavailable(f"{where}: {told}", reason=reason)


def is_commit(text: str) -> bool:
    """Tell whether a text is the whole id of a commit."""
    return _COMMIT.fullmatch(text) is not None


def _entry(line: bytes) -> Entry:
    head, _, path = line.partition(b"\t")
    mode, kind, oid, size = head.decode("ascii").split()
    return Entry(path, mode, kind, oid, int(size) if size != "-" else 0)


def _short(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _in_force(key: str) -> str:
    return f"{_REFS}/in-force/{_short(key)}"
