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
# Lists of other things than jobs, each of as many as there are jobs.
_OTHER_LISTS: Mapping[str, str] = {
    "rejects": "/ui/rejects",
    "rejects by a door that none came by": "/ui/rejects?origin=none",
    "rejects for a reason that none has": "/ui/rejects?reason=headers",
    "deliveries of a webhook": "/ui/webhooks/portal",
    "deliveries that were given up": "/ui/webhooks/portal?state=dead",
    "webhooks": "/ui/webhooks",
    "uploads of a system that there is none of": f"/ui/uploads?system={'0' * 8}-{'0' * 4}-"
    f"{'4' + '0' * 3}-{'8' + '0' * 3}-{'0' * 12}",
    "uploads": "/ui/uploads",
    "schedules": "/ui/schedules",
    "tasks": "/ui/tasks",
    "results": "/ui/results",
    "workers": "/ui/workers",
}
_OTHER_ROWS = (
    "insert into rejects (received_at, last_at, origin, source, reason, reasons, properties, body,"
    " size, sha256, cut, checksum) select now(), now(), 'amqp:jexevents', '', 'schema', '[]', '{}',"
    " 'no event', 8, sha256('x'), false, sha256(int4send(n)) from generate_series(1, %s) n",
    "insert into hook_deliveries (hook, message_id, seq, state, finished_at) select 'portal',"
    " gen_random_uuid(), n, 'delivered', now() from generate_series(1, %s) n",
    "insert into uploads (id, system, node, path, filename, field, size, sha256, bundle_type,"
    " bundle_version, manifest, credential, received_at) select gen_random_uuid(),"
    " gen_random_uuid()::text, 'one', n::text, 'a.tgz', 'techsupport_tgz', 1, sha256('x'), 't', 1,"
    " '{}', 'ann', now() from generate_series(1, %s) n",
)


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
            found |= {
                name: _opened(bench, address, token, path) for name, path in _OTHER_LISTS.items()
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
        for statement in _OTHER_ROWS:
            database.ask(connection, statement, jobs)
        database.ask(connection, "analyze")


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
