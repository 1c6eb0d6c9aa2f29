"""A command on a terminal of its own, and one in a pipe that goes on."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.acceptance.support import PYTHON, environment

SECONDS = 30
_PIECE = 65536


class Running:
    """A command that runs; ``text`` is what it has written so far, to a terminal or to pipes."""

    def __init__(self, process: subprocess.Popen, out: int, err: int | None) -> None:
        self._process = process
        self._read = {out: b""} | ({} if err is None else {err: b""})
        self._out, self._err = out, err

    @property
    def text(self) -> str:
        return self._read[self._out].decode("utf-8", "replace")

    @property
    def errors(self) -> str:
        return "" if self._err is None else self._read[self._err].decode("utf-8", "replace")

    def wait_for(self, words: str) -> None:
        """Wait until it has written these words."""
        end = time.monotonic() + SECONDS
        while words not in self.text + self.errors:
            assert time.monotonic() < end, f"no {words!r} in:\n{self.text}\n{self.errors}"
            assert self.look(1.0) or self._process.poll() is None, (
                f"it ended without {words!r}:\n{self.text}\n{self.errors}"
            )

    def interrupt(self) -> None:
        """Do what Ctrl-C does."""
        self._process.send_signal(signal.SIGINT)

    def wait(self) -> int:
        """Read all; give the exit code."""
        end = time.monotonic() + SECONDS
        while self.look(1.0) or self._process.poll() is None:
            assert time.monotonic() < end, f"it goes on:\n{self.text}\n{self.errors}"
        return self._process.wait(SECONDS)

    def look(self, seconds: float) -> bool:
        """Read what is there; False where nothing is, or nothing will be."""
        found, _, _ = select.select(list(self._read), [], [], seconds)
        took = False
        for one in found:
            try:
                piece = os.read(one, _PIECE)
            except OSError:  # a terminal that nobody has open any more
                piece = b""
            self._read[one] += piece
            took = took or bool(piece)
        return took


@contextmanager
def on_terminal(*words: object, program: Sequence[str] = PYTHON, **more: str) -> Iterator[Running]:
    """Run a command on a terminal 160 columns wide."""
    ours, theirs = pty.openpty()
    base = {name: value for name, value in environment().items() if name != "NO_COLOR"}
    variables = {**base, "TERM": "xterm-256color", "COLUMNS": "160", "LINES": "40", **more}
    process = subprocess.Popen(
        [*program, *map(str, words)], env=variables, stdin=theirs, stdout=theirs, stderr=theirs,
        start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    yield from _ended(Running(process, ours, None), process, [ours])


@contextmanager
def in_pipe(*words: object, program: Sequence[str] = PYTHON, **more: str) -> Iterator[Running]:
    """Run a command whose outputs are pipes."""
    process = subprocess.Popen(
        [*program, *map(str, words)], env=environment(**more), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    out, err = process.stdout.fileno(), process.stderr.fileno()
    yield from _ended(Running(process, out, err), process, [])


def _ended(running: Running, process: subprocess.Popen, own: list[int]) -> Iterator[Running]:
    try:
        yield running
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        process.wait()
        for one in own:
            os.close(one)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def in_folder(folder: Path, name: str, text: str) -> Path:
    """Write a file that only we read."""
    path = folder / name
    path.write_text(text)
    path.chmod(0o600)
    return path
