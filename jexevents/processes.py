"""Which process is meant: a pid together with the moment it started, so that a pid given to
another process later is never taken for the old one. A zombie counts as ended."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

PROC = Path("/proc")
POLL_SECONDS = 0.01


@dataclass(frozen=True)
class ProcessId:
    """One process for all time: ``started`` tells two holders of one pid apart."""

    pid: int
    started: str


def identify(pid: int) -> ProcessId | None:
    """Give the process that runs under ``pid`` now; None for none and for a zombie."""
    started = _started_proc(pid) if has_proc() else _started_ps(pid)
    return ProcessId(pid, started) if started else None


def alive(process: ProcessId | None) -> bool:
    """Say whether exactly this process still runs."""
    return process is not None and identify(process.pid) == process


def has_proc() -> bool:
    """Say whether this system shows its processes as files, as Linux does."""
    return (PROC / "self" / "stat").exists()


def all_pids() -> list[int]:
    """List the pids of this system; empty where there is no /proc."""
    return [int(entry) for entry in os.listdir(PROC) if entry.isdigit()] if has_proc() else []


def command_line(pid: int) -> str:
    """Give a process's arguments, joined by blanks; empty for none and where unknown."""
    with suppress(OSError):
        if has_proc():
            raw = (PROC / str(pid) / "cmdline").read_bytes()
            return raw.replace(b"\0", b" ").decode(errors="replace").strip()
        return _ps(pid, "command=")
    return ""


def working_folder(pid: int) -> str:
    """Give a process's current folder; empty where that cannot be seen."""
    with suppress(OSError):
        return os.readlink(PROC / str(pid) / "cwd")
    return ""


def variable(pid: int, name: str) -> str:
    """Give what a process's environment had for ``name`` at its start; empty where unknown."""
    prefix = name.encode() + b"="
    with suppress(OSError):
        for entry in (PROC / str(pid) / "environ").read_bytes().split(b"\0"):
            if entry.startswith(prefix):
                return os.fsdecode(entry[len(prefix) :])
    return ""


def select(wanted: Callable[[int], bool]) -> list[ProcessId]:
    """Give the running processes, this one left out, whose pid ``wanted`` picks."""
    found = [identify(pid) for pid in all_pids() if pid != os.getpid() and wanted(pid)]
    return [process for process in found if process]


def signal_all(processes: Iterable[ProcessId], number: int) -> None:
    """Send a signal to each of the processes that still runs."""
    for process in processes:
        if alive(process):
            with suppress(ProcessLookupError):
                os.kill(process.pid, number)


def wait_gone(processes: Iterable[ProcessId], timeout: float) -> bool:
    """Wait until none of the processes runs; False if some still do after ``timeout`` seconds."""
    left, deadline = list(processes), time.monotonic() + timeout
    while left := [process for process in _reaped(left) if alive(process)]:
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def end(processes: Iterable[ProcessId], *, grace: float = 0.0, first: int = signal.SIGTERM) -> None:
    """End the processes: by signal ``first`` if a ``grace`` in seconds is given, then by KILL."""
    processes = list(processes)
    if grace:
        signal_all(processes, first)
        if wait_gone(processes, grace):
            return
    signal_all(processes, signal.SIGKILL)
    wait_gone(processes, 10)


def _reaped(processes: list[ProcessId]) -> list[ProcessId]:
    # Some may be children of this process, which stay zombies until they are waited for.
    for process in processes:
        with suppress(ChildProcessError):
            os.waitpid(process.pid, os.WNOHANG)
    return processes


def _started_proc(pid: int) -> str:
    try:
        stat = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return ""
    # The name, in brackets, may hold blanks and brackets: count from the last one.
    fields = stat.rpartition(")")[2].split()
    state, ticks = fields[0], fields[19]
    return "" if state in "ZX" and not _has_threads(pid) else f"{boot()}:{ticks}"


def _has_threads(pid: int) -> bool:
    # While other threads of a killed process still end, its files and ports are still open.
    with suppress(OSError):
        return len(os.listdir(PROC / str(pid) / "task")) > 1
    return False


def _started_ps(pid: int) -> str:
    state, _, started = _ps(pid, "stat=,lstart=").partition(" ")
    return "" if state.startswith("Z") else started.strip()


def _ps(pid: int, columns: str) -> str:
    command = ["ps", "-o", columns, "-p", str(pid)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    return done.stdout.strip()


@lru_cache(maxsize=1)
def boot() -> str:
    """Give the id of this boot of the machine; a word that says nothing where there is none."""
    with suppress(OSError):
        return (PROC / "sys" / "kernel" / "random" / "boot_id").read_text().strip()
    return "boot"


@lru_cache(maxsize=1)
def machine() -> str:
    """Give what those have in common that reach each other on loopback: this boot of the machine,
    and the network namespace, which each container has for itself. Empty where that is unknown."""
    with suppress(OSError):
        network = os.stat(PROC / "self" / "ns" / "net").st_ino
        return f"{(PROC / 'sys' / 'kernel' / 'random' / 'boot_id').read_text().strip()} {network}"
    return ""
