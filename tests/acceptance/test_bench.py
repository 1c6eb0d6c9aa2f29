"""``python -m bench``: every measurement is made, and tables and files come out."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from xml.dom import minidom

from bench.measurements import MEASUREMENTS
from bench.sizes import Sizes
from tests.support import ROOT

# What is measured with these is worth nothing; that it is measured counts.
SIZES = {
    "events": 500,
    "naive_events": 50,
    "latency_seconds": 1,
    "quiet_events": 5,
    "http_seconds": 1,
    "page_jobs": 100,
    "page_requests": 1,
    "hook_events": 500,
    "starts": 1,
    "short_jobs": 8,
    "output_megabytes": 5,
    "at_once": 5,
    "containers": 3,
    "container_starts": 2,
    "details": 120,
    "backlog": 500,
    "huge": 1,
    "shallow": 500,
    "deep": 1500,
}


def bench(*arguments: object, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **more},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


def tiny() -> list[str]:
    one = {each.name: 1 for each in fields(Sizes) if each.name.endswith("rounds")}
    sizes = {**one, **SIZES}
    assert set(sizes) == {each.name for each in fields(Sizes)}
    return [f"--{name.replace('_', '-')}={size}" for name, size in sizes.items()]


def test_everything_is_measured_and_written(tmp_path: Path, broker) -> None:
    # It takes a PostgreSQL of its own, for it measures none that does not wait for the disk.
    out, place = tmp_path / "out", tmp_path / "place"
    done = bench("--out", out, "--place", place, *tiny(), JEXEVENTS_TEST_AMQP=broker.uri)
    assert done.returncode == 0, done.stderr
    raw = json.loads((out / "latest.json").read_text("utf-8"))
    assert list(raw["raw"]) == list(MEASUREMENTS)
    assert raw["sizes"]["events"] == 500
    assert not any(value.startswith("unknown") for value in raw["machine"].values())
    assert all(min(rate["values"]) > 0 for rate in raw["rates"])
    text = (out / "performance.md").read_text("utf-8")
    for each in [*raw["rates"], *raw["goals"]]:
        assert re.search(rf"^\| {re.escape(each['what'])} \|", text, re.MULTILINE)
        assert each["what"] in done.stdout
    assert minidom.parse(str(out / "performance.svg"))
    assert list(place.iterdir()) == []


def test_an_unknown_measurement_is_refused() -> None:
    done = bench("ingst")
    assert done.returncode == 2
    assert "ingest" in done.stderr
