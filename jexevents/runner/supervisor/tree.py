"""All processes of a job, whatever they did to get out of sight: other sessions, double forks.

This process is their sub-reaper, so each of them has it among its ancestors.
"""

from __future__ import annotations

import os
import time

from jexevents.runner.supervisor.cgroups import Cgroup
from jexevents.runner.supervisor.quick import SIGNALS, send

_ROUNDS = 200
_QUIET_ROUNDS = 2
_PATIENCE_SECONDS = 1.0

STOP = (int(SIGNALS.SIGSTOP),)
CONTINUE = (int(SIGNALS.SIGCONT),)
# What is stopped would not hear of it before it goes on.
TERMINATE = (int(SIGNALS.SIGTERM), int(SIGNALS.SIGCONT))
KILL = (int(SIGNALS.SIGKILL),)


class Tree:
    """Finds the processes below this one and sends them signals; nobody slips through."""

    def __init__(self, group: Cgroup | None = None) -> None:
        self.group = group
        self._ended: list[tuple[int, int]] = []

    def collect(self) -> bool:
        """Collect who has ended, for ``ended`` to give; tells whether a process is left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            self._ended.append((pid, status))

    def ended(self) -> list[tuple[int, int]]:
        """Give the number and the status of each who was collected, in order and once."""
        ended, self._ended = self._ended, []
        return ended

    def signal(self, numbers: tuple[int, ...]) -> int:
        """Send the signals, in this order, to each process; gives how many there were.

        The whole tree stands still meanwhile, frozen or else by SIGSTOP, so that each gets them
        once, and what one starts in answer gets none. What is killed starts nothing anyway.
        """
        if self.group and self.group.freeze():
            try:
                return len(self._each(numbers))
            finally:
                self.group.thaw()
        if numbers in (CONTINUE, KILL):
            return len(self._each(numbers))
        held = self._each(STOP)
        if numbers != STOP:
            for pid, at in held.items():
                _send(pid, at, numbers)
        return len(held)

    def _each(self, numbers: tuple[int, ...]) -> dict[int, str]:
        """Send to all that are found, until nobody can have been missed.

        Who forks and ends between the list and the look at him leaves a child that is on no list.
        So a look counts if it found nobody new, and nobody gone who was not known for another's:
        one such, if no process was made meanwhile on the whole machine, or else two. Where others
        come and go without end, it is enough that for a while nobody new was found, and nobody
        ended here who had not been.
        """
        seen: dict[int, str] = {}
        passed: set[int] = set()
        self.collect()
        in_vain, until = 0, time.monotonic() + _PATIENCE_SECONDS
        for _ in range(_ROUNDS):
            made, known, ended = _last_made(), len(seen), len(self._ended)
            gone = self._look(numbers, seen, passed)
            # They are collected meanwhile, or a storm would use up the numbers of the machine.
            self.collect()
            missed = any(pid not in seen for pid, _ in self._ended[ended:])
            found = missed or len(seen) > known
            in_vain = 0 if found or gone else in_vain + 1
            if in_vain == _QUIET_ROUNDS or (in_vain and made and made == _last_made()):
                break
            if found:
                until = time.monotonic() + _PATIENCE_SECONDS
            elif time.monotonic() > until:
                break
        return seen

    def _look(self, numbers: tuple[int, ...], seen: dict[int, str], passed: set[int]) -> bool:
        """Go over all processes once; add who was found to ``seen``, and who is another's or was
        gone to ``passed``. Tell whether one was gone for the first time.

        Each is signalled as soon as it is seen: it may be another the next moment. Those who are
        new have their turn first, the youngest before all: in a storm they are there for an
        instant. Then come all, parents before their children.
        """
        own, gone = os.getpid(), False
        inside = set(self.group.pids()) if self.group else ()
        there = [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]
        last = _last_made()
        new = [pid for pid in there if pid not in seen and pid not in passed]
        # Behind the highest number they begin anew, so those above the last are older.
        new.sort(key=lambda pid: (pid > last, -pid))
        for pid in new + there:
            stat = _stat(pid)
            if stat is None:
                if pid not in seen and pid not in passed:
                    passed.add(pid)
                    gone = True
                continue
            if seen.get(pid) == stat[1]:
                continue
            parent, at = stat
            if parent == own:
                _kill(pid, numbers)
            elif pid in inside or (parent in seen and started(parent) == seen[parent]):
                _send(pid, at, numbers)
            else:
                passed.add(pid)
                continue
            seen[pid] = at
        return gone


def _last_made() -> int:
    """Give the number of the process or thread that was made last; 0 where that is not told."""
    try:
        with open("/proc/loadavg", "rb") as file:
            return int(file.read().split()[4])
    except (OSError, ValueError, IndexError):
        return 0


def started(pid: int) -> str:
    """Give when a living process was started, in clock ticks since the boot; empty for none."""
    stat = _stat(pid)
    return stat[1] if stat else ""


def _kill(pid: int, numbers: tuple[int, ...]) -> None:
    """Signal a child of this process: its number is nobody else's until it is waited for."""
    try:
        for number in numbers:
            os.kill(pid, number)
    except OSError:
        pass  # another's: a program with set-user-ID


def _send(pid: int, at: str, numbers: tuple[int, ...]) -> None:
    send(pid, numbers, lambda: started(pid) == at)


def _stat(pid: int) -> tuple[int, str] | None:
    """Give a process's parent and time of start; None for none, and for one that has ended."""
    try:
        descriptor = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        text = os.read(descriptor, 4096)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    # The name, in brackets, may hold blanks and brackets.
    fields = text.rpartition(b")")[2].split()
    if fields[0] in b"ZX" and int(fields[17]) <= 1:
        return None
    return int(fields[1]), fields[19].decode()
