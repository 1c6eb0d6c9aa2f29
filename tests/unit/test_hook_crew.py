"""Threads for many receivers: how many at a time, whose turn it is, and when they end."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator

import pytest

from jexevents.hooks.crew import Crew
from tests.support import wait_until

SOON = 30


class Gates:
    """Serves names, each of which waits till it is let through."""

    def __init__(self, threads: int = 8, idle_seconds: float = SOON) -> None:
        self.slow: set[str] = set()
        self.idle: set[str] = set()
        self.shut: set[str] = set()
        self.under_way: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.served: list[str] = []
        self.died = threading.Event()
        self._changed = threading.Condition()
        self.crew = Crew(self.serve, self.died.set, threads=threads, idle_seconds=idle_seconds)

    def serve(self, name: str) -> bool | None:
        if name == "broken":
            raise MemoryError()
        with self._changed:
            self.under_way[name] += 1
            self.most[name] = max(self.most[name], self.under_way[name])
            self.most[""] = max(self.most[""], self.under_way.total())
            assert self._changed.wait_for(lambda: name not in self.shut, SOON)
            self.under_way[name] -= 1
            self.served.append(name)
        return None if name in self.idle else name in self.slow

    def call_often(self, *names: str, until: int) -> None:
        """Call until so many are under way, and then once more."""

        def enough() -> bool:
            self.crew.call(names)
            return self.under_way.total() >= until

        wait_until(enough, SOON, f"{until} to be under way")
        self.crew.call(names)

    def open(self, *names: str) -> None:
        with self._changed:
            self.shut -= set(names or self.shut)
            self._changed.notify_all()

    def wait_for(self, *names: str) -> None:
        wait_until(lambda: set(names) <= set(self.served), SOON, f"{names} to be served")


@pytest.fixture
def gates() -> Iterator[Gates]:
    made = Gates()
    yield made
    made.open()
    made.crew.stop()
    assert made.crew.join(SOON)


def test_one_that_hangs_has_a_quarter_of_the_threads_and_others_are_served(gates: Gates) -> None:
    gates.shut = {"dead"}
    gates.call_often("dead", until=2)
    gates.crew.call(["a", "b"])
    gates.wait_for("a", "b")
    assert gates.most["dead"] == 2


def test_all_slow_ones_have_half_of_the_threads(gates: Gates) -> None:
    slow = [f"slow {number}" for number in range(8)]
    gates.slow = set(slow)
    gates.crew.call(slow)
    gates.wait_for(*slow)
    gates.shut = set(slow)
    gates.call_often(*slow, until=4)
    assert gates.under_way.total() == 4
    gates.crew.call(["a"])
    gates.wait_for("a")
    assert gates.under_way.total() == 4
    assert not gates.crew.somebody_waits()


def test_one_that_is_quick_again_is_slow_no_more(gates: Gates) -> None:
    slow = [f"slow {number}" for number in range(8)]
    gates.slow = set(slow)
    gates.crew.call(slow)
    gates.wait_for(*slow)
    gates.slow = set()
    gates.served.clear()
    gates.crew.call(slow)
    gates.wait_for(*slow)
    gates.shut = set(slow)
    gates.call_often(*slow, until=8)
    assert gates.under_way.total() == 8


def test_one_that_there_was_nothing_for_is_as_slow_as_before(gates: Gates) -> None:
    slow = [f"slow {number}" for number in range(8)]
    gates.slow = set(slow)
    gates.crew.call(slow)
    gates.wait_for(*slow)
    gates.idle = set(slow)
    gates.served.clear()
    gates.crew.call(slow)
    gates.wait_for(*slow)
    gates.shut = set(slow)
    gates.call_often(*slow, until=4)
    assert gates.under_way.total() == 4
    assert not gates.crew.somebody_waits()


def test_what_there_is_nothing_for_any_more_is_forgotten(gates: Gates) -> None:
    slow = [f"slow {number}" for number in range(8)]
    gates.slow = set(slow)
    gates.crew.call(slow)
    gates.wait_for(*slow)
    wait_until(lambda: not gates.crew.somebody_waits(), SOON, "all to be done")
    gates.crew.keep(slow[:1])
    gates.shut = set(slow)
    gates.call_often(*slow, until=8)
    assert gates.under_way.total() == 8


def test_there_are_no_more_threads_than_may_be_and_all_are_served(gates: Gates) -> None:
    names = [f"n{number}" for number in range(50)]
    gates.shut = set(names)
    gates.crew.call(names)
    wait_until(lambda: gates.under_way.total() == 8, SOON, "8 at a time")
    assert gates.crew.size == 8
    assert gates.crew.somebody_waits()
    gates.open()
    gates.wait_for(*names)
    assert gates.most[""] == 8
    assert Counter(gates.served) == Counter(names)


def test_threads_end_when_they_are_idle_and_begin_again() -> None:
    gates = Gates(idle_seconds=0.05)
    for name in ("a", "b"):
        gates.crew.call([name])
        gates.wait_for(name)
        wait_until(lambda: gates.crew.size == 0, SOON, "the threads to end")


def test_it_ends_though_some_wait(gates: Gates) -> None:
    gates.shut = {"dead"}
    gates.call_often("dead", until=2)
    gates.crew.stop()
    gates.crew.call(["late"])
    gates.open()
    assert gates.crew.join(SOON)
    assert gates.served == ["dead", "dead"]


def test_a_thread_that_dies_is_told() -> None:
    gates = Gates()
    gates.crew.call(["broken"])
    assert gates.died.wait(SOON)
    assert isinstance(gates.crew.exception, MemoryError)
    assert gates.crew.join(SOON)
    assert gates.crew.size == 0


def test_a_system_that_has_no_thread_to_give_is_asked_again(
    gates: Gates, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:

        def refuse(_thread: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        patched.setattr(threading.Thread, "start", refuse)
        gates.crew.call(["a"])
        assert gates.crew.size == 0
    gates.crew.call(["b"])
    gates.wait_for("a", "b")
