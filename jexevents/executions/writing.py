"""How the queue is written: what is decided, is decided with its rows locked.

Each change is one transaction: so of a late report and a judgement the one that comes first counts,
and the other changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from jexevents.executions.events import Named
from jexevents.executions.run import AnyRun, run_of_json
from jexevents.executions.telling import Tell, tells_nobody
from jexevents.lifecycle import command
from jexevents.model import Event, Outcome
from jexevents.observers import NOBODY, RunObserver
from jexevents.store import audit
from jexevents.store.database import Connection, Database
from jexevents.store.ledger import Ledger
from jexevents.store.literals import array
from jexevents.store.offers import Applied
from jexevents.store.queries import QUERIES

LEASE_SECONDS = 60.0

# Done in a transaction, beside what it is for.
Also = Callable[[Connection], object]


class QueueWriter:
    """Writes the queue of a ledger for the node ``node``.

    ``tell`` writes what hooks of the jobs get; ``wake`` is called with their names. ``ring`` is
    called when somebody may have something to begin, ``ended`` with the name of the event by which
    an attempt ended. ``observer`` hears how long attempts waited and went on.
    """

    def __init__(
        self,
        ledger: Ledger,
        database: Database,
        node: str,
        *,
        tell: Tell = tells_nobody,
        wake: Callable[[Collection[str]], None] = lambda _hooks: None,
        ring: Callable[[], None] = lambda: None,
        ended: Callable[[str], None] = lambda _end: None,
        lease_seconds: float = LEASE_SECONDS,
        observer: RunObserver = NOBODY,
    ) -> None:
        self._ledger = ledger
        self._database = database
        self._node = node
        self._tell = tell
        self._wake = wake
        self._ring = ring
        self._tell_end = ended
        self._lease_seconds = lease_seconds
        self._observer = observer

    def _write(
        self,
        decide: Callable[[Connection], Sequence[Event]],
        runs: Callable[[], Mapping[str, AnyRun]],
    ) -> None:
        """Store what is decided, and what hooks of the jobs get of it."""
        told: Sequence[Event] = ()
        woken: Collection[str] = ()
        ends: Sequence[str] = ()

        def first(connection: Connection) -> Sequence[Event]:
            nonlocal told
            told = decide(connection)
            return told

        def also(connection: Connection, applied: Sequence[Applied]) -> None:
            nonlocal woken, ends
            known = runs()
            fresh = [
                (event, one, known[one.job_id])
                for event, one in zip(told, applied, strict=True)
                if one.outcome is Outcome.ACCEPTED and one.job_id in known
            ]
            ends = [end for event, _, _ in fresh if (end := command.end_of(event)) is not None]
            woken = self._tell(connection, fresh) if fresh else ()

        self._ledger.apply([], also=also, decide=first)
        for end in ends:
            self._tell_end(end)
        if woken:
            self._wake(woken)


class Queued:
    """A row of the queue, locked."""

    def __init__(
        self,
        job_id: str,
        execution: int,
        definition: str,
        attempt: int,
        _priority: int,
        node: str | None,
        claim: int,
        begun_at: datetime | None,
        run: Mapping[str, Any],
        detail: str,
    ) -> None:
        self.job_id = job_id
        self.named = Named(execution, definition, detail)
        self.attempt = attempt
        self.node = node
        self.claim = claim
        self.begun_at = begun_at
        self.what = run_of_json(run)


def queued_rows(connection: Connection, job_ids: Collection[str]) -> dict[str, Queued]:
    """Lock what waits or is begun of these executions; give it by their jobs' ids."""
    rows = QUERIES.execution_queue.lock_queued(connection, job_ids=array(job_ids))
    return {row[0]: Queued(*row) for row in rows}


def noted(named: Named, action: str, by: str, **more: str) -> Also:
    """Give what writes into the audit that somebody did something with an execution."""
    of = "task" if named.detail else "job"
    detail = {of: named.definition, "execution": named.text, **more}
    return partial(audit.note, action=action, detail=detail, credential=by)
