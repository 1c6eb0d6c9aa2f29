"""Two daemons on one queue and one database, and one, in turns."""

from __future__ import annotations

from bench import rounds
from bench.figures import Goal, Result
from bench.rounds import Round
from bench.stage import Bench

_NODES = {1: "one daemon, in turns with two", 2: "two daemons"}


def measure(bench: Bench) -> Result:
    """Compare the rates; every round also checks that each event is there once."""
    found: dict[int, list[Round]] = {nodes: [] for nodes in _NODES}
    for number in range(bench.sizes.pair_rounds):
        bench.say(f"pair: round {number + 1} of {bench.sizes.pair_rounds}")
        for nodes, done in found.items():
            done.append(_round(bench, nodes))
    rates = {nodes: rounds.rate(_NODES[nodes], done) for nodes, done in found.items()}
    ratio = rates[2].median / rates[1].median
    return Result(
        list(rates.values()),
        [Goal("two daemons, as a part of one", ratio, "", 0.95)],
        {_NODES[nodes]: rounds.raw(done) for nodes, done in found.items()},
    )


def _round(bench: Bench, nodes: int) -> Round:
    with bench.stage() as stage:
        count = stage.fill_events(bench.sizes.events)
        done = rounds.work_off(bench, stage, count, nodes)
        stage.check(count)
        return done
