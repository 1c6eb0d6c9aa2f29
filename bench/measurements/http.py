"""HTTP alone: look-ups and insertions a second over 8 kept-alive connections."""

from __future__ import annotations

from typing import Any

from bench import cpu, jobs, rounds
from bench.children.talk import Child
from bench.errors import BenchFailed
from bench.figures import Goal, Result, milliseconds
from bench.stage import Bench

CONNECTIONS, JOBS = 8, 1000
FIRST_INSERTED = 50_000_000
_WARM_SECONDS = 1.0


def measure(bench: Bench) -> Result:
    """Look known jobs up, then insert new ones, with nothing else going on."""
    bench.say("http")
    with bench.stage() as stage, stage.served() as (daemon, address, token):
        clusters = range(FIRST_INSERTED, FIRST_INSERTED + JOBS)
        invocations = list(jobs.insert(address, token, clusters).values())
        common = {"address": address, "token": token, "connections": CONNECTIONS}
        looking = {**common, "invocations": invocations}
        seconds = bench.sizes.http_seconds
        _asked(bench, daemon.pid, **looking, seconds=_WARM_SECONDS)
        looks = _asked(bench, daemon.pid, **looking, seconds=seconds)
        inserts = _asked(
            bench, daemon.pid, **common, seconds=seconds, first_cluster=FIRST_INSERTED + JOBS
        )
    goals = [
        Goal("look-ups (GET /last-events), 8 connections", looks["rate"], "/s", 1600),
        Goal("insertions (POST /jobs), 8 connections", inserts["rate"], "/s", 1000),
        Goal("p99 of a look-up", looks["milliseconds"]["p99"], "ms"),
        Goal("p99 of an insertion", inserts["milliseconds"]["p99"], "ms"),
    ]
    return Result([], goals, {"look-ups": looks, "insertions": inserts})


def _asked(bench: Bench, daemon: int, **task: Any) -> dict[str, Any]:
    meter = cpu.Meter(rounds.clocks(bench, [daemon]))
    with Child("asking", **task) as child:
        found = child.result()
        costs = meter.per_event(len(found["times"]))
        costs["client"] = 1e6 * cpu.of_process(child.pid) / len(found["times"])
    if found["errors"]:
        raise BenchFailed(f"{found['errors']} of {len(found['times'])} requests failed")
    return {
        "rate": found["rate"],
        "milliseconds": milliseconds(found["times"]),
        "cpu_us_per_request": costs,
    }
