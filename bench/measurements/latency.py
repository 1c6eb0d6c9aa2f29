"""From publishing an event to its status in GET /last-events, at 1,000 events a second."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from bench import jobs
from bench.children.talk import Child
from bench.errors import BenchFailed
from bench.figures import Goal, Result, milliseconds, percentile
from bench.load import EXECUTING, FIRST_CLUSTER, STEPS, TERMINATED, final_state, interleaved
from bench.stage import Bench, Stage

RATE = 1000
PROBES_A_SECOND = 25
_CONNECTIONS, _PAUSE_SECONDS = 4, 0.003
_LEAD_SECONDS = 2.0
_WANTED = {EXECUTING: ("Running", "Completed", "Failed"), TERMINATED: ("Completed", "Failed")}


def measure(bench: Bench) -> Result:
    """Publish at a fixed rate and ask for some of the jobs meanwhile."""
    bench.say("latency")
    count = RATE * bench.sizes.latency_seconds // STEPS
    chosen = list(probes(count))
    with bench.stage() as stage, stage.served() as (_, address, token):
        clusters = dict.fromkeys(cluster for _, cluster, _ in chosen)
        known = jobs.insert(address, token, clusters)
        seen, sent = _both(stage, address, token, count, chosen, known)
        stage.check(count * STEPS, others=len(clusters))
    return _summed_up(seen, sent)


def probes(count: int) -> Iterator[tuple[int, int, int]]:
    """Choose events that are looked for: (number, cluster, step), evenly over the time."""
    due = 0
    for number, (job, step) in enumerate(interleaved(count)):
        if step in _WANTED and number >= due:
            yield number, FIRST_CLUSTER + job, step
            due = number + RATE // PROBES_A_SECOND


def _both(
    stage: Stage,
    address: tuple[str, int],
    token: str,
    count: int,
    chosen: list[tuple[int, int, int]],
    known: dict[int, str],
) -> tuple[dict[str, Any], dict[str, Any]]:
    begin = time.time() + _LEAD_SECONDS
    waited_for = [
        (number, begin + number / RATE, known[cluster], _statuses(cluster, step))
        for number, cluster, step in chosen
    ]
    task = {"connections": _CONNECTIONS, "pause": _PAUSE_SECONDS, "probes": waited_for}
    noted = [number for number, _, _ in chosen]
    with (
        Child("watching", address=address, token=token, **task) as watching,
        Child(
            "paced",
            uri=stage.amqp,
            exchange=stage.exchange,
            jobs=count,
            rate=RATE,
            begin=begin,
            noted=noted,
        ) as publishing,
    ):
        return watching.result(), publishing.result()


def _statuses(cluster: int, step: int) -> tuple[str, ...]:
    return (final_state(cluster),) if step == TERMINATED else _WANTED[step]


def _summed_up(seen: dict[str, Any], sent: dict[str, Any]) -> Result:
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
    return Result([], goals, raw)
