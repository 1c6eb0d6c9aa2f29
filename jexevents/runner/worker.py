"""Runs what waits in the queue: claims, starts, listens, reports, obeys orders.

One thread does all that needs the ledger, and listens to all attempts at once; starts and orders,
which may take long, are done by others. While PostgreSQL is away the jobs run on: what they tell
stands in their folders, and is reported when it is back. How something is run is for its executor.
"""

from __future__ import annotations

import math
import os
import queue
import selectors
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from jexevents.backoff import Backoff
from jexevents.errors import (
    EngineUnavailable,
    FilesUnavailable,
    JexError,
    NotStarted,
    StoreUnavailable,
    Unavailable,
)
from jexevents.executions.orders import Orders
from jexevents.executions.queue import Claimed, Offer, Queue, Report, Unsettled
from jexevents.lifecycle.executionid import attempt_id
from jexevents.logs import get_logger
from jexevents.model import Kind
from jexevents.runner.commands import NODES_OWN
from jexevents.runner.executor import Attempt, Executor
from jexevents.runner.obeying import Obeying
from jexevents.runner.pool import Pool
from jexevents.service import Service

log = get_logger("runner")

LOOK_SECONDS = 5.0
_CLAIM_AT_ONCE = 16
_REPORT_AT_ONCE = 100
_RETRY_MAX_SECONDS = 10.0
# How long a commit or image that this node cannot have is left to others.
_LEAVE_SECONDS = 30.0
_END_SECONDS = 3.0


class Worker(Service):
    """Runs up to ``slots`` executions at once, of the kinds that ``executors`` are for, and such as
    need no ``labels`` but these.

    ``lost_after_seconds`` is how long a node may be silent before what it has begun is given up.
    ``require_store`` raises StoreUnavailable while this process may not work; ``told`` is called
    when something was written to the ledger.
    """

    def __init__(
        self,
        work: Queue,
        orders: Orders,
        executors: Sequence[Executor],
        *,
        slots: int,
        labels: Sequence[str] = (),
        lost_after_seconds: float,
        require_store: Callable[[], None] = lambda: None,
        told: Callable[[], None] = lambda: None,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        super().__init__("worker")
        self._queue = work
        self._executors = {one.kind: one for one in executors}
        self._slots = slots
        self._labels = labels
        self._lost_after_seconds = lost_after_seconds
        self._require_store = require_store
        self._told = told
        self._look_seconds = look_seconds
        self._attempts: dict[tuple[str, int], Attempt] = {}
        # Those of which nothing is heard by itself.
        self._unheld: dict[tuple[str, int], Attempt] = {}
        self._starting: dict[tuple[str, int], Claimed] = {}
        # Those whose end is in the ledger, and whose remains are being removed.
        self._cleaning: set[tuple[str, int]] = set()
        self._left: dict[str, float] = {}
        # What this node has claimed anew while the start of its earlier claim is under way.
        self._again: dict[tuple[str, int], Claimed] = {}
        self._come: queue.SimpleQueue[tuple[Claimed, Attempt | None]] = queue.SimpleQueue()
        self._refused: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._selector = selectors.DefaultSelector()
        self._bell, self._rope = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._selector.register(self._bell, selectors.EVENT_READ, None)
        self._starts = {
            one.kind: Pool(f"start {one.kind.value}", min(slots, one.threads) or 1)
            for one in executors
        }
        self._obeying = Obeying(orders, self._attempts, self._pull)
        self._waits = Backoff(_RETRY_MAX_SECONDS)
        self._wants_claim = True
        self._claim_at = self._look_at = self._try_at = 0.0
        # When those that are replaced are to be killed, if they have not ended by then.
        self._room_at = math.inf
        self._recovered = threading.Event()
        # Whether the ledger may have claims of this node that nothing is made of: those of an
        # earlier life, one that PostgreSQL did not confirm, one that could not be begun.
        self._has_strays = True
        # Who wants that nothing is claimed, and who is told when nothing is left then.
        self._drains: set[str] = set()
        self.on_drained: Callable[[], None] = lambda: None
        self._depth = (math.nan, math.nan)

    # --- what others ask, from any thread

    @property
    def running(self) -> int:
        """How many executions this node has."""
        return len(self._attempts) + len(self._starting)

    @property
    def running_of_kinds(self) -> Mapping[str, int]:
        """How many of them are of each kind that this node runs."""
        found = Counter(one.named.kind for one in list(self._attempts.values()))
        found.update(one.named.kind for one in list(self._starting.values()))
        return {kind.value: found[kind] for kind in self._executors}

    @property
    def kinds(self) -> Sequence[str]:
        """The kinds of which it could take something now."""
        return [kind.value for kind, executor in self._executors.items() if executor.takes]

    @property
    def labels(self) -> Sequence[str]:
        """What executions may ask of their worker, and this one has."""
        return self._labels

    @property
    def slots(self) -> int:
        """How many it may have."""
        return self._slots

    @property
    def depth(self) -> tuple[float, float]:
        """How many executions waited when it was last looked, and how many somebody had."""
        return self._depth

    def ring(self) -> None:
        """Say that something may wait in the queue; never blocks."""
        self._wants_claim = True
        self._pull()

    def ring_orders(self) -> None:
        """Say that something may be ordered of this node; never blocks."""
        self._obeying.wanted = True
        self._pull()

    @property
    def draining(self) -> bool:
        """Whether it claims nothing, and finishes what it has."""
        return bool(self._drains)

    def drain(self, by: str, *, wanted: bool = True) -> None:
        """Claim nothing while anybody wants that; ``by`` says who. Never blocks.

        ``on_drained`` is called, in the worker's thread, each time that it looks and has nothing.
        """
        if wanted == (by in self._drains):
            return
        # Another set each time: others look at the one that is there.
        self._drains = self._drains | {by} if wanted else self._drains - {by}
        log.info("worker_drains" if wanted else "worker_resumes", by=by, running=self.running)
        self._wants_claim = True
        self._pull()

    def interrupt(self) -> None:
        """Wake it."""
        self._pull()

    def in_hand(self) -> set[str]:
        """Give the ids of the attempts that are not settled, which name folders and holds."""
        # Copied by one step of the interpreter each, while the other thread works. In the order in
        # which they go from the one to the other, or one that does so just now would be missed.
        known = [*list(self._starting), *list(self._attempts)]
        return {str(attempt_id(*place)) for place in known}

    def wait_recovered(self, seconds: float) -> bool:
        """Wait until what an earlier life of this node had begun is known."""
        return self._recovered.wait(seconds)

    # --- the loop

    def run(self) -> None:
        """Work until stopped."""
        try:
            for executor in self._executors.values():
                if self._slots:
                    executor.prepare()
            while not self.stopping.is_set():
                self._listen(self._pause())
                self._take_in()
                self._look_at_unheld()
                if time.monotonic() >= self._try_at:
                    self._work()
                if self.draining and not self.running and not self._cleaning:
                    self.on_drained()
        finally:
            self._end()

    def _work(self) -> None:
        """Do what needs the ledger; where it is away, later."""
        try:
            self._require_store()
            if self._has_strays:
                self._give_back_strays()
            if not self._recovered.is_set():
                self._take_up_all()
                self._recovered.set()
            self._report()
            self._answer_orders()
            if self._obeying.wanted:
                self._obeying.take(self._starting)
            if self._wants_claim or time.monotonic() >= self._claim_at:
                self._claim()
            if time.monotonic() >= self._look_at:
                self._look()
            if time.monotonic() >= self._room_at:
                self._make_room()
            self._waits.reset()
        except Unavailable as error:
            self._has_strays = True
            pause = self._waits.next()
            self._try_at = time.monotonic() + pause
            log.warning("worker_waits", reason=str(error), seconds=round(pause, 1))
        except MemoryError:
            # What a new process mends.
            raise
        except Exception:
            # What runs goes on, and so does the rest of the daemon.
            self._try_at = time.monotonic() + self._waits.next()
            log.exception("work_broken")

    def _pause(self) -> float:
        now = time.monotonic()
        looks = [attempt.look_at for attempt in self._unheld.values()]
        if self._try_at > now:
            return max(0.0, min([self._try_at, *looks]) - now)
        wants_claim = self._wants_claim and self._free() > 0 and not self.draining
        if self._obeying.wanted or wants_claim:
            return 0.0
        return max(0.0, min([self._look_at, self._claim_at, self._room_at, *looks]) - now)

    def _listen(self, seconds: float) -> None:
        for key, _ in self._selector.select(seconds):
            if key.data is None:
                with suppress(BlockingIOError):
                    os.read(self._bell, 4096)
                continue
            attempt: Attempt = key.data
            try:
                attempt.read()
            except (ValueError, TypeError, KeyError) as error:
                log.error("execution_not_heard", execution=attempt.named.text,
                          reason=repr(error))  # fmt: skip
                self._let_go(attempt)
                self._hold(attempt)
                continue
            if attempt.watch.closed:
                self._let_go(attempt)
                self._look_at_one(attempt)

    def _pull(self) -> None:
        with suppress(BlockingIOError, OSError):
            os.write(self._rope, b"x")

    # --- attempts

    def _give_back_strays(self) -> None:
        """Let others have what this node has claimed and knows nothing of: no lease need end."""
        self._queue.give_back(but=self._starting.values())
        self._has_strays = False
        self._wants_claim = True

    def _take_up_all(self) -> None:
        """Take up all that is noted as begun here and not in hand: of an earlier life, or of a
        begin whose commit PostgreSQL did not confirm."""
        for one in self._queue.unsettled():
            place = one.job_id, one.attempt
            if place not in self._attempts and place not in self._starting:
                self._take_up(one)

    def _take_up(self, one: Unsettled) -> None:
        executor = self._executors.get(one.named.kind)
        if executor is None:
            # What this process cannot even look at stays as it is, till one comes that can.
            return
        attempt, is_new = executor.adopt(one)
        log.info("execution_taken_up", job=one.named.definition, attempt=one.attempt,
                 execution=one.named.text, starts=is_new)  # fmt: skip
        if is_new:
            claimed = Claimed(one.job_id, one.named, one.attempt, 0, one.run)
            self._starting[attempt.place] = claimed
            self._start(claimed, executor.go_on)
            return
        self._attempts[attempt.place] = attempt
        self._look_at_one(attempt)

    def _start(self, claimed: Claimed, start: Callable[[Claimed], Attempt | None]) -> None:
        self._starts[claimed.named.kind].do(lambda: self._started(claimed, start))

    def _started(self, claimed: Claimed, start: Callable[[Claimed], Attempt | None]) -> None:
        """Start one, in a thread of the pool, and hand it over."""
        attempt: Attempt | None = None
        try:
            attempt = start(claimed)
        except Unavailable as error:
            self._leave(claimed, error)
        except Exception as error:
            log.exception("start_broken", job=claimed.named.definition)
            self._leave(claimed, NotStarted(f"It could not be started: {error!r}."))
        finally:
            self._come.put((claimed, attempt))
            self._pull()

    def _leave(self, claimed: Claimed, error: JexError) -> None:
        """Leave to others what cannot be begun here now."""
        log.warning("not_begun", job=claimed.named.definition,
                    execution=claimed.named.text, reason=str(error))  # fmt: skip
        if isinstance(error, StoreUnavailable) or self.stopping.is_set():
            # The loop gives it back, once it can.
            return
        with suppress(Unavailable):
            if not isinstance(error, EngineUnavailable):
                # Nothing more is claimed for an engine that is away, and all when it is back.
                self._refused.put(claimed.run.needs)
            after = None if _is_nodes_own(error) else self._lost_after_seconds
            self._queue.refuse(claimed, str(error), after)

    def _take_in(self) -> None:
        """Take over what was started."""
        with suppress(queue.Empty):
            while True:
                claimed, attempt = self._come.get_nowait()
                place = claimed.job_id, claimed.attempt
                if attempt is not None:
                    self._attempts[place] = attempt
                self._starting.pop(place, None)
                again = self._again.pop(place, None)
                if attempt is None:
                    self._wants_claim = self._has_strays = True
                    if again is not None:
                        self._begin(again)
                    continue
                self._look_at_one(attempt)

    def _look_at_one(self, attempt: Attempt) -> None:
        try:
            attempt.look()
        except OSError as error:
            log.error("execution_not_read", execution=attempt.named.text, reason=str(error))
        self._hold(attempt)

    def _look_at_unheld(self) -> None:
        """Look at those of which nothing is heard: they begin or end just now."""
        now = time.monotonic()
        for attempt in list(self._unheld.values()):
            if now >= attempt.look_at:
                self._look_at_one(attempt)

    def _require_begun(self, attempt: Attempt) -> None:
        try:
            attempt.require_begun()
        except OSError as error:
            log.error("not_given_up", execution=attempt.named.text, reason=str(error))

    def _hold(self, attempt: Attempt) -> None:
        """Listen to it; at one of which nothing is heard, look again soon."""
        self._unheld.pop(attempt.place, None)
        if attempt.watch is not None:
            self._selector.register(attempt.watch, selectors.EVENT_READ, attempt)
        elif not attempt.is_over:
            attempt.look_later()
            self._unheld[attempt.place] = attempt
            return
        self._obeying.heard()

    def _let_go(self, attempt: Attempt) -> None:
        if attempt.watch is not None:
            self._selector.unregister(attempt.watch)
            attempt.let_go()

    # --- the ledger

    def _report(self) -> None:
        """Tell the ledger what is new of all attempts."""
        told = [(one, report) for one in self._attempts.values() if (report := one.report())]
        for start in range(0, len(told), _REPORT_AT_ONCE):
            self._report_some(told[start : start + _REPORT_AT_ONCE])

    def _report_some(self, told: list[tuple[Attempt, Report]]) -> None:
        late = self._queue.report([report for _, report in told])
        for attempt, report in told:
            attempt.reported(report)
            if report.is_last:
                self._settle(attempt, report)
            elif attempt.place in late:
                self._end_late(attempt)
        self._told()

    def _settle(self, attempt: Attempt, report: Report) -> None:
        del self._attempts[attempt.place]
        self._let_go(attempt)
        self._wants_claim = True
        kind = attempt.named.kind
        self._cleaning.add(attempt.place)
        self._starts[kind].do(lambda: self._clean(kind, attempt))
        log.info("execution_ended", job=attempt.named.definition, attempt=attempt.number,
                 execution=attempt.named.text,
                 lost=report.lost, failure=report.failure)  # fmt: skip

    def _clean(self, kind: Kind, attempt: Attempt) -> None:
        """Remove what is left of it, in a thread of the pool."""
        try:
            self._executors[kind].clean(attempt)
        finally:
            self._cleaning.discard(attempt.place)
            self._pull()

    def _end_late(self, attempt: Attempt) -> None:
        """End what was given up, and may run elsewhere by now."""
        if attempt.is_over:
            return
        if not attempt.end_is_told:
            attempt.end_is_told = True
            log.warning("given_up_is_ended", job=attempt.named.definition, attempt=attempt.number,
                        execution=attempt.named.text)  # fmt: skip
        self._obeying.do(attempt.kill)

    def _claim(self) -> None:
        self._wants_claim = False
        self._claim_at = time.monotonic() + self._look_seconds
        free = min(self._free(), _CLAIM_AT_ONCE)
        if free <= 0 or self.draining:
            return
        offer = self._offer()
        due = self._queue.next_due(offer) if offer.kinds else None
        if due is None:
            return
        if due > 0:
            self._claim_at = min(self._claim_at, time.monotonic() + due)
            return
        found = self._queue.claim(free, offer)
        for claimed in found:
            self._begin(claimed)
        if len(found) == free:
            self._wants_claim = True
        else:
            # What is due waits for others; what is due soon need not.
            due = self._queue.next_due(offer, later=True)
            if due is not None:
                self._claim_at = min(self._claim_at, time.monotonic() + due)

    def _offer(self) -> Offer:
        """Say what could be run here now."""
        kinds = [kind for kind, executor in self._executors.items() if executor.takes]
        return Offer(kinds, self._labels, self._left_to_others())

    def _left_to_others(self) -> list[str]:
        """Give the commits and images that this node could not have a moment ago."""
        now = time.monotonic()
        with suppress(queue.Empty):
            while True:
                self._left[self._refused.get_nowait()] = now + _LEAVE_SECONDS
        self._left = {what: until for what, until in self._left.items() if until > now}
        return list(self._left)

    def _begin(self, claimed: Claimed) -> None:
        place = claimed.job_id, claimed.attempt
        if place in self._starting:
            # A start outlasted its lease, and still works in the folder of this attempt.
            self._again[place] = claimed
            return
        self._starting[place] = claimed
        self._start(claimed, self._executors[claimed.named.kind].begin)

    def _free(self) -> int:
        return self._slots - self.running

    def _look(self) -> None:
        """Do what is done every few seconds, told or not."""
        self._look_at = time.monotonic() + self._look_seconds
        self._obeying.wanted = True
        self._take_up_all()
        for attempt in list(self._attempts.values()):
            if attempt.watch is None and not attempt.is_over:
                self._require_begun(attempt)
        # A start may take long, where an image is pulled for it.
        self._queue.renew(list(self._starting.values()))
        self._queue.judge(self._lost_after_seconds)
        self._depth = self._queue.depth()
        self._make_room()
        ours = [one for one in self._attempts.values() if not one.is_over]
        held = self._queue.held() if ours else set()
        for attempt in ours:
            if attempt.place not in held:
                self._end_late(attempt)

    def _make_room(self) -> None:
        pause = self._obeying.make_room()
        self._room_at = math.inf if pause is None else time.monotonic() + pause

    def _answer_orders(self) -> None:
        if self._obeying.note():
            self._told()

    # --- the end

    def _end(self) -> None:
        for pool in self._starts.values():
            pool.end(_END_SECONDS)
        for executor in self._executors.values():
            executor.close()
        self._take_in()
        with suppress(Unavailable):
            self._require_store()
            self._queue.give_back()
            self._report()
            self._answer_orders()
        for attempt in list(self._attempts.values()):
            self._let_go(attempt)
        self._obeying.end(0.1)
        self._selector.close()
        os.close(self._bell)
        os.close(self._rope)


def _is_nodes_own(error: JexError) -> bool:
    """Whether what could not be begun has met a fault of this node, and none of what it needs."""
    own = isinstance(error, (FilesUnavailable, EngineUnavailable))
    return own or getattr(error, "reason", None) in NODES_OWN
