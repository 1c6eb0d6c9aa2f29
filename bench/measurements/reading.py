"""GET /last-events at a fixed rate while ingest runs at full speed, and ingest without it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bench import jobs, rounds
from bench.children.talk import Child
from bench.daemon import Daemon
from bench.figures import Goal, Result, milliseconds
from bench.rounds import Round
from bench.stage import Bench, Stage

RATE, CONNECTIONS, JOBS = 300, 8, 1000
FIRST_INSERTED = 50_000_000
_NAMES = {False: "daemon without requests, in turns", True: "daemon at 300 look-ups/s"}


def measure(bench: Bench) -> Result:
    """Measure ingest without and with requests in turns, and what the requests took."""
    found: dict[bool, list[Round]] = {asked: [] for asked in _NAMES}
    answers: list[dict[str, Any]] = []
    for number in range(bench.sizes.reading_rounds):
        bench.say(f"reading: round {number + 1} of {bench.sizes.reading_rounds}")
        for asked, done in found.items():
            done.append(_round(bench, answers if asked else None))
    rates = [rounds.rate(_NAMES[asked], done) for asked, done in found.items()]
    raw = {_NAMES[asked]: rounds.raw(done) for asked, done in found.items()}
    return _summed_up(rates, answers, raw)


def _round(bench: Bench, answers: list[dict[str, Any]] | None) -> Round:
    with bench.stage() as stage:
        token, invocations = _known_jobs(stage)
        count = stage.fill_events(bench.sizes.events)

        @contextmanager
        def asking(daemon: Daemon) -> Iterator[None]:
            address = daemon.wait_listening()
            task = {"connections": CONNECTIONS, "rate": RATE, "invocations": invocations}
            with Child("scheduled", address=address, token=token, **task) as child:
                child.wait_begun()
                yield
                child.stop()
                answers.append(child.result())

        done = rounds.work_off(bench, stage, count, beside=None if answers is None else asking)
        stage.check(count, others=JOBS)
        return done


def _known_jobs(stage: Stage) -> tuple[str, list[str]]:
    with stage.served() as (_, address, token):
        clusters = range(FIRST_INSERTED, FIRST_INSERTED + JOBS)
        return token, list(jobs.insert(address, token, clusters).values())


def _summed_up(rates: list[Any], answers: list[dict[str, Any]], raw: dict[str, Any]) -> Result:
    figures = milliseconds([each for answer in answers for each in answer["times"]])
    errors = sum(answer["errors"] for answer in answers)
    service = milliseconds([each for answer in answers for each in answer["service_times"]])
    what = "GET /last-events at 300/s while ingest runs"
    goals = [
        Goal(f"{what}: p50", figures["p50"], "ms"),
        Goal(f"{what}: p99", figures["p99"], "ms", 25, "min"),
        Goal(f"{what}: errors", errors, "", 0, "min"),
        Goal("ingest meanwhile, as a part of ingest alone", rates[1].median / rates[0].median),
    ]
    more = {"milliseconds": figures, "service_milliseconds": service, "errors": errors}
    return Result(rates, goals, {**raw, **more})
