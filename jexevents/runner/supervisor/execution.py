"""One execution from its start to its end: what happens, and what follows from it."""

from __future__ import annotations

import os
import time

from jexevents.runner.supervisor import files
from jexevents.runner.supervisor import tree as trees
from jexevents.runner.supervisor.closing import Closing
from jexevents.runner.supervisor.ending import Ending
from jexevents.runner.supervisor.eventlog import EventLog
from jexevents.runner.supervisor.loop import Loop
from jexevents.runner.supervisor.masking import mask_text
from jexevents.runner.supervisor.spec import secret_bytes
from jexevents.runner.supervisor.start import IN_GROUP, Started
from jexevents.runner.supervisor.state import State
from jexevents.runner.supervisor.stopwatch import Stopwatch
from jexevents.runner.supervisor.streams import Streams

# A kill is repeated so often for what came in between.
_AGAIN_SECONDS = 1.0


class Execution:
    """Holds the facts; the loop calls in when something happened. ``over``: all is done."""

    def __init__(
        self,
        spec: dict,
        loop: Loop,
        state: State,
        events: EventLog,
        streams: Streams,
        tree: trees.Tree,
    ) -> None:
        self._spec, self._loop, self._state, self._events = spec, loop, state, events
        self._streams, self._tree = streams, tree
        self._secrets = secret_bytes(spec)
        self._ending = Ending()
        self._closing: Closing | None = None
        self._watch: Stopwatch | None = None
        self._first: Started | None = None
        self._report, self._heard = b"", False
        self._kill_at: float | None = None
        self._write_at: float | None = None
        self.over = False

    @property
    def phase(self) -> str:
        """One of: starting, running, stopped, ended."""
        return self._state.members["phase"]

    def started(self, first: Started) -> None:
        """Take the first process, which is about to become the job's program."""
        self._first = first
        job = {"pid": first.pid, "started": trees.started(first.pid)}
        self._state.members.update(job=job)
        self._loop.add(first.report, self.hear)

    def cannot_start(self, reason: str) -> None:
        """Take it that there is no first process, and end."""
        self._heard = True
        self._ending.refusal = reason
        self._closing = Closing(self._tree, 0.0, time.monotonic())
        self._closing.tree_is_gone()

    def hear(self) -> None:
        """Hear whether the first process has become the job's program, or why it cannot."""
        while not self._heard:
            try:
                came = os.read(self._first.report, 4096)
            except BlockingIOError:
                return
            self._report += came
            if not came:
                self._heard = True
                self._loop.remove(self._first.report)
                os.close(self._first.report)
                self._begin()

    def _begin(self) -> None:
        if self._report[:1] == IN_GROUP:
            self._report = self._report[1:]
        elif self._tree.group is not None:
            self._tree.group.remove()
            self._tree.group = None
        group = self._tree.group
        self._state.members["cgroup"] = group.path if group else None
        if self._report:
            said = self._report.decode("utf-8", "surrogateescape")
            self._ending.refusal = mask_text(said, self._secrets)
            return
        self._watch = Stopwatch(time.monotonic())
        self._set("running", begun=micros())
        self._events.automatic("start", "", micros())

    def children_ended(self) -> None:
        """Collect who has ended of the tree."""
        left = self._tree.collect()
        for pid, status in self._tree.ended():
            # Its number may be another's after it.
            if pid == self._first.pid and not self._closing:
                self._first_ended(status)
        if not left and self._closing:
            self._closing.tree_is_gone()

    def signal(self, name: str, cause: str, key: str, by: str) -> dict:
        """Send a signal to the whole tree and keep it as an event; gives the event.

        A full disk does not keep anybody from it; the event is empty then. Raises LookupError where
        the job has ended.
        """
        self.hear()
        if event := self._events.repeated(key):
            return event
        if self._closing and name != "kill":
            raise LookupError
        try:
            event = self._add(name, cause, key, by)
        except OSError:
            event = {}
        if name in ("terminate", "kill") and not self._closing:
            self._ending.why = mask_text(cause, self._secrets) or self._ending.why
        {
            "stop": self._stop,
            "continue": self._continue,
            "terminate": self._terminate,
            "kill": self._kill,
        }[name]()
        return event

    def event(self, name: str, cause: str, key: str, by: str) -> dict:
        """Keep an event; gives it. Raises OSError where it cannot be kept."""
        self.hear()
        return self._events.repeated(key) or self._add(name, cause, key, by)

    def events_of_job(self) -> int:
        """Give how many events the job itself has sent."""
        return self._events.of_job

    def facts(self) -> dict:
        """Give what state.json says, as it is now."""
        output = self._streams.output.numbers()
        return {**self._state.members, "output": output, "events": self._events.count}

    def due(self) -> float | None:
        """Give when ``tick`` has something to do (monotonic seconds); None for never."""
        timeout = None
        if self._watch and self._ending.asked != "time-out" and not self._closing:
            timeout = self._watch.due(self._spec["timeout_seconds"])
        closing = self._closing.due if self._closing else None
        times = (timeout, self._kill_at, self._write_at, closing)
        return min((at for at in times if at is not None), default=None)

    def tick(self) -> None:
        """Do what is due."""
        now = time.monotonic()
        if self._closing:
            self._closing.tick(now)
            if self._closing.over and not self.over and _is_due(self._write_at, now, first=True):
                self._end()
            return
        if _is_due(self._kill_at, now):
            self._tree.signal(trees.KILL)
            self._kill_at = now + _AGAIN_SECONDS
        limit = self._spec["timeout_seconds"]
        due = self._watch.due(limit) if self._watch else None
        if self._ending.asked != "time-out" and _is_due(due, now):
            self._ending.ask("time-out")
            self._tree.signal(trees.TERMINATE)
            self._kill_at = now + self._spec["grace_seconds"]

    def _stop(self) -> None:
        self._tree.signal(trees.STOP)
        if self._watch and self.phase == "running":
            self._watch.stop(time.monotonic())
            self._set("stopped")

    def _continue(self) -> None:
        self._tree.signal(trees.CONTINUE)
        self._runs_again()

    def _terminate(self) -> None:
        self._ending.ask("terminated")
        self._tree.signal(trees.TERMINATE)
        self._runs_again()

    def _kill(self) -> None:
        now = time.monotonic()
        if self._closing:
            self._closing.kill(now)
            return
        self._ending.ask("killed")
        self._tree.signal(trees.KILL)
        self._kill_at = now + _AGAIN_SECONDS
        self._runs_again()

    def _runs_again(self) -> None:
        if self.phase == "stopped":
            self._watch.go_on(time.monotonic())
            self._set("running")

    def _first_ended(self, status: int) -> None:
        self.hear()
        self._ending.status(status)
        now = time.monotonic()
        seconds = round(self._watch.seconds(now), 6) if self._watch else 0.0
        self._state.members.update(exited=micros(), run_seconds=seconds)
        self._closing = Closing(self._tree, self._spec["grace_seconds"], now)
        if self._ending.asked:
            self._closing.was_told(self._kill_at, now)

    def _end(self) -> None:
        """Write down the end. Where there is no room for it, try again: it must not get lost; but
        where the folder is gone there is nobody to read it."""
        if self.phase != "ended":
            if self._tree.group:
                self._tree.group.remove()
            self._streams.finish()
            members = self._state.members
            ending, cause = self._ending, self._ending.cause(self._spec["timeout_seconds"])
            self._events.automatic(ending.event, cause, micros())
            self._events.close()
            members.update(
                phase="ended",
                ended=micros(),
                reason=ending.reason,
                cause=cause,
                exit_code=None if ending.refusal else ending.exit_code,
                signal=ending.signal,
                left_behind=self._closing.left,
                output=self._streams.output.numbers(),
                events=self._events.count,
                unwritten=self._events.unwritten,
            )
        self.over = self._state.write_last() or files.folder_is_gone()
        self._write_at = time.monotonic() + _AGAIN_SECONDS

    def _add(self, name: str, cause: str, key: str, by: str) -> dict:
        masked = (mask_text(name, self._secrets), mask_text(cause, self._secrets))
        return self._events.add(*masked, micros(), by=by, key=key)

    def _set(self, phase: str, **more: object) -> None:
        self._state.members.update(phase=phase, **more)
        self._state.write()


def micros() -> int:
    """Give the time in microseconds since the epoch."""
    return time.time_ns() // 1000


def _is_due(at: float | None, now: float, *, first: bool = False) -> bool:
    return first if at is None else at <= now
