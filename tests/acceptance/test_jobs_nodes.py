"""Several daemons on one queue: any of them is asked, one of them runs (facts/runner-troubles)."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jexevents import processes
from tests.acceptance.jobs import SECONDS, WAITS_FOR, Jobs, left_of
from tests.acceptance.support import Daemon
from tests.support import free_port, wait_until

FILES = {
    "waits.yml": WAITS_FOR,
    "newest.yml": WAITS_FOR + "concurrency: replace\n",
    "says.yml": "command: echo said by $JEXEVENTS_JOB\n",
    "often.yml": "command: 'true'\nschedule: {frequency: 1}\n",
}
SECRET = "nodes of one ledger share this"


class Nodes:
    """``front`` runs nothing; ``back`` has the slots. Both have the repository."""

    def __init__(self, jobs: Any, start: Any, servers: dict[str, str], folder: Path) -> None:
        shared = {"NodeSecret": SECRET, "QueueName": "jexevents"}
        port = free_port()
        self.back: Jobs = jobs(
            FILES,
            HTTPListenPort=f"127.0.0.1:{port}",
            NodeURL=f"http://127.0.0.1:{port}",
            NodeName="back",
            **shared,
        )
        options = {
            **servers,
            **shared,
            "NodeName": "front",
            "WorkerSlots": 0,
            "JobsRepository": self.back.origin.url,
            "JobsDir": str(folder / "front"),
        }
        self.token = self.back.token
        self.start_front = lambda **more: self._ready(start(**{**options, **more}))
        self.front: Daemon = self.start_front()

    def _ready(self, front: Daemon) -> Daemon:
        front.wait_ready()
        wait_until(
            lambda: front.ask("GET", "/jobs", token=self.token).status == 200,
            SECONDS,
            "definitions",
        )
        return front

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        return self.front.ask(method, path, body, token=self.token, **headers)


@pytest.fixture
def nodes(jobs: Any, start: Any, servers: dict[str, str], tmp_path: Path) -> Iterator[Nodes]:
    yield Nodes(jobs, start, servers, tmp_path)
    processes.end(left_of(tmp_path / "front" / "runs"))


def test_asked_of_one_and_run_by_the_other(nodes: Nodes, tmp_path: Path) -> None:
    began = time.monotonic()
    done = nodes.ask("POST", f"/jobs/says?wait={SECONDS}").json()
    seconds = time.monotonic() - began
    assert (done["state"], done["node"]) == ("COMPLETE", "back")
    assert seconds < 4, "it was woken, and did not wait for its next look"
    output = nodes.ask("GET", f"/jobs/says/{done['id']}/output")
    assert (output.status, output.body) == (200, b"said by says\n")

    flag = tmp_path / "flag"
    going = nodes.ask("POST", "/jobs/waits", {"file": str(flag)}).json()
    nodes.back.wait_state(going, "RUNNING")
    path = f"/jobs/waits/{going['id']}"
    stopped = nodes.ask("PUT", path, {"event": "stop"})
    assert (stopped.status, stopped.json()["state"]) == (200, "STOPPED")
    assert nodes.ask("PUT", path, {"event": "kill"}).status == 200
    assert nodes.back.wait_over(going)["state"] == "KILLED"


def test_what_another_node_runs_is_replaced_at_once(nodes: Nodes, tmp_path: Path) -> None:
    path = "/jobs/newest?file=" + str(tmp_path / "never")
    old = nodes.ask("POST", path).json()
    nodes.back.wait_state(old, "RUNNING")
    # From here on it looks after what it has, and the other one takes what is new.
    nodes.back.kill()
    nodes.back.start_again(WorkerSlots=0)
    nodes.front.stop()
    nodes.front = nodes.start_front(WorkerSlots=2)
    begin = time.monotonic()
    new = nodes.ask("POST", path).json()
    nodes.back.wait_state(new, "RUNNING")
    seconds = time.monotonic() - begin
    assert nodes.back.at(old)["state"] == "KILLED"
    assert (nodes.back.at(old)["node"], nodes.back.at(new)["node"]) == ("back", "front")
    assert seconds < 3, "each was woken, and did not wait for its next look"


def test_a_node_that_is_away_is_named_and_obeys_later(nodes: Nodes, tmp_path: Path) -> None:
    going = nodes.ask("POST", "/jobs/waits", {"file": str(tmp_path / "never")}).json()
    nodes.back.wait_state(going, "RUNNING")
    nodes.back.kill()
    path = f"/jobs/waits/{going['id']}"
    away = nodes.ask("GET", f"{path}/stdout")
    assert (away.status, "back" in away.json()["detail"]) == (503, True)
    pending = nodes.ask("PUT", path, {"event": "terminate"})
    assert (pending.status, pending.json()["state"]) == (202, "RUNNING")
    nodes.back.start_again()
    assert nodes.back.wait_over(going)["state"] == "KILLED"


def test_each_due_time_fires_once(nodes: Nodes) -> None:
    def outcomes() -> list[dict[str, Any]]:
        answer = nodes.ask("GET", "/jobs/often/schedule")
        assert answer.status == 200, answer.body
        return answer.json()["items"]

    wait_until(lambda: len(outcomes()) >= 5, SECONDS, "five due times")
    found = outcomes()
    assert len({one["at"] for one in found}) == len(found)
    ran = [one for one in found if one["outcome"] in ("ran", "late")]
    executions = nodes.ask("GET", "/jobs/often?limit=1000").json()["executions"]
    assert len({one["execution"] for one in ran}) == len(ran) <= len(executions)
    rows = nodes.back.rows("select data->'schedule' from jex.events where name = 'requested'")
    assert len({json.dumps(row) for row in rows}) == len(rows)
