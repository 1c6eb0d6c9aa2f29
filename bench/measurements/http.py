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
        looks, inserts = _served(bench, daemon.pid, address, token)
    bench.say("http: the plain server")
    with bench.stage() as stage, Child("plain", database=stage.database) as plain:
        plain_looks, plain_inserts = _served(bench, plain.pid, plain.address(), "none")
        plain.stop()
        plain.result()
    goals = [
        Goal("look-ups (GET /last-events), 8 connections", looks["rate"], "/s", 1600),
        Goal("insertions (POST /jobs), 8 connections", inserts["rate"], "/s", 1000),
        Goal("p99 of a look-up", looks["milliseconds"]["p99"], "ms"),
        Goal("p99 of an insertion", inserts["milliseconds"]["p99"], "ms"),
        Goal("look-ups of the plain server", plain_looks["rate"], "/s"),
        Goal("insertions of the plain server", plain_inserts["rate"], "/s"),
        Goal("look-ups, as a part of that", looks["rate"] / plain_looks["rate"]),
        Goal("insertions, as a part of that", inserts["rate"] / plain_inserts["rate"]),
    ]
    raw = {
        "look-ups": looks,
        "insertions": inserts,
        "look-ups of the plain server": plain_looks,
        "insertions of the plain server": plain_inserts,
    }
    return Result([], goals, raw, max(each["strangers"] for each in raw.values()))


def _served(
    bench: Bench, server: int, address: tuple[str, int], token: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Ask a server; give what came of look-ups and of insertions."""
    clusters = range(FIRST_INSERTED, FIRST_INSERTED + JOBS)
    invocations = list(jobs.insert(address, token, clusters).values())
    common = {"address": address, "token": token, "connections": CONNECTIONS}
    looking = {**common, "invocations": invocations}
    seconds = bench.sizes.http_seconds
    _asked(bench, server, **looking, seconds=_WARM_SECONDS)
    looks = _asked(bench, server, **looking, seconds=seconds)
    inserts = _asked(bench, server, **common, seconds=seconds, first_cluster=FIRST_INSERTED + JOBS)
    return looks, inserts


def _asked(bench: Bench, server: int, **task: Any) -> dict[str, Any]:
    with Child("asking", **task) as child:
        clocks = {**rounds.clocks(bench, [server]), "client": partial(cpu.of_process, child.pid)}
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
