"""Where in a file a value stands: lines by path, and faults that have them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from jexevents.errors import JexError
from jexevents.model import Fault

Path = tuple["str | int", ...]
Lines = Mapping[Path, int]

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:\n]|[^\s{}\[\],:"]+')


class Located(NamedTuple):
    """A fault and the line that it is on, counted from 1; None where no line can be said."""

    line: int | None
    fault: Fault


class NotReadable(JexError):
    """A file cannot be read as what it is; ``located`` says why."""

    def __init__(self, located: Sequence[Located]) -> None:
        super().__init__(str(located[0].fault))
        self.located = tuple(located)


def line_of(lines: Lines, pointer: str) -> int | None:
    """Give the line of a JSON pointer, or of the nearest value around it that has one."""
    steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
    for length in range(len(steps), -1, -1):
        found = _lookup(lines, steps[:length])
        if found is not None:
            return found
    return None


def _lookup(lines: Lines, steps: list[str]) -> int | None:
    """Look for a path whose steps read like these; whether one is a number, a pointer hides."""
    path: Path = ()
    for step in steps:
        if (*path, step) in lines:
            path = (*path, step)
        elif step.isdigit() and (*path, int(step)) in lines:
            path = (*path, int(step))
        else:
            return None
    return lines.get(path)


def json_lines(text: str) -> Lines:
    """Give the line of every path in a JSON text that was read already, so is right."""
    lines: dict[Path, int] = {}
    # Of each open array or object: its path, and the step of the value that follows.
    open_paths: list[list] = []
    line = 1
    for token in _TOKEN.findall(text):
        if token == "\n":
            line += 1
        elif token in "}]":
            open_paths.pop()
        elif token == ",":
            step = open_paths[-1][1]
            open_paths[-1][1] = step + 1 if isinstance(step, int) else None
        elif token == ":":
            continue
        elif open_paths and open_paths[-1][1] is None:
            open_paths[-1][1] = json.loads(token)
            lines[(*open_paths[-1][0], open_paths[-1][1])] = line
        else:
            path = (*open_paths[-1][0], open_paths[-1][1]) if open_paths else ()
            lines.setdefault(path, line)
            if token in "{[":
                open_paths.append([path, None if token == "{" else 0])
    return lines
