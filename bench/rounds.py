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
    """Events a second, and microseconds of CPU an event by process."""

    rate: float
    seconds: float
    cpu_us_per_event: dict[str, float]


def work_off(
    bench: Bench, stage: Stage, events: int, nodes: int = 1, beside: Beside | None = None
) -> Round:
    """Start daemons on a queue that holds ``events`` events, and wait for the last commit.

    The clock runs from the moment that all of them consume (their log says when); what is
    stored by then does not count. ``beside`` is done meanwhile.
    """
    database.settle(stage.database)
    with database.connected(stage.database) as connection, ExitStack() as stack:
        behind = database.last_seq(connection)
        daemons = [stack.enter_context(stage.daemon(node + 1)) for node in range(nodes)]
        begin = max(daemon.wait_consuming() for daemon in daemons)
        meter = cpu.Meter(clocks(bench, [daemon.pid for daemon in daemons]))
        with beside(daemons[0]) if beside else nullcontext():
            first, end = database.watch(
                connection, events, behind, lambda: [daemon.alive() for daemon in daemons]
            )
        return Round((events - first) / (end - begin), end - begin, meter.per_event(events))


def clocks(bench: Bench, pids: list[int]) -> dict[str, Callable[[], float]]:
    """Give what tells the CPU seconds of consumers (together) and of the servers."""
    return {"consumer": lambda: sum(map(cpu.of_process, pids)), **bench.servers.clocks()}


def rate(what: str, rounds: list[Round]) -> Rate:
    """Sum several rounds up."""
    costs = medians([each.cpu_us_per_event for each in rounds])
    return Rate(what, tuple(each.rate for each in rounds), costs)


def raw(rounds: list[Round]) -> list[dict[str, Any]]:
    """Give rounds for the JSON file."""
    return [asdict(each) for each in rounds]
