"""What a job left running whose supervisor was killed: found by its control group, and by the
variable that each process of a job has."""

from __future__ import annotations

import os
import signal

from jexevents.processes import ProcessId, alive, select, signal_all, variable, wait_gone
from jexevents.processes import identify as identify_process
from jexevents.runner.supervisor import cgroups

_ROUNDS = 50
_WAIT_SECONDS = 5.0


def end(execution: str, group_path: str | None) -> int:
    """Kill all processes of an execution and remove its control group; gives how many there were.

    A process without both marks (it emptied its environment, on a machine without control groups)
    is not found. Those of other users neither, unless this is root.
    """
    group = cgroups.at(group_path) if group_path else None
    frozen = group is not None and group.freeze()
    seen: set[ProcessId] = set()
    try:
        for _ in range(_ROUNDS):
            new = _found(execution, group) - seen
            if not new:
                break
            signal_all(new, signal.SIGKILL)
            seen |= new
    finally:
        if frozen:
            group.thaw()
    wait_gone([process for process in seen if alive(process)], _WAIT_SECONDS)
    if group is not None:
        group.remove()
    return len(seen)


def _found(execution: str, group: cgroups.Cgroup | None) -> set[ProcessId]:
    marked = select(lambda pid: variable(pid, "JEXEVENTS_EXECUTION") == execution)
    inside = [identify_process(pid) for pid in (group.pids() if group else ())]
    return {process for process in (*marked, *inside) if process and process.pid != os.getpid()}
