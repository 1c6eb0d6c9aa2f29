"""The outputs of all attempts in a runs folder, for those who give them to others."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from uuid import UUID

from jexevents.executions.outputs import Standing
from jexevents.runner.folder import Held, RunFolder
from jexevents.runner.output import Follower, RunOutput, Snapshot

_STANDINGS = {
    Held.NEW: Standing.NEW,
    Held.ALIVE: Standing.RUNNING,
    Held.ENDED: Standing.OVER,
    Held.LOST: Standing.OVER,
}


class AttemptOutput:
    """What the attempt in ``folder`` wrote, and whether that is all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def is_there(self) -> bool:
        """Whether the folder is there at all."""
        return self._folder.is_dir()

    def standing(self) -> Standing:
        """Say whether it has begun, and whether more can come. Who asks first and then reads has
        read all, where that says that it is over."""
        return _STANDINGS[RunFolder(self._folder).standing().held]

    def snapshot(self, which: str) -> AbstractContextManager[Snapshot]:
        """Give what has come by now of stdout, stderr or output (both)."""
        return RunOutput(self._folder).snapshot(which)

    def follow(self, which: str, start: int) -> Follower:
        """Give what reads from ``start`` on, as it comes."""
        return Follower(self._folder, which, start)


class RunOutputs:
    """Finds the output of an attempt below the folder ``runs``."""

    def __init__(self, runs: Path) -> None:
        self._runs = runs

    def of(self, attempt: UUID) -> AttemptOutput:
        """Give the output of the attempt with this id (``executionid.attempt_id``)."""
        return AttemptOutput(self._runs / str(attempt))
