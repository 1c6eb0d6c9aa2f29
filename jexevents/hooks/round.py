"""What was claimed at once, worked off: in order of each job, within the claim, noted in groups."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from threading import Event

from jexevents.backoff import Backoff
from jexevents.errors import Unavailable
from jexevents.hooks.trying import Trier
from jexevents.hooks.verdicts import GONE
from jexevents.logs import get_logger
from jexevents.observers import HookObserver
from jexevents.store.outbox import DEAD, DELIVERED, PENDING, Delivery, Outbox, Result

log = get_logger("hooks")

# What became of deliveries is noted about that often, for a process may be killed.
NOTE_SECONDS = 1.0
_RETRY_MAX_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Lease:
    """For how long is claimed, and how much of it must be left to begin a try."""

    seconds: float
    needed_seconds: float


@dataclass(slots=True)
class Round:
    """The deliveries of one claim, in the order of sending."""

    claimed: Sequence[Delivery]
    trier: Trier
    outbox: Outbox
    observer: HookObserver
    lease: Lease
    stopping: Event
    _left: deque[Delivery] = field(init=False)
    _back: list[Delivery] = field(default_factory=list)
    _results: list[Result] = field(default_factory=list)
    _held: set[str | None] = field(default_factory=set)

    def run(self) -> None:
        """Send them, and note what became of each; what was not tried is given back.

        While PostgreSQL is away what is to be noted waits for it, as long as the claim holds.
        """
        began = noted = time.monotonic()
        self._left = deque(self.claimed)
        is_gone = False
        while self._left and not self.stopping.is_set() and not is_gone:
            delivery = self._left.popleft()
            if delivery.job_id is not None and delivery.job_id in self._held:
                self._back.append(delivery)
                continue
            if not self._has_time(delivery):
                self._left.appendleft(delivery)
                if not self._renew():
                    break
                continue
            is_gone = self._try(delivery, time.monotonic() - began)
            if time.monotonic() - noted > NOTE_SECONDS:
                self._note()
                noted = time.monotonic()
        self._note()
        self._give_back()
        if is_gone:
            self._disable(self.claimed[0].hook)

    def _has_time(self, delivery: Delivery) -> bool:
        return delivery.ends_at - time.monotonic() >= self.lease.needed_seconds

    def _try(self, delivery: Delivery, held_seconds: float) -> bool:
        """Try one; whether the receiver wants no more at all."""
        result = self.trier.attempt(delivery, held_seconds)
        self._results.append(result)
        if result.state == PENDING:
            # Those of the same job have to wait for it.
            self._held.add(delivery.job_id)
        return result.status == GONE

    def _renew(self) -> bool:
        """Claim for longer what was not tried yet; whether there is any left."""
        try:
            kept = self.outbox.renew(list(self._left), self.lease.seconds)
        except Unavailable as error:
            log.warning("hook_claim_not_renewed", hook=self.claimed[0].hook, reason=str(error))
            return False
        renewed: deque[Delivery] = deque()
        for delivery in self._left:
            if delivery.id in kept:
                until, ends_at = kept[delivery.id]
                renewed.append(replace(delivery, claimed_until=until, ends_at=ends_at))
            else:
                # Somebody else has it, and what comes behind it is not for us any more.
                self._held.add(delivery.job_id)
        self._left = renewed
        return bool(renewed)

    def _note(self) -> None:
        results, self._results = self._results, []
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
            for result in results:
                self._tell(result, is_noted=result.delivery.id in noted)
            return

    def _tell(self, result: Result, *, is_noted: bool) -> None:
        delivery = result.delivery
        fields = {
            "hook": delivery.hook,
            "delivery": delivery.id,
            "message": delivery.message_id,
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
        log.warning("hook_disabled", hook=hook, reason=reason)
        self.outbox.disable(hook, reason)
        self.outbox.dead_all(hook, reason)
