"""What runs jobs: the repository, the queue, the worker, and what they have in common."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from jexevents.broker import wake as broker_wake
from jexevents.config import Config
from jexevents.definitions.repository import Commit, Repository, Source, Standing
from jexevents.errors import ConfigError, RepositoryUnavailable
from jexevents.executions.bell import Bell
from jexevents.executions.chaining import Chain
from jexevents.executions.control import Control
from jexevents.executions.orders import Orders
from jexevents.executions.queue import Queue
from jexevents.executions.requests import Requests
from jexevents.executions.retention import Retention
from jexevents.executions.telling import tell
from jexevents.observers import NOBODY, JobsUse, RunObserver
from jexevents.runner import owning
from jexevents.runner.commands import CommandExecutor, Settings
from jexevents.runner.executor import Executor
from jexevents.runner.keeping import Keeper
from jexevents.runner.refreshing import Refresher
from jexevents.runner.scheduler import Looks, Scheduler
from jexevents.runner.secrets import Secrets
from jexevents.runner.worker import Worker
from jexevents.service import Service
from jexevents.store.database import Database
from jexevents.store.definition_hooks import depth
from jexevents.store.executions import Executions
from jexevents.store.ledger import Wake, nobody_waits
from jexevents.store.results import Results
from jexevents.tasks.cancelling import Cancels
from jexevents.tasks.imports import Imports
from jexevents.tasks.parameters import Policy
from jexevents.tasks.registry import Registry
from jexevents.tasks.runs import Runs
from jexevents.wiring.engines import has_engine
from jexevents.wiring.storage import runs_folder
from jexevents.wiring.writing import ledger

if TYPE_CHECKING:
    from jexevents.wiring.containers import ContainerParts

_DAY_SECONDS = 86400.0
# What daemons ring each other for: something waits, something is ordered, something was told.
_QUEUE, _ORDERS, _TOLD = "queue", "orders ", "told"


class NoRepository:
    """Stands for the repository where none is configured: nothing is in force."""

    def __init__(self) -> None:
        fault = RepositoryUnavailable(
            "No repository is configured.", reason="none", remedy="Set JobsRepository."
        )
        self.standing = Standing(fault=fault)

    def at(self, _commit: str) -> Commit:
        """Raise RepositoryUnavailable."""
        raise self.standing.fault

    def take(self, _commit: str, _holder: str) -> Path:
        """Raise RepositoryUnavailable."""
        raise self.standing.fault

    def release(self, commit: str, holder: str) -> None:
        """Do nothing: the holds are let go by who has a repository again."""

    def refresh(self) -> Standing:
        """Do nothing; say how it stands."""
        return self.standing

    def held(self) -> dict[str, set[str]]:
        """Give none: no checkouts are known."""
        return {}

    def prune(self) -> None:
        """Do nothing."""


@dataclass(slots=True)
class Links:
    """What those who ask for executions and those who run them have in common.

    ``ring`` says that something waits in the queue, ``ring_node`` that something is ordered of a
    node, ``ring_told`` that something was told to the ledger.
    """

    repository: Repository | NoRepository = field(default_factory=NoRepository)
    bell: Bell = field(default_factory=Bell)
    ring: Callable[[], None] = lambda: None
    ring_node: Callable[[str], None] = lambda _node: None
    ring_told: Callable[[], None] = lambda: None
    fetching: Refresher | None = None


def source(config: Config) -> Source:
    """Give where the definitions are. Raises ConfigError."""
    try:
        return Source(config.jobs_repository, config.jobs_branch, config.jobs_folder)
    except ValueError as error:
        raise ConfigError(
            f"The repository of jobs cannot be used: {error}.",
            remedy="Look at JobsRepository, JobsBranch and JobsFolder.",
        ) from error


def repository(config: Config) -> Repository | NoRepository:
    """Give the repository of definitions; nothing is fetched by that. Raises ConfigError."""
    if not config.jobs_repository:
        return NoRepository()
    return Repository(source(config), Path(config.jobs_dir) / "repositories", config.node_name)


def owned(config: Config) -> AbstractContextManager[None]:
    """Keep the folder of jobs for this process and node, where it runs any. Raises ConfigError."""
    if not runs_any(config):
        return nullcontext()
    return owning.owned(Path(config.jobs_dir), runs_folder(config), config.node_name)


@dataclass(frozen=True, slots=True)
class JobParts:
    """Makes the parts over one pool; ``wake`` is called when something is to be sent to hooks."""

    config: Config
    database: Database
    links: Links
    wake: Wake = nobody_waits
    ended: Callable[[str], None] = lambda _end: None
    observer: RunObserver = NOBODY

    def executions(self) -> Executions:
        """Give what reads executions."""
        return Executions(self.database)

    def requests(self) -> Requests:
        """Give what takes executions that are asked for."""
        return Requests(
            ledger(self.config, self.database, self.wake),
            self.links.repository,
            self.config.node_name,
            self._rung,
            tell=tell,
            wake=self.wake,
            make_room=self.orders().make_room,
        )

    def queue(self) -> Queue:
        """Give the queue as this node sees it."""
        return Queue(
            ledger(self.config, self.database, self.wake),
            self.database,
            self.config.node_name,
            tell=tell,
            wake=self.wake,
            ring=self._rung,
            ended=self.ended,
            observer=self.observer,
        )

    def orders(self) -> Orders:
        """Give the orders as this node sees them."""
        links = self.links
        return Orders(
            self.database,
            self.queue(),
            self.config.node_name,
            links.bell,
            lambda node: links.ring_node(node),
        )

    def control(self) -> Control:
        """Give what creates events of executions."""
        return Control(
            ledger(self.config, self.database, self.wake),
            self.executions(),
            self.queue(),
            self.orders(),
        )

    def registry(self) -> Registry:
        """Give what registers container tasks."""
        return Registry(self.database, self._rung)

    def runs(self) -> Runs:
        """Give what takes runs of container tasks that are asked for."""
        config = self.config
        policy = Policy(config.task_mount_folders, config.task_networks, config.task_max_times)
        written = ledger(config, self.database, self.wake)
        return Runs(written, Results(self.database), policy, self._rung)

    def cancels(self) -> Cancels:
        """Give what cancels runs of container tasks."""
        return Cancels(Results(self.database), self.control())

    def imports(self) -> Imports:
        """Give the images that are to be imported."""
        return Imports(self.database, self._rung, lambda: _told(self.links))

    def _rung(self) -> None:
        # Looked up when it rings: the worker that hears it is made of this.
        self.links.ring()
        self.links.bell.ring()


def _told(links: Links) -> None:
    links.bell.ring()
    links.ring_told()


def run_job(config: Config, database: Database, links: Links, wake: Wake) -> Chain | None:
    """Give what starts jobs for hooks, None where no repository is configured."""
    if not isinstance(links.repository, Repository):
        return None
    requests = JobParts(config, database, links, wake).requests()
    return Chain(requests, partial(depth, database))


@dataclass(slots=True)
class Running:
    """The services that run jobs on this node; there are no refresher and scheduler where no
    repository is configured, and no ``containers`` without an engine."""

    worker: Worker
    keeper: Keeper
    others: broker_wake.Wake
    refresher: Refresher | None = None
    scheduler: Scheduler | None = None
    containers: ContainerParts | None = None

    @property
    def services(self) -> Collection[Service]:
        """All of them, in the order in which they are started."""
        containers = () if self.containers is None else self.containers.services
        each = (self.others, self.refresher, *containers, self.worker, self.keeper, self.scheduler)
        return [one for one in each if one is not None]

    def ring(self) -> None:
        """Say that something may wait, in the queue or among the imports."""
        self.worker.ring()
        if self.containers is not None:
            self.containers.importer.ring()

    def stop_early(self) -> None:
        """Have those stop that take long to, before all others."""
        if self.refresher is not None:
            self.refresher.stop()

    def use(self) -> JobsUse:
        """Say how it stands with them; asks nobody."""
        waiting, held = self.worker.depth
        standing = Standing() if self.refresher is None else self.refresher.standing
        fetched = standing.fetched_at
        return JobsUse(
            self.worker.slots,
            self.worker.running,
            waiting,
            held,
            0.0 if self.scheduler is None else self.scheduler.looked_at,
            0.0 if fetched is None else fetched.timestamp(),
            standing.fault is not None,
            self.worker.draining,
            self.worker.running_of_kinds,
            None if self.containers is None else self.containers.use(),
        )


def running(
    config: Config,
    database: Database,
    links: Links,
    wake: Wake,
    require_store: Callable[[], None],
    ended: Callable[[str], None] = lambda _end: None,
    *,
    schedules: bool = True,
    observer: RunObserver = NOBODY,
) -> Running | None:
    """Make what runs jobs here, and tie it to ``links``; None where nothing is run from here.

    What was begun while there was a repository is looked after without one too. ``database`` is a
    pool of its own; ``ended`` hears how attempts end, ``observer`` how long they took, and what
    became of what was due. Only who ``schedules`` keeps definitions in force, and starts what is
    due by them.
    """
    if not runs_any(config):
        return None
    parts = JobParts(config, database, links, wake, ended, observer)
    containers = _container_parts(parts)
    worker = _worker(parts, containers, require_store)
    keeper = Keeper(
        Retention(database, config.node_name),
        links.repository,
        runs_folder(config),
        keep_seconds=config.output_retention_days * _DAY_SECONDS,
        in_hand=worker.in_hand,
        ready=worker.wait_recovered,
    )
    own = config.node_name
    others = _others(config, lambda topic: _woken(topic, own, links, made))
    made = Running(worker, keeper, others, containers=containers)
    if containers is not None:
        containers.tie(worker)
    if schedules and isinstance(links.repository, Repository):
        made.scheduler, made.refresher = _scheduled(parts, links.repository, require_store)
        links.fetching = made.refresher
    _tie(links, own, made)
    return made


def ringing(config: Config, links: Links) -> broker_wake.Wake:
    """Make what rings for workers elsewhere, and hears of them, where nothing is run from here, and
    tie it to ``links``."""
    others = _others(config, lambda _topic: links.bell.ring())
    links.ring = lambda: others.ring(_QUEUE)
    links.ring_node = lambda node: others.ring(_ORDERS + node)
    links.ring_told = lambda: others.ring(_TOLD)
    return others


def _others(config: Config, woken: Callable[[str], None]) -> broker_wake.Wake:
    return broker_wake.Wake(
        config.amqp_uri,
        broker_wake.exchange_of(config.queue_name),
        woken,
        name=f"jexevents {config.node_name}",
        reconnect_max_seconds=config.reconnect_max_seconds,
    )


def _scheduled(
    parts: JobParts, found: Repository, require_store: Callable[[], None]
) -> tuple[Scheduler, Refresher]:
    config = parts.config
    scheduler = Scheduler(
        Looks(
            parts.database,
            lambda: found.standing.in_force,
            parts.requests().request,
            observer=parts.observer,
        ),
        require_store=require_store,
    )
    refresher = Refresher(
        found,
        source(config),
        parts.executions(),
        config.node_name,
        every_seconds=config.jobs_refresh_seconds,
        changed=scheduler.wake,
    )
    return scheduler, refresher


def _container_parts(parts: JobParts) -> ContainerParts | None:
    if not has_engine(parts.config):
        return None
    # Only here: docker's library takes long to load, and most daemons have no engine.
    from jexevents.wiring.containers import container_parts

    return container_parts(parts.config, parts.queue(), parts.imports())


def _worker(
    parts: JobParts, containers: ContainerParts | None, require_store: Callable[[], None]
) -> Worker:
    config, links, queue = parts.config, parts.links, parts.queue()
    takes = isinstance(links.repository, Repository)
    executors: list[Executor] = [
        CommandExecutor(queue, links.repository, _settings(config), takes=takes)
    ]
    if containers is not None:
        executors.append(containers.executor)
    return Worker(
        queue,
        parts.orders(),
        executors,
        slots=config.worker_slots,
        labels=config.worker_labels,
        lost_after_seconds=config.lost_after,
        require_store=require_store,
        told=lambda: _told(links),
    )


def runs_any(config: Config) -> bool:
    """Whether executions are run here, or were and are to be looked after."""
    return can_run(config) or _has_runs(config)


def can_run(config: Config) -> bool:
    """Whether there is anything here that could be run: definitions, or an engine."""
    return bool(config.jobs_repository) or has_engine(config)


def _has_runs(config: Config) -> bool:
    with suppress(OSError):
        return any(runs_folder(config).iterdir())
    return False


def _settings(config: Config) -> Settings:
    return Settings(
        runs_folder(config),
        Secrets(config.job_secrets),
        config.job_max_output,
        config.job_grace_seconds,
        config.public_url or "",
    )


def _tie(links: Links, own: str, made: Running) -> None:
    """Have those who ask for something ring for this worker, and for those of other nodes."""
    worker, others = made.worker, made.others

    def ring() -> None:
        made.ring()
        others.ring(_QUEUE)

    def ring_node(node: str) -> None:
        if node == own:
            worker.ring_orders()
        else:
            others.ring(_ORDERS + node)

    links.ring, links.ring_node = ring, ring_node
    links.ring_told = lambda: others.ring(_TOLD)


def _woken(topic: str, own: str, links: Links, made: Running) -> None:
    """Do what another daemon has rung for."""
    if topic == _QUEUE:
        made.ring()
    elif topic == _ORDERS + own:
        made.worker.ring_orders()
    links.bell.ring()
