"""The daemon's memory over a backlog, and with bodies of 20 MB among the messages."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bench import cpu, database, rounds
from bench.daemon import Daemon
from bench.errors import BenchFailed
from bench.figures import Goal, Result
from bench.load import STEPS, huge_event, huge_rubbish, messages
from bench.stage import Bench, Stage

MIB = 2**20
HUGE_BYTES, LARGE_BYTES, EVERY = 20_000_000, 4_000_000, 400
_FIRST_HUGE = 60_000_000
_SAMPLE_SECONDS = 0.25
_REJECTS_SECONDS = 30.0


def measure(bench: Bench) -> Result:
    """Watch the memory over both."""
    bench.say(f"memory: a backlog of {bench.sizes.backlog:,} messages")
    flat = backlog(bench)
    bench.say(f"memory: {bench.sizes.huge} bodies of 20 MB among smaller ones")
    huge = bodies(bench)
    goals = [
        Goal("memory over the backlog: greatest", flat["peak_mib"] * MIB / 1e6, "MB", 150, "min"),
        Goal("growth from its first tenth to its last", flat["growth_mib"], "MiB", 10, "min"),
        Goal("with bodies of 20 MB among them: greatest", huge["peak_mib"], "MiB", 300, "min"),
        Goal("memory after them, at the end", huge["end_mib"], "MiB"),
    ]
    return Result([], goals, {"backlog": flat, "bodies of 20 MB": huge})


def backlog(bench: Bench) -> dict[str, Any]:
    """Work a long queue off."""
    with bench.stage() as stage:
        count = stage.fill_events(bench.sizes.backlog)
        found = _watched(bench, stage, count)
        stage.check(count)
        return found


def bodies(bench: Bench) -> dict[str, Any]:
    """Work a queue off in which large bodies stand."""
    huge = bench.sizes.huge
    with bench.stage() as stage:
        stage.fill(with_huge(huge))
        found = _watched(bench, stage, huge * EVERY + huge)
        _wait_rejects(stage, huge)
        stage.check(huge * EVERY, others=huge)
        return found


def with_huge(
    huge: int, refused_bytes: int = HUGE_BYTES, large_bytes: int = LARGE_BYTES
) -> Iterator[bytes]:
    """Give the events of whole jobs with two large bodies before each 400th.

    The first is longer than the daemon takes, in turns a whole event and none; the second is a
    good event that is nearly as long as it takes.
    """
    for number, body in enumerate(messages(huge * EVERY // STEPS)):
        if number % EVERY == 0:
            cluster = _FIRST_HUGE + number
            whole = number // EVERY % 2 == 0
            refused = huge_event if whole else huge_rubbish
            yield refused(cluster, refused_bytes)
            yield huge_event(cluster, large_bytes)
        yield body


def _watched(bench: Bench, stage: Stage, count: int) -> dict[str, Any]:
    samples: list[tuple[float, int]] = []
    peak = 0

    @contextmanager
    def sampling(daemon: Daemon) -> Iterator[None]:
        nonlocal peak
        stop = threading.Event()

        def sample() -> None:
            while not stop.wait(_SAMPLE_SECONDS):
                samples.append((time.time(), cpu.memory(daemon.pid)[0]))

        thread = threading.Thread(target=sample)
        thread.start()
        try:
            yield
            now, peak = cpu.memory(daemon.pid)
            samples.append((time.time(), now))
        finally:
            stop.set()
            thread.join()

    done = rounds.work_off(bench, stage, count, beside=sampling)
    return summed_up([held for _, held in samples], peak) | {"rate": done.rate}


def summed_up(held: list[int], peak: int) -> dict[str, Any]:
    """Sum samples up: the greatest, the last, and the last tenth behind the second tenth.

    The first tenth is left out, in which all that is needed is loaded.
    """
    tenth = max(1, len(held) // 10)
    early = held[tenth : 2 * tenth] or held
    growth = statistics.median(held[-tenth:]) - statistics.median(early)
    return {
        "peak_mib": peak / MIB,
        "end_mib": held[-1] / MIB,
        "growth_mib": growth / MIB,
        "samples_mib": [round(each / MIB, 1) for each in held],
    }


def _wait_rejects(stage: Stage, wanted: int) -> None:
    deadline = time.monotonic() + _REJECTS_SECONDS
    with database.connected(stage.database) as connection:
        while (found := database.count_rejects(connection)) != wanted:
            if time.monotonic() > deadline:
                raise BenchFailed(f"{found} rejects, not {wanted}")
            time.sleep(_SAMPLE_SECONDS)
