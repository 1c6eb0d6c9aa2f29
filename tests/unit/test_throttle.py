"""Who guesses is slowed, and nobody else."""

from __future__ import annotations

import pytest

from jexevents.sidecar.problems import Problem
from jexevents.sidecar.throttle import CALLERS, FORGOTTEN_SECONDS, FREE, LONGEST_SECONDS, Throttle
from tests.support import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


def wait_of(throttle: Throttle, caller: str = "a") -> int:
    with pytest.raises(Problem) as raised:
        throttle.check(caller)
    assert raised.value.status == 429
    return int(raised.value.headers["Retry-After"])


def test_some_failures_cost_nothing_and_then_the_wait_doubles(clock: Clock) -> None:
    throttle = Throttle(clock)
    for _ in range(FREE):
        throttle.check("a")
        throttle.failed("a")
    throttle.check("a")
    for wait in (1, 2, 4, 8, 16, 32, LONGEST_SECONDS, LONGEST_SECONDS):
        throttle.failed("a")
        assert wait_of(throttle) == wait
        clock.now += wait
        throttle.check("a")


def test_others_do_not_wait(clock: Clock) -> None:
    throttle = Throttle(clock)
    for _ in range(FREE + 3):
        throttle.failed("a")
    throttle.check("b")
    assert wait_of(throttle) > 1


def test_failures_are_forgotten(clock: Clock) -> None:
    throttle = Throttle(clock)
    for _ in range(FREE + 3):
        throttle.failed("a")
    clock.now += FORGOTTEN_SECONDS + 1
    throttle.failed("a")
    throttle.check("a")


def test_so_many_callers_are_remembered_and_no_more(clock: Clock) -> None:
    throttle = Throttle(clock)
    for _ in range(FREE + 3):
        throttle.failed("a")
    for number in range(CALLERS - 1):
        throttle.failed(str(number))
    assert wait_of(throttle) > 1
    throttle.failed("one more")
    throttle.check("a")
