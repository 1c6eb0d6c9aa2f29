"""One thread that sends for one hook: waits to be called, claims, and works off what it has."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from jexevents.backoff import Backoff, Random
from jexevents.errors import Unavailable
from jexevents.hooks.carrier import Carrier, Ways
from jexevents.hooks.desk import Desk
from jexevents.hooks.hook import Hook
from jexevents.hooks.round import ROUND_SECONDS, Round
from jexevents.hooks.trying import Trier
from jexevents.hooks.verdicts import Patience
from jexevents.logs import get_logger
from jexevents.observers import HookObserver
from jexevents.service import Service
from jexevents.store.outbox import Outbox

log = get_logger("hooks")

# A claim is as much as can be sent in a round, at most so many: those behind one that takes long
# wait for it.
_MOST = 32
# What a delivery is taken to need before any was sent.
_FIRST_GUESS_SECONDS = ROUND_SECONDS

# What must be left of a claim, beside the time that a try may take, for whatever keeps a thread
# from running.
_MARGIN_SECONDS = 10.0

_RETRY_MAX_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Post:
    """What the senders of one hook share; ``by`` names the process in claims.

    ``look`` has somebody see when there is something to do again. ``require_store`` raises
    StoreUnavailable while this process may not work.
    """

    hook: Hook
    outbox: Outbox
    ways: Ways
    desk: Desk
    patience: Patience
    observer: HookObserver
    by: str
    look: Callable[[], None]
    require_store: Callable[[], None]

    @property
    def needed_seconds(self) -> float:
        """How much must be left of a claim to begin a try."""
        return self.hook.timeout_seconds + _MARGIN_SECONDS

    @property
    def lease_seconds(self) -> float:
        """How long is claimed."""
        return self.needed_seconds + 2 * ROUND_SECONDS


class Sender(Service):
    """Sends deliveries of one hook until stopped; the desk calls it when there may be some.

    While PostgreSQL is away it waits and tries again.
    """

    def __init__(self, post: Post, number: int, draw: Random = random.random) -> None:
        super().__init__(f"hook {post.hook.name} {number}")
        self._post = post
        self._by = f"{post.by} {number}"
        self._draw = draw
        self._pace = _FIRST_GUESS_SECONDS
        self._backoff = Backoff(_RETRY_MAX_SECONDS, base_seconds=1.0)

    def run(self) -> None:
        """Work whenever called until stopped."""
        carrier = Carrier(self._post.hook, self._post.ways)
        trier = Trier(carrier, self._post.patience, self._draw)
        try:
            while not self.stopping.is_set():
                self._post.desk.wait()
                while not self.stopping.is_set() and self._work(trier):
                    pass
        finally:
            carrier.close()

    def interrupt(self) -> None:
        """Wake it, so that it sees that it is to stop; others that wake find nothing to do."""
        self._post.desk.call_all()

    def _work(self, trier: Trier) -> bool:
        """Work off one claim; whether there may be more."""
        try:
            is_any = self._round(trier)
        except Unavailable as error:
            wait = self._backoff.next()
            # Said once an outage.
            say = log.warning if self._backoff.failures == 1 else log.debug
            say("hook_waits_for_database", hook=self._post.hook.name, reason=str(error))
            self.wait(wait)
            return True
        self._backoff.reset()
        return is_any

    def _round(self, trier: Trier) -> bool:
        post = self._post
        post.require_store()
        limit = max(1, min(_MOST, int(ROUND_SECONDS / self._pace)))
        claimed = post.outbox.claim(post.hook.name, self._by, limit, post.lease_seconds)
        if not claimed:
            return False
        if len(claimed) == limit:
            # There may be more: while this thread sends, another one looks.
            post.desk.call()
        began = time.monotonic()
        Round(
            claimed,
            trier,
            post.outbox,
            post.observer,
            post.needed_seconds,
            self.stopping,
            post.look,
        ).run()
        self._pace = (self._pace + (time.monotonic() - began) / len(claimed)) / 2
        return True
