"""The daemon as a process of its own, as a user starts it."""

from __future__ import annotations

import ctypes
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from jexevents.errors import Unavailable

_READY_SECONDS = 60.0
_STOP_SECONDS = 15.0
_LOOK_SECONDS = 0.1
_PR_SET_PDEATHSIG = 1


class Daemon:
    """``jexevents --config CONFIG`` with its log in a file; stopped at the end of the block.

    With ``command`` it is another one that runs for long, called ``what`` in messages.
    """

    def __init__(
        self,
        config: Path,
        environment: Mapping[str, str],
        log: Path,
        command: Sequence[str] = (),
        what: str = "daemon",
    ) -> None:
        self._command = [sys.executable, "-m", "jexevents", *command, "--config", str(config)]
        self._what = what
        self._environment = dict(environment)
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Daemon:
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                # Ctrl-C in the terminal is for us; a second signal would end it at once.
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )
        return self

    def __exit__(self, *_error: object) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def wait_until_ready(self, say: Callable[[str], None]) -> str:
        """Wait for /readyz; give its URL. Raises Unavailable with the log's end."""
        pause = threading.Event()
        for _ in range(int(_READY_SECONDS / _LOOK_SECONDS)):
            url = self._url()
            if url is not None and _answers(f"{url}/readyz"):
                return url
            if self._process.poll() is not None:
                raise self._ended(self._process.returncode)
            say("starting")
            pause.wait(_LOOK_SECONDS)
        raise Unavailable(f"The {self._what} was not ready in {_READY_SECONDS:g} s.{self._end()}")

    def wait(self) -> None:
        """Wait until it ends. Raises Unavailable when it does, which it should not."""
        raise self._ended(self._process.wait())

    def require(self) -> None:
        """Raise Unavailable if it has ended, which it should not."""
        if self._process.poll() is not None:
            raise self._ended(self._process.returncode)

    def _ended(self, code: int) -> Unavailable:
        return Unavailable(f"The {self._what} ended with {code}.{self._end()}")

    def _url(self) -> str | None:
        """Find in the log where it listens."""
        for line in self._log.read_text("utf-8", "replace").splitlines():
            if '"listening"' in line:
                host, port = json.loads(line)["addresses"][0]
                return f"http://{host}:{port}"
        return None

    def _end(self) -> str:
        lines = self._log.read_text("utf-8", "replace").splitlines()[-5:]
        return "".join(f"\n  {line}" for line in (f"The end of {self._log}:", *lines))


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=5):
            return True
    except (HTTPError, URLError, OSError):
        return False


def _end_with_parent() -> None:
    """Have the kernel send TERM when whoever started this is gone, by kill -9 too (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
