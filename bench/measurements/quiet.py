"""From publishing one event to its row, while nothing else comes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice

from bench import database, publishing
from bench.errors import BenchFailed
from bench.figures import Goal, Result, milliseconds
from bench.load import STEPS, messages
from bench.stage import Bench, Stage

_PAUSE_SECONDS = 0.1
_LOOK_SECONDS = 0.0005
_GIVE_UP_SECONDS = 10.0


def measure(bench: Bench) -> Result:
    """Publish one event after the other, each when the one before has been stored a while."""
    bench.say("quiet")
    with bench.stage() as stage, stage.served():
        times = list(_times(stage, bench.sizes.quiet_events))
    figures = milliseconds(times)
    what = "while the broker is quiet, publish to stored"
    goals = [
        Goal(f"{what}: p50", figures["p50"], "ms"),
        Goal(f"{what}: p99", figures["p99"], "ms", 50, "min"),
    ]
    return Result([], goals, {"milliseconds": figures, "times": times})


def _times(stage: Stage, count: int) -> Iterator[float]:
    with publishing.channel_to(stage.amqp) as channel, database.connected(stage.database) as asking:
        for body in islice(messages(-(-count // STEPS)), count):
            behind = database.last_seq(asking)
            time.sleep(_PAUSE_SECONDS)
            begin = time.monotonic()
            publishing.publish(channel, stage.exchange, body)
            while database.last_seq(asking) == behind:
                if time.monotonic() - begin > _GIVE_UP_SECONDS:
                    raise BenchFailed("an event was never stored")
                time.sleep(_LOOK_SECONDS)
            yield time.monotonic() - begin
