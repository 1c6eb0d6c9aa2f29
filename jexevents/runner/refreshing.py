"""Fetches the repository of definitions every so often, and when somebody asks for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

from jexevents.definitions.definition import DefinitionsRefused
from jexevents.definitions.repository import Repository, Source, Standing
from jexevents.errors import JexError, Unavailable
from jexevents.logs import get_logger
from jexevents.service import Service
from jexevents.store.executions import Executions

log = get_logger("repository")

_SHOWN_PROBLEMS = 20
_TELL_SECONDS = 5.0


class Refresher(Service):
    """Keeps the definitions in force up to date; ``changed`` is called when they are others.

    What is in force is told to all daemons, which schedule by the newest.
    """

    def __init__(
        self,
        repository: Repository,
        source: Source,
        executions: Executions,
        node: str,
        *,
        every_seconds: float,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__("repository")
        self._repository = repository
        self._source = source
        self._executions = executions
        self._node = node
        self._every_seconds = every_seconds
        self._changed = changed
        self._asked = threading.Event()
        self._done = threading.Condition()
        self._begun = self._finished = 0
        self._untold: tuple[str, bool] | None = None
        self._said: str | None = None

    @property
    def standing(self) -> Standing:
        """How the repository stands."""
        return self._repository.standing

    @property
    def source(self) -> Mapping[str, str]:
        """Where it is: url, branch, folder."""
        given = self._source
        return {"url": given.url, "branch": given.branch, "folder": given.folder}

    def refresh(self, seconds: float) -> bool:
        """Have it fetched now; False where that is not done after so many seconds."""
        with self._done:
            # One that is under way may have asked before what was pushed since.
            wanted = self._begun + 1
            self._asked.set()
            return self._done.wait_for(lambda: self._finished >= wanted, seconds)

    def ask(self) -> None:
        """Have it fetched soon; never blocks."""
        self._asked.set()

    def run(self) -> None:
        """Fetch until stopped."""
        standing = self._repository.open()
        if standing.in_force is not None:
            # It may be older than what other daemons have fetched meanwhile.
            self._note(standing.in_force.id, only_first=True)
        self._tell()
        if standing.in_force is not None:
            # What became due while nobody was there waits for no fetch.
            self._changed()
        while not self.stopping.is_set():
            self._refresh()
            self._pause()

    def interrupt(self) -> None:
        """Wake it, and end what git does."""
        self._asked.set()
        self._repository.close()

    def _pause(self) -> None:
        end = time.monotonic() + self._every_seconds
        while (left := end - time.monotonic()) > 0:
            if self._asked.wait(min(left, _TELL_SECONDS) if self._untold else left):
                self._asked.clear()
                return
            self._tell()

    def _refresh(self) -> None:
        with self._done:
            self._begun += 1
        before = self._repository.standing.in_force
        try:
            standing = self._repository.refresh()
            self._tell_fault(standing)
            after = standing.in_force
            if after is not None and (before is None or before.id != after.id):
                log.info("definitions_in_force", commit=after.id, jobs=len(after.definitions),
                         forced=standing.forced)  # fmt: skip
                self._note(after.id, only_first=False)
                self._tell()
                # Behind that: who looks now finds what all go by.
                self._changed()
            self._tell()
        except OSError as error:
            log.error("repository_not_read", reason=str(error))
        finally:
            with self._done:
                self._finished = self._begun
                self._done.notify_all()

    def _note(self, commit: str, *, only_first: bool) -> None:
        self._untold = commit, only_first

    def _tell(self) -> None:
        """Tell the other daemons what is in force; where that cannot be now, later."""
        if self._untold is None:
            return
        commit, only_first = self._untold
        try:
            self._executions.put_in_force(commit, self._node, only_first=only_first)
            self._untold = None
        except Unavailable as error:
            log.debug("definitions_not_told", reason=str(error))

    def _tell_fault(self, standing: Standing) -> None:
        """Say what is wrong once, not each time that it is looked at."""
        fault = standing.fault
        said = None if fault is None else f"{standing.fetched} {fault}"
        if said == self._said:
            return
        self._said = said
        if fault is None:
            log.info("repository_well", commit=standing.fetched)
            return
        log.warning("repository_fault", reason=str(fault), problems=_problems(fault),
                    in_force=standing.in_force and standing.in_force.id)  # fmt: skip


def _problems(fault: JexError) -> list[str]:
    if not isinstance(fault, DefinitionsRefused):
        return []
    return [str(problem) for problem in fault.problems[:_SHOWN_PROBLEMS]]
