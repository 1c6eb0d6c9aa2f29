"""The daemon as a process of its own, started as a user starts it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from bench.children.talk import ROOT
from bench.errors import BenchFailed

COMMAND = (sys.executable, "-m", "jexevents")
_START_SECONDS, _STOP_SECONDS = 60.0, 15.0
_LOOK_SECONDS = 0.005


def environment() -> dict[str, str]:
    """Give this environment without what configures jexevents."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JEXEVENTS_")}
    return {**kept, "PYTHONPATH": str(ROOT)}


def command(*arguments: str) -> str:
    """Run a command of jexevents; give its output. Raises BenchFailed with what it said."""
    done = subprocess.run(
        [*COMMAND, *arguments], env=environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BenchFailed(f"jexevents {arguments[0]} ended with {done.returncode}: {done.stderr}")
    return done.stdout.strip()


class Daemon:
    """``jexevents --config CONFIG`` with its log beside it; stopped at the end of the block."""

    def __init__(self, config: Path) -> None:
        self._log = config.with_suffix(".log")
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                [*COMMAND, "--config", str(config)],
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __enter__(self) -> Daemon:
        return self

    def __exit__(self, error: type | None, *_rest: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        if code and error is None:
            raise BenchFailed(f"the daemon ended with {code}{self._end()}")

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def wait_consuming(self) -> float:
        """Wait until it consumes; give the time (wall clock) that its log says."""
        line = self._wait_logged("consuming")
        return datetime.fromisoformat(line["time"].replace("Z", "+00:00")).timestamp()

    def wait_listening(self) -> tuple[str, int]:
        """Wait until it listens; give host and port."""
        host, port = self._wait_logged("listening")["addresses"][0]
        return host, port

    def wait_ready(self) -> tuple[str, int]:
        """Wait until it answers that it is ready; give host and port."""
        host, port = self.wait_listening()
        self.wait_consuming()
        deadline = time.monotonic() + _START_SECONDS
        while not _answers(f"http://{host}:{port}/readyz"):
            self._look(deadline, "is not ready")
        return host, port

    def alive(self) -> None:
        """Raise BenchFailed if it has ended."""
        if self._process.poll() is not None:
            raise BenchFailed(f"the daemon ended with {self._process.returncode}{self._end()}")

    def _wait_logged(self, event: str) -> Mapping[str, Any]:
        deadline = time.monotonic() + _START_SECONDS
        while not (line := self._logged(event)):
            self._look(deadline, f"does not log {event!r}")
        return line

    def _logged(self, event: str) -> Mapping[str, Any] | None:
        for line in self._log.read_text("utf-8", "replace").splitlines():
            if f'"{event}"' in line and json.loads(line)["event"] == event:
                return json.loads(line)
        return None

    def _look(self, deadline: float, what: str) -> None:
        self.alive()
        if time.monotonic() > deadline:
            raise BenchFailed(f"the daemon {what}{self._end()}")
        time.sleep(_LOOK_SECONDS)

    def _end(self) -> str:
        lines = self._log.read_text("utf-8", "replace").splitlines()[-5:]
        return "".join(f"\n  {line}" for line in ("; the end of its log:", *lines))


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=5):
            return True
    except (URLError, OSError):
        return False
