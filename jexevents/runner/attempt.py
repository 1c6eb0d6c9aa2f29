"""An attempt that this node has: what its supervisor tells, till all of it is in the ledger."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from jexevents.errors import ExecutionEnded, JexError, RequestRefused, SupervisorAway
from jexevents.executions.events import Named
from jexevents.executions.orders import Order
from jexevents.executions.queue import Report
from jexevents.executions.run import Run
from jexevents.lifecycle import command
from jexevents.runner.folder import Held, RunFolder, Standing
from jexevents.runner.ordering import carry_out
from jexevents.runner.watch import Watch

_FIRST_LOOK_SECONDS, _LAST_LOOK_SECONDS = 0.005, 1.0
# One that takes a connection and says nothing hangs, and holds up all others for so long; the more
# seldom it is asked.
_ANSWER_SECONDS, _LAST_HANGING_SECONDS = 1.0, 20.0
_NEVER_BEGAN = "Its supervisor was started, and did not begin."
_GIVEN_UP = "It was given up before it began."
_FOLDER_GONE = "Its folder is gone from the node that ran it"


class CommandAttempt:
    """One attempt of a command; not for several threads at once, save ``carry_out`` and ``kill``.

    ``run`` is None where it was given up while this node was away: then it must not go on.
    ``sequence`` is the last of its events that is in the ledger. ``senders`` are the credentials of
    those who had events sent, by the key of the event.
    """

    def __init__(
        self,
        job_id: str,
        named: Named,
        number: int,
        folder: RunFolder,
        run: Run | None,
        sequence: int = 0,
    ) -> None:
        self.job_id = job_id
        self.named = named
        self.number = number
        self.folder = folder
        self.run = run
        self.sequence = sequence
        self.watch: Watch | None = None
        self.senders: dict[str, str] = {}
        # Whether it was told that it is ended, since it was given up.
        self.end_is_told = False
        # When to look again at one whose supervisor does not answer (monotonic).
        self.look_at = 0.0
        self._look_pause = _FIRST_LOOK_SECONDS
        self._last_pause = _LAST_LOOK_SECONDS
        self._fresh: list[Mapping[str, Any]] = []
        self._end: Mapping[str, Any] | None = None
        self._lost: str | None = None
        self._failure: str | None = None

    @property
    def place(self) -> tuple[str, int]:
        """The execution's job id, and which attempt this is."""
        return self.job_id, self.number

    @property
    def is_over(self) -> bool:
        """Whether its supervisor will say nothing more."""
        return self._end is not None or self._lost is not None or self._failure is not None

    def look(self) -> Standing:
        """Look how it stands, and hold on to its supervisor, or take in how it ended."""
        if self.is_over:
            return Standing(Held.ENDED, {})
        if not self.folder.path.is_dir():
            # What runs without it is not heard of any more, and must not run beside the next one.
            self.folder.end_remains()
            self._lost = f"{_FOLDER_GONE}."
            return Standing(Held.LOST, {}, _FOLDER_GONE)
        standing = self.folder.standing()
        if standing.held is Held.ALIVE and self.watch is None:
            self._hold()
        elif standing.held is Held.ENDED:
            self._take_end(standing.state)
        elif standing.held is Held.LOST:
            self.folder.end_remains()
            self._take_loss(standing.reason)
        return standing

    def read(self) -> None:
        """Take in what its supervisor has sent since; the watch may be closed behind that."""
        if self.watch is not None:
            self._fresh += self.watch.read()

    def look_later(self) -> None:
        """Wait before the next look, each time longer than before."""
        self.look_at = time.monotonic() + self._look_pause
        self._look_pause = min(2 * self._look_pause, self._last_pause)

    def require_begun(self) -> None:
        """Give it up where its supervisor was started long ago and did not begin, or where it was
        given up before one was started. Raises OSError."""
        why = _NEVER_BEGAN if self.run is not None else _GIVEN_UP
        if self.folder.standing().held is Held.NEW and self.folder.give_up(why):
            self.fail(why)

    def let_go(self) -> None:
        """Hold on to its supervisor no longer; that one does not mind."""
        if self.watch is not None:
            self.watch.close()
            self.watch = None

    def carry_out(self, order: Order) -> Mapping[str, Any]:
        """Send a signal or an event; the same order again is known to the supervisor by its id."""
        return carry_out(order, self.folder)

    def kill(self) -> None:
        """End it, for it was given up."""
        with suppress(JexError):
            self.folder.signal("kill", "It was given up.", "given-up")

    def fail(self, why: str) -> None:
        """Note that it could not be started, and will not run."""
        self._failure = why

    def report(self) -> Report | None:
        """Give what is to be told of it now; None for nothing."""
        told = self._behind(self._fresh)
        if self._end is None and told and _is_end(told[-1]):
            # How it ended stands in its last state, which is not written yet.
            told.pop()
        if not told and not self.is_over:
            return None
        return Report(
            self.job_id,
            self.named,
            self.number,
            told,
            self.senders,
            self._end,
            self._lost,
            self._failure,
        )

    def reported(self, report: Report) -> None:
        """Note that this is in the ledger."""
        self.sequence = max(self.sequence, report.sequence)
        self._fresh = self._behind(self._fresh)

    def _behind(self, events: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Give those that are not in the ledger."""
        return [event for event in events if event["seq"] > self.sequence]

    def _hold(self) -> None:
        after = max([self.sequence, *(event["seq"] for event in self._fresh)])
        begin = time.monotonic()
        try:
            self.watch = self.folder.watch(after, _ANSWER_SECONDS)
            self._look_pause, self._last_pause = _FIRST_LOOK_SECONDS, _LAST_LOOK_SECONDS
        except (SupervisorAway, ExecutionEnded, RequestRefused):
            # It is about to end, or to begin; whoever looks again will see.
            if time.monotonic() - begin >= _ANSWER_SECONDS:
                self._look_pause = max(self._look_pause, _LAST_LOOK_SECONDS)
                self._last_pause = _LAST_HANGING_SECONDS

    def _take_loss(self, reason: str) -> None:
        """Take in what was told before its supervisor was lost, perhaps between its last event and
        its last state: then it has ended as the event says."""
        events = self.folder.events()
        self._fresh = self._behind(events)
        ends = [event for event in events if _is_end(event)]
        if not ends:
            self._lost = f"{reason[:1].upper()}{reason[1:]}."
            return
        name, cause = ends[-1]["name"], ends[-1]["cause"]
        known = {"reason": "exit", "exit_code": 0} if name == command.COMPLETES else {}
        self._end = {"cause": cause, **known}

    def _take_end(self, state: Mapping[str, Any]) -> None:
        if state.get("reason") == "given up":
            self._failure = state.get("cause") or "It was given up before it began."
            return
        events = self.folder.events()
        self._fresh = self._behind(events)
        self._end = state
        if not any(map(_is_end, events)):
            # The last event did not outlive a loss of power, and the state did.
            self._fresh.append(_end_event(state, max(self.sequence, state.get("events", 0)) + 1))


def _is_end(event: Mapping[str, Any]) -> bool:
    return event["auto"] and event["name"] != command.START


def _end_event(state: Mapping[str, Any], sequence: int) -> dict[str, Any]:
    if state.get("reason") == "time-out":
        name = command.TIMES_OUT
    elif state.get("reason") == "exit" and state.get("exit_code") == 0:
        name = command.COMPLETES
    else:
        name = command.FAILS
    return {
        "seq": sequence,
        "time": state["ended"],
        "name": name,
        "cause": state.get("cause") or "",
        "auto": True,
        "by": "supervisor",
    }
