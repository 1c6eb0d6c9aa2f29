"""What is counted and measured of one process, for /metrics; docs/metrics.md tells each of them.

Whoever works reports in the words of ``observers``; what can be asked for at any time (the pools,
the queue, what is in hand) is asked for when somebody looks.
"""

from __future__ import annotations

import time
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from jexevents.instruments import PREFIX, Instruments
from jexevents.model import Event, Outcome, Reason, Reject
from jexevents.observers import AWAY, FAILED, REFUSED, TOO_SLOW, EngineUse, JobsUse, PoolUse

DOORS = ("amqp", "http")
ENDS = ("complete", "fail", "killed", "time-out", "lost", "cancelled")

_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
_STORE_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
_WAIT_SECONDS = (0.01, 0.02, 0.03, 0.05, 0.1, 0.15, 0.3, 0.5, 1, 3, 10, 60, 600)
_HOOK_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 60)
# What a try was, by the state that the delivery has after it.
_TRIED = {"delivered": "delivered", "pending": "failed", "dead": "dead"}


class Metrics(Instruments):
    """The instruments of a process that works with the ledger.

    An observer of the ingest, of the consumer, of the sidecar and of the webhooks.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._clock = clock
        self._events()
        self._batches()
        self._consumer()
        self.pools = _Pools()
        self.registry.register(self.pools)
        self._hooks()
        self._executions()
        self.database_up = self._gauge("database_up", "Whether PostgreSQL answers and may be used.")

    # --- what is reported

    def stored(
        self, origin: str, read: Sequence[Event | Reject], outcomes: Sequence[Outcome]
    ) -> None:
        """Count what a transaction stored, and tell how old the newest of it is."""
        door = origin.partition(":")[0]
        for outcome in Outcome:
            if number := outcomes.count(outcome):
                self.events.labels(door, outcome.value).inc(number)
        for reason, number in Tally(one.reason for one in read if isinstance(one, Reject)).items():
            self.rejects.labels(reason.value).inc(number)
        times = [one.occurred_at for one in read if isinstance(one, Event)]
        if times and door == "amqp":
            self.lag.set(self._clock() - max(times).timestamp())

    def unknown_type(self) -> None:
        """Count an event of SMRT Link whose type has no schema."""
        self.unknown_types.inc()

    def batch_kept(self, messages: int, store_seconds: float, wait_seconds: float) -> None:
        """Measure a batch of the consumer that is stored."""
        self.batch_messages.observe(messages)
        self.batch_store.observe(store_seconds)
        self.batch_wait.observe(max(0.0, wait_seconds))
        self.last_batch.set(self._clock())

    def batch_failed(self, kind: str) -> None:
        """Count a batch that was not stored as it was."""
        self.batch_failures.labels(kind).inc()

    def reconnected(self) -> None:
        """Count a connection after the first."""
        self.reconnects.inc()

    def sent(self, hook: str, state: str, seconds: float) -> None:
        """Count and measure a try of a webhook's delivery."""
        self.hook_tries.labels(hook, _TRIED[state]).inc()
        self.hook_seconds.labels(hook).observe(seconds)

    def attempt_ended(self, end: str) -> None:
        """Count an attempt of an execution that is over; ``end`` is one of ``ENDS``."""
        self.execution_ends.labels(end).inc()

    def leave_out_consumer(self) -> None:
        """Show nothing of queue and batches: this process consumes none."""
        for one in (
            self.lag, self.batch_messages, self.batch_store, self.batch_wait, self.batch_failures,
            self.last_batch, self.connected, self.reconnects, self.in_hand_messages,
            self.in_hand_bytes, self.queue_messages, self.queue_consumers, self.queue_seen,
        ):  # fmt: skip
            self.registry.unregister(one)

    def watch_jobs(self, ask: Callable[[], JobsUse]) -> None:
        """Show how it stands with the jobs that are run, asked when somebody looks."""
        self.registry.register(_Jobs(ask))

    def watch_hooks(self, ask: Callable[[], Mapping[str, int]]) -> None:
        """Show how many deliveries of each hook wait, asked when somebody looks."""
        self.registry.register(_Waiting(ask))

    # --- the instruments

    def _events(self) -> None:
        self.events = self._counter(
            "events", "Messages and insertions by what became of them.", "door", "outcome"
        )
        for outcome in Outcome:
            for door in DOORS:
                self.events.labels(door, outcome.value)
        self.rejects = self._counter("rejects", "Messages that were rejected.", "reason")
        for reason in Reason:
            self.rejects.labels(reason.value)
        self.unknown_types = self._counter(
            "smrtlink_unknown_types", "Stored events of SMRT Link whose type has no schema."
        )
        self.lag = self._gauge(
            "lag_seconds", "How old the newest event of the last batch was when it was stored."
        )
        self.lag.set(float("nan"))

    def _batches(self) -> None:
        self.batch_messages = self._histogram(
            "batch_messages", "Messages in a batch that was stored.", _SIZES
        )
        self.batch_store = self._histogram(
            "batch_store_seconds", "Time to read and store a batch.", _STORE_SECONDS
        )
        self.batch_wait = self._histogram(
            "batch_wait_seconds",
            "Time from the arrival of a batch's first message to its commit.",
            _WAIT_SECONDS,
        )
        self.batch_failures = self._counter(
            "batch_failures", "Batches that were not stored as they were.", "kind"
        )
        for kind in (AWAY, TOO_SLOW, REFUSED, FAILED):
            self.batch_failures.labels(kind)
        self.last_batch = self._gauge(
            "last_batch_timestamp_seconds", "When the last batch was stored; 0 before the first."
        )

    def _consumer(self) -> None:
        self.connected = self._gauge("consumer_connected", "Whether the queue is consumed.")
        self.reconnects = self._counter("consumer_reconnects", "Connections after the first.")
        self.in_hand_messages = self._gauge(
            "in_hand_messages", "Messages that were taken and not acknowledged yet."
        )
        self.in_hand_bytes = self._gauge(
            "in_hand_bytes", "The bytes of their bodies, and 16 times those of their properties."
        )
        self.queue_messages = self._gauge(
            "queue_messages", "Messages that wait in the queue; NaN while that is unknown."
        )
        self.queue_consumers = self._gauge(
            "queue_consumers", "Consumers of the queue; NaN while that is unknown."
        )
        self.queue_seen = self._gauge(
            "queue_seen_timestamp_seconds", "When the queue was last seen; 0 before that."
        )

    def _hooks(self) -> None:
        self.hook_tries = self._counter(
            "hook_tries", "Tries of webhooks' deliveries by what became of them.", "hook", "outcome"
        )
        self.hook_seconds = self._histogram(
            "hook_seconds", "Time of a try, to the end of its answer.", _HOOK_SECONDS, "hook"
        )

    def _executions(self) -> None:
        self.execution_ends = self._counter(
            "execution_ends", "Attempts of executions that are over, by how they ended.", "end"
        )
        for end in ENDS:
            self.execution_ends.labels(end)


class _Pools(Collector):
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


class _Waiting(Collector):
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


class _Jobs(Collector):
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
