"""The thread that looks: when it looks again, and what it makes of being overtaken."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from jexevents import logs
from jexevents.runner.scheduler import Scheduler
from jexevents.store.schedules import Overtaken
from tests.support import wait_until

FOR_EVER = 3600.0


class Told:
    """Stands for looks: does what it is told, one after the other, then rests for ever."""

    def __init__(self, *answers: float | Exception) -> None:
        self.answers = list(answers)
        self.count = 0
        self.dropped: list[int] = []
        self.left = 0

    def look(self) -> float:
        self.count += 1
        answer = self.answers.pop(0) if self.answers else FOR_EVER
        if isinstance(answer, Exception):
            raise answer
        return answer

    def drop_old(self, _keep: timedelta, limit: int) -> int:
        dropped = min(self.left, limit)
        self.left -= dropped
        self.dropped.append(dropped)
        return dropped


@contextmanager
def running(looks: Told, **more: object) -> Iterator[Scheduler]:
    service = Scheduler(looks, **more)
    service.start()
    try:
        yield service
    finally:
        service.stop()
        assert service.join(10)
        assert not service.failed


def test_it_is_woken() -> None:
    looks = Told()
    with running(looks) as service:
        wait_until(lambda: looks.count == 1, 10, "the first look")
        service.wake()
        wait_until(lambda: looks.count == 2, 10, "another one")


def test_who_was_overtaken_lets_the_other_go_first() -> None:
    stream = io.StringIO()
    logs.configure("debug", stream)
    drawn = []

    def draw(least: float, most: float) -> float:
        drawn.append((least, most))
        return 0.0

    looks = Told(Overtaken(), 0.01, 0.0, 0.01)
    with running(looks, draw=draw):
        wait_until(lambda: looks.count == 5, 10, "all looks")
    # Once when it was, once before the look that follows; when it has decided, no more.
    assert len(drawn) == 2
    assert "look_broken" not in stream.getvalue()


def test_what_is_unforeseen_is_told_and_survived() -> None:
    stream = io.StringIO()
    logs.configure("debug", stream)
    looks = Told(RuntimeError("as a bug would"))
    with running(looks):
        wait_until(lambda: looks.count == 2, 10, "the look behind it")
    assert "look_broken" in stream.getvalue()


def test_what_is_old_is_removed_in_steps() -> None:
    looks = Told()
    looks.left = 2500
    with running(looks):
        wait_until(lambda: looks.dropped == [1000, 1000, 500], 10, "all to be removed")
