"""What processes cost: processor time and memory, from /proc."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
_TICK = os.sysconf("SC_CLK_TCK")
_LISTENING = "0A"
# Fields of /proc/PID/stat behind the name: the parent, and the times of the process itself and
# of its children that have ended.
_PARENT, _TIMES, _WITH_CHILDREN = 1, slice(11, 13), slice(11, 15)


def of_process(pid: int) -> float:
    """Give the CPU seconds of one process with all its threads."""
    return sum(map(int, _stat(pid)[_TIMES])) / _TICK


def of_family(pid: int) -> float:
    """Give the CPU seconds of a process and of its children, those that ended included."""
    while True:
        own = _stat(pid)[_WITH_CHILDREN]
        ticks = sum(map(int, own))
        for child in _children(pid):
            with suppress(OSError):
                ticks += sum(map(int, _stat(child)[_TIMES]))
        # A child that ended meanwhile was missed, or counted twice.
        if _stat(pid)[_WITH_CHILDREN] == own:
            return ticks / _TICK


def of_machine() -> float:
    """Give the CPU seconds that this machine spent on anything at all."""
    user, nice, system, _idle, _wait, irq, soft = map(
        int, (_PROC / "stat").read_text().split(maxsplit=8)[1:8]
    )
    return (user + nice + system + irq + soft) / _TICK


def parent(pid: int) -> int:
    """Give the pid of a process's parent."""
    return int(_stat(pid)[_PARENT])


def memory(pid: int) -> tuple[int, int]:
    """Give the bytes that a process holds in memory, and the most that it ever held."""
    lines = (_PROC / str(pid) / "status").read_text().splitlines()
    found = dict(line.split(":", 1) for line in lines)
    return tuple(1024 * int(found[name].split()[0]) for name in ("VmRSS", "VmHWM"))


def command_name(pid: int) -> str:
    """Give the name of a process's program; empty for none."""
    with suppress(OSError):
        return (_PROC / str(pid) / "comm").read_text().strip()
    return ""


def listener(port: int) -> int | None:
    """Find the process of this machine that listens on a TCP port; None if none is seen."""
    sockets = {f"socket:[{inode}]" for inode in _listening(port)}
    for pid in _pids():
        with suppress(OSError):
            for descriptor in os.listdir(_PROC / str(pid) / "fd"):
                if os.readlink(_PROC / str(pid) / "fd" / descriptor) in sockets:
                    return pid
    return None


class Meter:
    """CPU seconds of several processes, from its making on."""

    def __init__(self, clocks: Mapping[str, Callable[[], float]]) -> None:
        self._clocks = clocks
        self._begin = {name: clock() for name, clock in self._clocks.items()}
        self._at, self._own, self._machine = time.monotonic(), time.process_time(), of_machine()

    def read(self) -> dict[str, float]:
        """Give the seconds of each since then."""
        return {name: clock() - self._begin[name] for name, clock in self._clocks.items()}

    def per_event(self, events: int) -> dict[str, float]:
        """Give the microseconds of each for one of ``events`` events."""
        return {name: 1e6 * seconds / events for name, seconds in self.read().items()}

    def strangers(self) -> float:
        """Give the part (0 to 1) of the processors that none of these, nor this process, had."""
        machine = of_machine() - self._machine - (time.process_time() - self._own)
        available = (time.monotonic() - self._at) * (os.cpu_count() or 1)
        return max(0.0, machine - sum(self.read().values())) / available


def _stat(pid: int) -> list[str]:
    # The name stands in brackets and may hold anything, brackets included.
    return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()


def _pids() -> list[int]:
    return [int(entry) for entry in os.listdir(_PROC) if entry.isdigit()]


def _children(pid: int) -> Iterator[int]:
    for child in _pids():
        with suppress(OSError):
            if parent(child) == pid:
                yield child


def _listening(port: int) -> Iterator[str]:
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in (_PROC / "net" / table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                    yield fields[9]
