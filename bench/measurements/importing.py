"""An old log, straight into the database, beside COPY of the rows that come of it."""

from __future__ import annotations

import json
import os
import subprocess
import time
from functools import partial
from pathlib import Path

from bench import cpu, database, rounds
from bench.daemon import COMMAND, environment
from bench.errors import BenchFailed
from bench.figures import Goal, Result
from bench.load import FIRST_CLUSTER, STEPS, event_text, interleaved
from bench.measurements import ingest
from bench.rounds import Round
from bench.stage import Bench, Stage

IMPORT, COPY = "import of a log", "COPY of the rows of the import"
_A_SECOND = 10_000


def measure(bench: Bench) -> Result:
    """Import the same log several times, each into an empty database; COPY its rows each time."""
    imports, copies = [], []
    for number in range(bench.sizes.import_rounds):
        bench.say(f"import: round {number + 1} of {bench.sizes.import_rounds}")
        with bench.stage() as stage:
            log = stage.folder / "EventLog"
            count = write_log(log, bench.sizes.events)
            imports.append(_imported(bench, stage, log, count))
            stage.check_jobs(count)
            copies.append(ingest.copy(bench, stage, count))
    found = {IMPORT: imports, COPY: copies}
    rates = [rounds.rate(what, each) for what, each in found.items()]
    ours, theirs = (each.median for each in rates)
    goals = [
        Goal("import of a log, events a second", ours, "/s", _A_SECOND),
        Goal("import of a log, as a part of COPY of its rows", ours / theirs),
    ]
    return Result(rates, goals, {what: rounds.raw(each) for what, each in found.items()})


def write_log(path: Path, events: int) -> int:
    """Write a log of whole jobs, at least ``events`` events; give their number."""
    jobs = -(-events // STEPS)
    with path.open("w", encoding="utf-8") as file:
        file.writelines(event_text(FIRST_CLUSTER + job, step) for job, step in interleaved(jobs))
    return jobs * STEPS


def _imported(bench: Bench, stage: Stage, log: Path, count: int) -> Round:
    """Import a log; the clock runs from the start of the command to its end."""
    database.settle(stage.database)
    command = [*COMMAND, "import", str(log), "--json", "--config", str(stage.config())]
    begun = time.monotonic()
    with subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        clocks = {"consumer": partial(cpu.of_family, process.pid), **bench.servers.clocks()}
        meter = cpu.Meter(clocks)
        # It is left unburied, for its costs to be read.
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        result = Round.of(count, time.monotonic() - begun, meter)
        said, faults = process.communicate()
    if process.returncode:
        raise BenchFailed(f"jexevents import ended with {process.returncode}: {faults}")
    if json.loads(said)["new"] != count:
        raise BenchFailed(f"jexevents import said {said}")
    return result
