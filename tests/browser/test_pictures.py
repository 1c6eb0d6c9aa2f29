"""The pictures of the dashboard in docs/images, made of a ledger with a story (make pictures)."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.acceptance.support import message, publish
from tests.browser.conftest import Place
from tests.support import ROOT, wait_until

SIZES = {"viewport": {"width": 1280, "height": 860}}
PHONE = {"viewport": {"width": 390, "height": 780}, "device_scale_factor": 1, "is_mobile": True}
_MOST_BYTES = 200_000


def event(number: int, job: int, at: datetime, rest: str) -> bytes:
    return message(f"{number:03} ({job:03}.000.000) {at:%Y-%m-%d %H:%M:%S} {rest}\n...\n")


def story(now: datetime) -> list[bytes]:
    """Give the events of a day: jobs of different lengths, some of which fail."""
    told = []
    for number in range(180):
        begin = now - timedelta(minutes=8 * (180 - number) - number % 5)
        job = 4000 + number
        told.append(event(0, job, begin, "Job submitted from host: <10.0.0.1:9618>"))
        if number < 176:
            run = begin + timedelta(minutes=1 + number % 9)
            told.append(event(1, job, run, "Job executing on host: <10.0.0.2:9618>"))
            end = run + timedelta(minutes=5 + 13 * number % 50)
            if end < now:
                value = 0 if number % 9 else 1
                how = f"Job terminated.\n\t(1) Normal termination (return value {value})"
                told.append(event(5, job, end, how))
    return told


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the pictures go: into the documents where that is asked for."""
    chosen = os.environ.get("JEXEVENTS_PICTURES")
    return ROOT / chosen if chosen else tmp_path_factory.mktemp("pictures")


def test_pictures(visit: Callable, place: Place, folder: Path) -> None:
    bodies = story(datetime.now(timezone.utc))
    publish(place.jobs.options["AMQPURI"], bodies)
    place.jobs.run("greet", wait=30, who="Ann")
    place.jobs.run("fail", wait=30)
    grows = place.jobs.run("grow")
    wait_until(
        lambda: place.jobs.rows("select count(*) from jex.events")[0][0] >= len(bodies),
        30,
        "the events of the story",
    )
    visitor = visit(**SIZES)
    visitor.sign_in(place.runner)
    shots = {
        "overview": "/",
        "jobs": "/ui/jobs",
        "execution": f"/ui/jobs/{grows['uuid']}",
        "job": f"/ui/jobs/{place.jobs.daemon.job('4009', place.reader)['id']}",
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, path in shots.items():
        visitor.go(path)
        if name == "execution":
            expect(visitor.page.locator("#output")).to_contain_text("line 12\n")
        expect(visitor.page.locator("#live-note")).to_have_text("Live")
        visitor.page.screenshot(path=folder / f"dashboard-{name}.png")
    for name, options in {"dark": {**SIZES, "color_scheme": "dark"}, "phone": PHONE}.items():
        other = visit(**options)
        other.sign_in(place.runner)
        other.page.screenshot(path=folder / f"dashboard-{name}.png")
    place.jobs.put(grows, "kill")
    place.jobs.wait_over(grows)
    made = sorted(folder.glob("dashboard-*.png"))
    assert [path.stem for path in made] == [
        f"dashboard-{name}" for name in ("dark", "execution", "job", "jobs", "overview", "phone")
    ]
    assert all(1000 < path.stat().st_size < _MOST_BYTES for path in made)
