"""One try of a delivery, and what becomes of it."""

from __future__ import annotations

from datetime import datetime, timezone

from jexevents.backoff import Random
from jexevents.hooks import verdicts
from jexevents.hooks.bodies import Gone, NothingToSay
from jexevents.hooks.carrier import Carrier, Refused
from jexevents.hooks.transport import Answer
from jexevents.hooks.verdicts import Patience, Verdict
from jexevents.logs import get_logger
from jexevents.store.outbox import DEAD, DELIVERED, Delivery, Result

log = get_logger("hooks")


def _now() -> datetime:
    return datetime.now(timezone.utc)


def attempt(
    carrier: Carrier,
    patience: Patience,
    draw: Random,
    delivery: Delivery,
    held_seconds: float,
) -> Result:
    """Try a delivery that was claimed so long ago; nothing that goes wrong is raised."""
    tried = 0.0 if delivery.tried_seconds is None else delivery.tried_seconds + held_seconds
    try:
        return _attempt(carrier, patience, draw, delivery, tried)
    except Exception as error:
        # A fault of ours. One delivery must not keep all others from being sent.
        log.exception("hook_delivery_broken", hook=delivery.hook, delivery=delivery.id)
        told = f"A fault of jexevents: {type(error).__name__}."
        verdict = verdicts.again(told, delivery.attempts + 1, tried, patience, draw)
        return _result(delivery, Answer(None, 0.0), verdict)


def _attempt(
    carrier: Carrier,
    patience: Patience,
    draw: Random,
    delivery: Delivery,
    tried_seconds: float,
) -> Result:
    try:
        answer = carrier.send(delivery, _now())
    except NothingToSay as error:
        return Result(delivery, DELIVERED, error=f"Nothing was sent: {error}")
    except Gone as error:
        return Result(delivery, DEAD, error=str(error))
    except Refused as error:
        return Result(delivery, DEAD, status=error.status, error=str(error))
    tried = tried_seconds + answer.seconds
    verdict = verdicts.judge(answer, delivery.attempts + 1, tried, _now(), patience, draw)
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
