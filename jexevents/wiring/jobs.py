"""What runs jobs: the repository, the queue, the worker, and what they have in common."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

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
from jexevents.observers import JobsUse
from jexevents.runner import owning
from jexevents.runner.keeping import Keeper
from jexevents.runner.refreshing import Refresher
from jexevents.runner.scheduler import Looks, Scheduler
from jexevents.runner.secrets import Secrets
from jexevents.runner.starting import Settings, Starter
from jexevents.runner.worker import Worker
from jexevents.service import Service
from jexevents.store.database import Database
from jexevents.store.definition_hooks import depth
from jexevents.store.executions import Executions
from jexevents.store.ledger import Wake, nobody_waits
from jexevents.wiring.writing import ledger

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


def owned(config: Config, links: Links) -> AbstractContextManager[None]:
    """Keep the folder of jobs for this process and node, where it runs any. Raises ConfigError."""
    if not isinstance(links.repository, Repository) and not _has_runs(config):
        return nullcontext()
    return owning.owned(Path(config.jobs_dir), runs_folder(config), config.node_name)


def runs_folder(config: Config) -> Path:
    """Give the folder of what executions write on this node."""
    return Path(config.jobs_dir) / "runs"


@dataclass(frozen=True, slots=True)
class JobParts:
    """Makes the parts over one pool; ``wake`` is called when something is to be sent to hooks."""

    config: Config
    database: Database
    links: Links
    wake: Wake = nobody_waits
    ended: Callable[[str], None] = lambda _end: None

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
    """The services that run jobs on this node."""

    worker: Worker
    refresher: Refresher
    keeper: Keeper
    scheduler: Scheduler
    others: broker_wake.Wake

    @property
    def services(self) -> Collection[Service]:
        """All of them, in the order in which they are started."""
        return (self.others, self.refresher, self.worker, self.keeper, self.scheduler)

    def use(self) -> JobsUse:
        """Say how it stands with them; asks nobody."""
        standing, (waiting, held) = self.refresher.standing, self.worker.depth
        fetched = standing.fetched_at
        return JobsUse(
            self.worker.slots,
            self.worker.running,
            waiting,
            held,
            self.scheduler.looked_at,
            0.0 if fetched is None else fetched.timestamp(),
            standing.fault is not None,
        )


def running(
    config: Config,
    database: Database,
    links: Links,
    wake: Wake,
    require_store: Callable[[], None],
    ended: Callable[[str], None] = lambda _end: None,
) -> Running | None:
    """Make what runs jobs here, and tie it to ``links``; None where no repository is configured.

    ``database`` is a pool of its own; ``ended`` hears how attempts end.
    """
    found = links.repository
    if not isinstance(found, Repository):
        return None
    parts = JobParts(config, database, links, wake, ended)
    own = config.node_name
    worker = _worker(parts, config.worker_slots, require_store)
    scheduler = Scheduler(
        Looks(database, lambda: found.standing.in_force, parts.requests().request),
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
    keeper = Keeper(
        Retention(database, config.node_name),
        found,
        runs_folder(config),
        keep_seconds=config.output_retention_days * _DAY_SECONDS,
        in_hand=worker.in_hand,
        ready=worker.wait_recovered,
    )
    links.fetching = refresher
    others = broker_wake.Wake(
        config.amqp_uri,
        broker_wake.exchange_of(config.queue_name),
        lambda topic: _woken(topic, own, links, worker),
        name=f"jexevents {own}",
        reconnect_max_seconds=config.reconnect_max_seconds,
    )
    _tie(links, own, worker, others)
    return Running(worker, refresher, keeper, scheduler, others)


def looking_after(
    config: Config,
    database: Database,
    links: Links,
    wake: Wake,
    require_store: Callable[[], None],
    ended: Callable[[str], None] = lambda _end: None,
) -> Worker | None:
    """Make what looks after executions that this node has begun, where no repository is configured
    any more: what runs has its end told. None where nothing was ever run here."""
    if isinstance(links.repository, Repository) or not _has_runs(config):
        return None
    return _worker(JobParts(config, database, links, wake, ended), 0, require_store)


def _worker(parts: JobParts, slots: int, require_store: Callable[[], None]) -> Worker:
    config, links, queue = parts.config, parts.links, parts.queue()
    settings = _settings(config)
    return Worker(
        queue,
        parts.orders(),
        Starter(queue, links.repository, settings),
        settings,
        slots=slots,
        lost_after_seconds=config.lost_after,
        require_store=require_store,
        told=lambda: _told(links),
    )


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


def _tie(links: Links, own: str, worker: Worker, others: broker_wake.Wake) -> None:
    """Have those who ask for something ring for this worker, and for those of other nodes."""

    def ring() -> None:
        worker.ring()
        others.ring(_QUEUE)

    def ring_node(node: str) -> None:
        if node == own:
            worker.ring_orders()
        else:
            others.ring(_ORDERS + node)

    links.ring, links.ring_node = ring, ring_node
    links.ring_told = lambda: others.ring(_TOLD)


def _woken(topic: str, own: str, links: Links, worker: Worker) -> None:
    """Do what another daemon has rung for."""
    if topic == _QUEUE:
        worker.ring()
    elif topic == _ORDERS + own:
        worker.ring_orders()
    links.bell.ring()
