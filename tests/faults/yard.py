"""Daemons that run containers, an engine of their own, who asks them, and what has to be true."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psycopg2

from tests.acceptance.support import PYTHON, make_token
from tests.engine import TestEngine
from tests.faults.daemons import PlainDaemon
from tests.faults.hurried import PROGRAM as HURRIED
from tests.faults.servers import Postgres, Rabbit, ask
from tests.faults.sizes import FULL
from tests.support import free_port, unique, wait_until

# A run says that it ran where no daemon looks; then lines enough for some reads, and an exit status
# of its own. Some take a while, so that a kill meets them in every state.
SCRIPT = """
n=$JEXEVENTS_DETAIL
echo $n.$JEXEVENTS_ATTEMPT >> /mounted/ran
i=0; while [ $i -lt 200 ]; do echo "line $i of $n"; i=$((i+1)); done
case $((n % 4)) in 0) sleep 4;; 1) sleep 1;; esac
echo "last of $n" >&2
exit $((n % 7))
"""
CODES = 7
# Who was killed leaves a container at most till the next look of who sweeps them up.
SWEEP_SECONDS = 75
_ENDS = ("complete", "fail", "time-out", "lost")
_STORY = """
select name from jex.events where job_id = %s
order by occurred_at, seq
"""


class Yard:
    """One ledger, a daemon that is asked and runs nothing, and workers with one engine."""

    def __init__(
        self, postgres: Postgres, rabbit: Rabbit, engine: TestEngine, busybox: bytes, folder: Path
    ) -> None:
        self.postgres, self.rabbit, self.engine, self.busybox = postgres, rabbit, engine, busybox
        self.image = engine.import_image(busybox)
        self.database, self.vhost = postgres.create(), rabbit.create()
        self.mounted = folder / "mounted"
        self.mounted.mkdir()
        self.nodes: list[PlainDaemon] = []
        self._folder = folder
        self.front = self.node("front", PYTHON, ContainerEngine="none", WorkerSlots=0)
        self._token = make_token(folder / "front" / "jexevents.json", "run", "read", "admin")[1]

    def worker(self, name: str = "one", *, hurried: bool = False, **options: Any) -> PlainDaemon:
        """Start a worker; with ``hurried`` it has the patience of the short form."""
        program = HURRIED if hurried and not FULL else PYTHON
        return self.node(name, (*program, "worker", "--name", name), **options)

    def node(self, name: str, program: Sequence[str], **options: Any) -> PlainDaemon:
        """Start a process that may run containers, and wait till it is ready."""
        folder = self._folder / name
        folder.mkdir()
        place = f"127.0.0.1:{free_port()}"
        servers = {
            "AMQPURI": self.rabbit.uri(self.vhost),
            "DBURI": self.database,
            "HTTPListenPort": place,
            "WorkerHTTPListenPort": place,
            "NodeName": name,
            "NodeSecret": "nodes of one ledger share this",
            "JobsDir": str(folder / "jobs"),
            "ContainerEngine": self.engine.url,
            "TaskMountFolders": [str(self.mounted)],
            "WorkerSlots": 8,
            "ReconnectMaxSeconds": 0.5,
        }
        self.nodes.append(PlainDaemon(folder, {**servers, **options}, program))
        self.nodes[-1].wait_ready()
        return self.nodes[-1]

    # --- asking

    def ask(self, method: str, path: str, body: Any = None, key: str = "") -> tuple[int, bytes]:
        """Ask until somebody answers: a server may be away at any moment of it."""
        fields = {"Authorization": f"Bearer {self._token}"} | (
            {"Idempotency-Key": key} if key else {}
        )
        content = None if body is None else json.dumps(body).encode()
        where = f"http://127.0.0.1:{self.front.port}{path}"

        def answered() -> tuple[int, bytes] | None:
            with suppress(OSError, HTTPException):
                try:
                    request = Request(where, content, fields, method=method)
                    with urlopen(request, timeout=40) as got:
                        return got.status, got.read()
                except HTTPError as error:
                    return None if error.code == 503 else (error.code, error.read())
            return None

        return wait_until(answered, 60, f"{method} {path}; {self.words()}")

    def get(self, path: str) -> Any:
        """GET a document."""
        status, found = self.ask("GET", path)
        assert status == 200, found
        return json.loads(found)

    def register(self, repository: str, name: str) -> int:
        """Register a task; gives its id."""
        status, made = self.ask("POST", "/task/", {"repository": repository, "name": name}, name)
        assert status in (200, 202), made
        return json.loads(made)["task_id"]

    def task(self, repository: str = "", name: str = "tool") -> int:
        """Register a task, and wait till it can be run; gives its id."""
        task_id = self.register(repository or self.image, name)
        found = self.get(f"/task/{task_id}/?wait=30")
        assert found["status"] == "READY", found
        return task_id

    def run(self, task_id: int, times: int = 1, script: str = SCRIPT, **more: Any) -> int:
        """Run a task so many times; gives the result's id."""
        mounts = [{"source": str(self.mounted), "target": "/mounted", "read_only": False}]
        asked = {"operation": "RUN", "times": times, "command": ["sh", "-c", script],
                 "mounts": mounts, **more}  # fmt: skip
        status, made = self.ask("POST", f"/task/{task_id}/", asked, key=unique("run"))
        assert status in (200, 202), made
        return json.loads(made)["result_id"]

    def details(self, result_id: int) -> list[dict[str, Any]]:
        """Give the runs of a result, each by its own path with all that is known of it."""
        return self.get(f"/result/{result_id}/detail/?limit=1000")

    def detail(self, result_id: int, number: int = 1) -> dict[str, Any]:
        """Give all that is known of one."""
        return self.get(f"/result/{result_id}/detail/{number}/")

    def output(self, result_id: int, number: int = 1, which: str = "stdout") -> bytes:
        """Give what one wrote."""
        status, found = self.ask("GET", f"/result/{result_id}/detail/{number}/{which}")
        assert status == 200, found
        return found

    # --- waiting

    def states(self, result_id: int) -> Counter[str]:
        """Count the runs of a result by their states, as the ledger has them."""
        rows = ask(
            self.database,
            "select j.state from jex.executions x join jex.jobs j on j.id = x.job_id"
            " where x.result_id = %s",
            result_id,
        )
        return Counter(state for (state,) in rows)

    def over(self, result_id: int) -> int:
        """Count those that are over; none while PostgreSQL is away."""
        with suppress(psycopg2.Error):
            states = self.states(result_id)
            return states.total() - sum(states[one] for one in ("QUEUED", "RUNNING", "STOPPED"))
        return 0

    def wait_over(self, result_id: int, count: int, seconds: float = 240) -> None:
        """Wait until so many are over."""
        wait_until(
            lambda: self.over(result_id) >= count,
            seconds,
            f"{count} ends\n{self.words()}",
        )

    def wait_state(self, result_id: int, state: str, count: int = 1) -> None:
        """Wait until so many have a state."""
        wait_until(
            lambda: self.states(result_id)[state] >= count, 60, f"{count} {state}\n{self.words()}"
        )

    def wait_logged(self, node: PlainDaemon, event: str, times: int = 1) -> None:
        """Wait until a node has logged something so often."""
        wait_until(lambda: logged(node, event) >= times, 60, f"{event}\n{node.log()[-3000:]}")

    def words(self) -> str:
        """Give the last words of all nodes, for messages."""
        return "\n".join(f"-- {node.port}\n{node.log()[-3000:]}" for node in self.nodes)

    # --- the truth

    def ran(self) -> Counter[str]:
        """Count what began to run, as ``NUMBER.ATTEMPT``."""
        file = self.mounted / "ran"
        return Counter(file.read_text().split() if file.exists() else ())

    def assert_true(self, result_id: int, count: int, cut: Iterable[int] = ()) -> None:
        """Assert that each ran once and ended once, as it did, and that nothing of it is left.

        An attempt that is said to be lost may have run; another one follows it. Of those in ``cut``
        an engine that was away when they ended has lost the last words.
        """
        found = self.details(result_id)
        assert [one["detail_id"] for one in found] == list(range(1, count + 1))
        ran = self.ran()
        for one in found:
            n, attempt = one["detail_id"], one["attempt"]
            state = "COMPLETE" if n % CODES == 0 else "FAILED"
            story = self.story(one)
            told = f"{one}\n{story}\n{ran}"
            assert (one["state"], one["exit_code"]) == (state, n % CODES), told
            end = "complete" if n % CODES == 0 else "fail"
            ends = [*["lost"] * (attempt - 1), end]
            assert [name for name in story if name in _ENDS] == ends, told
            assert story.count("retried") == attempt - 1, told
            assert ran.pop(f"{n}.{attempt}", 0) == 1, told
            for earlier in range(1, attempt):
                assert ran.pop(f"{n}.{earlier}", 0) <= 1, told
            self.assert_output(result_id, n, is_cut=n in cut)
        assert not ran, "nothing else ran"
        self.assert_nothing_left()

    def assert_output(self, result_id: int, n: int, *, is_cut: bool = False) -> None:
        """Assert that all that a run wrote is there."""
        lines = "".join(f"line {line} of {n}\n" for line in range(200)).encode()
        for which, wrote in (("stdout", lines), ("stderr", f"last of {n}\n".encode())):
            said = self.output(result_id, n, which)
            assert said == wrote or (is_cut and wrote.startswith(said)), (n, which, said[-80:])

    def story(self, detail: Mapping[str, Any]) -> list[str]:
        """Give the names of a run's events."""
        return [name for (name,) in ask(self.database, _STORY, detail["uuid"])]

    def containers(self) -> list[Any]:
        """Give the containers of this ledger that are there."""
        ((ledger,),) = ask(self.database, "select ledger::text from jex.runner_state")
        return self.engine.containers.of_label({"jexevents.ledger": ledger})

    def assert_nothing_left(self) -> None:
        """Assert that nothing waits, nobody has anything, and no container is there."""
        assert ask(self.database, "select count(*) from jex.execution_queue") == [(0,)]
        wait_until(lambda: not self.containers(), SWEEP_SECONDS, "the containers to be removed")

    def close(self) -> None:
        """End the nodes; the engine's own containers end with it."""
        for node in self.nodes:
            node.end()


def logged(node: PlainDaemon, event: str) -> int:
    """How often a node has logged something, in all of its lives."""
    return len(re.findall(f'"event": "{event}"', node.log()))
