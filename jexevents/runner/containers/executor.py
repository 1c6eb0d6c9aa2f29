"""Runs executions in containers of this node's engine."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from jexevents.engine.containers import Containers
from jexevents.engine.specs import Bind, Spec
from jexevents.errors import CannotRun, EngineUnavailable, FilesUnavailable, JexError
from jexevents.executions.queue import Claimed, Queue, Unsettled
from jexevents.executions.run import ContainerRun, Mount
from jexevents.lifecycle.executionid import attempt_id
from jexevents.logs import get_logger
from jexevents.model import Kind
from jexevents.processes import boot
from jexevents.runner.containers.attempt import ContainerAttempt
from jexevents.runner.containers.health import EngineHealth
from jexevents.runner.containers.images import NodeImages
from jexevents.runner.containers.laststate import LastState
from jexevents.runner.containers.life import Wanted
from jexevents.runner.folder import RunFolder

log = get_logger("runner")

# What the labels of our containers begin with.
LABEL = "jexevents."
LEDGER, NODE, JOB, ATTEMPT = (f"{LABEL}{name}" for name in ("ledger", "node", "job", "attempt"))
_PREFIX = "jexevents-"
_NANO = 1_000_000_000


@dataclass(frozen=True, slots=True)
class ContainerSettings:
    """What is the same for all containers of this node.

    ``runs`` is the folder of all executions; ``secrets`` gives the texts of secrets by their names,
    and raises CannotRun for one that cannot be had. ``ledger`` gives the id of the ledger, and
    raises StoreUnavailable. Mounts are allowed below ``mount_folders`` alone; ``network`` is that
    of containers that name none.
    """

    runs: Path
    secrets: Callable[[tuple[str, ...]], Mapping[str, str]]
    max_output_bytes: int | None
    grace_seconds: float
    node: str
    ledger: Callable[[], str]
    mount_folders: tuple[str, ...] = ()
    network: str = "none"


class ContainerExecutor:
    """Runs containers; see ``Executor``."""

    kind = Kind.CONTAINER
    # A start waits for the engine, or for a pull.
    threads = 64

    def __init__(
        self,
        queue: Queue,
        containers: Containers,
        images: NodeImages,
        health: EngineHealth,
        settings: ContainerSettings,
    ) -> None:
        self._queue = queue
        self._containers = containers
        self._images = images
        self._health = health
        self._settings = settings
        # Called when a container could not be removed.
        self.left: Callable[[], None] = lambda: None

    @property
    def takes(self) -> bool:
        """Whether the engine answers."""
        return self._health.answers

    def prepare(self) -> None:
        """Do nothing: the engine is there, or is not."""

    def close(self) -> None:
        """End pulls that are under way; containers run on."""
        self._images.stop()

    def begin(self, claimed: Claimed) -> ContainerAttempt | None:
        """Begin what was claimed; None where that was not to be any more.

        Raises EngineUnavailable, ImageUnavailable, FilesUnavailable, StoreUnavailable: then it has
        not begun, and another node may do better.
        """
        try:
            self._images.need(claimed.run)
        except EngineUnavailable as error:
            self._health.missed(error)
            raise
        folder = RunFolder.empty(self._place(claimed.job_id, claimed.attempt))
        try:
            LastState(folder.path).reserve()
        except OSError as error:
            folder.remove()
            raise FilesUnavailable(
                f"There is no room for its end in {folder.path}: {error.strerror}."
            ) from error
        attempt = self._attempt(claimed, boot())
        if not self._queue.begin(claimed, boot()):
            folder.remove()
            return None
        attempt.look()
        return attempt

    def go_on(self, claimed: Claimed) -> ContainerAttempt:
        """Take it up: whatever it needs, its thread waits for."""
        return self._attempt(claimed, boot())

    def adopt(self, one: Unsettled) -> tuple[ContainerAttempt, bool]:
        """Take up what was begun here: its thread finds out how far it came."""
        claimed = Claimed(one.job_id, one.named, one.attempt, 0, one.run)
        RunFolder.empty(self._place(one.job_id, one.attempt))
        return self._attempt(claimed, one.boot, one.sequence), False

    def clean(self, attempt: ContainerAttempt) -> None:
        """Remove the container, whose end is in the ledger; one that cannot be removed now is by
        the sweep."""
        try:
            self._containers.remove(attempt.wanted.name, force=True)
        except JexError as error:
            log.debug("container_left", container=attempt.wanted.name, reason=str(error))
            self.left()

    def _place(self, job_id: str, attempt: int) -> Path:
        return self._settings.runs / str(attempt_id(job_id, attempt))

    def _attempt(self, claimed: Claimed, begun_in: str, sequence: int = 0) -> ContainerAttempt:
        wanted = self._wanted(claimed, begun_in)
        return ContainerAttempt(
            claimed.job_id,
            claimed.named,
            claimed.attempt,
            claimed.run,
            self._containers,
            wanted,
            sequence,
        )

    def _wanted(self, claimed: Claimed, begun_in: str) -> Wanted:
        settings, run = self._settings, claimed.run
        folder = self._place(claimed.job_id, claimed.attempt)
        name = _PREFIX + folder.name
        if run is None:
            return Wanted(name, folder, None, begun_in=begun_in)
        secrets, problem = self._secrets(run)
        limit = run.max_output_bytes

        def spec() -> Spec:
            if problem is not None:
                raise problem
            self._images.need(run)
            return self._spec(claimed, name, secrets)

        return Wanted(
            name,
            folder,
            spec,
            secrets=tuple(secrets.values()),
            timeout_seconds=run.timeout_seconds,
            grace_seconds=settings.grace_seconds,
            max_output_bytes=settings.max_output_bytes if limit is None else limit,
            memory_bytes=run.memory_bytes,
            begun_in=begun_in,
        )

    def _secrets(self, run: ContainerRun) -> tuple[Mapping[str, str], JexError | None]:
        try:
            return self._settings.secrets(tuple(run.secrets)), None
        except CannotRun as error:
            return {}, error

    def _spec(self, claimed: Claimed, name: str, secrets: Mapping[str, str]) -> Spec:
        run = claimed.run
        return Spec(
            name=name,
            image=self._images.asked(run),
            labels=self._labels(claimed),
            command=run.command,
            entrypoint=run.entrypoint,
            environment={**run.environment, **secrets, **_told(claimed)},
            workdir=run.workdir,
            user=run.user,
            binds=[self._bind(mount) for mount in run.mounts],
            memory_bytes=run.memory_bytes,
            nano_cpus=None if run.cpus is None else round(run.cpus * _NANO),
            network=run.network or self._settings.network,
        )

    def _labels(self, claimed: Claimed) -> dict[str, str]:
        return {
            LEDGER: self._settings.ledger(),
            NODE: self._settings.node,
            JOB: claimed.job_id,
            ATTEMPT: str(claimed.attempt),
            f"{LABEL}execution": claimed.named.text,
            f"{LABEL}task": claimed.named.definition,
        }

    def _bind(self, mount: Mount) -> Bind:
        """Give a mount as the engine takes it. Raises CannotRun where it leads out of the folders
        that may be mounted, by a link too."""
        real = os.path.realpath(mount.source)
        allowed = [os.path.realpath(folder) for folder in self._settings.mount_folders]
        if not any(real == folder or real.startswith(f"{folder}/") for folder in allowed):
            raise CannotRun(
                f"{mount.source} may not be mounted on this node.",
                remedy="TaskMountFolders names the folders below which it may be.",
            )
        return Bind(real, mount.target, mount.read_only)


def _told(claimed: Claimed) -> dict[str, str]:
    """Give what a container is told of itself."""
    result, _, number = claimed.named.detail.partition("/")
    return {
        "JEXEVENTS_TASK": claimed.named.definition,
        "JEXEVENTS_RESULT": result,
        "JEXEVENTS_DETAIL": number,
        "JEXEVENTS_ATTEMPT": str(claimed.attempt),
    }
