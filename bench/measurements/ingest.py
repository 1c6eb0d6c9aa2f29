"""Ceiling, daemon, naive consumer and COPY, all with the same messages."""

from __future__ import annotations

from typing import Any

from bench import cpu, database, rounds
from bench.children.talk import Child
from bench.figures import Goal, Result
from bench.rounds import Round
from bench.stage import Bench, Stage

# The daemon's defaults.
BATCH, PREFETCH = 500, 1000
CEILING = "1 ceiling: bare consumer"
DAEMON = "2 daemon"
NAIVE = "3 naive consumer"
COPY = "4 PostgreSQL: COPY"
_TABLES = ("jobs", "events")


def measure(bench: Bench) -> Result:
    """Measure all four, ceiling and daemon in turns."""
    ceilings, daemons, copies = [], [], []
    for number in range(bench.sizes.rounds):
        bench.say(f"ingest: round {number + 1} of {bench.sizes.rounds}")
        ceilings.append(ceiling(bench))
        stored, copied = daemon(bench)
        daemons.append(stored)
        copies.append(copied)
    bench.say("ingest: the naive consumer")
    found = {CEILING: ceilings, DAEMON: daemons, NAIVE: [naive(bench)], COPY: copies}
    rates = [rounds.rate(what, each) for what, each in found.items()]
    top, ours, simple, _ = (each.median for each in rates)
    goals = [
        Goal("ingest, as a part of the ceiling", ours / top, "", 0.6),
        Goal("ingest, as a multiple of the naive consumer", ours / simple, "", 10),
    ]
    return Result(rates, goals, {what: rounds.raw(each) for what, each in found.items()})


def ceiling(bench: Bench) -> Round:
    """Have a bare consumer take all and acknowledge."""
    with bench.stage() as stage:
        count = stage.fill_events(bench.sizes.events)
        task = {"queue": stage.queue, "batch": BATCH, "prefetch": PREFETCH}
        return _consumed(bench, "bare", uri=stage.amqp, count=count, **task)


def naive(bench: Bench) -> Round:
    """Have the naive consumer store fewer of them."""
    with bench.stage() as stage:
        count = stage.fill_events(bench.sizes.naive_events)
        task = {"queue": stage.queue, "database": stage.database}
        return _consumed(bench, "naive", uri=stage.amqp, count=count, **task)


def daemon(bench: Bench) -> tuple[Round, Round]:
    """Have the daemon store all, then COPY its rows into the same table of another database."""
    with bench.stage() as stage:
        count = stage.fill_events(bench.sizes.events)
        stored = rounds.work_off(bench, stage, count)
        stage.check(count)
        return stored, copy(bench, stage, count)


def copy(bench: Bench, stage: Stage, count: int) -> Round:
    """Load the events of ``stage`` with one COPY, beside the jobs that they belong to."""
    with (
        bench.stage() as other,
        database.connected(stage.database) as source,
        database.connected(other.database) as target,
    ):
        files = {table: stage.folder / table for table in _TABLES}
        for table, path in files.items():
            database.dump(source, table, path)
        database.load(target, "jobs", files["jobs"])
        database.settle(other.database)
        meter = cpu.Meter(bench.servers.clocks())
        seconds = database.load(target, "events", files["events"])
        return Round.of(count, seconds, meter)


def _consumed(bench: Bench, child: str, count: int, **task: Any) -> Round:
    database.settle(bench.servers.postgres)
    with Child(child, count=count, **task) as consumer:
        begin = consumer.wait_begun()
        meter = cpu.Meter(rounds.clocks(bench, [consumer.pid]))
        seconds = consumer.result()["end"] - begin
        return Round.of(count, seconds, meter)
