"""Containers while what runs them is killed: each runs once, its end is true, nothing is left."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.faults.sizes import FULL
from tests.faults.yard import Yard
from tests.support import wait_until

# How many runs, and how long the worker lives each time, at least, and till so many more are over.
MANY, EVERY_SECONDS, EVERY_RUNS = (300, 10.0, 0) if FULL else (24, 0.0, 6)
SOME, KILLS = (60, 6) if FULL else (12, 2)


def worker(yard: Yard) -> None:
    yard.nodes[-1].end()
    yard.nodes[-1].start_again()


def engine(yard: Yard) -> None:
    yard.engine.private.kill()
    yard.engine.private.start()


def broker(yard: Yard) -> None:
    yard.rabbit.kill()
    yard.rabbit.start()


def database(yard: Yard) -> None:
    yard.postgres.kill()
    yard.postgres.start()


@pytest.mark.parametrize("kill", [worker, engine, broker, database], ids=lambda one: one.__name__)
def test_killed_in_mid_run(yard: Yard, rng, kill: Callable[[Yard], None]) -> None:
    yard.worker()
    again = {"retries": {"count": KILLS, "on": ["lost"], "backoff": 0.1}}
    result = yard.run(yard.task(), SOME, **(again if kill is engine else {}))
    away: list[tuple[float, float]] = []
    for ended in sorted(rng.sample(range(SOME - 4), KILLS)):
        yard.wait_over(result, ended)
        begun = time.time()
        kill(yard)
        away.append((begun, time.time()))
    yard.wait_over(result, SOME)
    cut = set()
    if kill is engine:
        cut = {one["detail_id"] for one in yard.details(result) if ended_in(one, away)}
        assert len(cut) < SOME
    yard.assert_true(result, SOME, cut)


def ended_in(detail: dict, spans: list[tuple[float, float]]) -> bool:
    """Whether a run ended in one of these spans, or a moment before."""
    return any(begun - 1 <= detail["end"] <= end for begun, end in spans)


def test_a_worker_that_is_killed_again_and_again(yard: Yard) -> None:
    yard.worker()
    result = yard.run(yard.task(), MANY)
    while (before := yard.over(result)) < MANY:
        end = time.monotonic() + EVERY_SECONDS

        def is_due(end: float = end, goal: int = before + EVERY_RUNS) -> bool:
            over = yard.over(result)
            return over == MANY or (time.monotonic() >= end and over >= goal)

        wait_until(is_due, EVERY_SECONDS + 120, "the time to kill it")
        worker(yard)
    yard.assert_true(result, MANY)
