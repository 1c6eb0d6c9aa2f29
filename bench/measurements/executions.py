"""Jobs that are run: how soon, how many, how much of output, and how many at once."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from bench import cpu, rounds
from bench.daemon import Daemon, command
from bench.errors import BenchFailed
from bench.figures import Goal, Result, milliseconds
from bench.stage import Bench, Stage
from jexevents.processes import command_line

_SLOTS = 4
_MEGABYTE = 1_000_000
_LINE = b"0123456789 the quick brown fox jumps over the lazy dog again and again\n"
_LOOK_SECONDS = 0.02
_STALL_SECONDS = 120.0
_DEFINITIONS = {
    "says_when": "command: exec date +%s.%N\n",
    "short": "command: exec true\n",
    "sleeps": "command: sleep {{ seconds }}\nvars: [{name: seconds, type: float}]\n",
    "loud": f"command: yes '{_LINE.decode().rstrip()}' | head -c {{{{ size }}}}\n"
    "max_output: 64G\nvars: [{name: size, type: int}]\n",
}


def measure(bench: Bench) -> Result:
    """Measure with a daemon that has four slots, then with one that has one for each at once."""
    with _repository() as url:
        with _place(bench, url, _SLOTS) as place:
            bench.say("executions: starts")
            starts = _starts(place, bench.sizes.starts)
            bench.say("executions: short jobs")
            rate, strangers = _short(bench, place, bench.sizes.short_jobs)
            bench.say("executions: output")
            output = _output(place, bench.sizes.output_megabytes)
        bench.say("executions: at once")
        with _place(bench, url, bench.sizes.at_once) as place:
            together = _at_once(place, bench.sizes.at_once)
    figures = milliseconds(starts)
    goals = [
        Goal("request to process start: p50", figures["p50"], "ms", 50, "min"),
        Goal("request to process start: p99", figures["p99"], "ms", 250, "min"),
        Goal(f"short jobs with {_SLOTS} slots", rate, "/s", 40),
        Goal("output captured byte-exact", output["rate"], "MB/s", 100),
        Goal("the same taken by cat into a file", output["cat"], "MB/s"),
        Goal("the daemon's memory while at it, more than before", output["grown"], "MiB", 8, "min"),
        Goal("the same while it is read over HTTP", output["grown_while_read"], "MiB"),
        Goal("output read over HTTP", output["read"], "MB/s"),
        Goal(f"{bench.sizes.at_once} executions at once: till all run", together["begun"], "s"),
        Goal("till all have ended, behind the end of the last", together["ended"], "s"),
    ]
    raw = {"starts": starts, "short_jobs_a_second": rate, "output": output, "at_once": together}
    return Result([], goals, raw, strangers)


@dataclass(frozen=True)
class _Place:
    """A daemon that runs jobs, and a connection to it."""

    stage: Stage
    daemon: Daemon
    address: tuple[str, int]
    token: str
    connection: http.client.HTTPConnection

    def ask(self, method: str, path: str, values: Any = None) -> Any:
        """Send a request; give the JSON of the answer."""
        fields = {"Authorization": f"Bearer {self.token}"}
        body = None if values is None else json.dumps(values)
        self.connection.request(method, path, body, fields)
        answer = self.connection.getresponse()
        content = answer.read()
        if answer.status >= 300:
            raise BenchFailed(f"{method} {path}: {answer.status} {content[:300]!r}")
        return json.loads(content)

    def content(self, path: str) -> Iterator[bytes]:
        """Give the body of an answer in pieces."""
        self.connection.request("GET", path, headers={"Authorization": f"Bearer {self.token}"})
        answer = self.connection.getresponse()
        if answer.status != 200:
            raise BenchFailed(f"GET {path}: {answer.status} {answer.read()[:300]!r}")
        while piece := answer.read(1 << 20):
            yield piece

    def path(self, execution: Any) -> str:
        """Give the path of an execution."""
        return f"/jobs/{execution['job']}/{execution['id']}"

    def wait(
        self, what: str, done: Callable[[], bool], look_seconds: float = _LOOK_SECONDS
    ) -> None:
        """Look again and again until it is done."""
        deadline = time.monotonic() + _STALL_SECONDS
        while not done():
            self.daemon.alive()
            if time.monotonic() > deadline:
                raise BenchFailed(f"still waiting for {what}")
            time.sleep(look_seconds)

    def states(self, executions: Sequence[Any]) -> set[str]:
        """Give the states that these have now."""
        name, first = executions[0]["job"], executions[0]["id"]
        found: set[str] = set()
        path: str | None = f"/jobs/{name}?limit=1000"
        while path:
            page = self.ask("GET", path)
            found |= {one["state"] for one in page["executions"] if one["id"] >= first}
            path = page["next"]
        return found


@contextmanager
def _repository() -> Iterator[str]:
    who = {"EMAIL": "bench@example.org", "GIT_AUTHOR_NAME": "bench", "GIT_COMMITTER_NAME": "bench"}
    with tempfile.TemporaryDirectory() as folder:
        for name, text in _DEFINITIONS.items():
            (Path(folder) / f"{name}.yml").write_text(text)
        for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
            subprocess.run(["git", *words], cwd=folder, env={**os.environ, **who}, check=True)
        yield f"file://{folder}"


@contextmanager
def _place(bench: Bench, url: str, slots: int) -> Iterator[_Place]:
    with bench.stage(JobsRepository=url, WorkerSlots=slots, JobsDir="jobs") as stage:
        roles = ("--role", "read", "--role", "run")
        token = command("token", "make", "--config", str(stage.config()), *roles)
        with stage.daemon() as daemon:
            address = daemon.wait_ready()
            connection = http.client.HTTPConnection(*address, timeout=60)
            place = _Place(stage, daemon, address, token, connection)
            place.wait("the definitions", lambda: _has_definitions(place))
            yield place
            connection.close()


def _has_definitions(place: _Place) -> bool:
    return place.ask("GET", "/jobs/-")["jobs"] == len(_DEFINITIONS)


def _starts(place: _Place, count: int) -> list[float]:
    """Give the seconds from a request's sending to the first instruction of the job's program."""
    found = []
    for _ in range(count):
        called = time.time()
        execution = place.ask("POST", "/jobs/says-when")
        path = place.path(execution)
        place.wait("a start", lambda path=path: place.ask("GET", path)["state"] == "COMPLETE")
        said = b"".join(place.content(f"{path}/stdout"))
        found.append(float(said) - called)
    return found


def _short(bench: Bench, place: _Place, count: int) -> tuple[float, float]:
    """Give jobs a second, from the first request to the end of the last; and what strangers had."""
    meter = cpu.Meter(rounds.clocks(bench, [place.daemon.pid]))
    begin = time.monotonic()
    made = [place.ask("POST", "/jobs/short") for _ in range(count)]
    # A look at so many is work for the daemon: not too often.
    is_over = lambda: place.states(made) == {"COMPLETE"}  # noqa: E731
    place.wait("the end of short jobs", is_over, 0.2)
    seconds = time.monotonic() - begin
    return count / seconds, meter.strangers()


def _output(place: _Place, megabytes: int) -> dict[str, float]:
    """Have a job write as fast as it can, and read it back; watch the daemon's memory."""
    size = megabytes * _MEGABYTE
    before = most = _memory(place.daemon.pid)
    execution = place.ask("POST", "/jobs/loud", {"size": size})

    def is_over() -> bool:
        nonlocal most
        most = max(most, _memory(place.daemon.pid))
        return place.ask("GET", place.path(execution))["state"] == "COMPLETE"

    place.wait("a loud job", is_over)
    (end,) = (one for one in place.ask("GET", place.path(execution))["events"]
              if one["event"] == "complete")  # fmt: skip
    while_written = (most - before) / 2**20
    begin = time.monotonic()
    hashed, length = hashlib.sha256(), 0
    for piece in place.content(f"{place.path(execution)}/stdout"):
        hashed.update(piece)
        length += len(piece)
        most = max(most, _memory(place.daemon.pid))
    read = time.monotonic() - begin
    if length != size or hashed.digest() != _expected(size):
        raise BenchFailed(f"{length} bytes came back, and not those that the job wrote")
    return {
        "rate": megabytes / end["data"]["run_seconds"],
        "cat": megabytes / _cat(place.stage.folder, size),
        "read": megabytes / read,
        "grown": while_written,
        "grown_while_read": (most - before) / 2**20,
    }


def _expected(size: int) -> bytes:
    hashed = hashlib.sha256()
    block = _LINE * 10_000
    for _ in range(size // len(block)):
        hashed.update(block)
    hashed.update(block[: size % len(block)])
    return hashed.digest()


def _cat(folder: Path, size: int) -> float:
    words = f"yes '{_LINE.decode().rstrip()}' | head -c {size} | cat > {folder}/cat"
    begin = time.monotonic()
    subprocess.run(words, shell=True, check=True)
    return time.monotonic() - begin


def _at_once(place: _Place, count: int) -> dict[str, float]:
    """Have so many begin, and run at the same time."""
    begin = time.monotonic()
    seconds = 10 + count / 10
    made = [place.ask("POST", "/jobs/sleeps", {"seconds": seconds}) for _ in range(count)]
    place.wait("all to run", lambda: place.states(made) == {"RUNNING"})
    begun = time.monotonic() - begin
    place.wait("all to end", lambda: place.states(made) == {"COMPLETE"})
    last = max(_started(place.ask("GET", place.path(one))["started_at"]) for one in made)
    return {"begun": begun, "ended": time.time() - last - seconds}


def _started(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def _memory(pid: int) -> int:
    """Give the resident bytes of a process."""
    if not command_line(pid):
        raise BenchFailed("the daemon has ended")
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
