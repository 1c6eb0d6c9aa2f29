"""All that is exported, by the daemon, a worker or the log monitor, each with a series at least."""

from __future__ import annotations

from datetime import datetime, timezone

from prometheus_client import Metric

from jexevents.metrics import Metrics
from jexevents.model import Arrival, Outcome, Reason, Reject
from jexevents.monitormetrics import MonitorMetrics
from jexevents.observers import EngineUse, JobsUse, LedgerUse, LogsUse, PoolUse, PublisherUse
from jexevents.store.census import STANDINGS
from jexevents.store.outbox import STATES as DELIVERY_STATES
from jexevents.store.tasks import STATUSES


def filled_metrics() -> Metrics:
    """All instruments of the daemon, each with at least one series."""
    made = Metrics()
    arrival = Arrival(b"", datetime.now(timezone.utc), "amqp:q")
    made.stored("amqp:q", [Reject(arrival, (), Reason.EMPTY)], [Outcome.REJECTED])
    made.answered("GET", "/metrics", 401, 0.1)
    for state in DELIVERY_STATES:
        made.sent("portal", state, 0.1)
    made.watch_hooks(lambda: {"portal": 3})
    engine = EngineUse(True, 1, 0, 0)
    kinds = {"command": 1, "container": 0}
    made.watch_jobs(lambda: JobsUse(2, 1, 0, 1, 0.0, 0.0, False, False, kinds, engine))
    made.watch_ledger(
        lambda: LedgerUse(
            1.0, dict.fromkeys(STANDINGS, 1), 4, dict.fromkeys(STATUSES, 0), 2, ["portal"]
        )
    )
    made.pools.watch(**{name: lambda: PoolUse(3, 1, 2, 0, 0, 0)
                        for name in ("main", "http", "hooks", "jobs")})  # fmt: skip
    return made


def filled_monitor() -> MonitorMetrics:
    """All instruments of the log monitor."""
    made = MonitorMetrics()
    made.watch(lambda: PublisherUse(True, 0, 1, 0, 0, 0), lambda: LogsUse(1, 0, 0))
    return made


def all_families() -> list[Metric]:
    """All that is exported by anybody."""
    found = {family.name: family for family in filled_monitor().registry.collect()}
    return list((found | {one.name: one for one in filled_metrics().registry.collect()}).values())
