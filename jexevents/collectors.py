"""What can be asked for at any time, turned into metrics when somebody looks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from jexevents.instruments import PREFIX
from jexevents.observers import EngineUse, JobsUse, LedgerUse, PoolUse


class Pools(Collector):
    """The pools of connections, asked when somebody looks."""

    def __init__(self) -> None:
        self._asked: Mapping[str, Callable[[], PoolUse]] = {}

    def watch(self, **pools: Callable[[], PoolUse]) -> None:
        """Show these, by their names."""
        self._asked = pools

    def collect(self) -> Iterable[Metric]:
        """Give what they are doing, as a registry wants it."""
        uses = {name: ask() for name, ask in self._asked.items()}
        connections = _pool_gauge("connections", "Open connections.", "state")
        for pool, use in uses.items():
            connections.add_metric([pool, "lent"], use.lent)
            connections.add_metric([pool, "idle"], use.idle)
        size = _pool_gauge("size", "Connections that it may open.")
        waiting = _pool_gauge("waiting", "Callers that wait for a connection.")
        waits = _pool_counter("waits", "Callers that had to wait for a connection.")
        cut_off = _pool_counter("cut_off", "Transactions that were cut off, taking too long.")
        for pool, use in uses.items():
            size.add_metric([pool], use.size)
            waiting.add_metric([pool], use.waiting)
            waits.add_metric([pool], use.waits)
            cut_off.add_metric([pool], use.cut_off)
        return [connections, size, waiting, waits, cut_off]


class Waiting(Collector):
    """The deliveries of webhooks that wait, as they were counted last."""

    def __init__(self, ask: Callable[[], Mapping[str, int]]) -> None:
        self._ask = ask

    def collect(self) -> Iterable[Metric]:
        """Give how many there are, as a registry wants it."""
        told = "Deliveries of webhooks that are to be sent, all daemons' together."
        pending = GaugeMetricFamily(f"{PREFIX}_hook_pending", told, labels=["hook"])
        for hook, count in self._ask().items():
            pending.add_metric([hook], count)
        return [pending]


class Jobs(Collector):
    """The jobs that are run, as this process has last seen it."""

    def __init__(self, ask: Callable[[], JobsUse]) -> None:
        self._ask = ask

    def collect(self) -> Iterable[Metric]:
        """Give how it stands, as a registry wants it."""
        use = self._ask()
        return [
            _told("execution_slots", "Executions that may run here at once.", use.slots),
            _told("executions_running", "Executions that this node has begun.", use.running),
            _told("executions_waiting", "Executions that nobody has, of all nodes.", use.waiting),
            _told("executions_held", "Executions that somebody has, of all nodes.", use.held),
            _told("schedule_looked_timestamp_seconds", "When it was looked at what is due; 0 for "
                  "never.", use.looked_at),
            _told("repository_fetched_timestamp_seconds", "When the repository of definitions last "
                  "answered; 0 for never.", use.fetched_at),
            _told("repository_fault", "Whether its newest commit is not in force.", use.has_fault),
            _told("worker_draining", "Whether nothing is claimed here any more.", use.draining),
            *_of_kinds(use.of_kinds),
            *_of_engine(use.engine),
        ]  # fmt: skip


class LedgerCounts(Collector):
    """What the ledger holds of those who work with it, as it was counted last."""

    def __init__(self, ask: Callable[[], LedgerUse | None]) -> None:
        self._ask = ask

    def collect(self) -> Iterable[Metric]:
        """Give it, as a registry wants it; without a count of late only that there is none."""
        use = self._ask()
        told = "When the ledger was counted last; 0 where that failed for a minute."
        at = 0.0 if use is None else use.counted_at
        yield _told("ledger_counted_timestamp_seconds", told, at)
        if use is None:
            return
        told = "Processes that run executions, of all machines, by how they stand."
        yield _by("workers", told, "state", use.workers)
        yield _told("workers_slots", "Executions that those which live may run at once.", use.slots)
        yield _by("tasks", "Container tasks by status.", "status", use.tasks)
        yield _told("schedules", "Schedules of the definitions in force.", use.schedules)
        told = "Hooks whose receivers want no more."
        yield _by("hook_disabled", told, "hook", dict.fromkeys(use.disabled, 1))


def _by(name: str, told: str, label: str, counts: Mapping[str, int]) -> Metric:
    family = GaugeMetricFamily(f"{PREFIX}_{name}", told, labels=[label])
    for value, number in counts.items():
        family.add_metric([value], number)
    return family


def _of_kinds(kinds: Mapping[str, int]) -> Iterable[Metric]:
    told = "Executions that this node has begun, by kind."
    family = GaugeMetricFamily(f"{PREFIX}_executions_running_by_kind", told, labels=["kind"])
    for kind, number in kinds.items():
        family.add_metric([kind], number)
    yield family


def _of_engine(use: EngineUse | None) -> Iterable[Metric]:
    if use is None:
        return
    yield _told("engine_up", "Whether the container engine of this node answers.", use.answers)
    told = "Images that the engine was asked to pull, by what became of that."
    pulls = CounterMetricFamily(f"{PREFIX}_image_pulls", told, labels=["outcome"])
    pulls.add_metric(["pulled"], use.pulled)
    pulls.add_metric(["failed"], use.failed)
    yield pulls
    told = "Containers of this ledger that were removed because nobody claims them."
    swept = CounterMetricFamily(f"{PREFIX}_containers_swept", told)
    swept.add_metric([], use.swept)
    yield swept


def _told(name: str, told: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{PREFIX}_{name}", told, value=float(value))


def _pool_gauge(name: str, told: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{PREFIX}_pool_{name}", told, labels=["pool", *labels])


def _pool_counter(name: str, told: str) -> CounterMetricFamily:
    return CounterMetricFamily(f"{PREFIX}_pool_{name}", told, labels=["pool"])
