"""Workers as processes, beside a daemon that runs nothing, over a real engine."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from jexevents.errors import EngineRefused
from tests.acceptance.support import PYTHON, Daemon, Done, run
from tests.containers import ContainerPlace
from tests.engine import TestEngine
from tests.support import wait_until

SECONDS = 60
SECRET = "nodes of one ledger share this"
GATED = "echo a; while ! test -e /go; do sleep 0.05; done; echo b"


class WorkerPlace(ContainerPlace):
    """A ledger and an engine; ``worker_process`` starts a worker over them."""

    def __init__(
        self,
        servers: Mapping[str, str],
        start: Callable[..., Daemon],
        engine: TestEngine,
        image: str,
        folder: Path,
    ) -> None:
        super().__init__(servers["DBURI"], engine, folder / "none", image)
        self._start = start
        self.options = {
            **servers,
            "NodeName": "front",
            "NodeSecret": SECRET,
            "ContainerEngine": engine.url or "",
            "JobsDir": str(folder / "jobs"),
            "QueueName": "jexevents",
        }

    def front(self, **options: Any) -> Daemon:
        """Start a daemon that runs nothing itself."""
        own = {**self.options, "ContainerEngine": "none", **options}
        return self._start(**own).wait_ready()

    def worker_process(self, *arguments: str, ready: bool = True, **options: Any) -> Daemon:
        """Start a worker."""
        started = self._start(*PYTHON, "worker", *arguments, **{**self.options, **options})
        return started.wait_ready() if ready else started

    def kill(self, worker: Daemon) -> None:
        """Kill one with -9."""
        worker.send(signal.SIGKILL)
        worker.wait()

    def command(self, *arguments: str) -> Done:
        """Run a command over the same ledger."""
        variables = {"JEXEVENTS_DBURI": self.options["DBURI"], "JEXEVENTS_LOGLEVEL": "error"}
        return run(*arguments, **variables)

    def workers(self) -> dict[str, dict[str, Any]]:
        """Give what the command lists, by name."""
        done = self.command("workers", "--json")
        assert done.code == 0, done.err
        return {one["name"]: one for one in json.loads(done.out)}

    def open_gates(self, *jobs: str) -> None:
        """Let runs of ``GATED`` end."""
        with self.engine.opened() as library:
            for one in self.containers():
                if one.labels["jexevents.job"] in jobs:
                    library.containers.get(one.id).exec_run(["touch", "/go"])

    def node_of(self, job: str) -> str:
        """Give who has run it."""
        return self.executions.attempts(job)[-1]["node"]

    def states(self, jobs: list[str]) -> list[str]:
        """Give the states of all."""
        return [self.row(job)["state"] for job in jobs]

    def wait_claimed(self, job: str) -> None:
        """Wait till some worker has it."""
        wait_until(lambda: self.row(job)["state"] != "QUEUED", SECONDS, f"a claim of {job}")

    def close(self) -> None:
        """Remove what is left."""
        for one in self.containers():
            with suppress(EngineRefused):
                self.engine.containers.remove(one.id, force=True)
        self.database.close()
