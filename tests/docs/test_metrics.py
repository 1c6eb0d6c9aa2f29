"""docs/metrics.md has every metric, with its type and its labels, and no other."""

from __future__ import annotations

import re
from datetime import datetime, timezone

import pytest
from prometheus_client import Metric

from jexevents.metrics import Metrics
from jexevents.model import Arrival, Outcome, Reason, Reject
from jexevents.monitormetrics import MonitorMetrics
from jexevents.observers import (
    AWAY,
    FAILED,
    REFUSED,
    TOO_SLOW,
    EngineUse,
    JobsUse,
    LogsUse,
    PoolUse,
    PublisherUse,
)
from tests.docs.test_coverage import rows
from tests.support import ROOT

DOCUMENT = (ROOT / "docs/metrics.md").read_text("utf-8")
_TYPES = {"info": "gauge"}
_OF_HISTOGRAMS = {"le"}


@pytest.fixture(scope="module")
def families(metrics: Metrics) -> list[Metric]:
    """All that is exported, by the daemon or by the log monitor."""
    monitor = MonitorMetrics()
    monitor.watch(lambda: PublisherUse(True, 0, 1, 0, 0, 0), lambda: LogsUse(1, 0, 0))
    found = {family.name: family for family in monitor.registry.collect()}
    return list((found | {one.name: one for one in metrics.registry.collect()}).values())


@pytest.fixture(scope="module")
def metrics() -> Metrics:
    """All instruments of the daemon, each with at least one series."""
    made = Metrics()
    arrival = Arrival(b"", datetime.now(timezone.utc), "amqp:q")
    made.stored("amqp:q", [Reject(arrival, (), Reason.EMPTY)], [Outcome.REJECTED])
    made.answered("GET", "/metrics", 401, 0.1)
    made.sent("portal", "delivered", 0.1)
    made.watch_hooks(lambda: {"portal": 3})
    made.watch_jobs(
        lambda: JobsUse(
            2, 1, 0, 1, 0.0, 0.0, False, False, {"command": 1}, EngineUse(True, 1, 0, 0)
        )
    )
    made.pools.watch(main=lambda: PoolUse(3, 1, 2, 0, 0, 0))
    return made


def exported(families: list[Metric]) -> dict[str, tuple[str, set[str]]]:
    """Give type and labels of what is exported, by the name that it has in a query."""
    found = {}
    for family in families:
        suffix = {"counter": "_total", "info": "_info"}.get(family.type, "")
        labels = {label for sample in family.samples for label in sample.labels}
        kind = _TYPES.get(family.type, family.type)
        found[family.name + suffix] = (kind, labels - _OF_HISTOGRAMS)
    return found


def told() -> dict[str, tuple[str, set[str]]]:
    return {
        name.strip("`"): (kind, set(re.findall(r"`(\w+)`", labels)))
        for name, kind, labels, _ in rows(DOCUMENT)
        if name != "Metric"
    }


def test_every_metric_is_told_and_none_that_is_not_there(families: list[Metric]) -> None:
    assert told() == exported(families)


def test_queries_ask_for_what_is_there(families: list[Metric]) -> None:
    names = {sample.name: set(sample.labels) for family in families for sample in family.samples}
    asked = re.findall(r"\b(jexevents_\w+)(?:\{(\w+)=)?", DOCUMENT)
    histograms = {name.removesuffix("_count") for name in names if name.endswith("_count")}
    for name, label in asked:
        assert name in names or name in histograms, name
        assert not label or label in names[name], f"{name} has no label {label}"


def test_every_value_of_a_label_is_told() -> None:
    values = [AWAY, TOO_SLOW, REFUSED, FAILED, *(outcome.value for outcome in Outcome)]
    for value in values:
        assert f"`{value}`" in DOCUMENT
