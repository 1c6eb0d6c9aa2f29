"""How a measurement and its children talk: one JSON object in, one out."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench.errors import BenchFailed

ROOT = Path(__file__).resolve().parents[2]
_END_SECONDS = 30.0


class Child:
    """``python -m bench.children.NAME``, given ``task``; ended at the end of the block."""

    def __init__(self, name: str, **task: Any) -> None:
        self.name = name
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"bench.children.{name}"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._process.stdin.write(json.dumps(task) + "\n")
        self._process.stdin.flush()

    def __enter__(self) -> Child:
        return self

    def __exit__(self, error: type | None, *_rest: object) -> None:
        if error:
            self._process.kill()
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def wait_begun(self) -> float:
        """Wait until it says that it begins; give the time that it says."""
        return self._line()["begun"]

    def address(self) -> tuple[str, int]:
        """Wait until it serves; give the address that it says."""
        host, port = self._line()["address"]
        return host, port

    def stop(self) -> None:
        """Tell one that runs until told so to end."""
        self._process.stdin.write("stop\n")
        self._process.stdin.flush()

    def result(self) -> dict[str, Any]:
        """Wait for its result; it lives on until the end of the block, for its costs to be read."""
        return self._line()

    def _line(self) -> dict[str, Any]:
        line = self._process.stdout.readline()
        if not line:
            raise BenchFailed(f"{self.name} ended with {self._process.wait(_END_SECONDS)}")
        return json.loads(line)


def serve(work: Callable[..., dict[str, Any]]) -> None:
    """Be a child: read the task, do it, write the result, stay until that was taken."""
    print(json.dumps(work(**json.loads(sys.stdin.readline()))), flush=True)
    sys.stdin.read()


def say_begun(at: float) -> None:
    """Tell the measurement that the work begins."""
    print(json.dumps({"begun": at}), flush=True)


def told_to_stop() -> Callable[[], bool]:
    """Give what says whether the measurement said so, or is gone; never waits."""

    def told() -> bool:
        return bool(select.select([sys.stdin], [], [], 0)[0])

    return told
