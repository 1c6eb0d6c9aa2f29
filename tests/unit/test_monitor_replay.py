"""The real logs replayed: whatever is done to them and to the monitor, the same events come out."""

from __future__ import annotations

import random

import pytest

from jexevents.sources.condor.split import Splitter
from tests.faults.sizes import FULL
from tests.monitoring import Monitor, Site, clean, cuts, events, gaps, marker, whole_events
from tests.unit.condor_samples import NAMES, raw

SEEDS = range(400 if FULL else 40)
LONG = [name for name in NAMES if len(raw(name)) > 1500]


def parts(data: bytes, how: str) -> list[bytes]:
    if how == "bytes":
        return [data[at : at + 1] for at in range(len(data))]
    return data.splitlines(keepends=True)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("how", ["bytes", "lines"])
def test_a_growing_log_gives_what_reading_it_at_once_gives(name, how, tmp_path):
    log = raw(name)
    if how == "bytes" and len(log) > 4000 and not FULL:
        log = b"".join(whole_events(log)[:12])
    site = Site(tmp_path)
    monitor = Monitor(site.path, tmp_path / "position")
    for part in parts(log, how):
        site.write(part)
        monitor.step()
    monitor.drain()
    monitor.stop()
    assert events(monitor.messages) == clean([log]) - clean_last(log)
    sent = [(one["Event"], one["Occurrence"]) for one in monitor.messages]
    assert len(sent) == len(set(sent))
    assert not gaps(monitor.messages)


def clean_last(log: bytes) -> set[bytes]:
    """An event whose three dots have no newline may go on: it is given when nothing can follow."""
    splitter = Splitter()
    splitter.feed(log)
    return clean([log]) - clean([log[: splitter.offset]])


@pytest.mark.parametrize("seed", SEEDS)
def test_rotation_and_kills_change_nothing(seed, tmp_path):
    rng = random.Random(seed)
    site = Site(tmp_path, headers=rng.random() < 0.5)
    monitor = Monitor(site.path, tmp_path / "position")
    log = b"".join(raw(name).rstrip(b"\n") + b"\n" for name in rng.sample(LONG, 2))
    is_alive = True
    is_first = not site.current
    firsts = set()
    for event in whole_events(log):
        if is_first:
            if event.strip() in firsts:
                continue  # a file that begins as another did cannot be told from it
            firsts.add(event.strip())
            is_first = False
        for part in cuts(event, rng):
            site.write(part)
            if is_alive and rng.random() < 0.5:
                monitor.broker.confirms_at_once = rng.random() < 0.5
                monitor.step()
                monitor.broker.confirm(rng)
                if rng.random() < 0.5:
                    monitor.note()
        if rng.random() < 0.1:
            if is_alive:
                monitor.kill(rng)
            else:
                monitor.start()
            is_alive = not is_alive
        if rng.random() < 0.12 and len(site.current) > 400:
            rotate(site, monitor if is_alive else None, rng)
            is_first = not site.current
    if not is_alive:
        monitor.start()
    monitor.drain()
    monitor.now += 1000
    monitor.drain()
    monitor.stop()
    assert events(monitor.messages) == clean(site.all)
    assert not gaps(monitor.messages)


def rotate(site: Site, monitor: Monitor | None, rng: random.Random) -> None:
    how = rng.choice(["rename", "rename", "copy", "remove"])
    if how == "remove" and monitor is None:
        how = "rename"  # what nobody reads is lost, and told: see test_monitor_gaps
    if how == "rename":
        site.rename()
        if monitor is not None and rng.random() < 0.5:
            monitor.step()
    elif how == "copy":
        site.copy_and_truncate()
    elif monitor is not None:
        monitor.drain()  # it has to have the file open; what it did not read yet is not lost
        site.write(marker(len(site.all), 0))
        site.remove()
        monitor.drain()
    site.begin()
    if how == "remove" and monitor is not None:
        site.write(marker(len(site.all), 1))
        monitor.drain()
