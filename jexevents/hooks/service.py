"""Sends what the outbox holds, for all hooks: the senders, and who calls them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping

from jexevents.backoff import Backoff
from jexevents.errors import JexError, Unavailable
from jexevents.hooks.carrier import Ways
from jexevents.hooks.desk import Desk
from jexevents.hooks.errands import GONE_REASON, PATTERN, Errands
from jexevents.hooks.hook import Hook
from jexevents.hooks.sender import Sender
from jexevents.hooks.shift import Office
from jexevents.hooks.verdicts import FIRST_SECONDS, MAX_SECONDS, Patience
from jexevents.logs import get_logger
from jexevents.observers import NOBODY, HookObserver
from jexevents.service import Service
from jexevents.store.definition_hooks import DefinitionHooks
from jexevents.store.outbox import Outbox

log = get_logger("hooks")

THREADS = 4
POLL_SECONDS = 1.0
_COUNT_SECONDS = 10.0
_STOP_SECONDS = 4.0
_RETRY_MAX_SECONDS = 30.0


class SenderDied(JexError):
    """A thread that sends for a hook died."""


class HookSenders(Service):
    """Threads that send for each enabled hook, so that none waits for another's receiver.

    ``threads`` are those of one hook, ``by`` names this process in claims, ``retry_max_seconds``
    is the longest wait between two tries of a delivery. ``wake`` says that there is something
    new; what other processes wrote is looked for every ``poll_seconds``. ``require_store`` raises
    StoreUnavailable while this process may not work.

    ``of_definitions`` are the hooks of job definitions, None where these are not sent for;
    ``pattern`` is what each of them is like. They share a few threads of their own.

    ``pending`` says how many deliveries of each hook wait, as counted not long ago; ``looks`` how
    often it was looked whether any are due.
    """

    def __init__(
        self,
        outbox: Outbox,
        hooks: Iterable[Hook],
        ways: Ways,
        *,
        threads: int = THREADS,
        by: str = "jexevents",
        retry_max_seconds: float = MAX_SECONDS,
        observer: HookObserver = NOBODY,
        poll_seconds: float = POLL_SECONDS,
        require_store: Callable[[], None] = lambda: None,
        of_definitions: DefinitionHooks | None = None,
        pattern: Hook = PATTERN,
    ) -> None:
        super().__init__("hooks")
        self.pending: Mapping[str, int] = {}
        self.looks = 0
        self._outbox = outbox
        self._hooks = [hook for hook in hooks if not hook.disabled]
        self._poll_seconds = poll_seconds
        self._require_store = require_store
        self._counted_at = float("-inf")
        self._woken = threading.Event()
        self._desks = {hook.name: Desk(threads) for hook in self._hooks}
        office = Office(outbox, ways, by, observer, self._woken.set, require_store)
        first = min(FIRST_SECONDS, retry_max_seconds)
        self._senders = [
            Sender(
                hook,
                number,
                office,
                self._desks[hook.name],
                Patience(hook.try_seconds, retry_max_seconds, first),
            )
            for hook in self._hooks
            for number in range(1, threads + 1)
        ]
        for sender in self._senders:
            sender.on_death = self._lost
        patience = Patience(pattern.try_seconds, retry_max_seconds, first)
        self.errands = of_definitions and Errands(office, of_definitions, pattern, patience)

    def wake(self, hooks: Iterable[str] | None = None) -> None:
        """Say that there is something new to send for hooks of these names, or for any.

        Never blocks, from any thread.
        """
        names = self._desks if hooks is None else list(hooks)
        for name in names:
            desk = self._desks.get(name)
            if desk is not None:
                desk.call()
        if self.errands is not None:
            self.errands.wake(names)
        if hooks is None:
            self._woken.set()

    def run(self) -> None:
        """Send until stopped. Raises SenderDied."""
        for sender in self._senders:
            sender.start()
        waits = Backoff(_RETRY_MAX_SECONDS, base_seconds=self._poll_seconds)
        try:
            while not self.stopping.is_set():
                try:
                    pause = self._look()
                    waits.reset()
                except Unavailable as error:
                    log.debug("hooks_not_looked_at", reason=str(error))
                    pause = waits.next()
                except MemoryError:
                    # What a new process mends.
                    raise
                except Exception:
                    log.exception("hooks_look_broken")
                    pause = waits.next()
                self._woken.wait(pause)
                self._woken.clear()
                self._require_senders()
        finally:
            self._end_senders()

    def interrupt(self) -> None:
        """Wake it, and have the senders begin nothing more."""
        for sender in self._senders:
            sender.stop()
        self._woken.set()

    def _lost(self, _sender: Service) -> None:
        self._woken.set()

    def _require_senders(self) -> None:
        for sender in self._senders:
            if sender.failed:
                raise SenderDied(f"The service {sender.name} died.") from sender.exception
        if self.errands is not None and self.errands.exception is not None:
            raise SenderDied(
                "A thread that sends for hooks of definitions died."
            ) from self.errands.exception

    def _end_senders(self) -> None:
        for sender in self._senders:
            sender.stop()
        if self.errands is not None:
            self.errands.stop()
        end = time.monotonic() + _STOP_SECONDS
        for sender in self._senders:
            if not sender.join(max(0.0, end - time.monotonic())):
                # What it tries just now is sent again by whoever claims it next.
                log.warning("hook_sender_hangs", service=sender.name)
        if self.errands is not None and not self.errands.join(max(0.0, end - time.monotonic())):
            log.warning("hook_sender_hangs", service="hooks of definitions")

    def _look(self) -> float:
        """Call who has something to do; give how long to wait before the next look."""
        pause = self._poll_seconds
        self._require_store()
        for hook in self._hooks:
            due = self._outbox.next_due(hook.name)
            if due is None:
                self._give_up(hook.name)
            elif due > 0:
                pause = min(pause, due)
            else:
                self._desks[hook.name].call()
        if self.errands is not None:
            pause = self.errands.look(pause)
        self._count()
        self.looks += 1
        return pause

    def _count(self) -> None:
        """Count now and then what waits; where that cannot be counted, it is sent all the same."""
        if time.monotonic() - self._counted_at < _COUNT_SECONDS:
            return
        try:
            self.pending = self._outbox.pending()
        except Unavailable as error:
            log.debug("hooks_not_counted", reason=str(error))
        self._counted_at = time.monotonic()

    def _give_up(self, hook: str) -> None:
        """Give up what came in for a hook after its receiver had refused any more."""
        if self._outbox.is_disabled(hook):
            self._outbox.give_up(hook, GONE_REASON)
