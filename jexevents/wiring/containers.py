"""What runs containers on this node, where there is an engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from jexevents.config import Config
from jexevents.engine.client import Engine
from jexevents.engine.containers import Containers
from jexevents.engine.images import Images
from jexevents.executions.queue import Queue
from jexevents.observers import EngineUse
from jexevents.runner.containers.executor import ContainerExecutor, ContainerSettings
from jexevents.runner.containers.health import EngineHealth
from jexevents.runner.containers.images import NodeImages
from jexevents.runner.containers.importing import Importer
from jexevents.runner.containers.sweeping import Sweep
from jexevents.runner.secrets import Secrets
from jexevents.runner.worker import Worker
from jexevents.service import Service
from jexevents.tasks.imports import Imports
from jexevents.wiring.storage import runs_folder


@dataclass(slots=True)
class ContainerParts:
    """The parts that run containers here."""

    executor: ContainerExecutor
    health: EngineHealth
    images: NodeImages
    containers: Containers
    queue: Queue
    importer: Importer
    sweep: Sweep | None = None

    @property
    def services(self) -> Sequence[Service]:
        """Those that are to be started, in their order."""
        return [one for one in (self.health, self.importer, self.sweep) if one is not None]

    def use(self) -> EngineUse:
        """Say how it stands with them; asks nobody."""
        swept = 0 if self.sweep is None else self.sweep.removed
        return EngineUse(self.health.answers, self.images.pulled, self.images.failed, swept)

    def tie(self, worker: Worker) -> None:
        """Have the worker hear of the engine, and what it has left alone."""

        def came() -> None:
            worker.ring()
            self.importer.ring()

        self.health.came = came
        self.sweep = Sweep(
            self.containers,
            self.queue,
            self.queue.ledger_id,
            worker.in_hand,
            worker.wait_recovered,
        )
        self.executor.left = self.sweep.hurry


def container_parts(config: Config, queue: Queue, imports: Imports) -> ContainerParts:
    """Make them, for a node that has an engine."""
    engine = Engine(config.container_engine or None)
    containers = Containers(engine)
    images = NodeImages(
        Images(engine),
        idle_seconds=config.pull_idle_seconds,
        whole_seconds=config.pull_timeout,
    )
    health = EngineHealth(engine)
    settings = ContainerSettings(
        runs_folder(config),
        Secrets(config.job_secrets),
        config.job_max_output,
        config.job_grace_seconds,
        config.node_name,
        lru_cache(maxsize=1)(queue.ledger_id),
        tuple(config.task_mount_folders),
        config.task_networks[0],
    )
    executor = ContainerExecutor(queue, containers, images, health, settings)
    importer = Importer(imports, images, health, config.node_name)
    return ContainerParts(executor, health, images, containers, queue, importer)
