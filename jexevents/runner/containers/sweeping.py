"""Removes containers of this ledger that nobody claims any more."""

from __future__ import annotations

import time
from collections.abc import Callable

from jexevents.engine.containers import Containers
from jexevents.engine.states import Listed
from jexevents.errors import JexError, Unavailable
from jexevents.executions.queue import Queue
from jexevents.lifecycle.executionid import attempt_id
from jexevents.logs import get_logger
from jexevents.runner.containers.executor import ATTEMPT, JOB, LEDGER
from jexevents.service import Service
from jexevents.validation import is_uuid

log = get_logger("engine")

_EVERY_SECONDS = 60.0
_FIRST_SECONDS = 5.0


class Sweep(Service):
    """Looks now and then. ``in_hand`` gives the ids of the attempts that the worker has, ``ready``
    waits till it knows them; ``ledger`` gives the id of the ledger."""

    def __init__(
        self,
        containers: Containers,
        queue: Queue,
        ledger: Callable[[], str],
        in_hand: Callable[[], set[str]],
        ready: Callable[[float], bool],
        *,
        every_seconds: float = _EVERY_SECONDS,
    ) -> None:
        super().__init__("sweep")
        self._containers = containers
        self._queue = queue
        self._ledger = ledger
        self._in_hand = in_hand
        self._ready = ready
        self._every_seconds = every_seconds
        self._hurried = False
        # How many it has removed so far.
        self.removed = 0

    def hurry(self) -> None:
        """Look within a few seconds: something was left that could not be removed."""
        self._hurried = True

    def run(self) -> None:
        """Look now and then until stopped."""
        at = 0.0
        while not self.wait(min(_FIRST_SECONDS, self._every_seconds)):
            if not (self._hurried or time.monotonic() >= at) or not self._ready(0.0):
                continue
            at = time.monotonic() + self._every_seconds
            was_hurried, self._hurried = self._hurried, False
            try:
                self.sweep()
            except (Unavailable, JexError) as error:
                self._hurried = was_hurried
                log.debug("not_swept", reason=str(error))

    def sweep(self) -> int:
        """Do it once; gives how many were removed. Raises StoreUnavailable, EngineUnavailable."""
        found = [one for one in self._containers.of_label({LEDGER: self._ledger()}) if _named(one)]
        # Who has it is asked after it was seen: a claim comes before the container.
        wanted = self._queue.begun([(one.labels[JOB], int(one.labels[ATTEMPT])) for one in found])
        mine = self._in_hand()
        removed = 0
        for one in found:
            place = one.labels[JOB], int(one.labels[ATTEMPT])
            if place in wanted or str(attempt_id(*place)) in mine:
                continue
            try:
                self._containers.remove(one.id, force=True)
            except JexError as error:
                log.debug("container_left", container=one.name, reason=str(error))
                continue
            removed += 1
            self.removed += 1
            log.warning("container_nobody_claims", container=one.name, status=one.status)
        return removed


def _named(one: Listed) -> bool:
    attempt = one.labels.get(ATTEMPT, "")
    return is_uuid(one.labels.get(JOB, "")) and attempt.isascii() and attempt.isdigit()
