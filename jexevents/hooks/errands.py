"""Sends for the hooks of job definitions, which are in no configuration.

Which there are is found in the database, where they stand beside what was written for them: so what
waits is sent by every daemon, and after its definition is gone as well.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import replace

from jexevents.errors import Unavailable
from jexevents.hooks.crew import THREADS, Crew
from jexevents.hooks.hook import Hook
from jexevents.hooks.shift import Office, Shift
from jexevents.hooks.verdicts import Patience
from jexevents.hookwords import OVERSEER, is_of_definition
from jexevents.logs import get_logger
from jexevents.store.definition_hooks import DefinitionHooks

log = get_logger("hooks")

# What they all are like; each has a name and a URL of its own.
PATTERN = Hook("", "", format=OVERSEER)
# A receiver that took longer for a try is slow.
SLOW_SECONDS = 2.0
GONE_REASON = "Nothing is sent since the receiver answered 410 Gone."


class Errands:
    """The hooks of definitions, and the threads that send for them.

    ``pattern`` is what each of them is like.
    """

    def __init__(
        self,
        office: Office,
        known: DefinitionHooks,
        pattern: Hook,
        patience: Patience,
        threads: int = THREADS,
    ) -> None:
        self._office = office
        self._known = known
        self._pattern = pattern
        self._patience = patience
        self._stopping = threading.Event()
        self._crew = Crew(self._serve, office.look, threads=threads)

    @property
    def threads(self) -> int:
        """How many threads there are just now."""
        return self._crew.size

    @property
    def exception(self) -> BaseException | None:
        """What a thread died of, None while all is well."""
        return self._crew.exception

    def wake(self, names: Iterable[str]) -> None:
        """Say that there is something new for hooks of these names; others are left out."""
        self._crew.call([name for name in names if is_of_definition(name)])

    def look(self, pause_seconds: float) -> float:
        """Have sent what is due; give how long to wait before the next look, at most as given.

        Raises StoreUnavailable.
        """
        found = self._known.waiting()
        self._crew.keep([one.name for one in found])
        for one in found:
            if one.refused:
                self._office.outbox.give_up(one.name, GONE_REASON)
            elif one.due_seconds > 0:
                pause_seconds = min(pause_seconds, one.due_seconds)
        self._crew.call(one.name for one in found if not (one.refused or one.due_seconds))
        return pause_seconds

    def stop(self) -> None:
        """Ask the threads to end; returns without waiting for it."""
        self._stopping.set()
        self._crew.stop()

    def join(self, seconds: float) -> bool:
        """Wait for the threads; whether there is none any more."""
        return self._crew.join(seconds)

    def _serve(self, name: str) -> bool | None:
        """Send for a hook, till there is nothing more or another one waits; whether it was slow.

        None where nothing was tried: another thread may have all of it in hand.
        """
        try:
            return self._send(name)
        except Unavailable as error:
            # What is due is found again by the next look that the database answers.
            log.debug("hook_waits_for_database", hook=name, reason=str(error))
            return None
        except MemoryError:
            # What a new process mends.
            raise
        except Exception:
            log.exception("hook_sender_broken", hook=name)
            return True

    def _send(self, name: str) -> bool | None:
        url = self._known.url(name)
        if url is None:
            return None
        hook = replace(self._pattern, name=name, url=url)
        thread = threading.current_thread().name
        shift = Shift(
            self._office, hook, thread, self._patience, lambda: self.wake([name]), self._stopping
        )
        try:
            while not self._stopping.is_set() and shift.work():
                if self._crew.somebody_waits():
                    # It goes to the end of the line.
                    self.wake([name])
                    break
        finally:
            shift.close()
        longest = shift.longest_seconds
        return None if longest is None else longest > SLOW_SECONDS
