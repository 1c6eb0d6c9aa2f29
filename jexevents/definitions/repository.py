"""The repository of definitions: which commit is in force, and why it is not a newer one.

``refresh`` fetches, checks the commit out, loads it, and puts it in force if all of it is good.
What was in force stays so while there is any fault, over restarts and while the repository is away.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path, PurePosixPath

from jexevents.definitions.checkouts import Checkouts, Limits
from jexevents.definitions.definition import Definitions, DefinitionsRefused
from jexevents.definitions.git import GitFailed
from jexevents.definitions.loading import load
from jexevents.definitions.mirror import Mirror
from jexevents.errors import JexError, RepositoryUnavailable
from jexevents.faults import in_words

FETCH_SECONDS = 300.0
_DAEMON = "daemon."


@dataclass(frozen=True, slots=True)
class Source:
    """Where the definitions are: a URL that git takes, a branch, a folder in it.

    Without ``branch`` it is the one that the repository itself names; ``folder`` is relative.
    """

    url: str
    branch: str = ""
    folder: str = ""

    def __post_init__(self) -> None:
        """Refuse what git would take for something else. Raises ValueError."""
        if not self.url or self.url.startswith("-") or not self.url.isprintable():
            raise ValueError("expected a URL that git takes, which does not begin with -")
        if self.branch.startswith(("-", "+")) or any(c in self.branch for c in " :^~?*[\\\n\0"):
            raise ValueError("expected the name of a branch")
        parts = PurePosixPath(self.folder).parts
        if ".." in parts or self.folder.startswith("/") or "\0" in self.folder:
            raise ValueError("expected a folder in the repository, without ..")

    @property
    def key(self) -> str:
        """What tells two sources of one URL apart."""
        return f"{self.branch}\0{PurePosixPath(self.folder)}"


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit that was loaded: its definitions, and the checkout that they run on.

    ``top`` is the checkout, ``folder`` the definitions' folder in it.
    """

    id: str
    definitions: Definitions
    top: Path
    folder: Path


@dataclass(frozen=True, slots=True)
class Standing:
    """How the repository stands.

    ``in_force`` is None until something good was loaded. ``fetched`` is the commit that the branch
    had last, at ``fetched_at``; ``fault`` is why it is not in force, None if it is. ``forced`` is
    True if the last change of commit left the history of the one before.
    """

    in_force: Commit | None = None
    since: datetime | None = None
    fetched: str | None = None
    fetched_at: datetime | None = None
    tried_at: datetime | None = None
    fault: JexError | None = None
    forced: bool = False


class Repository:
    """One repository as one daemon sees it; its methods can be called by any thread.

    ``place`` is a folder of this machine's own, which daemons may share: ``owner`` tells them
    apart. A fetch keeps no execution waiting: mirror and checkouts have a lock each. ``shallow`` is
    for who wants nothing but the newest commit.
    """

    def __init__(
        self,
        source: Source,
        place: Path,
        owner: str,
        *,
        fetch_seconds: float = FETCH_SECONDS,
        limits: Limits = Limits(),  # noqa: B008
        shallow: bool = False,
    ) -> None:
        name = hashlib.sha256(source.url.encode("utf-8")).hexdigest()[:16]
        self._source = source
        self._mirror = Mirror(
            place / name, source.url, source.branch, fetch_seconds, shallow=shallow
        )
        self._checkouts = Checkouts(self._mirror, limits)
        self._owner = _DAEMON + hashlib.sha256(f"{owner}\0{source.key}".encode()).hexdigest()[:16]
        self._lock = threading.RLock()
        self._standing = Standing()

    @property
    def standing(self) -> Standing:
        """How it stands now."""
        return self._standing

    def close(self) -> None:
        """End what git does; what waits for it ends with RepositoryUnavailable."""
        self._mirror.close()

    def open(self) -> Standing:
        """Put in force what was so before a restart; nobody is asked. Raises for no fault."""
        with self._lock, self._faults_told():
            with self._checkouts_locked():
                self._release_all(f"{self._owner}.")  # of loads that were cut off
            commit = self._mirror.in_force(self._source.key)
            if commit is not None:
                with self._loading(commit) as loaded:
                    self._put_in_force(loaded, datetime.now(timezone.utc))
        return self._standing

    def refresh(self) -> Standing:
        """Fetch, and put the branch's commit in force if it is good. Raises for no fault."""
        with self._lock, self._faults_told():
            now = datetime.now(timezone.utc)
            self._standing = replace(self._standing, tried_at=now)
            with self._mirror_locked() as lock:
                self._refresh(lock, now)
        return self._standing

    def take(self, commit: str, holder: str) -> Path:
        """Hold the checkout of a commit for an execution, and give its top; make it if need be.

        It stays until it was released in the same name. Raises RepositoryUnavailable.
        """
        with self._checkouts_locked():
            return self._checkouts.take(commit, holder)

    def release(self, commit: str, holder: str) -> None:
        """End what ``take`` began. Raises RepositoryUnavailable."""
        with self._checkouts_locked():
            self._checkouts.release(commit, holder)

    def held(self) -> dict[str, set[str]]:
        """Give, by commit, the names in which checkouts are held for executions."""
        found = {
            commit: {name for name in names if not name.startswith(_DAEMON)}
            for commit, names in self._checkouts.held().items()
        }
        return {commit: names for commit, names in found.items() if names}

    def at(self, commit: str) -> Commit:
        """Load an earlier commit, by whose definitions an execution is repeated.

        Its checkout is not held: ``take`` it before. Raises RepositoryUnavailable, and
        DefinitionsRefused.
        """
        standing = self._standing.in_force
        if standing is not None and standing.id == commit:
            return standing
        with self._loading(commit) as loaded:
            return loaded

    def prune(self, wanted: Iterable[str] | None = None) -> list[str]:
        """Remove the checkouts that nobody holds; give their commits.

        With ``wanted``, commits that are neither wanted, held nor in force are forgotten as well,
        and cannot be had again once the repository has them no more. Raises RepositoryUnavailable.
        """
        with self._checkouts_locked():
            removed = self._checkouts.prune()
        with self._mirror_locked() as lock:
            if self._mirror.is_there():
                self._forget(lock, wanted)
        return removed

    # --- how

    @contextmanager
    def _faults_told(self) -> Iterator[None]:
        try:
            yield
        except (RepositoryUnavailable, DefinitionsRefused) as fault:
            self._standing = replace(self._standing, fault=fault)

    @contextmanager
    def _mirror_locked(self) -> Iterator[int]:
        with self._usable(), self._mirror.locked() as lock:
            yield lock

    @contextmanager
    def _checkouts_locked(self) -> Iterator[None]:
        with self._usable(), self._checkouts.locked():
            yield

    @contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            self._mirror.place.mkdir(mode=0o711, parents=True, exist_ok=True)
            yield
        except OSError as exc:
            message = f"The folder {self._mirror.place} cannot be used: {in_words(exc)}."
            raise RepositoryUnavailable(message, reason="disk") from exc

    def _refresh(self, lock: int, now: datetime) -> None:
        before = self._standing
        commit = self._mirror.fetch(lock)
        self._standing = replace(before, fetched=commit, fetched_at=now)
        if commit == before.fetched and isinstance(before.fault, DefinitionsRefused):
            return
        if before.in_force is None or before.in_force.id != commit:
            self._change(lock, commit, now)
        self._standing = replace(self._standing, fault=None)

    def _change(self, lock: int, commit: str, now: datetime) -> None:
        try:
            self._change_to(lock, commit, now)
        except RepositoryUnavailable as exc:
            if exc.reason != "broken":
                raise
            self._change_to(lock, self._mirror.make_anew(lock), now)

    def _change_to(self, lock: int, commit: str, now: datetime) -> None:
        old = self._standing.in_force
        with self._loading(commit) as loaded:
            forced = old is not None and not self._mirror.is_forward(old.id, commit)
            self._mirror.put_in_force(lock, self._source.key, commit)
            self._put_in_force(loaded, now)
            self._standing = replace(self._standing, fetched=commit, forced=forced)

    @contextmanager
    def _loading(self, commit: str) -> Iterator[Commit]:
        """Load a commit, whose checkout is held while it is looked at."""
        holder = f"{self._owner}.{secrets.token_hex(8)}"
        top = self.take(commit, holder)
        try:
            folder = top / self._source.folder
            if not folder.is_dir() or not folder.resolve().is_relative_to(top.resolve()):
                message = f"Commit {commit} has no folder {self._source.folder}."
                raise RepositoryUnavailable(message, reason="no-folder")
            yield Commit(commit, load(folder, top), top, folder)
        finally:
            self.release(commit, holder)

    def _put_in_force(self, loaded: Commit, now: datetime) -> None:
        with self._checkouts_locked():
            self._checkouts.take(loaded.id, self._owner)
            self._release_all(self._owner, but=loaded.id)
        self._standing = replace(self._standing, in_force=loaded, since=now)

    def _release_all(self, prefix: str, but: str = "") -> None:
        """End the holds of this daemon: those of its name, or that begin with ``prefix.``."""
        for commit, names in self._checkouts.held().items():
            for name in names:
                mine = name == prefix or (prefix.endswith(".") and name.startswith(prefix))
                if mine and commit != but:
                    self._checkouts.release(commit, name)

    def _forget(self, lock: int, wanted: Iterable[str] | None) -> None:
        if wanted is not None:
            spared = {*wanted, *self._checkouts.held()}
            for commit in set(self._mirror.kept()) - spared:
                self._mirror.forget(lock, commit)
        with suppress(GitFailed):
            self._mirror.pack(lock)
