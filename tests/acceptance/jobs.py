"""A daemon that runs jobs out of a real git repository, and what tests ask of it."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from jexevents import processes
from jexevents.lifecycle.executionid import attempt_id
from jexevents.processes import ProcessId
from jexevents.runner.folder import RunFolder
from tests.acceptance.support import Answer, Daemon, make_token, rows
from tests.gitting import Origin
from tests.support import wait_until

SECONDS = 30
WAITS_FOR = "command: while ! test -e {{ file }}; do sleep 0.02; done\nvars: [{name: file}]\n"


class Jobs:
    """One daemon and its repository; what it runs ends with the test."""

    def __init__(
        self,
        origin: Origin,
        start: Callable[..., Daemon],
        folder: Path,
        servers: Mapping[str, str],
        **options: Any,
    ) -> None:
        self.origin = origin
        self.folder = folder
        self.options = {
            **servers,
            "JobsRepository": origin.url,
            "JobsDir": str(folder / "jobs"),
            "NodeName": "one",
            **options,
        }
        self._start = start
        self.daemon: Daemon = start(**self.options)
        self.token = make_token(self.daemon.config, "run", "read")[1]
        self.admin = make_token(self.daemon.config, "admin")[1]

    @property
    def runs(self) -> Path:
        """The folder of what is run."""
        return Path(self.options["JobsDir"]) / "runs"

    def wait_ready(self) -> Jobs:
        """Wait until the daemon answers, and its definitions are in force."""
        self.daemon.wait_ready()
        wait_until(lambda: self.get("/jobs").status == 200, SECONDS, "the definitions")
        return self

    def start_again(self, *, has_jobs: bool = True, **options: Any) -> None:
        """Start the daemon once more, after it ended or was killed; where the repository is away it
        has no jobs then."""
        self.daemon = self._start(**{**self.options, **options})
        if has_jobs:
            self.wait_ready()
        else:
            self.daemon.wait_ready()

    def kill(self) -> None:
        """Kill the daemon at once."""
        self.daemon.end()

    # --- asking

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Ask with the token that may run jobs."""
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.daemon.ask(method, path, body, token=self.token, **fields)

    def get(self, path: str) -> Answer:
        """GET with that token."""
        return self.ask("GET", path)

    def refresh(self) -> dict[str, Any]:
        """Have the repository fetched; give how it stands."""
        answer = self.ask("POST", "/jobs/-/refresh")
        assert answer.status == 200, answer
        return answer.json()

    def run(self, name: str, wait: int | None = None, **values: Any) -> dict[str, Any]:
        """Run a job; give the execution."""
        query = "" if wait is None else f"?wait={wait}"
        answer = self.ask("POST", f"/jobs/{name}{query}", values)
        assert answer.status in (200, 202), answer.body
        return answer.json()

    def at(self, execution: Mapping[str, Any]) -> dict[str, Any]:
        """Give an execution as it is now."""
        answer = self.get(f"/jobs/{execution['job']}/{execution['id']}")
        assert answer.status == 200, answer.body
        return answer.json()

    def wait_state(
        self, execution: Mapping[str, Any], *states: str, seconds: float = SECONDS
    ) -> dict[str, Any]:
        """Wait until an execution has one of these states."""
        wait_until(
            lambda: self.at(execution)["state"] in states,
            seconds,
            f"{states} of {json.dumps(self.at(execution))}\n{self.daemon.text[-3000:]}",
        )
        return self.at(execution)

    def wait_over(self, execution: Mapping[str, Any], seconds: float = SECONDS) -> dict[str, Any]:
        """Wait until an execution is over."""
        wait_until(
            lambda: self.at(execution)["phase"] not in ("QUEUED", "RUNNING"),
            seconds,
            f"the end of {json.dumps(self.at(execution))}\n{self.daemon.text[-3000:]}",
        )
        return self.at(execution)

    def put(self, execution: Mapping[str, Any], event: str, **more: Any) -> Answer:
        """Create an event of an execution."""
        path = f"/jobs/{execution['job']}/{execution['id']}"
        return self.ask("PUT", path, {"event": event, **more})

    # --- looking behind

    def place(self, execution: Mapping[str, Any], attempt: int = 1) -> RunFolder:
        """Give the folder of an attempt."""
        return RunFolder(self.runs / str(attempt_id(execution["uuid"], attempt)))

    def written(self, execution: Mapping[str, Any], stream: str = "stdout") -> bytes:
        """Give what an execution wrote, as it stands in its folder."""
        return (self.place(execution).path / stream).read_bytes()

    def rows(self, statement: str) -> list[tuple]:
        """Ask the database."""
        return rows(self.options["DBURI"], statement)

    def processes(self) -> list[ProcessId]:
        """Give what runs of the executions of this place, supervisors among them."""
        return left_of(self.runs)

    def close(self) -> None:
        """End what is left."""
        processes.end(self.processes())


def left_of(runs: Path) -> list[ProcessId]:
    """Give what runs of the executions in a folder, supervisors among them."""
    ids = {path.name for path in runs.iterdir()} if runs.is_dir() else set()
    found = processes.select(lambda pid: processes.variable(pid, "JEXEVENTS_EXECUTION") in ids)
    states = [_state_in(runs / own) for own in ids]
    holders = [holder_in(state) for state in states if state.get("phase") != "ended"]
    return [*found, *(holder for holder in holders if processes.alive(holder))]


def _state_in(folder: Path) -> dict[str, Any]:
    with suppress(ValueError):
        return RunFolder(folder).state()
    return {}


def holder_in(state: Mapping[str, Any]) -> ProcessId | None:
    """Give the supervisor that a state names."""
    holder = state.get("supervisor")
    return holder and ProcessId(holder["pid"], f"{state['boot']}:{holder['started']}")


def quoted(text: str) -> str:
    """Give a text for a URL."""
    return urllib.parse.quote(text, safe="")
