"""What webhooks cost the ingest, and how many are delivered in a second."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bench import database, rounds
from bench.children.talk import Child
from bench.errors import BenchFailed
from bench.figures import Goal, Result
from bench.load import FIRST_CLUSTER, STEPS, return_value
from bench.rounds import Round
from bench.stage import Bench, Stage

NONE = "daemon without hooks, in turns"
RARE = "daemon, a hook for 1 event in 100"
ALL = "daemon, a hook for every event"
# One job in twenty fails, by one of its five events.
_FAILED = {"States": ["Failed"]}
_LOOK_SECONDS = 0.1
_STALL_SECONDS = 60.0


def measure(bench: Bench) -> Result:
    """Measure ingest without hooks, with one seldom and one always meant; then the sending."""
    found: dict[str, list[Round]] = {NONE: [], RARE: [], ALL: []}
    sent: list[float] = []
    for number in range(bench.sizes.hook_rounds):
        bench.say(f"hooks: round {number + 1} of {bench.sizes.hook_rounds}")
        found[NONE].append(_without(bench))
        with _receiver() as url:
            found[RARE].append(_rare(bench, url))
            stored, rate = _all(bench, url)
        found[ALL].append(stored)
        sent.append(rate)
    rates = {what: rounds.rate(what, each) for what, each in found.items()}
    none, rare, every = (rates[what].median for what in (NONE, RARE, ALL))
    goals = [
        Goal(
            "ingest with a hook for one event in a hundred, as a part of none",
            rare / none,
            "",
            0.85,
        ),
        Goal("ingest with a hook for every event, as a part of none", every / none),
        Goal("deliveries of webhooks to a receiver beside it", sorted(sent)[len(sent) // 2], "/s"),
    ]
    raw = {what: rounds.raw(each) for what, each in found.items()}
    return Result(list(rates.values()), goals, {**raw, "deliveries": sent})


@contextmanager
def _receiver() -> Iterator[str]:
    with Child("receiving") as receiver:
        host, port = receiver.address()
        yield f"http://{host}:{port}/"
        receiver.stop()
        receiver.result()


def _without(bench: Bench) -> Round:
    with bench.stage() as stage:
        count = stage.fill_events(bench.sizes.events)
        return _ingested(bench, stage, count, 0)


def _rare(bench: Bench, url: str) -> Round:
    with bench.stage(Hooks=[_hook(url, **_FAILED)]) as stage:
        count = stage.fill_events(bench.sizes.events)
        clusters = range(FIRST_CLUSTER, FIRST_CLUSTER + count // STEPS)
        return _ingested(bench, stage, count, sum(map(return_value, clusters)))


def _all(bench: Bench, url: str) -> tuple[Round, float]:
    """Give the round of ingest, and deliveries a second of a daemon that does nothing else."""
    with bench.stage(Hooks=[_hook(url)]) as stage:
        count = stage.fill_events(bench.sizes.hook_events)
        stored = _ingested(bench, stage, count, count)
        return stored, _sent(stage)


def _hook(url: str, **members: Any) -> dict[str, Any]:
    return {"Name": "bench", "URL": url, **members}


def _ingested(bench: Bench, stage: Stage, count: int, deliveries: int) -> Round:
    done = rounds.work_off(bench, stage, count)
    stage.check(count)
    with database.connected(stage.database) as connection:
        if (found := database.count_deliveries(connection)) != deliveries:
            raise BenchFailed(f"{found} deliveries were written, not {deliveries}")
    return done


def _sent(stage: Stage) -> float:
    """Have a daemon send what waits; give the rate from the first look at which it does.

    A process of its own, so that what was sent while others ingested does not count.
    """
    with database.connected(stage.database) as connection, stage.daemon() as daemon:
        daemon.wait_consuming()
        first = left = database.count_pending(connection)
        begin = moved = time.monotonic()
        while left:
            daemon.alive()
            time.sleep(_LOOK_SECONDS)
            now = database.count_pending(connection)
            if now != left:
                left, moved = now, time.monotonic()
            elif time.monotonic() - moved > _STALL_SECONDS:
                raise BenchFailed(f"{left} deliveries are not sent")
        seconds = time.monotonic() - begin
        if not first:
            raise BenchFailed("nothing was left to be sent: choose greater sizes")
        return first / seconds
