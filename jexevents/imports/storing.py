"""Stores entries by the one way into the ledger, batch by batch."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from jexevents.backoff import delays
from jexevents.errors import StoreTooSlow, StoreUnavailable
from jexevents.imports.entry import Entry
from jexevents.ingest import Ingest
from jexevents.logs import get_logger
from jexevents.model import Arrival, Outcome
from jexevents.sources.doors import IMPORT_DOOR
from jexevents.store.ledger import Ledger
from jexevents.store.offers import Applied

log = get_logger("import")

BATCH_EVENTS = 5000
BATCH_BYTES = 16 << 20

# A restart of the server takes less; what takes longer, somebody has to look at.
_PATIENCE_SECONDS = 60.0
_LONGEST_WAIT_SECONDS = 5.0


@dataclass(slots=True)
class Counts:
    """What became of entries; ``jobs_new`` are jobs that nothing was known of before."""

    new: int = 0
    duplicates: int = 0
    rejected: int = 0
    jobs_new: int = 0

    def add(self, other: Counts) -> None:
        """Add others."""
        self.new += other.new
        self.duplicates += other.duplicates
        self.rejected += other.rejected
        self.jobs_new += other.jobs_new


class CountingLedger:
    """Hands on to a ledger, and counts the jobs that it made."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.jobs_new = 0

    def apply(self, *arguments: Any, **more: Any) -> list[Applied]:
        """Do as Ledger.apply."""
        applied = self._ledger.apply(*arguments, **more)
        self.jobs_new += len({one.job_id for one in applied if one.job_is_new})
        return applied


class LogStore:
    """Stores entries of one source; not for several threads."""

    def __init__(
        self,
        ingest: Ingest,
        ledger: CountingLedger,
        source: str,
        *,
        sleep: Callable[[float], object] = time.sleep,
        patience_seconds: float = _PATIENCE_SECONDS,
    ) -> None:
        self._ingest = ingest
        self._ledger = ledger
        self._source = source
        self._sleep = sleep
        self._patience_seconds = patience_seconds

    def store(self, entries: Sequence[Entry]) -> Counts:
        """Store a batch; all of it is in the ledger, or in its rejects, when this returns.

        Raises StoreUnavailable where the server was away for long. Then a part may be stored, and
        what is stored again counts as known.
        """
        jobs_before = self._ledger.jobs_new
        outcomes = self._stored([self._arrival(entry) for entry in entries])
        known = outcomes.count(Outcome.DUPLICATE)
        new = outcomes.count(Outcome.ACCEPTED)
        rejected = len(outcomes) - new - known
        return Counts(new, known, rejected, self._ledger.jobs_new - jobs_before)

    def _arrival(self, entry: Entry) -> Arrival:
        beside: dict[str, Any] = {
            "Log": entry.log,
            "Offset": entry.offset,
            "Occurrence": entry.occurrence,
        }
        if entry.year is not None:
            beside["Year"] = entry.year
        return Arrival(entry.raw, datetime.now(timezone.utc), IMPORT_DOOR, self._source, beside)

    def _stored(self, arrivals: Sequence[Arrival]) -> list[Outcome]:
        batch = self._ingest.read(arrivals)
        waits, waited = delays(_LONGEST_WAIT_SECONDS), 0.0
        while True:
            try:
                return self._ingest.store(batch)
            except StoreTooSlow as error:
                if len(arrivals) > 1:
                    half = len(arrivals) // 2
                    return self._stored(arrivals[:half]) + self._stored(arrivals[half:])
                fault: StoreUnavailable = error
            except StoreUnavailable as error:
                fault = error
            if waited >= self._patience_seconds:
                raise fault
            delay = next(waits)
            log.warning("store_away", reason=str(fault), retry_seconds=round(delay, 2))
            self._sleep(delay)
            waited += max(delay, 0.05)
