"""An attempt of a container: the engine holds it, a thread here follows it to its end."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any

from jexevents.engine.containers import Containers
from jexevents.errors import Clash, EngineRefused, EngineUnavailable, JexError, NotThere
from jexevents.executions.events import Named
from jexevents.executions.orders import ENDED, REFUSED, Order
from jexevents.executions.queue import Report
from jexevents.executions.run import ContainerRun
from jexevents.lifecycle import command
from jexevents.logs import get_logger
from jexevents.runner.containers.life import Life, Outcome, Wanted
from jexevents.runner.containers.line import Line

log = get_logger("runner")

_FIRST_LOOK_SECONDS, _LAST_LOOK_SECONDS = 0.05, 5.0
_SIGNALS = {"terminate": "SIGTERM", "kill": "SIGKILL"}
_ASKED = {"terminate": "terminated", "kill": "killed"}
_GIVEN_UP = "It was given up."
_NO_STATUS = "A container has no statuses of its own; it takes stop, continue, terminate and kill."


class ContainerAttempt:
    """One attempt; see ``executor.Attempt``. ``wanted`` says what is to be run, and where it goes.

    ``run`` is None where it was given up while this node was away.
    """

    def __init__(
        self,
        job_id: str,
        named: Named,
        number: int,
        run: ContainerRun | None,
        containers: Containers,
        wanted: Wanted,
        sequence: int = 0,
    ) -> None:
        self.job_id = job_id
        self.named = named
        self.number = number
        self.run = run
        self.sequence = sequence
        self.senders: dict[str, str] = {}
        self.watch: Line | None = None
        self.look_at = 0.0
        self.end_is_told = False
        self._look_pause = _FIRST_LOOK_SECONDS
        self._containers = containers
        self.wanted = wanted
        self._life = Life(containers, wanted, sequence)
        self._fresh: list[Mapping[str, Any]] = []
        self._outcome: Outcome | None = None

    @property
    def place(self) -> tuple[str, int]:
        """The execution's job id, and which attempt this is."""
        return self.job_id, self.number

    @property
    def is_over(self) -> bool:
        """Whether nothing more will be heard."""
        return self._outcome is not None

    def look(self) -> None:
        """Follow it, if nobody does."""
        if self.is_over or self.watch is not None or time.monotonic() < self.look_at:
            return
        self.watch = Line()
        self._fresh = self._behind(self._life.notes.events)
        self._life.begin()
        name = f"container {self.named.text}"
        threading.Thread(target=self._live, args=(self.watch,), name=name, daemon=True).start()

    def _live(self, line: Line) -> None:
        try:
            self._life.live(line.tell)
        except Exception:
            # It is looked at again, from its beginning.
            log.exception("container_not_followed", execution=self.named.text)
        finally:
            line.hang_up()

    def read(self) -> None:
        """Take in what its thread has said."""
        if self.watch is None:
            return
        for news in self.watch.take():
            if isinstance(news, Outcome):
                self._outcome = news
            elif all(event["seq"] != news["seq"] for event in self._fresh):
                self._fresh.append(news)

    def look_later(self) -> None:
        """Wait before the next look, each time longer than before."""
        self.look_at = time.monotonic() + self._look_pause
        self._look_pause = min(2 * self._look_pause, _LAST_LOOK_SECONDS)

    def require_begun(self) -> None:
        """Do nothing: its thread begins it, or finds out that it cannot."""

    def let_go(self) -> None:
        """Follow it no longer; it runs on."""
        if self.watch is not None:
            self.watch.release()
            self.watch = None
            self._life.leave()
            if not self.is_over:
                self.look_later()

    def report(self) -> Report | None:
        """Give what is to be told of it now; None for nothing."""
        told = sorted(self._behind(self._fresh), key=lambda event: event["seq"])
        if not self.is_over:
            # How it ended is about to be said; what was ordered at that moment comes behind it.
            told = list(takewhile(lambda event: not _is_end(event), told))
        if not told and not self.is_over:
            return None
        outcome = self._outcome or Outcome()
        return Report(
            self.job_id,
            self.named,
            self.number,
            told,
            self.senders,
            outcome.end,
            outcome.lost,
            outcome.failure,
        )

    def reported(self, report: Report) -> None:
        """Note that this is in the ledger."""
        self.sequence = max(self.sequence, report.sequence)
        self._fresh = self._behind(self._fresh)

    def _behind(self, events: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        return [event for event in events if event["seq"] > self.sequence]

    # --- orders

    def carry_out(self, order: Order) -> Mapping[str, Any]:
        """Send a signal, once by the order's id."""
        if order.event not in command.SIGNALS:
            return {"fault": REFUSED, "error": _NO_STATUS}
        # One order at a time: each is noted before and after it is carried out.
        with self._life.ordering:
            known = self._life.notes.of_order(order.id)
            if known is None:
                return self._carry_out(order)
            return {"event": known}

    def _carry_out(self, order: Order) -> Mapping[str, Any]:
        notes, name = self._life.notes, order.event
        asked = _ASKED.get(name)
        before = None if asked is None else notes.ask(asked, order.cause)
        try:
            self._send(name)
        except Clash as error:
            return self._refused(before, error)
        except NotThere:
            # It is about to be made, and will not be started any more, or is gone.
            return {} if before is None else self._noted(order)
        except EngineRefused as error:
            return self._refused(before, error)
        except EngineUnavailable:
            if before is not None:
                notes.take_back(before)
            return {}
        return self._noted(order)

    def _refused(self, before: tuple[str, str] | None, error: EngineRefused) -> Mapping[str, Any]:
        if self._life.is_over:
            if before is not None:
                self._life.notes.take_back(before)
            return {"fault": ENDED, "error": "The execution has ended."}
        if before is not None:
            # It is made and does not run yet: it will not be started any more.
            return {}
        return {"fault": REFUSED, "error": error.words}

    def _noted(self, order: Order) -> Mapping[str, Any]:
        now = time.time_ns() // 1000
        event = self._life.notes.event(order.event, now, order.cause, key=order.id)
        watch = self.watch
        if watch is not None:
            watch.tell(event)
        self._life.time_changed()
        return {"event": event}

    def _send(self, name: str) -> None:
        place = self.wanted.name
        if name == command.STOP:
            self._containers.pause(place)
        elif name == command.CONTINUE:
            self._containers.unpause(place)
        else:
            self._containers.kill(place, _SIGNALS[name])

    def kill(self) -> None:
        """End it, for it was given up."""
        self._life.notes.ask("killed", _GIVEN_UP)
        try:
            self._containers.kill(self.wanted.name)
        except JexError as error:
            log.debug("given_up_not_killed", execution=self.named.text, reason=str(error))


def _is_end(event: Mapping[str, Any]) -> bool:
    return event["auto"] and event["name"] != command.START
