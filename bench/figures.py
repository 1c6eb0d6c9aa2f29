"""What a measurement gives, and the arithmetic of it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.errors import BenchFailed


@dataclass(frozen=True, slots=True)
class Rate:
    """Events a second over several rounds.

    ``cpu`` is the median cost by process, in microseconds an event; ``strangers`` the greatest
    part of the processors that other processes had meanwhile.
    """

    what: str
    values: tuple[float, ...]
    cpu: Mapping[str, float] = field(default_factory=dict)
    strangers: float = 0.0

    @property
    def median(self) -> float:
        """The rate of the middle round."""
        return statistics.median(self.values)


@dataclass(frozen=True, slots=True)
class Goal:
    """One figure beside its goal; without a goal it is only told.

    ``best`` is ``max`` where more is better and ``min`` where less is.
    """

    what: str
    value: float
    unit: str = ""
    goal: float | None = None
    best: str = "max"

    @property
    def score(self) -> float | None:
        """How many times as good as the goal: 1 and more is met. None without a goal."""
        if self.goal is None:
            return None
        good, bad = (self.value, self.goal) if self.best == "max" else (self.goal, self.value)
        # What is less than nothing, as memory that shrank, is as good as can be.
        return good / bad if bad > 0 else math.inf

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None without one."""
        return None if self.score is None else self.score >= 1


@dataclass(slots=True)
class Result:
    """What one measurement came to.

    ``raw`` is kept as JSON and holds what the rest is made of. ``strangers`` is the greatest
    part of the processors that other processes had, beside what the rates tell of it.
    """

    rates: list[Rate] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    raw: dict[str, Any] = field(default_factory=dict)
    strangers: float = 0.0


def percentile(values: Sequence[float], share: float) -> float:
    """Give the least value that at least ``share`` (0 to 1) of the values do not exceed.

    Raises BenchFailed if there is none.
    """
    if not values:
        raise BenchFailed("nothing was measured: choose greater sizes")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def milliseconds(values: Sequence[float]) -> dict[str, float]:
    """Sum up durations in seconds as milliseconds: how many, p50, p99, greatest."""
    return {
        "count": len(values),
        "p50": 1000 * percentile(values, 0.5),
        "p99": 1000 * percentile(values, 0.99),
        "max": 1000 * max(values),
    }


def medians(rounds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Give the median of each key over the rounds that have it."""
    keys = {key: None for each in rounds for key in each}
    return {key: statistics.median(each[key] for each in rounds if key in each) for key in keys}
