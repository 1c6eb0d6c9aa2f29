"""Executions for tests: begun under a folder, waited for, and none left behind."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from jexevents import processes
from jexevents.library import LIBRARY
from jexevents.processes import ProcessId
from jexevents.runner import remains
from jexevents.runner.folder import Held, RunFolder, Standing
from jexevents.runner.output import RunOutput
from jexevents.runner.spec import Spec
from tests.support import wait_until

PATH = os.pathsep.join([str(LIBRARY), "/usr/local/bin", "/usr/bin", "/bin"])
SECONDS = 60.0
# With a control group, and without one, as on a machine that does not allow them.
WAYS = ["group", "walk"]
# Its arguments: how many children, and how many seconds each of them pauses.
STORM = """
import os, signal, sys, time
reading, writing = os.pipe()
# Each child makes a session, forks on and ends: nobody is there for long.
for number in range(int(sys.argv[1])):
    if os.fork() == 0:
        os.setsid()
        if number % 5 == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.close(writing)
        os.read(reading, 1)
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if os.fork():
                os._exit(0)
            os.setsid()
            time.sleep(float(sys.argv[2]) * (1 + number % 10 / 10))
        os._exit(0)
print("storm", flush=True)
os.close(writing)
while True:
    time.sleep(1000)
"""


class Runs:
    """Begins executions and ends them all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._begun: list[RunFolder] = []
        self._defaults: dict[str, Any] = {}

    def without_groups(self) -> None:
        """Have no control groups from now on, as on a machine that does not allow them."""
        self._defaults["cgroup"] = False

    def spec(self, command: str | None = None, **members: Any) -> Spec:
        """Give the spec of a shell command, or of an ``argv``."""
        env = {"PATH": PATH, **members.pop("env", {})}
        return Spec(uuid4(), command=command, env=env, **{**self._defaults, **members})

    def create(self, spec: Spec) -> RunFolder:
        """Make the folder of an execution."""
        run = RunFolder.create(self.folder, spec)
        self._begun.append(run)
        return run

    def begin(self, command: str | None = None, **members: Any) -> RunFolder:
        """Begin an execution."""
        spec = self.spec(command, **members)
        run = self.create(spec)
        assert run.start(spec, SECONDS)
        return run

    def python(self, program: str, *words: str, **members: Any) -> RunFolder:
        """Begin a Python program."""
        return self.begin(argv=[sys.executable, "-I", "-S", "-c", program, *words], **members)

    def run(self, command: str | None = None, **members: Any) -> tuple[RunFolder, dict[str, Any]]:
        """Run an execution to its end; gives it with its last state."""
        run = self.begin(command, **members)
        return run, ended(run)

    def close(self) -> None:
        """End all that still runs, also after a test has failed."""
        for run in self._begun:
            if supervisor := holder(run):
                processes.end([supervisor])
            remains.end(run.path.name, run.state().get("cgroup"))


def holder(run: RunFolder) -> ProcessId | None:
    """Give the supervisor's process."""
    return _process(run.state(), "supervisor")


def first(run: RunFolder) -> ProcessId | None:
    """Give the job's first process, once it is known."""
    return wait_until(lambda: _process(run.state(), "job"), SECONDS, "the job's process")


def _process(state: dict[str, Any], which: str) -> ProcessId | None:
    if not state.get(which):
        return None
    return ProcessId(state[which]["pid"], f"{state['boot']}:{state[which]['started']}")


def marked(run: RunFolder) -> list[ProcessId]:
    """List the processes of the job, wherever they are."""
    execution = run.path.name
    return processes.select(lambda pid: processes.variable(pid, "JEXEVENTS_EXECUTION") == execution)


def standing(run: RunFolder, held: Held, seconds: float = SECONDS) -> Standing:
    """Wait until an execution stands so."""

    def there() -> Standing | None:
        found = run.standing()
        return found if found.held is held else None

    return wait_until(there, seconds, f"{run.path.name} to be {held.value}")


def ended(run: RunFolder, seconds: float = SECONDS) -> dict[str, Any]:
    """Wait for the end and give the last state."""
    state = standing(run, Held.ENDED, seconds).state
    assert not run.complaint(), run.complaint()
    return state


def written(run: RunFolder, which: str = "output") -> bytes:
    """Give what the job wrote; there must not be a gap."""
    chunks = list(RunOutput(run.path).read(which))
    assert not any(chunk.missing for chunk in chunks)
    return b"".join(chunk.data for chunk in chunks)


def says(run: RunFolder, text: bytes) -> Callable[[], bool]:
    """Give a question: has the job written ``text`` yet?"""
    return lambda: text in written(run)


def heard(run: RunFolder, text: bytes) -> None:
    """Wait until the job has written ``text``."""
    wait_until(says(run, text), SECONDS, f"{text!r} in the output")


def names(run: RunFolder) -> list[str]:
    """Give the names of an execution's events."""
    return [event["name"] for event in run.events()]


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """Give a folder on a file system of its own, of so many bytes ("1m"); needs root."""
    import subprocess

    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={size}", "jexevents-test", str(folder)]
    done = subprocess.run(["mount", *options], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OSError(done.stderr.strip())
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
