"""docs/metrics.md has every metric, with its type and its labels, and no other."""

from __future__ import annotations

import re

import pytest
from prometheus_client import Metric

from jexevents import metrics
from jexevents.model import Outcome
from jexevents.observers import AWAY, FAILED, REFUSED, TOO_SLOW
from jexevents.schedules import Outcome as DueOutcome
from jexevents.store.census import STANDINGS
from jexevents.store.tasks import STATUSES
from tests.docs.test_coverage import rows
from tests.metrics.exported import all_families
from tests.support import ROOT

DOCUMENT = (ROOT / "docs/metrics.md").read_text("utf-8")
_TYPES = {"info": "gauge"}
_OF_HISTOGRAMS = {"le"}


@pytest.fixture(scope="module")
def families() -> list[Metric]:
    """All that is exported, by the daemon or by the log monitor."""
    return all_families()


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
        for name, kind, labels, _ in rows(DOCUMENT.split("## Alarms\n")[0])
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
    values += [*STANDINGS, *STATUSES, *metrics.ENDS, *metrics.UPLOADED, *metrics.DUE_OUTCOMES]
    for value in values:
        assert f"`{value}`" in DOCUMENT


def test_outcomes_of_due_times_are_those_of_the_schedules() -> None:
    assert {one.value for one in DueOutcome} == set(metrics.DUE_OUTCOMES)
