"""Read logs with HTCondor's own reader: one file an argument, ``FILE.json`` for each.

A program of its own, each file in a child of its own: the reader dies of some inputs (then
there is no ``FILE.json``), and sleeps before it refuses others.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import classad2
import htcondor2


def plain(value: Any) -> Any:
    if isinstance(value, classad2.ClassAd):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, classad2.Value):
        return None if value == classad2.Value.Undefined else "error"
    return value if isinstance(value, (str, int, float)) else str(value)


def read(path: str) -> list[dict[str, Any]]:
    log = htcondor2.JobEventLog(path)
    return [{key: plain(event[key]) for key in event} for event in log.events(stop_after=0)]


def read_in_child(path: str) -> None:
    if os.fork() == 0:
        try:
            text = json.dumps(read(path))
            with open(f"{path}.json", "w") as answer:
                answer.write(text)
        finally:
            os._exit(0)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        read_in_child(name)
    for _ in sys.argv[1:]:
        os.wait()
