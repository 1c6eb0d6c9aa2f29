"""Keeps the folder of executions in order: what was kept for long enough goes, and what is left by
processes that were killed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from jexevents.definitions.repository import Repository
from jexevents.errors import RepositoryUnavailable, Unavailable
from jexevents.executions.retention import Retention
from jexevents.logs import get_logger
from jexevents.runner.folder import Held, RunFolder
from jexevents.service import Service
from jexevents.validation import is_uuid

log = get_logger("keeper")

_EVERY_SECONDS = 600.0
_FIRST_SECONDS = 20.0


class Keeper(Service):
    """Removes files whose time is over. ``in_hand`` gives the ids of attempts that are not settled,
    ``ready`` waits till they are known."""

    def __init__(
        self,
        retention: Retention,
        repository: Repository,
        runs: Path,
        *,
        keep_seconds: float,
        in_hand: Callable[[], set[str]],
        ready: Callable[[float], bool],
        every_seconds: float = _EVERY_SECONDS,
        first_seconds: float = _FIRST_SECONDS,
    ) -> None:
        super().__init__("keeper")
        self._retention = retention
        self._repository = repository
        self._runs = runs
        self._keep_seconds = keep_seconds
        self._in_hand = in_hand
        self._ready = ready
        self._every_seconds = every_seconds
        self._first_seconds = first_seconds

    def run(self) -> None:
        """Look now and then until stopped."""
        pause = self._first_seconds
        while not self.wait(pause):
            pause = self._every_seconds
            if not self._ready(0.0):
                pause = self._first_seconds
                continue
            try:
                self.keep()
            except Unavailable as error:
                log.debug("not_kept", reason=str(error))
            except OSError as error:
                log.error("runs_not_kept", reason=str(error))

    def keep(self) -> None:
        """Do it once. Raises StoreUnavailable, RepositoryUnavailable, OSError."""
        self._remove_outdated()
        self._remove_strays()
        self._let_go()
        self._retention.forget_orders()

    def _remove_outdated(self) -> None:
        while rows := self._retention.outdated(self._keep_seconds):
            for job_id, attempt in rows:
                RunFolder.of(self._runs, job_id, attempt).remove()
            self._retention.removed(rows)
            log.info("outputs_removed", executions=len(rows))
            if self.stopping.is_set():
                return

    def _remove_strays(self) -> None:
        """Remove folders that nobody knows of: their process was killed before it noted a begin.

        What has run is kept as long as what is known: the ledger may be another one by mistake, or
        stand where a backup of it stood.
        """
        if not self._runs.is_dir():
            return
        there = {name for name in os.listdir(self._runs) if _is_own(name)}
        before = self._in_hand()
        strays = there - before - self._retention.known() - self._in_hand()
        for name in sorted(strays):
            folder = RunFolder(self._runs / name)
            held = folder.standing().held
            if held is Held.ALIVE:
                log.warning("stray_execution_runs", folder=name)
            elif held is Held.NEW:
                if folder.give_up("Nobody knows of it."):
                    folder.remove()
            elif _never_ran(folder) or _age(folder) > self._keep_seconds:
                folder.remove()

    def _let_go(self) -> None:
        """Let checkouts go whose executions are over, and remove those that nobody holds."""
        held = self._repository.held()
        live = self._in_hand()
        for commit, names in held.items():
            for name in names - live:
                if _is_own(name):
                    with suppress(RepositoryUnavailable):
                        self._repository.release(commit, name)
        self._repository.prune()


def _never_ran(folder: RunFolder) -> bool:
    with suppress(ValueError):
        return folder.state().get("reason") == "given up"
    return False


def _age(folder: RunFolder) -> float:
    """Give how many seconds ago something was last made or removed in a folder."""
    return time.time() - folder.path.stat().st_mtime


def _is_own(name: str) -> bool:
    """Whether a name is one of an attempt: as we write it, not just any UUID."""
    return is_uuid(name) and name == name.lower()
