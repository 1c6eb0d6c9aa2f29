"""Charts and values of the dashboard: where what stands, and how it is written."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jexevents.sidecar.dashboard import filters
from jexevents.sidecar.dashboard.charts import Scale, stacked, timeline

NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
JOB = {"phase": "COMPLETE", "submitted_at": None, "started_at": None, "finished_at": None}


def event(name: str, seconds: float) -> dict:
    return {"name": name, "occurred_at": NOON + timedelta(seconds=seconds)}


def test_a_timeline_is_to_scale() -> None:
    job = {**JOB, "submitted_at": NOON, "started_at": NOON + timedelta(seconds=25),
           "finished_at": NOON + timedelta(seconds=100)}  # fmt: skip
    chart = timeline(job, [event("a", 0), event("b", 25), event("a", 50), event("c", 100)], NOON)
    assert [(lane["name"], lane["count"]) for lane in chart["lanes"]] == [
        ("a", 2), ("b", 1), ("c", 1)]  # fmt: skip
    first, half = (mark["x"] for mark in chart["lanes"][0]["marks"])
    assert (first, half) == (190, 587.5)
    queued, running, end = chart["bars"]
    assert (queued["phase"], queued["width"]) == ("queued", pytest.approx(795 / 4, abs=0.1))
    assert (running["phase"], running["width"]) == ("running", pytest.approx(795 * 3 / 4, abs=0.2))
    assert end["phase"] == "complete"
    assert chart["lasts"] == "1 min 40 s"


def test_what_goes_on_reaches_to_now() -> None:
    job = {**JOB, "phase": "RUNNING", "submitted_at": NOON, "started_at": NOON}
    chart = timeline(job, [event("a", 0)], NOON + timedelta(minutes=5))
    assert chart["end"] == NOON + timedelta(minutes=5)
    assert [bar["phase"] for bar in chart["bars"]] == ["queued", "running"]


def test_a_timeline_of_nothing_and_of_one_moment() -> None:
    assert timeline(JOB, [], NOON) is None
    chart = timeline(JOB, [event("a", 0), event("a", 0)], NOON)
    assert chart["lanes"][0]["marks"] == [{"x": 587.5, "count": 2}]


def test_many_names_share_a_lane() -> None:
    chart = timeline(JOB, [event(f"n{number}", number) for number in range(50)], NOON)
    assert len(chart["lanes"]) == 14
    assert (chart["lanes"][-1]["name"], chart["lanes"][-1]["count"]) == ("all others", 37)


def test_names_are_cut_and_can_be_seen() -> None:
    chart = timeline(JOB, [event("a\x00\u2028" + "x" * 1000, 0)], NOON)
    name = chart["lanes"][0]["name"]
    assert name.startswith("a\\u0000\\u2028")
    assert len(name) < 50


@given(
    st.datetimes(datetime(1, 1, 2), datetime(9990, 1, 1), timezones=st.just(timezone.utc)),
    st.timedeltas(timedelta(0), timedelta(days=3000)),
)
def test_ticks_stand_within_the_axis(start: datetime, length: timedelta) -> None:
    scale = Scale(start, start + length, 100, 900)
    ticks = scale.ticks()
    assert len(ticks) <= 9
    places = [tick["x"] for tick in ticks]
    assert places == sorted(places)
    assert all(100 <= place <= 900 for place in places)


def test_ticks_are_round() -> None:
    scale = Scale(NOON + timedelta(seconds=7), NOON + timedelta(hours=1), 0, 1000)
    assert [tick["label"] for tick in scale.ticks()] == [
        "12:10", "12:20", "12:30", "12:40", "12:50", "13:00"]  # fmt: skip


def test_piles() -> None:
    rows = [
        {"bar": 0, "phase": "COMPLETE", "count": 30},
        {"bar": 0, "phase": "ERROR", "count": 10},
        {"bar": 3, "phase": "RUNNING", "count": 5},
        {"bar": 9, "phase": "ERROR", "count": 999},
    ]
    chart = stacked(rows, NOON, NOON + timedelta(hours=4), 4)
    complete, error, running = chart["piles"]
    assert [line["value"] for line in chart["lines"]] == [0, 20, 40]
    assert complete["height"] == 135
    assert (error["height"], error["y"] + error["height"]) == (45, complete["y"])
    assert running["height"] == 22.5
    assert chart["totals"] == {"queued": 0, "running": 5, "complete": 30, "error": 10,
                               "cancelled": 0}  # fmt: skip
    assert stacked([], NOON, NOON + timedelta(hours=1), 4)["piles"] == []


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (None, "\N{EN DASH}"), (0, "0.0 s"), (0.004, "4.0 ms"), (2.25, "2.2 s"), (59.9, "59 s"),
        (60, "1 min"), (3725, "1 h 2 min"), (200000, "2 d 7 h"), (-90, "\N{MINUS SIGN}1 min 30 s"),
    ],
)  # fmt: skip
def test_durations(seconds: float | None, told: str) -> None:
    assert filters.lasting(seconds) == told


def test_sizes_and_numbers() -> None:
    assert [filters.size(value) for value in (None, 0, 1023, 1024, 1 << 40)] == [
        "\N{EN DASH}", "0 B", "1023 B", "1.0 KiB", "1.0 TiB"]  # fmt: skip
    assert filters.number(1234567) == "1\u202f234\u202f567"


def test_long_documents_are_cut() -> None:
    text = filters.document({"x": "y" * 100_000})
    assert len(text) < 21_000
    assert text.endswith("more characters")
