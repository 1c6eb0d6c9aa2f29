"""HTTP alone: look-ups and insertions a second over 8 kept-alive connections."""

from __future__ import annotations

from functools import partial
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
    strangers = max(looks["strangers"], inserts["strangers"])
    return Result([], goals, {"look-ups": looks, "insertions": inserts}, strangers)


def _asked(bench: Bench, daemon: int, **task: Any) -> dict[str, Any]:
    with Child("asking", **task) as child:
        clocks = {**rounds.clocks(bench, [daemon]), "client": partial(cpu.of_process, child.pid)}
        meter = cpu.Meter(clocks)
        found = child.result()
        costs, strangers = meter.per_event(len(found["times"])), meter.strangers()
    if found["errors"]:
        raise BenchFailed(f"{found['errors']} of {len(found['times'])} requests failed")
    return {
        "rate": found["rate"],
        "milliseconds": milliseconds(found["times"]),
        "cpu_us_per_request": costs,
        "strangers": strangers,
    }
