"""etc/prometheus: promtool takes the rules, and each alert fires when it should and not before."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.test_coverage import rows, section
from tests.metrics.promtool import Promtool
from tests.metrics.scenarios import SCENARIOS, Scenario
from tests.support import ROOT

FOLDER = ROOT / "etc/prometheus"
RULES = FOLDER / "jexevents.rules.yml"
DOCUMENT = (ROOT / "docs/metrics.md").read_text("utf-8")
ALERTS: dict[str, Any] = {
    rule["alert"]: rule
    for group in yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    for rule in group["rules"]
}


def test_promtool_takes_the_files(promtool: Promtool, tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "prometheus")
    (tmp_path / "prometheus/jexevents.token").write_text("jex_x")
    code, said = promtool("check", "config", tmp_path / "prometheus/prometheus.yml")
    assert code == 0, said
    assert f"{len(ALERTS)} rules found" in said
    code, said = promtool("check", "rules", "--lint=all", "--lint-fatal", RULES)
    assert code == 0, said


def test_every_alert_has_a_scenario() -> None:
    assert set(SCENARIOS) == set(ALERTS)


def test_alerts_fire_and_are_quiet(promtool: Promtool, tmp_path: Path) -> None:
    code, said = _tried(promtool, tmp_path, SCENARIOS)
    assert code == 0, said


def test_a_wrong_scenario_is_seen(promtool: Promtool, tmp_path: Path) -> None:
    """What is asked of promtool is what it looks at."""
    good = SCENARIOS["JexeventsDatabaseAway"]
    wrong = {"JexeventsDatabaseAway": Scenario(good.quiet, good.fires)}
    code, said = _tried(promtool, tmp_path, wrong)
    assert code != 0
    assert said.count("JexeventsDatabaseAway") == 2
    assert said.count("FAILED") >= 1


def test_what_an_alert_says(promtool: Promtool, tmp_path: Path) -> None:
    series = SCENARIOS["JexeventsDown"].fires
    told = {
        "exp_labels": {"severity": "page", "job": "jexevents-worker", "instance": "a"},
        "exp_annotations": {"summary": "jexevents-worker at a does not answer."},
    }
    test = _test("an alert", series) | {
        "alert_rule_test": [
            {"eval_time": "10m", "alertname": "JexeventsDown", "exp_alerts": [told]}
        ]
    }
    code, said = _run(promtool, tmp_path, [test])
    assert code == 0, said


def test_alerts_are_told() -> None:
    told = {row[0].strip("`"): row[1:] for row in rows(section(DOCUMENT, "Alarms"))}
    assert told.pop("Alert") == ["Severity", "Firing", "What to do"]
    assert list(told) == list(ALERTS)
    for name, (severity, _firing, what) in told.items():
        assert severity == ALERTS[name]["labels"]["severity"], name
        assert what, name


@pytest.mark.parametrize("name", ALERTS)
def test_alerts_say_what_is_wrong(name: str) -> None:
    summary = ALERTS[name]["annotations"]["summary"]
    assert summary.endswith(".")
    kept = re.search(r"by \(([\w, ]+)\)", ALERTS[name]["expr"])
    dropped = re.search(r"\bmax\(|by \(le\)", ALERTS[name]["expr"])
    for label in re.findall(r"\$labels\.(\w+)", summary):
        assert not dropped, f"{name} says {label}, which its expression takes away"
        assert kept is None or label in kept[1], f"{name} says {label}, which is not kept"


def _tried(promtool: Promtool, folder: Path, scenarios: dict[str, Scenario]) -> tuple[int, str]:
    tests = []
    for name, scenario in scenarios.items():
        at = f"{scenario.minutes}m"
        expr = f'count(ALERTS{{alertname="{name}", alertstate="firing"}})'
        for word, series, found in (
            ("fires", scenario.fires, [{"labels": "{}", "value": 1}]),
            ("is quiet", scenario.quiet, []),
        ):
            asked = {"expr": expr, "eval_time": at, "exp_samples": found}
            tests.append(_test(f"{name} {word}", series) | {"promql_expr_test": [asked]})
    return _run(promtool, folder, tests)


def _test(name: str, series: dict[str, str]) -> dict[str, Any]:
    given = [{"series": one, "values": values} for one, values in series.items()]
    return {"name": name, "interval": "1m", "input_series": given}


def _run(promtool: Promtool, folder: Path, tests: list[dict[str, Any]]) -> tuple[int, str]:
    file = folder / "alerts.test.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "tests": tests}))
    return promtool("test", "rules", file)
