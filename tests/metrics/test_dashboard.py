"""etc/grafana: the dashboard is whole, and asks for series that there are, in good PromQL."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from prometheus_client import Metric

from tests.metrics.exported import all_families
from tests.metrics.promtool import Promtool
from tests.metrics.test_rules import ALERTS
from tests.support import ROOT

DASHBOARD = json.loads((ROOT / "etc/grafana/jexevents.json").read_text("utf-8"))
PANELS = [one for one in DASHBOARD["panels"] if one["type"] != "row"]
TARGETS = [target for panel in PANELS for target in panel["targets"]]
# Of Prometheus itself, or of those who look.
_NOT_OURS = {"instance", "job", "le"}


@pytest.fixture(scope="module")
def labels() -> dict[str, set[str]]:
    """The labels of each series, by its name."""
    return {
        sample.name: set(sample.labels) for family in all_families() for sample in family.samples
    }


def asked_of(expression: str) -> list[tuple[str, str]]:
    """Give the series that an expression asks for, each with its selectors."""
    return re.findall(r"\b((?:jexevents|process)_\w+)(?:\{([^}]*)\})?", expression)


EXPRESSIONS = [
    *(target["expr"] for target in TARGETS),
    *(rule["expr"] for rule in ALERTS.values()),
]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_what_is_asked_for_is_there(expression: str, labels: dict[str, set[str]]) -> None:
    asked = asked_of(expression)
    assert asked or "up{" in expression
    known = set()
    for name, selectors in asked:
        assert name in labels, name
        known |= labels[name]
        for label in re.findall(r"(\w+)\s*[=!]~?", selectors):
            assert label in labels[name] | _NOT_OURS, f"{name} has no label {label}"
    for kept in re.findall(r"\bby \(([^)]*)\)", expression):
        for label in kept.split(", "):
            assert label in known | _NOT_OURS, f"nothing has the label {label}"


def test_values_of_labels_are_there() -> None:
    """A word that no series has would be an alert that never fires."""
    values: dict[str, dict[str, set[str]]] = {}
    for family in all_families():
        for sample in family.samples:
            for label, value in sample.labels.items():
                values.setdefault(sample.name, {}).setdefault(label, set()).add(value)
    open_ended = {"status": re.compile(r"[2-5]xx")}
    for expression in EXPRESSIONS:
        for name, selectors in asked_of(expression):
            for label, value in re.findall(r'(\w+)="([^"$]*)"', selectors):
                if label in open_ended and name.startswith("jexevents_http"):
                    assert open_ended[label].fullmatch(value)
                elif label not in _NOT_OURS:
                    assert value in values[name][label], f"{name} has no {label}={value!r}"


def test_promtool_reads_every_expression(promtool: Promtool, tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": _without_variables(target["expr"])}
        for number, target in enumerate(TARGETS)
    ]
    file = tmp_path / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    code, said = promtool("check", "rules", file)
    assert code == 0, said
    assert f"{len(TARGETS)} rules found" in said


def _without_variables(expression: str) -> str:
    plain = expression.replace("$__rate_interval", "1m").replace("$instance", ".*")
    assert "$" not in plain, plain
    return plain


def test_the_dashboard_is_whole() -> None:
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(numbers) == len(set(numbers))
    titles = [panel["title"] for panel in DASHBOARD["panels"]]
    assert len(titles) == len(set(titles))
    variables = {one["name"] for one in DASHBOARD["templating"]["list"]}
    asked = json.dumps(PANELS)
    used = set(re.findall(r"\$\{?([a-z]\w*)", asked))
    assert used == variables
    assert all(panel["datasource"]["uid"] == "${datasource}" for panel in PANELS)


def test_panels_do_not_lie_over_each_other() -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for cell in _cells(place):
            assert cell not in taken, f"{panel['title']} lies over {taken[cell]}"
            taken[cell] = panel["title"]


def _cells(place: dict[str, int]) -> list[tuple[int, int]]:
    columns = range(place["x"], place["x"] + place["w"])
    return [(column, line) for column in columns
            for line in range(place["y"], place["y"] + place["h"])]  # fmt: skip


def test_every_part_of_the_product_is_shown() -> None:
    shown = {name for target in TARGETS for name, _ in asked_of(target["expr"])}
    parts = ("events", "queue", "batch", "pool", "http", "execution", "workers", "tasks",
             "due_times", "schedule", "hook", "upload", "monitor")  # fmt: skip
    for part in parts:
        assert any(name.startswith(f"jexevents_{part}") for name in shown), part


def test_metrics_keep_the_conventions(promtool: Promtool) -> None:
    for text in _texts():
        code, said = promtool("check", "metrics", text=text)
        assert code == 0, said
        assert not said.strip(), said


def _texts() -> list[str]:
    from tests.metrics.exported import filled_metrics, filled_monitor

    return [made.exposition("")[0].decode() for made in (filled_metrics(), filled_monitor())]


def test_names_have_our_prefix() -> None:
    allowed = ("jexevents_", "process_", "python_")
    families: list[Metric] = all_families()
    assert all(family.name.startswith(allowed) for family in families)
