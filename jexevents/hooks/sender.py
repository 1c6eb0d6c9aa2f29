"""One thread that sends for one hook: waits to be called, claims, and works off what it has."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import partial

from jexevents.backoff import Backoff, Random
from jexevents.errors import Unavailable
from jexevents.hooks.carrier import Carrier, Ways
from jexevents.hooks.desk import Desk
from jexevents.hooks.hook import Hook
from jexevents.hooks.round import ROUND_SECONDS, Attempt, Round
from jexevents.hooks.trying import attempt
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


class Sender(Service):
    """Sends deliveries of one hook until stopped; the desk calls it when there may be some.

    ``by`` names the process in claims, ``number`` the thread of the hook. ``look`` has somebody see
    when there is something to do again. ``require_store`` raises StoreUnavailable while this
    process may not work.

    While PostgreSQL is away it waits and tries again, and so it does whatever else goes wrong: a
    fault of ours that the next process would have, too, must not end one that has an ingest to do.
    """

    def __init__(
        self,
        hook: Hook,
        number: int,
        outbox: Outbox,
        desk: Desk,
        ways: Ways,
        patience: Patience,
        *,
        by: str,
        observer: HookObserver,
        look: Callable[[], None],
        require_store: Callable[[], None],
        draw: Random = random.random,
    ) -> None:
        super().__init__(f"hook {hook.name} {number}")
        self._hook = hook
        self._by = f"{by} {number}"
        self._outbox = outbox
        self._desk = desk
        self._ways = ways
        self._patience = patience
        self._observer = observer
        self._look = look
        self._require_store = require_store
        self._draw = draw
        # How much must be left of a claim to begin a try, and how long is claimed.
        self._needed_seconds = hook.timeout_seconds + _MARGIN_SECONDS
        self._lease_seconds = self._needed_seconds + 2 * ROUND_SECONDS
        self._pace = _FIRST_GUESS_SECONDS
        self._backoff = Backoff(_RETRY_MAX_SECONDS, base_seconds=1.0)

    def run(self) -> None:
        """Work whenever called until stopped."""
        carrier = Carrier(self._hook, self._ways)
        tries = partial(attempt, carrier, self._patience, self._draw)
        try:
            while not self.stopping.is_set():
                self._desk.wait()
                while not self.stopping.is_set() and self._work(tries):
                    pass
        finally:
            carrier.close()

    def interrupt(self) -> None:
        """Wake it, so that it sees that it is to stop; others that wake find nothing to do."""
        self._desk.call_all()

    def _work(self, tries: Attempt) -> bool:
        """Work off one claim; whether there may be more."""
        try:
            is_any = self._round(tries)
        except Unavailable as error:
            wait = self._backoff.next()
            # Said once an outage.
            say = log.warning if self._backoff.failures == 1 else log.debug
            say("hook_waits_for_database", hook=self._hook.name, reason=str(error))
            self.wait(wait)
            return True
        except MemoryError:
            # What a new process mends.
            raise
        except Exception:
            log.exception("hook_sender_broken", hook=self._hook.name)
            self.wait(self._backoff.next())
            return True
        self._backoff.reset()
        return is_any

    def _round(self, tries: Attempt) -> bool:
        self._require_store()
        limit = max(1, min(_MOST, int(ROUND_SECONDS / self._pace)))
        claimed = self._outbox.claim(self._hook.name, self._by, limit, self._lease_seconds)
        if not claimed:
            return False
        if len(claimed) == limit:
            # There may be more: while this thread sends, another one looks.
            self._desk.call()
        began = time.monotonic()
        Round(
            claimed,
            tries,
            self._outbox,
            self._observer,
            self._needed_seconds,
            self.stopping,
            self._look,
        ).run()
        self._pace = (self._pace + (time.monotonic() - began) / len(claimed)) / 2
        return True
