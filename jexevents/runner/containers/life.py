"""The life of one container, from its making to its end, as one thread sees it."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from jexevents.backoff import Backoff
from jexevents.engine.absence import Absence
from jexevents.engine.containers import Containers
from jexevents.engine.follower import Follower
from jexevents.engine.specs import Spec
from jexevents.engine.states import State
from jexevents.errors import (
    Clash,
    EngineRefused,
    EngineUnavailable,
    HalfStarted,
    JexError,
    NotThere,
    Unavailable,
)
from jexevents.lifecycle import command
from jexevents.logs import get_logger
from jexevents.processes import boot
from jexevents.runner.containers.deadline import Deadline
from jexevents.runner.containers.laststate import LastState
from jexevents.runner.containers.notes import Notes
from jexevents.runner.containers.output import ContainerOutput
from jexevents.runner.supervisor.layout import LOCK

log = get_logger("runner")

_AGAIN_SECONDS = 5.0
# What an engine says of a container that went down with its machine.
_UNKNOWN_EXIT = 255
_NEVER_STARTED = (125, 126, 127)
# What ends by a signal that nothing handles: 128 and SIGKILL, or SIGTERM.
_SIGNALLED = (137, 143)
_BY_ORDER = ("terminated", "killed")
# What shells and inits end with, and no engine says anything of.
_NOT_RUN = {
    126: "a program was found that cannot be executed",
    127: "a program was not found",
}
_REMOVED = "Its container was removed from the engine by somebody else."
_HALF_STARTED = "The engine was killed while it started the container, which may have run."
_NOT_SEEN = "It ended while the engine was away, which does not know how: it says exit {}."
_RESTARTED = "The machine was restarted while the container ran."
_GIVEN_UP = "It was given up before it began."


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be run as the container ``name``, and where what it writes goes.

    ``spec`` makes what the engine is asked for; it raises JexError where that cannot be had, and
    Unavailable where it cannot be had now. It is None for what must not begin any more.
    ``begun_in`` is the boot of this machine in which the attempt was noted as begun.
    """

    name: str
    folder: Path
    spec: Callable[[], Spec] | None
    secrets: Sequence[str] = ()
    timeout_seconds: float | None = None
    grace_seconds: float = 10.0
    max_output_bytes: int | None = None
    memory_bytes: int | None = None
    begun_in: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended: one of the three, in the words of ``Report``."""

    end: Mapping[str, Any] | None = None
    lost: str | None = None
    failure: str | None = None


class _Ended(Exception):
    """The attempt has ended without a run to its end."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome


class Life:
    """One container's life. ``live`` is for one thread, all else for any."""

    def __init__(self, containers: Containers, wanted: Wanted, sequence: int) -> None:
        self._containers = containers
        self._wanted = wanted
        self.notes = Notes(wanted.folder, sequence)
        self.is_over = False
        # Held while an order is carried out and noted: the end that it makes is noted behind it.
        self.ordering = threading.Lock()
        self._last = LastState(wanted.folder)
        self._left = threading.Event()
        self._started_at: datetime | None = None
        self._follower: Follower | None = None
        self._deadline: Deadline | None = None
        # What this process has seen of the engine's absences since it looks after the container.
        self._absence = Absence()
        # Whether the engine was asked to start the container and has not answered.
        self._start_unanswered = False

    def live(self, tell: Callable[[Any], None]) -> None:
        """Make it, start it, follow it and conclude, or take it up wherever it is.

        Tells of each event, and at last of an Outcome, unless ``leave`` was called before. While
        the engine is away it waits.
        """
        with _locked(self._wanted.folder / LOCK):
            outcome = self._known_end() or self._lived(tell)
            if outcome is not None:
                self.is_over = True
                tell(outcome)

    def begin(self) -> None:
        """Be ready for ``live``, be it another time."""
        self._left.clear()
        self._follower = self._deadline = None

    def leave(self) -> None:
        """Let it run on without being followed."""
        self._left.set()
        if self._follower is not None:
            self._follower.close()
        self.time_changed()

    def time_changed(self) -> None:
        """Say that it was stopped, continued, or left: its timeout is another one."""
        if self._deadline is not None:
            self._deadline.look()

    def _known_end(self) -> Outcome | None:
        """Give the end that an earlier worker wrote down and could not report."""
        state = self._last.known()
        if state is None:
            return None
        return Outcome(state.get("end"), state.get("lost"), state.get("failure"))

    def _lived(self, tell: Callable[[Any], None]) -> Outcome | None:
        try:
            state = self._started()
            if state is None:
                return None
            self._tell_start(state, tell)
            outcome = self._followed(tell)
        except _Ended as ended:
            outcome = ended.outcome
            if outcome.end is not None:
                tell(self._closing(outcome.end))
        if outcome is not None:
            self._write_down(outcome)
        return outcome

    # --- the start

    def _started(self) -> State | None:
        """See to it that it runs, or did; None where it was left. Raises _Ended."""
        waits = Backoff(_AGAIN_SECONDS)
        while not self._left.is_set():
            try:
                return self._start()
            except Unavailable as error:
                self._waits_for(error)
                self._left.wait(waits.next())
        return None

    def _start(self) -> State:
        try:
            state = self._containers.inspect(self._wanted.name)
        except NotThere:
            if self.notes.has_started or self.notes.container:
                raise _Ended(Outcome(lost=_REMOVED)) from None
            self._require_wanted()
            self._make()
        else:
            if not state.never_ran:
                return state
            if state.error:
                raise _Ended(_not_started(state.error, state.exit_code)) from None
            if self._start_unanswered and self._absence.was:
                # dockerd takes one for new that was started, and has even ended, behind its back.
                raise _Ended(Outcome(lost=_HALF_STARTED)) from None
            self._require_same_boot()
            self.notes.made(state.id)
            self._require_wanted()
        try:
            self._containers.start(self._wanted.name)
        except EngineUnavailable as error:
            self._start_unanswered = self._start_unanswered or not error.unsent
            raise
        except HalfStarted as error:
            raise _Ended(Outcome(lost=_HALF_STARTED)) from error
        except EngineRefused as error:
            # A network that is not there is told as a container would be.
            if isinstance(error, NotThere) and not self._is_there():
                raise _Ended(Outcome(lost=_REMOVED)) from error
            raise _Ended(_not_started(error.words, self._exit_code())) from error
        self._absence.over()
        return self._containers.inspect(self._wanted.name)

    def _is_there(self) -> bool:
        with suppress(NotThere):
            self._containers.inspect(self._wanted.name)
            return True
        return False

    def _make(self) -> None:
        wanted = self._wanted
        self._require_same_boot()
        try:
            spec = wanted.spec()
        except Unavailable:
            raise
        except JexError as error:
            raise _Ended(_not_started(str(error), None)) from error
        try:
            self.notes.made(self._containers.create(spec))
        except Clash:
            # An answer that did not come in time: it is there.
            self.notes.made(self._containers.inspect(wanted.name).id)
        except EngineRefused as error:
            raise _Ended(_not_started(error.words, None)) from error

    def _require_same_boot(self) -> None:
        if self._wanted.begun_in not in ("", boot()):
            # What was noted of it may have been lost with the power, and it may have run.
            raise _Ended(Outcome(lost=_RESTARTED))

    def _require_wanted(self) -> None:
        """Raise _Ended where it has not run and must not any more."""
        if self.notes.asked:
            end = {"reason": self.notes.asked, "cause": self.notes.why}
            raise _Ended(Outcome(end=end))
        if self._wanted.spec is None:
            raise _Ended(Outcome(failure=_GIVEN_UP))

    def _exit_code(self) -> int | None:
        """Give the exit code of what could not be started: 127 for no such program, and so on."""
        with suppress(JexError):
            code = self._containers.inspect(self._wanted.name).exit_code
            return code if code in _NEVER_STARTED else None
        return None

    def _tell_start(self, state: State, tell: Callable[[Any], None]) -> None:
        self._started_at = state.started_at
        if not self.notes.has_started:
            tell(self.notes.event(command.START, _micros(state.started_at), auto=True))

    # --- the run

    def _followed(self, tell: Callable[[Any], None]) -> Outcome | None:
        """Follow it to its end; None where it was left."""
        wanted = self._wanted
        try:
            self._last.reserve()
        except OSError as error:
            log.warning("no_room_for_end", container=wanted.name, reason=str(error))
        output = ContainerOutput(wanted.folder, wanted.max_output_bytes, wanted.secrets)
        self._follower = self._containers.follow_to_end(wanted.name, self._absence)
        if wanted.timeout_seconds is not None:
            started = _micros(self._started_at)
            self._deadline = Deadline(self._containers, wanted, self.notes, started)
        with self._timed(tell):
            if self._left.is_set():
                return None
            try:
                for frame in self._follower:
                    output.write(*frame)
            except NotThere:
                output.finish()
                return Outcome(lost=_REMOVED)
            except EngineRefused as error:
                log.warning("log_not_read", container=wanted.name, reason=error.words)
        numbers = output.finish()
        state = None if self._left.is_set() else self._ended_state()
        return None if state is None else self._concluded(state, numbers, tell)

    def _ended_state(self) -> State | None:
        """Give its state when it has ended; None where it was left. Raises _Ended."""
        waits = Backoff(_AGAIN_SECONDS, 0.02)
        state = self._follower.state
        if state is not None and state.ended:
            return state
        while not self._left.is_set():
            try:
                state = self._containers.inspect(self._wanted.name)
            except NotThere as error:
                raise _Ended(Outcome(lost=_REMOVED)) from error
            except EngineUnavailable as error:
                self._waits_for(error)
            else:
                if state.ended:
                    return state
                self._absence.over()
            self._left.wait(waits.next())
        return None

    def _waits_for(self, error: Unavailable) -> None:
        if isinstance(error, EngineUnavailable) and not error.timed_out:
            self._absence.missed()
        log.info("container_waits", container=self._wanted.name, reason=str(error))

    @contextmanager
    def _timed(self, tell: Callable[[Any], None]) -> Iterator[None]:
        if self._deadline is None:
            yield
            return
        self._deadline.start()
        try:
            yield
        finally:
            self._deadline.end()

    # --- the end

    def _concluded(
        self, state: State, numbers: Mapping[str, Any], tell: Callable[[Any], None]
    ) -> Outcome:
        if state.exit_code == _UNKNOWN_EXIT and self._wanted.begun_in not in ("", boot()):
            return Outcome(lost=_RESTARTED)
        if self._absence.hides_end(state) and not self._was_seen(state):
            return Outcome(lost=_NOT_SEEN.format(state.exit_code))
        end = self._end(state) | {"output": dict(numbers)}
        tell(self._closing(end, max(_micros(state.started_at), _micros(state.finished_at))))
        return Outcome(end=end)

    def _was_seen(self, state: State) -> bool:
        try:
            return self._containers.saw_end(state)
        except (EngineUnavailable, EngineRefused) as error:
            # What it saw it has forgotten, or does not tell.
            log.info("container_end_not_asked", container=self._wanted.name, reason=str(error))
            return False

    def _end(self, state: State) -> dict[str, Any]:
        asked = self._asked(state)
        started, finished = _micros(state.started_at), _micros(state.finished_at)
        ran = max(0, finished - started - self.notes.paused_microseconds(finished))
        end = {"reason": asked or "exit", "exit_code": state.exit_code, "run_seconds": ran / 1e6}
        if state.oom_killed:
            end["oom_killed"] = True
        return end | {"cause": self._cause(state, asked)}

    def _asked(self, state: State) -> str:
        """Say what ended it; "" for itself. An order that found it ended has ended nothing."""
        asked = self.notes.asked
        by_itself = state.exit_code not in _SIGNALLED and not self.notes.was_signalled
        return "" if by_itself and asked in _BY_ORDER else asked

    def _cause(self, state: State, asked: str) -> str:
        code = f"exit {state.exit_code}"
        if state.exit_code in _NOT_RUN and not asked:
            return f"{code}: {_NOT_RUN[state.exit_code]}"
        if state.oom_killed:
            limit = self._wanted.memory_bytes
            bound = "" if limit is None else f", which was limited to {limit} bytes"
            return f"out of memory: the engine killed it{bound}; {code}"
        if asked == "time-out":
            return f"it had run for {self._wanted.timeout_seconds:g} s; {code}"
        if state.error:
            return f"{state.error}; {code}"
        return f"{self.notes.why}; {code}" if asked and self.notes.why else code

    def _closing(self, end: Mapping[str, Any], at: int | None = None) -> dict[str, Any]:
        """Note the event that ends the attempt, behind the order that is carried out just now."""
        with self.ordering:
            return self._noted_end(end, at)

    def _noted_end(self, end: Mapping[str, Any], at: int | None) -> dict[str, Any]:
        for event in self.notes.events:
            if event["auto"] and event["name"] != command.START:
                return event
        name = command.FAILS
        if end["reason"] == "time-out":
            name = command.TIMES_OUT
        elif end["reason"] == "exit" and end.get("exit_code") == 0 and not end.get("oom_killed"):
            name = command.COMPLETES
        return self.notes.event(name, at or _now(), end.get("cause", ""), auto=True)

    def _write_down(self, outcome: Outcome) -> None:
        """Keep the end for whoever asks before it is in the ledger."""
        told = {"version": 1, "id": self._wanted.folder.name, "phase": "ended"}
        told |= {"end": outcome.end, "lost": outcome.lost, "failure": outcome.failure}
        if outcome.end is not None and "output" in outcome.end:
            # What readers of outputs look at: how much came, be it kept or not.
            told["output"] = outcome.end["output"]
        try:
            self._last.write(told)
        except OSError as error:
            # The container is not removed before the end is in the ledger.
            log.warning("end_not_noted", container=self._wanted.name, reason=str(error))


def _not_started(words: str, exit_code: int | None) -> Outcome:
    end = {"reason": "start failed", "cause": words}
    return Outcome(end=end if exit_code is None else end | {"exit_code": exit_code})


def _micros(at: datetime | None) -> int:
    return _now() if at is None else round(at.timestamp() * 1_000_000)


def _now() -> int:
    return time.time_ns() // 1000


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock of a folder, by which readers see that more may come."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
