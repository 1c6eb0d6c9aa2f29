"""Which URLs of a job's definition get an event of its execution."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from jexevents.executions.run import AnyRun
from jexevents.model import Event
from jexevents.store import definition_hooks
from jexevents.store.database import Connection
from jexevents.store.definition_hooks import Wanted
from jexevents.store.offers import Applied

# Writes deliveries for events that are new, with what is run of their execution; gives the hooks.
Tell = Callable[[Connection, Sequence[tuple[Event, Applied, AnyRun]]], Collection[str]]


def tells_nobody(
    _connection: Connection, _told: Sequence[tuple[Event, Applied, AnyRun]]
) -> Collection[str]:
    """Do nothing."""
    return ()


def tell(connection: Connection, told: Sequence[tuple[Event, Applied, AnyRun]]) -> set[str]:
    """Write deliveries for events that are new, by what is run of their executions.

    The name of an event is the status that hooks are for. Gives the names of the hooks, to be woken
    when the transaction has committed.
    """
    last: dict[str, int] = {}
    for _, applied, _ in told:
        last[applied.job_id] = max(applied.seq, last.get(applied.job_id, 0))
    wanted = [
        Wanted(applied.seq, applied.job_id, url, applied.seq == last[applied.job_id])
        for event, applied, run in told
        for url in run.hooks.get(event.name, ())
    ]
    return definition_hooks.write(connection, wanted)
