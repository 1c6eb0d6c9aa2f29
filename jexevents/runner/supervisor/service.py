"""Puts one supervisor together and runs it: its folder is the current one, and is its own."""

from __future__ import annotations

import fcntl
import os
import time

from jexevents.runner.supervisor import asking, cgroups, layout
from jexevents.runner.supervisor.doors import Door
from jexevents.runner.supervisor.eventlog import EventLog
from jexevents.runner.supervisor.execution import Execution
from jexevents.runner.supervisor.loop import Loop
from jexevents.runner.supervisor.output import Output
from jexevents.runner.supervisor.quick import SIGNALS, become_subreaper, catch, ignore
from jexevents.runner.supervisor.spec import secret_bytes
from jexevents.runner.supervisor.start import start
from jexevents.runner.supervisor.state import State
from jexevents.runner.supervisor.streams import Streams
from jexevents.runner.supervisor.tree import Tree, started
from jexevents.runner.supervisor.watching import Watchers

_LOCK_TRIES, _LOCK_PAUSE_SECONDS = 500, 0.002
_IGNORED = ("SIGHUP", "SIGINT", "SIGQUIT", "SIGPIPE", "SIGUSR1", "SIGUSR2", "SIGALRM")
_ALSO_IGNORED = ("SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGXFSZ")


def take_folder() -> int | None:
    """Take the current folder for this process; None if it is or was another's.

    Who only asks whether a supervisor lives holds the lock for an instant: hence the tries.
    """
    lock = os.open(layout.LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    for _ in range(_LOCK_TRIES):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            time.sleep(_LOCK_PAUSE_SECONDS)
    else:
        return None
    return None if os.path.exists(layout.STATE) else lock


def run(spec: dict, folder: str, begun: object) -> None:
    """Run the job to its end; calls ``begun()`` when it is decided whether it could be started.
    Raises OSError where not even that can be written down."""
    signals = catch("SIGCHLD", "SIGTERM")
    ignore(*_IGNORED, *_ALSO_IGNORED)
    become_subreaper()
    loop, state = Loop(), State(_first_facts(spec))
    state.reserve()
    events = EventLog()
    streams = Streams(loop, Output(spec["max_output_bytes"]), secret_bytes(spec))
    tree = Tree()
    execution = Execution(spec, loop, state, events, streams, tree)
    watchers = Watchers(loop, events)
    requests = _Requests(execution, watchers)
    doors = [
        Door(loop, layout.CONTROL, asking.answerer(requests.of_worker)),
        Door(loop, layout.DOOR, asking.answerer(requests.of_job)),
    ]
    loop.add(signals, lambda: _take_signals(signals, execution))
    if not state.write(durable=False):
        raise OSError("there is no room for state.json")
    try:
        _start(spec, folder, execution, streams, tree)
        _serve(loop, execution, watchers, begun)
        _close(doors)
        watchers.finish(events.unwritten)
    finally:
        _close(doors)
        watchers.close()
        if tree.group:
            tree.group.remove()


def _start(spec: dict, folder: str, execution: Execution, streams: Streams, tree: Tree) -> None:
    made = cgroups.make(f"jexevents-{spec['id']}") if spec["cgroup"] else None
    tree.group, procs = made if made else (None, None)
    try:
        first = start(spec, folder, tree.group, procs)
    except OSError as error:
        execution.cannot_start(f"no process can be made: {error.strerror}")
        return
    finally:
        if procs is not None:
            os.close(procs)
    streams.begin(first.pipes)
    execution.started(first)


def _serve(loop: Loop, execution: Execution, watchers: Watchers, begun: object) -> None:
    told = False
    execution.tick()
    while not execution.over:
        loop.wait(execution.due())
        execution.tick()
        watchers.tell()
        if not told and execution.phase != "starting":
            begun()
            told = True
    if not told:
        begun()


def _close(doors: list[Door]) -> None:
    for door in doors:
        door.close()


def _first_facts(spec: dict) -> dict:
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        boot = file.read().strip()
    own = {"pid": os.getpid(), "started": started(os.getpid())}
    members = {"version": 1, "id": spec["id"], "phase": "starting", "boot": boot}
    return {**members, "supervisor": own, "job": None, "cgroup": None}


def _take_signals(descriptor: int, execution: Execution) -> None:
    numbers = os.read(descriptor, 4096)
    if SIGNALS.SIGTERM in numbers:
        try:
            execution.signal("terminate", "SIGTERM came to the supervisor", "", "supervisor")
        except LookupError:
            pass  # it has ended already
    execution.children_ended()


class _Requests:
    """What may be asked at each door."""

    def __init__(self, execution: Execution, watchers: Watchers) -> None:
        self._execution, self._watchers = execution, watchers

    def of_worker(self, request: dict) -> dict:
        """Answer the worker."""
        if "event" in request:
            return self._event(request, "request")
        if "signal" in request:
            name, cause, key = asking.check_signal(request)
            try:
                event = self._execution.signal(name, cause, key, "request")
            except LookupError as exc:
                raise asking.Unanswerable("ended", "The job has ended already.") from exc
            return {"event": event or None}
        if "watch" in request:
            after = asking.check_watch(request)
            return asking.Handover(lambda connection: self._watchers.add(connection, after))
        if request in ({"ping": True}, {"state": True}):
            return {"state": self._execution.facts()} if "state" in request else {}
        raise asking.Unanswerable(
            "invalid", "A request has one of the members event, signal, watch, ping, state."
        )

    def of_job(self, request: dict) -> dict:
        """Answer the job: it may send events, and nothing else."""
        if "event" not in request:
            raise asking.Unanswerable("invalid", "Here events are taken, and nothing else.")
        asking.check_count(self._execution.events_of_job())
        return self._event(request, "job")

    def _event(self, request: dict, by: str) -> dict:
        name, cause, key = asking.check_event(request)
        try:
            return {"event": self._execution.event(name, cause, key, by)}
        except OSError as error:
            raise asking.Unanswerable(
                "no-room", f"The event cannot be kept: {error.strerror}. Try again later."
            ) from error
