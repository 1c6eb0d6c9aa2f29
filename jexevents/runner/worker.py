"""Runs what waits in the queue: claims, starts, listens to supervisors, reports, obeys orders.

One thread does all that needs the ledger, and looks at all supervisors at once; starts and orders,
which may take long, are done by others. While PostgreSQL is away the jobs run on: what they tell
stands in their folders, and is reported when it is back.
"""

from __future__ import annotations

import math
import os
import queue
import selectors
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from jexevents.backoff import Backoff
from jexevents.errors import (
    FilesUnavailable,
    JexError,
    NotStarted,
    StoreUnavailable,
    SupervisorAway,
    Unavailable,
)
from jexevents.executions.orders import Order, Orders
from jexevents.executions.queue import Claimed, Queue, Report, Unsettled
from jexevents.lifecycle.executionid import attempt_id, shortest
from jexevents.logs import get_logger
from jexevents.runner.attempt import Attempt
from jexevents.runner.folder import Held, RunFolder
from jexevents.runner.ordering import carry_out
from jexevents.runner.pool import Pool
from jexevents.runner.starting import NODES_OWN, Settings, Starter
from jexevents.service import Service

log = get_logger("runner")

LOOK_SECONDS = 5.0
_START_THREADS = 8
_ORDER_THREADS = 4
_CLAIM_AT_ONCE = 16
_REPORT_AT_ONCE = 100
_RETRY_MAX_SECONDS = 10.0
# How long a commit that this node cannot have is left to others, and what waits is left alone.
_LEAVE_SECONDS = 30.0
_END_SECONDS = 3.0
_NEVER_BEGAN = "Its supervisor was started, and did not begin."
_GIVEN_UP = "It was given up before it began."


class Worker(Service):
    """Runs up to ``slots`` executions at once.

    ``lost_after_seconds`` is how long a node may be silent before what it has begun is given up.
    ``require_store`` raises StoreUnavailable while this process may not work; ``told`` is called
    when something was written to the ledger.
    """

    def __init__(
        self,
        work: Queue,
        orders: Orders,
        starter: Starter,
        settings: Settings,
        *,
        slots: int,
        lost_after_seconds: float,
        require_store: Callable[[], None] = lambda: None,
        told: Callable[[], None] = lambda: None,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        super().__init__("worker")
        self._queue = work
        self._orders = orders
        self._starter = starter
        self._settings = settings
        self._slots = slots
        self._lost_after_seconds = lost_after_seconds
        self._require_store = require_store
        self._told = told
        self._look_seconds = look_seconds
        self._attempts: dict[tuple[str, int], Attempt] = {}
        # Those of which the supervisor does not answer.
        self._unheld: dict[tuple[str, int], Attempt] = {}
        self._starting: dict[tuple[str, int], Claimed] = {}
        # The orders that are being carried out, and whether the supervisor answered before that.
        self._ordered: dict[str, bool] = {}
        # Whether one is to be tried again when a supervisor answers.
        self._put_off = False
        self._left: dict[str, float] = {}
        # What this node has claimed anew while the start of its earlier claim is under way.
        self._again: dict[tuple[str, int], Claimed] = {}
        self._come: queue.SimpleQueue[tuple[Claimed, Attempt | None]] = queue.SimpleQueue()
        self._refused: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._unsaid: list[tuple[Order, dict]] = []
        self._answers: queue.SimpleQueue[tuple[Order, dict]] = queue.SimpleQueue()
        self._selector = selectors.DefaultSelector()
        self._bell, self._rope = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._selector.register(self._bell, selectors.EVENT_READ, None)
        self._starts = Pool("start", min(slots, _START_THREADS) or 1)
        self._orderings = Pool("order", _ORDER_THREADS)
        self._waits = Backoff(_RETRY_MAX_SECONDS)
        self._wants_claim = self._wants_orders = True
        self._claim_at = self._look_at = self._try_at = 0.0
        # When those that are replaced are to be killed, if they have not ended by then.
        self._room_at = math.inf
        self._recovered = threading.Event()
        self._depth = (math.nan, math.nan)

    # --- what others ask, from any thread

    @property
    def running(self) -> int:
        """How many executions this node has."""
        return len(self._attempts) + len(self._starting)

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
        self._wants_orders = True
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
            if self._slots:
                self._starter.prepare()
            while not self.stopping.is_set():
                self._listen(self._pause())
                self._take_in()
                self._look_at_unheld()
                if time.monotonic() >= self._try_at:
                    self._work()
        finally:
            self._end()

    def _work(self) -> None:
        """Do what needs the ledger; where it is away, later."""
        try:
            self._require_store()
            if not self._recovered.is_set():
                self._recover()
            self._report()
            self._note_answers()
            if self._wants_orders:
                self._take_orders()
            if self._wants_claim or time.monotonic() >= self._claim_at:
                self._claim()
            if time.monotonic() >= self._look_at:
                self._look()
            if time.monotonic() >= self._room_at:
                self._make_room()
            self._waits.reset()
        except Unavailable as error:
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
        if self._wants_orders or (self._wants_claim and self._free() > 0):
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
                log.error("execution_not_heard", folder=attempt.folder.path.name,
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

    def _recover(self) -> None:
        """Take up what an earlier life of this node has begun."""
        self._queue.give_back_all()
        self._take_up_all()
        self._recovered.set()

    def _take_up_all(self) -> None:
        """Take up all that is noted as begun here and not in hand: of an earlier life, or of a
        begin whose commit PostgreSQL did not confirm."""
        for one in self._queue.unsettled():
            place = one.job_id, one.attempt
            if place not in self._attempts and place not in self._starting:
                self._take_up(one)

    def _take_up(self, one: Unsettled) -> None:
        folder = RunFolder.of(self._settings.runs, one.job_id, one.attempt)
        attempt = Attempt(one.job_id, one.named, one.attempt, folder, one.run, one.sequence)
        held = self._looked_at(attempt)
        log.info("execution_taken_up", job=one.named.definition, attempt=one.attempt,
                 execution=shortest(one.named.execution), standing=held and held.value)  # fmt: skip
        if held is Held.NEW and one.run is not None:
            self._start_late(one, attempt)
            return
        self._attempts[attempt.place] = attempt
        self._hold(attempt)

    def _start_late(self, one: Unsettled, attempt: Attempt) -> None:
        """Start what was noted as begun and has certainly not run."""
        claimed = Claimed(one.job_id, one.named, one.attempt, 0, one.run)
        self._starting[attempt.place] = claimed
        self._starts.do(lambda: self._started(claimed, self._starter.go_on))

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
                    execution=shortest(claimed.named.execution), reason=str(error))  # fmt: skip
        with suppress(Unavailable):
            if isinstance(error, StoreUnavailable) or self.stopping.is_set():
                self._queue.give_back([claimed])
                return
            self._refused.put(claimed.run.commit)
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
                    self._wants_claim = True
                    if again is not None:
                        self._begin(again)
                    continue
                self._look_at_one(attempt)

    def _look_at_one(self, attempt: Attempt) -> None:
        self._looked_at(attempt)
        self._hold(attempt)

    def _looked_at(self, attempt: Attempt) -> Held | None:
        """Look how one stands; None where that cannot be seen now."""
        try:
            return attempt.look().held
        except OSError as error:
            log.error("execution_not_read", folder=attempt.folder.path.name, reason=str(error))
        return None

    def _look_at_unheld(self) -> None:
        """Look at those whose supervisors do not answer: they begin or end just now."""
        now = time.monotonic()
        for attempt in list(self._unheld.values()):
            if now >= attempt.look_at:
                self._look_at_one(attempt)

    def _require_begun(self, attempt: Attempt) -> None:
        """Give up one whose supervisor was started long ago, and did not begin; or that was given
        up before one was started."""
        why = _NEVER_BEGAN if attempt.run is not None else _GIVEN_UP
        try:
            if attempt.never_began() and attempt.folder.give_up(why):
                attempt.fail(why)
        except OSError as error:
            log.error("not_given_up", folder=attempt.folder.path.name, reason=str(error))

    def _hold(self, attempt: Attempt) -> None:
        """Listen to its supervisor; to one that does not answer, look again soon."""
        self._unheld.pop(attempt.place, None)
        if attempt.watch is not None:
            self._selector.register(attempt.watch, selectors.EVENT_READ, attempt)
        elif not attempt.is_over:
            attempt.look_later()
            self._unheld[attempt.place] = attempt
            return
        if self._put_off:
            self._put_off, self._wants_orders = False, True

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
        run = attempt.run
        self._starts.do(lambda: self._clean(attempt.folder, run and run.commit, attempt.place))
        log.info("execution_ended", job=attempt.named.definition, attempt=attempt.number,
                 execution=shortest(attempt.named.execution),
                 lost=report.lost, failure=report.failure)  # fmt: skip

    def _clean(self, folder: RunFolder, commit: str | None, place: tuple[str, int]) -> None:
        folder.remove_work()
        if commit is not None:
            self._starter.release(commit, *place)

    def _end_late(self, attempt: Attempt) -> None:
        """End what was given up, and may run elsewhere by now."""
        if attempt.is_over:
            return
        if not attempt.end_is_told:
            attempt.end_is_told = True
            log.warning("given_up_is_ended", job=attempt.named.definition, attempt=attempt.number,
                        execution=shortest(attempt.named.execution))  # fmt: skip
        self._orderings.do(lambda: _kill(attempt.folder))

    def _claim(self) -> None:
        self._wants_claim = False
        self._claim_at = time.monotonic() + self._look_seconds
        free = min(self._free(), _CLAIM_AT_ONCE)
        if free <= 0:
            return
        due = self._queue.next_due()
        if due is None:
            return
        if due > 0:
            self._claim_at = min(self._claim_at, time.monotonic() + due)
            return
        found = self._queue.claim(free, self._commits_left())
        for claimed in found:
            self._begin(claimed)
        if len(found) == free:
            self._wants_claim = True
        else:
            # What is due waits for others; what is due soon need not.
            due = self._queue.next_due(later=True)
            if due is not None:
                self._claim_at = min(self._claim_at, time.monotonic() + due)

    def _commits_left(self) -> list[str]:
        """Give the commits that this node could not have a moment ago."""
        now = time.monotonic()
        with suppress(queue.Empty):
            while True:
                self._left[self._refused.get_nowait()] = now + _LEAVE_SECONDS
        self._left = {commit: until for commit, until in self._left.items() if until > now}
        return list(self._left)

    def _begin(self, claimed: Claimed) -> None:
        place = claimed.job_id, claimed.attempt
        if place in self._starting:
            # A start outlasted its lease, and still works in the folder of this attempt.
            self._again[place] = claimed
            return
        self._starting[place] = claimed
        self._starts.do(lambda: self._started(claimed, self._starter.begin))

    def _free(self) -> int:
        return self._slots - self.running

    def _look(self) -> None:
        """Do what is done every few seconds, told or not."""
        self._look_at = time.monotonic() + self._look_seconds
        self._wants_orders = True
        self._take_up_all()
        for attempt in list(self._attempts.values()):
            if attempt.watch is None and not attempt.is_over:
                self._require_begun(attempt)
        self._queue.judge(self._lost_after_seconds)
        self._depth = self._queue.depth()
        self._make_room()
        ours = [one for one in self._attempts.values() if not one.is_over]
        held = self._queue.held() if ours else set()
        for attempt in ours:
            if attempt.place not in held:
                self._end_late(attempt)

    def _make_room(self) -> None:
        pause = self._orders.make_room()
        self._room_at = math.inf if pause is None else time.monotonic() + pause

    # --- orders

    def _take_orders(self) -> None:
        self._wants_orders = False
        for order in self._orders.open():
            attempt = self._attempts.get((order.job_id, order.attempt))
            if order.id in self._ordered:
                continue
            if (order.job_id, order.attempt) in self._starting:
                self._put_off = True
                continue
            self._ordered[order.id] = attempt is not None and attempt.watch is not None
            if attempt is not None:
                attempt.senders[order.id] = order.credential
            folder = None if attempt is None else attempt.folder
            self._orderings.do(lambda o=order, f=folder: self._carry_out(o, f))

    def _carry_out(self, order: Order, folder: RunFolder | None) -> None:
        self._answers.put((order, carry_out(order, folder)))
        self._pull()

    def _note_answers(self) -> None:
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
        if final:
            self._told()

    def _put_off_order(self, order: Order, was_held: bool) -> None:
        """Try it again now where the attempt has begun or ended meanwhile, else when it does."""
        attempt = self._attempts.get((order.job_id, order.attempt))
        is_over = attempt is None or attempt.is_over
        if is_over or (attempt.watch is not None and not was_held):
            self._wants_orders = True
        else:
            self._put_off = True

    def _is_reported(self, order: Order, answer: dict) -> bool:
        attempt = self._attempts.get((order.job_id, order.attempt))
        sequence = (answer.get("event") or {}).get("seq", 0)
        return attempt is None or attempt.sequence >= sequence

    # --- the end

    def _end(self) -> None:
        self._starts.end(_END_SECONDS)
        self._starter.close()
        self._take_in()
        with suppress(Unavailable):
            self._require_store()
            self._queue.give_back(self._starting.values())
            self._report()
            self._note_answers()
        for attempt in list(self._attempts.values()):
            self._let_go(attempt)
        self._orderings.end(0.1)
        self._selector.close()
        os.close(self._bell)
        os.close(self._rope)


def _is_nodes_own(error: JexError) -> bool:
    """Whether what could not be begun has met a fault of this node, and none of its commit."""
    return isinstance(error, FilesUnavailable) or getattr(error, "reason", None) in NODES_OWN


def _kill(folder: RunFolder) -> None:
    with suppress(SupervisorAway, JexError):
        folder.signal("kill", "It was given up.", "given-up")
