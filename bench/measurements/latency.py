"""From publishing an event to its status in GET /last-events, at 1,000 events a second."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from bench import cpu, jobs, rounds
from bench.children.talk import Child
from bench.errors import BenchFailed
from bench.figures import Goal, Result, milliseconds, percentile
from bench.load import EXECUTING, FIRST_CLUSTER, STEPS, TERMINATED, final_state, interleaved
from bench.stage import Bench

RATE = 1000
PROBES_A_SECOND = 10
_CONNECTIONS, _INTERVAL_SECONDS = 4, 0.004
_LEAD_SECONDS = 2.0
_WANTED = {EXECUTING: ("Running", "Completed", "Failed"), TERMINATED: ("Completed", "Failed")}


def measure(bench: Bench) -> Result:
    """Publish at a fixed rate and ask for some of the jobs meanwhile."""
    bench.say("latency")
    count = RATE * bench.sizes.latency_seconds // STEPS
    chosen = list(probes(count))
    with bench.stage() as stage, stage.served() as (daemon, address, token):
        clusters = dict.fromkeys(cluster for _, cluster, _ in chosen)
        known = jobs.insert(address, token, clusters)
        begin = time.time() + _LEAD_SECONDS
        watching = {
            "address": address,
            "token": token,
            "connections": _CONNECTIONS,
            "interval": _INTERVAL_SECONDS,
            "probes": [
                (number, begin + number / RATE, known[cluster], _statuses(cluster, step))
                for number, cluster, step in chosen
            ],
        }
        publishing = {
            "uri": stage.amqp,
            "exchange": stage.exchange,
            "jobs": count,
            "rate": RATE,
            "begin": begin,
            "noted": [number for number, _, _ in chosen],
        }
        found = _both(bench, daemon.pid, watching, publishing)
        stage.check(count * STEPS, others=len(clusters))
    return _summed_up(*found)


def probes(count: int) -> Iterator[tuple[int, int, int]]:
    """Choose events that are looked for: (number, cluster, step), evenly over the time."""
    due = 0
    for number, (job, step) in enumerate(interleaved(count)):
        if step in _WANTED and number >= due:
            yield number, FIRST_CLUSTER + job, step
            due = number + RATE // PROBES_A_SECOND


def _both(
    bench: Bench, daemon: int, watching: dict[str, Any], publishing: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any], float]:
    with Child("watching", **watching) as watcher, Child("paced", **publishing) as publisher:
        pids = [daemon, watcher.pid, publisher.pid]
        meter = cpu.Meter(rounds.clocks(bench, pids))
        seen, sent = watcher.result(), publisher.result()
        return seen, sent, meter.strangers()


def _statuses(cluster: int, step: int) -> tuple[str, ...]:
    return (final_state(cluster),) if step == TERMINATED else _WANTED[step]


def _summed_up(seen: dict[str, Any], sent: dict[str, Any], strangers: float) -> Result:
    if seen["given_up"]:
        raise BenchFailed(f"{seen['given_up']} events were never seen")
    at = dict(sent["sent"])
    times = [found - at[number] for number, _, found in seen["seen"]]
    gaps = [found - missed for _, missed, found in seen["seen"] if missed]
    figures = milliseconds(times)
    what = "latency, publish to GET /last-events, 1,000 events/s"
    goals = [
        Goal(f"{what}: p50", figures["p50"], "ms", 30, "min"),
        Goal(f"{what}: p99", figures["p99"], "ms", 150, "min"),
        Goal("its resolution (between two looks, median)", 1000 * percentile(gaps, 0.5), "ms"),
    ]
    raw = {
        "milliseconds": figures,
        "resolution_milliseconds": milliseconds(gaps),
        "requests": seen["asked"],
        "published_a_second": sent["rate"],
        "published_late_seconds": sent["late"],
        "times": times,
    }
    return Result([], goals, raw, strangers)
