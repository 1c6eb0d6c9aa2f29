"""Counts what the ledger holds, again and again, for those who look at the metrics."""

from __future__ import annotations

import time
from collections.abc import Callable

from jexevents.errors import Unavailable
from jexevents.logs import get_logger
from jexevents.observers import LedgerUse
from jexevents.service import Service
from jexevents.store import census
from jexevents.store.database import Database

log = get_logger("census")

EVERY_SECONDS = 10.0
# What was counted longer ago says nothing any more.
_OLD_SECONDS = 60.0


class Census(Service):
    """Counts every ten seconds; what fails is no reason to end, and is tried again.

    ``require_store`` raises StoreUnavailable while this process may not work.
    """

    def __init__(
        self,
        database: Database,
        require_store: Callable[[], None] = lambda: None,
        *,
        every_seconds: float = EVERY_SECONDS,
    ) -> None:
        super().__init__("census")
        self._database = database
        self._require_store = require_store
        self._every_seconds = every_seconds
        self._last: LedgerUse | None = None
        self._last_at = 0.0

    def counts(self) -> LedgerUse | None:
        """Give what was counted last, None where that is too long ago."""
        is_old = time.monotonic() - self._last_at > _OLD_SECONDS
        return None if is_old else self._last

    def run(self) -> None:
        """Count until stopped."""
        while not self.stopping.is_set():
            self._count()
            self.wait(self._every_seconds)

    def _count(self) -> None:
        try:
            self._require_store()
            self._last = census.count(self._database)
            self._last_at = time.monotonic()
        except Unavailable as error:
            log.debug("ledger_not_counted", reason=str(error))
        except MemoryError:
            # What a new process mends.
            raise
        except Exception:
            log.exception("census_broken")
