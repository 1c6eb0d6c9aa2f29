"""What was claimed at once, worked off: in the order of each job, for a short while, then noted.

What was not tried by then is given back: another thread may have nothing to do, and one slow answer
must not hold up more than it has to.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from threading import Event

from jexevents.backoff import Backoff
from jexevents.errors import Unavailable
from jexevents.hooks.verdicts import GONE
from jexevents.hookwords import given_id
from jexevents.logs import get_logger
from jexevents.observers import HookObserver
from jexevents.store.outbox import DEAD, DELIVERED, PENDING, Delivery, Outbox, Result

log = get_logger("hooks")

# How long tries are begun after a claim; what became of them is noted behind that.
ROUND_SECONDS = 1.0
_RETRY_MAX_SECONDS = 5.0

# Tries a delivery that was claimed so many seconds ago; raises nothing.
Attempt = Callable[[Delivery, float], Result]


@dataclass(slots=True)
class Round:
    """The deliveries of one claim, in the order of sending.

    A try is begun only while ``needed_seconds`` of the claim are left. ``look`` is called if one
    of them is to be tried again.
    """

    claimed: Sequence[Delivery]
    attempt: Attempt
    outbox: Outbox
    observer: HookObserver
    needed_seconds: float
    stopping: Event
    look: Callable[[], None]
    _left: deque[Delivery] = field(init=False)
    _back: list[Delivery] = field(default_factory=list)
    _results: list[Result] = field(default_factory=list)
    _held: set[str | None] = field(default_factory=set)

    def run(self) -> None:
        """Send them, note what became of each, and give back what was not tried.

        While PostgreSQL is away what is to be noted waits for it, as long as the claim holds.
        Raises StoreUnavailable where a hook was to be disabled and could not be.
        """
        began = time.monotonic()
        self._left = deque(self.claimed)
        is_gone = False
        while self._left and not is_gone and self._goes_on(began):
            delivery = self._left.popleft()
            if delivery.line is not None and delivery.line in self._held:
                self._back.append(delivery)
            else:
                is_gone = self._try(delivery, time.monotonic() - began)
        self._note(self._results)
        self._give_back()
        if is_gone:
            self._disable(self.claimed[0].hook)
        elif self._held:
            self.look()

    def _goes_on(self, began: float) -> bool:
        now = time.monotonic()
        has_time = self._left[0].ends_at - now >= self.needed_seconds
        return has_time and now - began < ROUND_SECONDS and not self.stopping.is_set()

    def _try(self, delivery: Delivery, held_seconds: float) -> bool:
        """Try one; whether the receiver wants no more at all."""
        result = self.attempt(delivery, held_seconds)
        self._results.append(result)
        if result.state == PENDING:
            # Those of the same job have to wait for it.
            self._held.add(delivery.line)
        return result.status == GONE

    def _note(self, results: Sequence[Result]) -> None:
        waits = Backoff(_RETRY_MAX_SECONDS)
        while results:
            try:
                noted = self.outbox.finish(results)
            except Unavailable as error:
                results = [one for one in results if one.delivery.ends_at > time.monotonic()]
                log.warning("hook_results_wait", deliveries=len(results), reason=str(error))
                if self.stopping.wait(waits.next()):
                    # They are sent again by whoever claims them next.
                    return
                continue
            except Exception as error:
                # A fault of ours, or of what a receiver said. It is found, and the others noted.
                numbers = [result.delivery.id for result in results]
                log.exception("hook_results_broken", deliveries=numbers)
                for fewer in _less(results, error):
                    self._note(fewer)
                return
            for result in results:
                self._tell(result, is_noted=result.delivery.id in noted)
            return

    def _tell(self, result: Result, *, is_noted: bool) -> None:
        delivery = result.delivery
        fields = {
            "hook": delivery.hook,
            "delivery": delivery.id,
            "message": given_id(delivery.message_id),
            "seq": delivery.seq,
            "attempt": delivery.attempts + 1,
            "status": result.status,
            "seconds": round(result.seconds, 3),
        }
        if not is_noted:
            # Another has claimed it since, and sends it again.
            log.warning("hook_claim_lost", **fields)
            return
        self.observer.sent(delivery.hook, result.state, result.seconds)
        if result.state == DELIVERED:
            log.debug("hook_delivered", **fields, note=result.error)
        elif result.state == DEAD:
            log.warning("hook_dead", **fields, reason=result.error)
        else:
            wait = round(result.retry_in_seconds, 1)
            log.info("hook_failed", **fields, reason=result.error, retry_in_seconds=wait)

    def _give_back(self) -> None:
        rest = [*self._back, *self._left]
        try:
            self.outbox.release(rest)
        except Unavailable as error:
            # Their claims run out by themselves.
            log.debug("hook_claims_not_released", deliveries=len(rest), reason=str(error))

    def _disable(self, hook: str) -> None:
        reason = "The receiver answered 410 Gone."
        log.warning("hook_refused", hook=hook, reason=reason)
        self.outbox.disable(hook, reason)
        self.outbox.give_up(hook, reason)


def _less(results: Sequence[Result], error: Exception) -> list[list[Result]]:
    """Give what to note in the place of results that could not be: one by one, then the least.

    Where that cannot be noted either, the claim runs out, and it is sent again.
    """
    if len(results) > 1:
        return [[result] for result in results]
    told = f"What came of it could not be noted: {type(error).__name__}."
    least = replace(results[0], status=None, error=told, answer=None, seconds=0.0)
    is_least = results[0].answer is None and results[0].status is None
    return [] if is_least and results[0].error == told else [[least]]
