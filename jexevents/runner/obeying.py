"""What is ordered of the attempts of a node: taken, carried out by threads of their own, answered.

An order that finds no supervisor, or none yet, is put off until something of the attempt is heard.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import Any

from jexevents.executions.orders import ENDED, Order, Orders
from jexevents.runner.executor import Attempt
from jexevents.runner.pool import Pool

_THREADS = 4
_OVER = {"fault": ENDED, "error": "The execution has ended."}

Place = tuple[str, int]
Answer = Mapping[str, Any]


class Obeying:
    """The orders of a worker, whose thread calls all of this; ``pull`` wakes it.

    ``attempts`` are those in hand, by their places; the worker keeps them.
    """

    def __init__(
        self, orders: Orders, attempts: Mapping[Place, Attempt], pull: Callable[[], None]
    ) -> None:
        self._orders = orders
        self._attempts = attempts
        self._pull = pull
        self._pool = Pool("order", _THREADS)
        # Those that are being carried out, and whether the supervisor answered before that.
        self._ordered: dict[str, bool] = {}
        # Whether one is to be tried again when a supervisor answers.
        self._put_off = False
        self._unsaid: list[tuple[Order, Answer]] = []
        self._answers: queue.SimpleQueue[tuple[Order, Answer]] = queue.SimpleQueue()
        self.wanted = True

    def take(self, starting: Collection[Place]) -> None:
        """Take what is ordered; what begins just now is ordered something later.

        Raises StoreUnavailable.
        """
        self.wanted = False
        for order in self._orders.open():
            place = order.job_id, order.attempt
            attempt = self._attempts.get(place)
            if order.id in self._ordered:
                continue
            if place in starting:
                self._put_off = True
                continue
            self._ordered[order.id] = attempt is not None and attempt.watch is not None
            if attempt is not None:
                attempt.senders[order.id] = order.credential
            self._pool.do(lambda o=order, a=attempt: self._carry_out(o, a))

    def note(self) -> bool:
        """Note what was answered; tell whether anything was. Raises StoreUnavailable."""
        with suppress(queue.Empty):
            while True:
                self._unsaid.append(self._answers.get_nowait())
        # Who has ordered something finds its event in the ledger when he hears of it.
        done = [one for one in self._unsaid if self._is_reported(*one)]
        # One that found no supervisor, which may be about to begin or to end, is tried again.
        final = [(order, answer) for order, answer in done if answer]
        self._orders.done(final)
        self._unsaid = [one for one in self._unsaid if one not in done]
        for order, answer in done:
            was_held = self._ordered.pop(order.id)
            if not answer:
                self._put_off_order(order, was_held)
        return bool(final)

    def heard(self) -> None:
        """Say that something was heard of an attempt: what was put off is tried again."""
        if self._put_off:
            self._put_off, self.wanted = False, True

    def make_room(self) -> float | None:
        """Have those killed that are replaced and are late; give after how many seconds to ask
        again, None for never. Raises StoreUnavailable."""
        return self._orders.make_room()

    def do(self, work: Callable[[], None]) -> None:
        """Do what takes long, in the threads that carry out orders."""
        self._pool.do(work)

    def end(self, seconds: float) -> None:
        """Carry out nothing more; wait for what is under way for so long at most."""
        self._pool.end(seconds)

    def _carry_out(self, order: Order, attempt: Attempt | None) -> None:
        answer = _OVER if attempt is None else attempt.carry_out(order)
        self._answers.put((order, answer))
        self._pull()

    def _put_off_order(self, order: Order, was_held: bool) -> None:
        """Try it again now where the attempt has begun or ended meanwhile, else when it does."""
        attempt = self._attempts.get((order.job_id, order.attempt))
        is_over = attempt is None or attempt.is_over
        if is_over or (attempt.watch is not None and not was_held):
            self.wanted = True
        else:
            self._put_off = True

    def _is_reported(self, order: Order, answer: Answer) -> bool:
        attempt = self._attempts.get((order.job_id, order.attempt))
        sequence = (answer.get("event") or {}).get("seq", 0)
        return attempt is None or attempt.sequence >= sequence
