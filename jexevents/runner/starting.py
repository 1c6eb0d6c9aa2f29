"""Starts what was claimed: its checkout, its environment, its folder, its supervisor."""

from __future__ import annotations

import os
import pwd
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from jexevents.definitions.repository import Standing
from jexevents.errors import (
    JexError,
    NotStarted,
    RepositoryUnavailable,
    SupervisorAway,
    Unavailable,
)
from jexevents.executions.queue import Claimed, Queue
from jexevents.library import LIBRARY
from jexevents.lifecycle.executionid import attempt_id, shortest
from jexevents.logs import get_logger
from jexevents.processes import boot
from jexevents.runner.attempt import Attempt
from jexevents.runner.folder import WORK, RunFolder
from jexevents.runner.launching import Ready
from jexevents.runner.spec import Spec

log = get_logger("runner")

_BIN = "bin"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_GAVE_UP = "Its claim ended before it began"
# Why a commit cannot be had, where that is the fault of this machine and not of the repository.
NODES_OWN = ("disk", "busy")


class CannotRun(JexError):
    """What an execution needs is not there, and will not be by waiting."""


class Checkouts(Protocol):
    """What gives the files of a commit; jexevents.definitions.repository.Repository does."""

    def take(self, commit: str, holder: str) -> Path:
        """Hold the checkout of a commit, and give its top."""

    def release(self, commit: str, holder: str) -> None:
        """End what ``take`` began."""

    def refresh(self) -> Standing:
        """Ask the repository for what is new; give how it stands."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What is the same for all that this node runs.

    ``runs`` is the folder of all executions. ``secrets`` gives the texts of secrets by their names,
    and raises CannotRun for one that cannot be had.
    """

    runs: Path
    secrets: Callable[[tuple[str, ...]], Mapping[str, str]]
    max_output_bytes: int | None
    grace_seconds: float
    public_url: str = ""


class Starter:
    """Starts attempts; its methods can be called by several threads."""

    def __init__(self, queue: Queue, checkouts: Checkouts, settings: Settings) -> None:
        self._queue = queue
        self._checkouts = checkouts
        self._settings = settings
        self._ready = Ready()

    def prepare(self) -> None:
        """Have the first start find a supervisor that is ready."""
        self._ready.prepare()

    def close(self) -> None:
        """End the one that is ready; what is started after this takes longer."""
        self._ready.close()

    def begin(self, claimed: Claimed) -> Attempt | None:
        """Begin what was claimed; None where that was not to be any more.

        What cannot be started is an attempt that failed. Raises RepositoryUnavailable,
        FilesUnavailable, StoreUnavailable: then it has not begun, and another node may do better.
        """
        top = self._take(claimed)
        try:
            spec, problem = self._spec(claimed, top)
            folder = self._folder(claimed, spec)
            begun = self._queue.begin(claimed, boot())
        except BaseException:
            self.release(claimed.run.commit, claimed.job_id, claimed.attempt)
            raise
        if not begun:
            folder.give_up(_GAVE_UP)
            folder.remove()
            self.release(claimed.run.commit, claimed.job_id, claimed.attempt)
            return None
        return self._start(claimed, folder, spec, problem)

    def go_on(self, claimed: Claimed) -> Attempt:
        """Start what is noted as begun, and has certainly not run.

        Nobody else will: so what it needs and cannot have now makes it an attempt that failed.
        """
        try:
            spec, problem = self._spec(claimed, self._take(claimed))
            folder = self._folder(claimed, spec)
        except (Unavailable, OSError) as error:
            attempt = self._attempt(claimed, self._place(claimed))
            _give_up(attempt, str(error))
            return attempt
        return self._start(claimed, folder, spec, problem)

    def release(self, commit: str, job_id: str, attempt: int) -> None:
        """Let the checkout go; raises nothing, for what is not let go now is at the next start."""
        with suppress(RepositoryUnavailable):
            self._checkouts.release(commit, str(attempt_id(job_id, attempt)))

    def _take(self, claimed: Claimed) -> Path:
        holder = str(attempt_id(claimed.job_id, claimed.attempt))
        try:
            return self._checkouts.take(claimed.run.commit, holder)
        except RepositoryUnavailable:
            # Another node had this commit before us.
            standing = self._checkouts.refresh()
        try:
            return self._checkouts.take(claimed.run.commit, holder)
        except RepositoryUnavailable as error:
            raise _with_fault(error, standing.fault) from error

    def _folder(self, claimed: Claimed, spec: Spec | None) -> RunFolder:
        if spec is None:
            # It will have nothing in it: what never began has written nothing.
            return RunFolder.empty(self._place(claimed).path)
        folder = RunFolder.create(self._settings.runs, spec)
        if spec.cwd == str(folder.path / WORK):
            _make_work(folder.path / WORK, spec.user)
        return folder

    def _place(self, claimed: Claimed) -> RunFolder:
        return RunFolder.of(self._settings.runs, claimed.job_id, claimed.attempt)

    def _start(
        self, claimed: Claimed, folder: RunFolder, spec: Spec | None, problem: str
    ) -> Attempt:
        attempt = self._attempt(claimed, folder)
        if spec is None:
            _give_up(attempt, problem)
            return attempt
        try:
            folder.start(spec, ready=self._ready)
        except NotStarted as error:
            _give_up(attempt, str(error))
        except SupervisorAway as error:
            log.warning("start_in_doubt", job=claimed.named.definition,
                        execution=shortest(claimed.named.execution), reason=str(error))  # fmt: skip
        except Exception as error:
            # It is noted as begun: whatever this is, it must not stay so for ever.
            log.exception("start_broken", job=claimed.named.definition)
            _give_up(attempt, f"It could not be started: {error!r}.")
        return attempt

    def _attempt(self, claimed: Claimed, folder: RunFolder) -> Attempt:
        return Attempt(claimed.job_id, claimed.named, claimed.attempt, folder, claimed.run)

    def _spec(self, claimed: Claimed, top: Path) -> tuple[Spec | None, str]:
        """Give what is to be run, or why that cannot be."""
        run, settings = claimed.run, self._settings
        folder = top / run.folder
        try:
            secrets = settings.secrets(tuple(run.secrets))
            spec = Spec(
                id=attempt_id(claimed.job_id, claimed.attempt),
                argv=run.rendered.argv(folder),
                command=run.command,
                cwd=self._workdir(claimed, top),
                env={**_environment(claimed, folder, top), **secrets, **self._told(claimed)},
                timeout_seconds=run.timeout_seconds,
                grace_seconds=settings.grace_seconds,
                max_output_bytes=_limit(run.max_output_bytes, settings.max_output_bytes),
                secrets=tuple(secrets.values()),
                user=run.user,
            )
        except (CannotRun, ValueError) as error:
            return None, str(error)
        return spec, ""

    def _workdir(self, claimed: Claimed, top: Path) -> str:
        if claimed.run.workdir is None:
            return str(self._place(claimed).path / WORK)
        return str(top / claimed.run.workdir)

    def _told(self, claimed: Claimed) -> dict[str, str]:
        told = {
            "JEXEVENTS_JOB": claimed.named.definition,
            "JEXEVENTS_ID": shortest(claimed.named.execution),
            "JEXEVENTS_ATTEMPT": str(claimed.attempt),
            "JEXEVENTS_COMMIT": claimed.run.commit,
        }
        if self._settings.public_url:
            path = f"/jobs/{claimed.named.definition}/{shortest(claimed.named.execution)}"
            told["JEXEVENTS_URL"] = f"{self._settings.public_url}{path}"
        return told


def _with_fault(error: RepositoryUnavailable, fault: JexError | None) -> RepositoryUnavailable:
    """Say beside what cannot be had why the repository does not give it."""
    if not isinstance(fault, RepositoryUnavailable):
        if error.reason != "no-commit":
            return error
        return RepositoryUnavailable(
            f"{error.message} The repository, which is well, has it no more.", reason=error.reason
        )
    reason = fault.reason if fault.reason in NODES_OWN else error.reason
    if str(fault) == str(error):
        return error
    return RepositoryUnavailable(f"{error.message} {fault}", reason=reason)


def _give_up(attempt: Attempt, why: str) -> None:
    """See to it that it does not begin any more; on a full disk, whoever looks later will."""
    with suppress(OSError):
        if attempt.folder.give_up(why):
            attempt.fail(why)


def _limit(own: int | None, of_all: int | None) -> int | None:
    return of_all if own is None else own


def _environment(claimed: Claimed, folder: Path, top: Path) -> dict[str, str]:
    """Give the environment of a job: nothing of the daemon's, and what a login has for its own."""
    run = claimed.run
    own = {
        "LANG": "C.UTF-8",
        **_of_user(run.user),
        **run.env,
        "JEXEVENTS_CHECKOUT": str(top),
    }
    own["PATH"] = f"{LIBRARY}:{folder / _BIN}:{run.env.get('PATH', _PATH)}"
    return own


def _of_user(user: str | None) -> dict[str, str]:
    try:
        if user is None:
            entry = pwd.getpwuid(os.geteuid())
        else:
            entry = pwd.getpwuid(int(user)) if user.isdigit() else pwd.getpwnam(user)
    except (KeyError, OverflowError):
        # The supervisor says that there is no such user.
        return {"HOME": "/", "SHELL": "/bin/sh"}
    return {
        "HOME": entry.pw_dir,
        "SHELL": "/bin/sh",
        "USER": entry.pw_name,
        "LOGNAME": entry.pw_name,
    }


def _make_work(path: Path, user: str | None) -> None:
    path.mkdir(mode=0o700, exist_ok=True)
    if user is not None and os.geteuid() == 0:
        with suppress(LookupError, OSError, ValueError):
            shutil.chown(path, int(user) if user.isdigit() else user)
