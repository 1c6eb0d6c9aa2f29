"""One try of a delivery, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone

from jexevents.backoff import Random
from jexevents.hooks.bodies import Gone, NothingToSay
from jexevents.hooks.carrier import Carrier
from jexevents.hooks.transport import Answer
from jexevents.hooks.verdicts import Patience, Verdict, judge
from jexevents.logs import get_logger
from jexevents.store.outbox import DEAD, DELIVERED, Delivery, Result

log = get_logger("hooks")


def _now() -> datetime:
    return datetime.now(timezone.utc)


@dataclass(slots=True)
class Trier:
    """Tries deliveries of one hook, in one thread."""

    carrier: Carrier
    patience: Patience
    draw: Random
    now: Callable[[], datetime] = field(default=_now)

    def attempt(self, delivery: Delivery, held_seconds: float) -> Result:
        """Try a delivery that was claimed so long ago; nothing that goes wrong is raised."""
        try:
            answer = self.carrier.send(delivery, self.now())
        except NothingToSay as error:
            return Result(delivery, DELIVERED, error=f"Nothing was sent: {error}")
        except Gone as error:
            return Result(delivery, DEAD, error=str(error))
        except Exception as error:
            # A fault of ours. One delivery must not keep all others from being sent.
            log.exception("hook_delivery_broken", hook=delivery.hook, delivery=delivery.id)
            answer = Answer(None, 0.0, f"A fault of jexevents: {type(error).__name__}.")
        tried = answer.seconds
        if delivery.tried_seconds is not None:
            tried += delivery.tried_seconds + held_seconds
        verdict = judge(answer, delivery.attempts + 1, tried, self.now(), self.patience, self.draw)
        return _result(delivery, answer, verdict)


def _result(delivery: Delivery, answer: Answer, verdict: Verdict) -> Result:
    return Result(
        delivery,
        verdict.state,
        verdict.retry_in_seconds,
        answer.status,
        verdict.error,
        answer.text or None,
        answer.seconds,
    )
