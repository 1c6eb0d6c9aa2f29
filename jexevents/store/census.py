"""How many there are of those who work with the ledger, and of what they are told to do."""

from __future__ import annotations

import time

from jexevents.observers import LedgerUse
from jexevents.store.database import Database
from jexevents.store.nodes import lock_prefix
from jexevents.store.queries import QUERIES
from jexevents.store.tasks import STATUSES
from jexevents.store.workers import SEEN_SECONDS

# How a process that runs executions can stand.
WORKING, DRAINING, AWAY = "working", "draining", "away"
STANDINGS = (WORKING, DRAINING, AWAY)


def count(database: Database) -> LedgerUse:
    """Count all of it, in some milliseconds. Raises StoreUnavailable."""
    with database.look() as connection:
        queries = QUERIES.census
        workers = queries.count_workers(
            connection, seen_seconds=SEEN_SECONDS, lock_prefix=lock_prefix(database)
        )
        tasks = dict(queries.count_tasks(connection))
        schedules = queries.count_schedules(connection)
        disabled = [name for (name,) in queries.disabled_hooks(connection)]
    counts = {state: number for state, number, _ in workers}
    return LedgerUse(
        time.time(),
        {state: counts.get(state, 0) for state in STANDINGS},
        sum(slots for state, _, slots in workers if state != AWAY),
        {status: tasks.get(status, 0) for status in STATUSES},
        schedules,
        disabled,
    )
