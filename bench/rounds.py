"""One round: daemons work off a full queue."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import asdict, dataclass
from typing import Any

from bench import cpu, database
from bench.daemon import Daemon
from bench.figures import Rate, medians
from bench.stage import Bench, Stage

Beside = Callable[[Daemon], AbstractContextManager[Any]]


@dataclass(frozen=True)
class Round:
    """Events a second, and what they cost by process.

    ``strangers`` is the part of the machine's processors that others had: where it is not
    small, the figures are those of a busy machine.
    """

    rate: float
    seconds: float
    cpu_us_per_event: dict[str, float]
    strangers: float = 0.0

    @classmethod
    def of(cls, events: int, seconds: float, meter: cpu.Meter) -> Round:
        """Make it of events, the seconds they took, and what has been counted since."""
        return cls(events / seconds, seconds, meter.per_event(events), meter.strangers())


def work_off(
    bench: Bench, stage: Stage, events: int, nodes: int = 1, beside: Beside | None = None
) -> Round:
    """Start daemons on a queue that holds ``events`` events, and wait for the last commit.

    The clock runs from the moment that all of them consume (their log says when); what is
    stored by then does not count. Where that is all, as it may be with few events, the clock
    runs from the first one's. ``beside`` is done meanwhile.
    """
    database.settle(stage.database)
    with database.connected(stage.database) as connection, ExitStack() as stack:
        behind = database.last_seq(connection)
        daemons = [stack.enter_context(stage.daemon(node + 1)) for node in range(nodes)]
        begun = [daemon.wait_consuming() for daemon in daemons]
        meter = cpu.Meter(clocks(bench, [daemon.pid for daemon in daemons]))
        with beside(daemons[0]) if beside else nullcontext():
            first, end = database.watch(
                connection, events, behind, lambda: [daemon.alive() for daemon in daemons]
            )
        if first < events:
            return Round.of(events - first, end - max(begun), meter)
        return Round.of(events, end - min(begun), meter)


def clocks(bench: Bench, pids: list[int]) -> dict[str, Callable[[], float]]:
    """Give what tells the CPU seconds of consumers (together) and of the servers."""
    return {"consumer": lambda: sum(map(cpu.of_process, pids)), **bench.servers.clocks()}


def rate(what: str, rounds: list[Round]) -> Rate:
    """Sum several rounds up."""
    costs = medians([each.cpu_us_per_event for each in rounds])
    strangers = max(each.strangers for each in rounds)
    return Rate(what, tuple(each.rate for each in rounds), costs, strangers)


def raw(rounds: list[Round]) -> list[dict[str, Any]]:
    """Give rounds for the JSON file."""
    return [asdict(each) for each in rounds]
