"""A log of HTCondor that grows: what its schedd would write of a few jobs, and its rotation."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

NAME = "EventLog"
_KEPT = 3
_HOST = "<192.0.2.17:9618?addrs=192.0.2.17-9618>"
_CODES = (0, 0, 1)


class Written(NamedTuple):
    """An event that was written: its job, its name in the ledger, its first line."""

    cluster: int
    name: str
    line: str


class GrowingLog:
    """Writes into ``folder``, which is made, and rotates as HTCondor does without headers."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / NAME

    def write(self, cluster: int, name: str, at: datetime) -> Written:
        """Write one event of a job, in two halves as a busy schedd may."""
        number, words, lines = _texts(cluster)[name]
        head = f"{number:03d} ({cluster:03d}.000.000) {at:%Y-%m-%d %H:%M:%S} {words}"
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"{head}\n")
            file.flush()
            file.write("".join(f"\t{line}\n" for line in lines) + "...\n")
        return Written(cluster, name, head)

    def rotate(self) -> None:
        """Rename the files: the log becomes the first of the older ones, the last one goes."""
        for number in range(_KEPT - 1, 0, -1):
            older = self._older(number)
            if older.exists():
                os.replace(older, self._older(number + 1))
        os.replace(self.path, self._older(1))

    def _older(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")


def stories(first: int) -> Iterator[tuple[int, str]]:
    """Give job after job what is to be written of them, those of two jobs at a time mixed."""
    cluster = first
    while True:
        yield cluster, "SUBMIT"
        yield cluster + 1, "SUBMIT"
        yield cluster, "EXECUTE"
        yield cluster, "IMAGE_SIZE"
        yield cluster + 1, "EXECUTE"
        yield cluster, "JOB_TERMINATED"
        yield cluster + 1, "JOB_TERMINATED"
        cluster += 2


def _texts(cluster: int) -> dict[str, tuple[int, str, tuple[str, ...]]]:
    """Give number, words and further lines of each event."""
    code = _CODES[cluster % len(_CODES)]
    return {
        "SUBMIT": (0, f"Job submitted from host: {_HOST}", ()),
        "EXECUTE": (1, f"Job executing on host: {_HOST}", ("SlotName: slot1@node1",)),
        "IMAGE_SIZE": (6, "Image size of job updated: 4096", ("3  -  MemoryUsage of job (MB)",)),
        "JOB_TERMINATED": (
            5,
            "Job terminated.",
            (f"(1) Normal termination (return value {code})",),
        ),
    }
