"""The rate with millions of events in the table, against that with few."""

from __future__ import annotations

from contextlib import ExitStack

from bench import database, rounds
from bench.figures import Goal, Result
from bench.filling import multiply
from bench.rounds import Round
from bench.stage import Bench, Stage

_FIRST_NEW = 900_000_000
_CLUSTERS_A_ROUND = 1_000_000


def measure(bench: Bench) -> Result:
    """Fill a table as the daemon does, multiply it, and work queues off on both in turns."""
    few, many = bench.sizes.shallow, bench.sizes.deep
    names = {few: f"daemon, {few:,} events in the table", many: f"daemon, {many:,} events"}
    found: dict[int, list[Round]] = {few: [], many: []}
    with bench.stage() as template, ExitStack() as stack:
        bench.say(f"depth: filling a table with {many:,} events")
        count = template.fill_events(few)
        rounds.work_off(bench, template, count)
        deep = stack.enter_context(bench.stage(like=template.name))
        with database.connected(deep.database) as connection:
            multiply(connection, many // count - 1, bench.say)
        for number in range(bench.sizes.depth_rounds):
            bench.say(f"depth: round {number + 1} of {bench.sizes.depth_rounds}")
            with bench.stage(like=template.name) as shallow:
                found[few].append(_round(bench, shallow, number))
            found[many].append(_round(bench, deep, number))
    rates = [rounds.rate(names[size], done) for size, done in found.items()]
    ratio = rates[1].median / rates[0].median
    return Result(
        rates,
        [Goal(f"ingest with {many:,} events in the table, as a part of few", ratio, "", 0.9)],
        {names[size]: rounds.raw(done) for size, done in found.items()},
    )


def _round(bench: Bench, stage: Stage, number: int) -> Round:
    first = _FIRST_NEW + number * _CLUSTERS_A_ROUND
    count = stage.fill_events(bench.sizes.events, first)
    return rounds.work_off(bench, stage, count)
