"""What the bench writes: tables, the document between its marks, the picture, JSON."""

from __future__ import annotations

import json
from pathlib import Path
from xml.dom import minidom

import pytest

from bench.drawing import draw
from bench.errors import BenchFailed
from bench.figures import Goal, Rate, Result
from bench.report import BEGIN, END, Report, between_marks, number
from bench.sizes import Sizes

CEILING = Rate("1 ceiling", (20_000.0, 22_000.0, 21_000.0), {"consumer": 33.0, "rabbitmq": 40.0})
DAEMON = Rate("2 daemon", (14_700.0,), {"consumer": 60.0, "postgresql": 40.5}, 0.031)
GOALS = [
    Goal("as a part of the ceiling", 0.7, "", 0.6),
    Goal("p99 <of a look-up>", 30.0, "ms", 25, "min"),
    Goal("errors", 0, "", 0, "min"),
    Goal("only told", 3.5, "ms"),
]


@pytest.fixture
def report() -> Report:
    results = {"ingest": Result([CEILING, DAEMON], GOALS, {"anything": [1]})}
    return Report({"date": "today", "machine": "two cores"}, Sizes(), results)


@pytest.mark.parametrize(
    ("value", "shown"), [(12345.6, "12,346"), (100, "100"), (17.34, "17.3"), (0.6128, "0.61")]
)
def test_numbers(value: float, shown: str) -> None:
    assert number(value) == shown


def test_the_tables(report: Report) -> None:
    lines = report.markdown("picture.svg").splitlines()
    assert "| 1 ceiling | 21,000 | 20,000 to 22,000 | 1.00 | 33.0 |  | 40.0 | 0% |" in lines
    assert "| 2 daemon | 14,700 |  | 0.70 | 60.0 | 40.5 |  | 3% |" in lines
    assert "| as a part of the ceiling | 0.70 | at least 0.6 | yes |" in lines
    assert "| p99 <of a look-up> | 30.0 ms | at most 25 ms | no |" in lines
    assert "| only told | 3.50 ms |  |  |" in lines
    assert "date today; machine two cores." in lines
    assert not any("other sizes" in line for line in lines)


def test_a_short_run_is_told() -> None:
    short = Report({}, Sizes(events=10), {}).markdown("x.svg")
    assert "other sizes" in short
    assert "events 10;" in short


def test_a_busy_machine_is_told() -> None:
    told = "The machine was busy: other processes had up to 31% of it."
    assert told in Report({}, Sizes(), {"http": Result(strangers=0.31)}).markdown("x.svg")
    busy = Rate("x", (1.0,), {}, 0.31)
    assert told in Report({}, Sizes(), {"pair": Result([busy])}).markdown("x.svg")
    assert "busy" not in Report({}, Sizes(), {"pair": Result([DAEMON])}).markdown("x.svg")


def test_without_the_ceiling_there_is_no_ratio_to_it() -> None:
    text = Report({}, Sizes(), {"pair": Result([DAEMON])}).markdown("x.svg")
    assert "| 2 daemon | 14,700 |  |  | 60.0 |" in text


def test_the_prose_around_the_marks_stays(report: Report, tmp_path: Path) -> None:
    document = tmp_path / "performance.md"
    document.write_text(f"# Head\n\nbefore\n\n{BEGIN}\nof before\n{END}\n\nafter\n", "utf-8")
    for _ in range(2):
        report.write(document, tmp_path / "raw" / "latest.json")
    text = document.read_text("utf-8")
    assert text.startswith(f"# Head\n\nbefore\n\n{BEGIN}\n\n![")
    assert text.endswith(f"\n\n{END}\n\nafter\n")
    assert "of before" not in text
    assert text.count("2 daemon") == 1


def test_a_document_without_marks_is_not_touched(report: Report, tmp_path: Path) -> None:
    document = tmp_path / "performance.md"
    document.write_text("prose", "utf-8")
    with pytest.raises(BenchFailed, match="marks"):
        report.write(document, tmp_path / "latest.json")
    assert document.read_text("utf-8") == "prose"
    assert between_marks(f"{BEGIN}{END}", "x") == f"{BEGIN}\n\nx\n\n{END}"


def test_the_raw_figures(report: Report, tmp_path: Path) -> None:
    report.write(tmp_path / "new.md", tmp_path / "latest.json")
    raw = json.loads((tmp_path / "latest.json").read_text("utf-8"))
    assert raw["rates"][0]["values"] == [20_000, 22_000, 21_000]
    assert [goal["met"] for goal in raw["goals"]] == [True, False, True, None]
    assert raw["raw"] == {"ingest": {"anything": [1]}}
    assert raw["sizes"]["events"] == 200_000
    assert (tmp_path / "new.svg").is_file()


def test_the_picture() -> None:
    root = minidom.parseString(draw([CEILING, DAEMON], GOALS)).documentElement
    bars = [
        (bar.getAttribute("class"), float(bar.getAttribute("width")))
        for bar in root.getElementsByTagName("rect")
        if bar.getAttribute("class") != "paper"
    ]
    assert [style for style, _ in bars] == ["bar", "bar", "met", "missed"]
    assert bars[1][1] / bars[0][1] == pytest.approx(0.7, abs=0.001)
    assert bars[3][1] < bars[2][1]
    assert root.getElementsByTagName("title")
    assert "prefers-color-scheme: dark" in root.toxml()


def test_a_picture_of_nothing_is_one() -> None:
    assert minidom.parseString(draw([], []))


def test_what_is_added_replaces_the_same_and_leaves_the_rest(tmp_path) -> None:
    def run(rate: float, share: float, earlier: dict) -> dict:
        results = {
            "one": Result([Rate("a", (rate,))], [Goal("g", share, "", 0.5)], {"x": rate}),
        }
        if not earlier:
            results["two"] = Result([Rate("b", (rate,))], [Goal("h", share)], {"y": rate})
        report = Report({"date": str(rate)}, Sizes(), results, earlier)
        report.write(tmp_path / "p.md", tmp_path / "raw.json")
        return json.loads((tmp_path / "raw.json").read_text())

    first = run(10.0, 0.1, {})
    second = run(20.0, 0.9, first)
    assert {one["what"]: one["values"] for one in second["rates"]} == {"a": [20.0], "b": [10.0]}
    assert {one["what"]: one["value"] for one in second["goals"]} == {"g": 0.9, "h": 0.1}
    assert second["raw"] == {"one": {"x": 20.0}, "two": {"y": 10.0}}
    text = (tmp_path / "p.md").read_text()
    assert "one: date 20.0." in text
    assert "All else: date 10.0." in text
