"""The daemon is killed while executions are asked for, run and end: each ran once, its end is true.

Under supervisord, as it is in service: what runs must outlive each of its deaths.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from jexevents import processes
from jexevents.lifecycle.executionid import attempt_id
from tests.acceptance.jobs import left_of
from tests.acceptance.support import make_token
from tests.faults.daemons import SupervisedDaemon
from tests.faults.servers import Postgres, Rabbit, ask
from tests.gitting import Origin
from tests.support import free_port, wait_until

# It says that it ran where no daemon looks, then lines enough for many reads, and an exit status of
# its own; some take a while, so that a kill meets them in every state.
UNIT = """
command: |
  echo {{ n }} >> {{ ran }}
  i=0
  while test $i -lt 200; do echo "line $i of {{ n }}"; i=$((i+1)); done
  sleep {{ nap }}
  echo "last of {{ n }}" >&2
  exit {{ code }}
vars:
  - {name: n, type: int}
  - {name: ran}
  - {name: nap, type: float}
  - {name: code, type: int}
"""
CODES = 7
OVER = ("COMPLETE", "ERROR", "CANCELLED")


class Runner:
    """A daemon that runs jobs, killed now and then, and who asks it."""

    def __init__(self, folder: Path, postgres: Postgres, rabbit: Rabbit) -> None:
        self.folder = folder
        self.database, self.vhost = postgres.create(), rabbit.create()
        origin = Origin(folder / "origin")
        origin.commit(unit__yml=UNIT)
        self.ran = folder / "ran"
        self.runs = folder / "jobs" / "runs"
        self.port = free_port()
        options = {
            "AMQPURI": rabbit.uri(self.vhost),
            "DBURI": self.database,
            "HTTPListenPort": f"127.0.0.1:{self.port}",
            "NodeName": "one",
            "JobsRepository": origin.url,
            "JobsDir": str(folder / "jobs"),
            "WorkerSlots": 8,
            "ReconnectMaxSeconds": 0.5,
        }
        place = folder / "daemon"
        place.mkdir()
        self.daemon = SupervisedDaemon(place, options)
        self.daemon.wait_ready()
        config = next(place.rglob("jexevents.json"))
        self.token = make_token(config, "run", "read")[1]

    def ask(self, method: str, path: str, body: Any = None, key: str = "") -> tuple[int, Any]:
        """Ask until somebody answers: the daemon may be killed at any moment of it."""
        fields = {"Authorization": f"Bearer {self.token}"} | (
            {"Idempotency-Key": key} if key else {}
        )
        content = None if body is None else json.dumps(body).encode()

        def answered() -> tuple[int, Any] | None:
            request = Request(f"http://127.0.0.1:{self.port}{path}", content, fields, method=method)
            try:
                with urlopen(request, timeout=10) as got:
                    return got.status, json.load(got)
            except HTTPError as error:
                if error.code == 503:
                    return None
                return error.code, json.load(error)
            except (OSError, HTTPException, ValueError):
                return None

        return wait_until(answered, 60, f"{method} {path}; {self.daemon.log()[-2000:]}")

    def run(self, n: int, nap: float) -> dict[str, Any]:
        """Ask for one execution; the same request again is the same execution."""
        values = {"n": n, "ran": str(self.ran), "nap": nap, "code": n % CODES}
        status, made = self.ask("POST", "/jobs/unit", values, key=f"unit-{n}")
        assert status == 202, made
        return made

    def at(self, execution: dict[str, Any]) -> dict[str, Any]:
        status, found = self.ask("GET", f"/jobs/unit/{execution['id']}")
        assert status == 200, found
        return found

    def over(self) -> int:
        """How many executions are over."""
        rows = ask(self.database, "select count(*) from jex.jobs where kind = 'command' and closed")
        return rows[0][0]

    def close(self) -> None:
        self.daemon.end()
        processes.end(left_of(self.runs))


@pytest.fixture
def runner(postgres_server: Postgres, rabbit_server: Rabbit, tmp_path: Path) -> Iterator[Runner]:
    made = Runner(tmp_path, postgres_server, rabbit_server)
    yield made
    made.close()
    rabbit_server.node.delete_vhost(made.vhost)
    postgres_server.drop(made.database)


def test_killed_while_executions_come_run_and_end(runner, sizes, rng) -> None:
    count = 5 * sizes.kills + 15 if sizes.kills < 20 else 100
    kill_at = sorted(rng.sample(range(1, count), sizes.kills))
    made = []
    for n in range(count):
        made.append(runner.run(n, rng.choice((0, 0, 0.2, 1.0))))
        while kill_at and kill_at[0] <= n:
            kill_at.pop(0)
            ended = runner.over() + rng.randint(0, min(3, n + 1 - runner.over()))
            wait_until(lambda ended=ended: runner.over() >= ended, 60, f"{ended} ends")
            runner.daemon.kill()
    wait_until(lambda: runner.over() == count, 240, told(runner, count))
    found = [runner.at(one) for one in made]
    assert len({one["id"] for one in found}) == count
    ran = Counter(map(int, runner.ran.read_text().split()))
    assert ran == Counter(range(count)), "each ran once, and only once"
    for n, one in enumerate(found):
        expected = ("COMPLETE", 0) if n % CODES == 0 else ("FAILED", n % CODES)
        assert (one["state"], one["exit_code"], one["attempt"]) == (*expected, 1), one
        folder = runner.runs / str(attempt_id(one["uuid"], 1))
        lines = [f"line {line} of {n}" for line in range(200)]
        assert (folder / "stdout").read_text().splitlines() == lines
        assert (folder / "stderr").read_text() == f"last of {n}\n"
        assert one["attempts"][0]["stderr_bytes"] == len(f"last of {n}\n")
    left = ask(runner.database, "select count(*) from jex.execution_queue")
    assert left == [(0,)]


def told(runner: Runner, count: int) -> str:
    """Say what is wanted, and how the daemon fares."""
    with suppress(OSError):
        return f"{count} ends; {runner.over()} so far\n{runner.daemon.log()[-3000:]}"
    return f"{count} ends"
