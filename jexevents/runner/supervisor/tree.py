"""All processes of a job, whatever they did to get out of sight: other sessions, double forks.

This process is their sub-reaper, so each of them has it among its ancestors.
"""

from __future__ import annotations

import os

from jexevents.runner.supervisor.cgroups import Cgroup
from jexevents.runner.supervisor.quick import SIGNALS, send

_ROUNDS = 200
_QUIET_ROUNDS = 2

STOP = (int(SIGNALS.SIGSTOP),)
CONTINUE = (int(SIGNALS.SIGCONT),)
# What is stopped would not hear of it before it goes on.
TERMINATE = (int(SIGNALS.SIGTERM), int(SIGNALS.SIGCONT))
KILL = (int(SIGNALS.SIGKILL),)


class Tree:
    """Finds the processes below this one and sends them signals; nobody slips through."""

    def __init__(self, group: Cgroup | None = None) -> None:
        self.group = group

    def members(self) -> dict[int, str]:
        """Give the living processes of the tree: pid and time of start in clock ticks."""
        stats = _all_stats()
        found = _below(os.getpid(), stats)
        for pid in self.group.pids() if self.group else ():
            if pid in stats:
                found[pid] = stats[pid][1]
        return found

    def signal(self, numbers: tuple[int, ...]) -> int:
        """Send the signals, in this order, to each process; gives how many there were.

        The whole tree stands still meanwhile, frozen or else by SIGSTOP, so that each gets them
        once, and what one starts in answer gets none.
        """
        if numbers == CONTINUE:
            return len(self._each(numbers))
        if self.group and self.group.freeze():
            try:
                return len(self._each(numbers))
            finally:
                self.group.thaw()
        held = self._each(STOP)
        if numbers != STOP:
            for pid, started in held.items():
                _send(pid, started, numbers)
        return len(held)

    def _each(self, numbers: tuple[int, ...]) -> dict[int, str]:
        """Send to all that are found, until twice no new one is: one look alone may miss a process
        whose parent ends just then."""
        seen: dict[int, str] = {}
        in_vain = 0
        for _ in range(_ROUNDS):
            new = {pid: at for pid, at in self.members().items() if seen.get(pid) != at}
            for pid, started in new.items():
                _send(pid, started, numbers)
            seen |= new
            in_vain = 0 if new else in_vain + 1
            if in_vain == _QUIET_ROUNDS:
                break
        return seen


def started(pid: int) -> str:
    """Give when a living process was started, in clock ticks since the boot; empty for none."""
    stat = _stat(pid)
    return stat[1] if stat else ""


def _send(pid: int, at: str, numbers: tuple[int, ...]) -> None:
    send(pid, numbers, lambda: started(pid) == at)


def _below(top: int, stats: dict[int, tuple[int, str]]) -> dict[int, str]:
    children: dict[int, list[int]] = {}
    for pid, (parent, _) in stats.items():
        children.setdefault(parent, []).append(pid)
    found, open_ends = {}, [top]
    while open_ends:
        for pid in children.get(open_ends.pop(), ()):
            found[pid] = stats[pid][1]
            open_ends.append(pid)
    return found


def _all_stats() -> dict[int, tuple[int, str]]:
    stats = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (stat := _stat(int(entry))):
            stats[int(entry)] = stat
    return stats


def _stat(pid: int) -> tuple[int, str] | None:
    """Give a process's parent and time of start; None for none, and for one that has ended."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
    except OSError:
        return None
    # The name, in brackets, may hold blanks and brackets.
    fields = text.rpartition(b")")[2].split()
    if fields[0] in b"ZX" and int(fields[17]) <= 1:
        return None
    return int(fields[1]), fields[19].decode()
