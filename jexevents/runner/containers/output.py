"""What a container writes, into the files that outputs of all executions are kept in."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from jexevents.runner.supervisor.layout import STDERR, STDOUT
from jexevents.runner.supervisor.masking import Mask
from jexevents.runner.supervisor.output import Output

_STREAMS = {"stdout": STDOUT, "stderr": STDERR}
_FILES = re.compile(r"stdout|stderr|output\.index|tail-[0-9]+\.(stdout|stderr|index)")


class ContainerOutput:
    """The output of one attempt, from its first byte: what an earlier worker wrote into the folder
    is replaced, for the log of the engine has it too. For one thread."""

    def __init__(self, folder: Path, limit: int | None, secrets: Sequence[str]) -> None:
        with suppress(FileNotFoundError):
            for name in os.listdir(folder):
                if _FILES.fullmatch(name):
                    (folder / name).unlink()
        self._output = Output(limit, f"{folder}/")
        hidden = [secret.encode() for secret in secrets]
        self._masks = {each: Mask(hidden) for each in (STDOUT, STDERR)} if hidden else {}
        self._last = 0

    def write(self, stream: str, time_ns: int, data: bytes) -> None:
        """Keep what a stream brought at a time; 0 is now. It never raises."""
        which = _STREAMS[stream]
        self._last = time_ns // 1000 or _now()
        if self._masks:
            data = self._masks[which].feed(data)
        if data:
            self._output.write(which, memoryview(data), self._last)

    def finish(self) -> dict[str, Any]:
        """End it; gives the numbers that a state has of an output."""
        for which, mask in self._masks.items():
            if rest := mask.finish():
                self._output.write(which, memoryview(rest), self._last or _now())
        self._output.finish(_now(), durable=False)
        return self._output.numbers()


def _now() -> int:
    return time.time_ns() // 1000
