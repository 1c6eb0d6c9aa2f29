"""What one thread does for one hook: claims what is due, and works it off."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from threading import Event

from jexevents.backoff import Random
from jexevents.hooks.carrier import Carrier, Ways
from jexevents.hooks.hook import Hook
from jexevents.hooks.round import ROUND_SECONDS, Round
from jexevents.hooks.trying import attempt
from jexevents.hooks.verdicts import Patience
from jexevents.observers import HookObserver
from jexevents.store.outbox import Delivery, Outbox, Result

# A claim is as much as can be sent in a round, at most so many: those behind one that takes long
# wait for it.
_MOST = 32
# What a delivery is taken to need before any was sent.
_FIRST_GUESS_SECONDS = ROUND_SECONDS

# What must be left of a claim, beside the time that a try may take, for whatever keeps a thread
# from running.
_MARGIN_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Office:
    """What is the same for all who send: where deliveries are, and by which ways they go.

    ``by`` names the process in claims. ``look`` has somebody see when there is something to do
    again. ``require_store`` raises StoreUnavailable while this process may not work.
    """

    outbox: Outbox
    ways: Ways
    by: str
    observer: HookObserver
    look: Callable[[], None]
    require_store: Callable[[], None]


class Shift:
    """Works for a hook, a claim at a time, with connections that are kept; in one thread.

    ``name`` tells the thread from others in claims, ``call`` has another one look, for there may
    be more than this one has taken. ``longest_seconds`` is what the longest try took so far.
    """

    def __init__(
        self,
        office: Office,
        hook: Hook,
        name: str,
        patience: Patience,
        call: Callable[[], None],
        stopping: Event,
        draw: Random = random.random,
    ) -> None:
        self.longest_seconds: float | None = None
        self._office = office
        self._hook = hook
        self._by = f"{office.by} {name}"
        self._call = call
        self._stopping = stopping
        self._carrier = Carrier(hook, office.ways)
        self._attempt = partial(attempt, self._carrier, patience, draw)
        # How much must be left of a claim to begin a try, and how long is claimed.
        self._needed_seconds = hook.timeout_seconds + _MARGIN_SECONDS
        self._lease_seconds = self._needed_seconds + 2 * ROUND_SECONDS
        self._pace = _FIRST_GUESS_SECONDS

    def close(self) -> None:
        """Close the connections."""
        self._carrier.close()

    def work(self) -> bool:
        """Work off one claim; whether there was any. Raises StoreUnavailable."""
        office = self._office
        office.require_store()
        limit = max(1, min(_MOST, int(ROUND_SECONDS / self._pace)))
        claimed = office.outbox.claim(self._hook.name, self._by, limit, self._lease_seconds)
        if not claimed:
            return False
        if len(claimed) == limit:
            # There may be more: while this thread sends, another one looks.
            self._call()
        began = time.monotonic()
        Round(
            claimed,
            self._try,
            office.outbox,
            office.observer,
            self._needed_seconds,
            self._stopping,
            office.look,
        ).run()
        self._pace = (self._pace + (time.monotonic() - began) / len(claimed)) / 2
        return True

    def _try(self, delivery: Delivery, held_seconds: float) -> Result:
        result = self._attempt(delivery, held_seconds)
        self.longest_seconds = max(self.longest_seconds or 0.0, result.seconds)
        return result
