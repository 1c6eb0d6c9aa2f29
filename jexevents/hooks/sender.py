"""One thread that sends for one hook: waits to be called, claims, and works off what it has."""

from __future__ import annotations

from jexevents.backoff import Backoff
from jexevents.errors import Unavailable
from jexevents.hooks.desk import Desk
from jexevents.hooks.hook import Hook
from jexevents.hooks.shift import Office, Shift
from jexevents.hooks.verdicts import Patience
from jexevents.logs import get_logger
from jexevents.service import Service

log = get_logger("hooks")

_RETRY_MAX_SECONDS = 30.0


class Sender(Service):
    """Sends deliveries of one hook until stopped; the desk calls it when there may be some.

    ``number`` is that of the thread among those of the hook.

    While PostgreSQL is away it waits and tries again, and so it does whatever else goes wrong: a
    fault of ours that the next process would have, too, must not end one that has an ingest to do.
    """

    def __init__(
        self, hook: Hook, number: int, office: Office, desk: Desk, patience: Patience
    ) -> None:
        super().__init__(f"hook {hook.name} {number}")
        self._hook = hook
        self._number = number
        self._office = office
        self._desk = desk
        self._patience = patience
        self._backoff = Backoff(_RETRY_MAX_SECONDS, base_seconds=1.0)

    def run(self) -> None:
        """Work whenever called until stopped."""
        name, call = str(self._number), self._desk.call
        shift = Shift(self._office, self._hook, name, self._patience, call, self.stopping)
        try:
            while not self.stopping.is_set():
                self._desk.wait()
                while not self.stopping.is_set() and self._work(shift):
                    pass
        finally:
            shift.close()

    def interrupt(self) -> None:
        """Wake it, so that it sees that it is to stop; others that wake find nothing to do."""
        self._desk.call_all()

    def _work(self, shift: Shift) -> bool:
        """Work off one claim; whether there may be more."""
        try:
            is_any = shift.work()
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
