"""Pages of the dashboard over a ledger of a million jobs: each must open at once."""

from __future__ import annotations

import http.client
import time
from collections.abc import Mapping
from contextlib import closing
from typing import Any
from urllib.parse import urlencode

from bench import database, rounds
from bench.errors import BenchFailed
from bench.figures import Goal, Result, milliseconds
from bench.filling import multiply
from bench.load import STEPS
from bench.stage import Bench, Stage

_TEMPLATE_JOBS, _SUBMITTERS = 10_000, 200
_GOAL_MILLISECONDS = 300
# What asks most of the ledger: what is nowhere, what is rare, and what is long ago.
_LISTS: Mapping[str, Mapping[str, str]] = {
    "the newest jobs": {},
    "jobs that failed": {"phase": "ERROR"},
    "jobs in a phase that none is in": {"phase": "QUEUED"},
    "jobs of a kind that there is none of": {"kind": "pipeline"},
    "jobs with a text that none has": {"text": "no such job"},
    "jobs of one submitter": {"submitter": "user7"},
    "failed jobs of one submitter": {"submitter": "user7", "phase": "ERROR"},
    "jobs since a day that is long over": {"since": "2026-03-01T00:00", "state": "Running"},
    "a job by its key": {"text": "{key}"},
    "jobs in the middle of the ledger": {"before": "{middle}"},
}


def measure(bench: Bench) -> Result:
    """Fill a ledger as the daemon does, multiply it, and open pages over it."""
    jobs = bench.sizes.page_jobs
    bench.say(f"pages: filling a ledger with {jobs:,} jobs")
    with bench.stage() as stage:
        _fill(bench, stage, jobs)
        known = _known(stage)
        with stage.served() as (_, address, token):
            found = {
                name: _opened(bench, address, token, _path(query, known))
                for name, query in _LISTS.items()
            }
            others = {
                "the overview": _opened(bench, address, token, "/"),
                "one job": _opened(bench, address, token, f"/ui/jobs/{known['middle']}"),
            }
    slowest = max(found, key=lambda name: found[name]["max"])
    goals = [
        Goal(
            f"list pages over {jobs:,} jobs: slowest", found[slowest]["max"], "ms",
            _GOAL_MILLISECONDS, "min",
        ),
        *(Goal(f"page: {name}, p50", each["p50"], "ms") for name, each in found.items()),
        *(Goal(f"page: {name}, p50", each["p50"], "ms") for name, each in others.items()),
    ]  # fmt: skip
    return Result([], goals, {**found, **others, "slowest": slowest})


def _fill(bench: Bench, stage: Stage, jobs: int) -> None:
    count = stage.fill_events(min(jobs, _TEMPLATE_JOBS) * STEPS)
    rounds.work_off(bench, stage, count)
    with database.connected(stage.database) as connection:
        database.ask(
            connection,
            f"update jobs set submitter = 'user' || (key::bigint % {_SUBMITTERS})",
        )
        multiply(connection, jobs * STEPS // count - 1, bench.say)


def _known(stage: Stage) -> dict[str, str]:
    """Give the key of a job, and the id of the one in the middle of the ledger."""
    with database.connected(stage.database) as connection:
        ask = database.ask
        return {
            "key": ask(connection, "select key from jobs order by id limit 1"),
            "middle": ask(
                connection,
                "select id::text from jobs"
                " order by id offset (select count(*) / 2 from jobs) limit 1",
            ),
        }


def _path(query: Mapping[str, str], known: Mapping[str, str]) -> str:
    given = {name: text.format(**known) for name, text in query.items()}
    return f"/ui/jobs?{urlencode(given)}"


def _opened(bench: Bench, address: tuple[str, int], token: str, path: str) -> dict[str, Any]:
    """Ask for a page so many times, one after the other; give how long it took."""
    times = []
    with closing(http.client.HTTPConnection(*address, timeout=60)) as connection:
        # The first one is not counted: connections and plans are made then.
        for number in range(bench.sizes.page_requests + 1):
            began = time.perf_counter()
            connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
            response = connection.getresponse()
            body = response.read()
            if number:
                times.append(time.perf_counter() - began)
            if response.status != 200:
                raise BenchFailed(f"GET {path} answered {response.status}: {body[:300]!r}")
    return milliseconds(times)
