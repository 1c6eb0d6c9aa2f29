"""Daemons as processes: one by itself, and one under supervisord that may be killed."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from jexevents import processes
from jexevents.processes import ProcessId
from tests.acceptance.supervisor import Supervisor
from tests.acceptance.support import PYTHON, Daemon
from tests.support import wait_until


class AnyDaemon:
    """What daemons of both kinds have in common."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.port = int(options["HTTPListenPort"].rpartition(":")[2])

    def log(self) -> str:
        raise NotImplementedError

    def stop(self) -> int:
        raise NotImplementedError

    def wait_answering(self, path: str = "/healthz") -> None:
        """Wait until it answers over HTTP."""
        wait_until(lambda: self._answers(path), 40, f"{path} of:\n{self.log()[-3000:]}")

    def wait_ready(self) -> None:
        self.wait_answering("/readyz")

    def _answers(self, path: str) -> bool:
        with suppress(OSError), urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as got:
            return got.status == 200
        return False


class PlainDaemon(AnyDaemon):
    """A daemon that must never end but when it is told to; ``program`` is its command."""

    def __init__(
        self, folder: Path, options: dict[str, Any], program: Sequence[str] = PYTHON
    ) -> None:
        super().__init__(options)
        self._folder, self._options, self._program = folder, options, program
        self._process = Daemon(folder, options, program)
        self._past = ""

    def log(self) -> str:
        return self._past + self._process.text

    def stop(self) -> int:
        """End it as supervisord would; give the exit code."""
        return self._process.stop()

    def start_again(self) -> None:
        """Start it once more after it ended."""
        self._past = self.log()
        self._process = Daemon(self._folder, self._options, self._program)

    def send(self, number: int) -> None:
        """Send a signal to it."""
        self._process.send(number)

    def end(self) -> None:
        """Kill it, if it runs."""
        self._process.end()

    def assert_stayed(self) -> None:
        assert self._process.code is None, f"ended with {self._process.code}:\n{self.log()[-4000:]}"


class SupervisedDaemon(AnyDaemon):
    """A daemon under supervisord, which may be killed."""

    def __init__(self, folder: Path, options: dict[str, Any]) -> None:
        super().__init__(options)
        self._supervisor = Supervisor(folder, options)
        self._ended = 0

    def log(self) -> str:
        return self._supervisor.log()

    def kill(self) -> None:
        """Kill it at once; supervisord starts it again."""
        self._ended += 1
        for process in self._processes():
            processes.signal_all([process], signal.SIGKILL)

    def stop(self) -> int:
        """Have supervisord end it for good; give the exit code that it logged."""
        self._supervisor.control("stop", "jexevents")
        return int(re.findall(r'"exit_code": (\d+)', self.log())[-1])

    def terminate(self) -> None:
        """Tell it to end, and supervisord to start it again."""
        self._ended += 1
        self._supervisor.control("restart", "jexevents")

    def end(self) -> None:
        self._supervisor.stop()

    def assert_stayed(self) -> None:
        """Assert that it runs, and never ended but by a kill or as it was told."""
        self._supervisor.wait_status("RUNNING")
        ends = re.findall(r'"exit_code": (\d+)', self.log())
        assert set(ends) <= {"0"}, f"ended with {ends}:\n{self.log()[-4000:]}"
        assert self.log().count('"event": "starting"') <= 1 + self._ended

    def _processes(self) -> list[ProcessId]:
        config = str(self._supervisor.config)
        return processes.select(lambda pid: config in processes.command_line(pid))
