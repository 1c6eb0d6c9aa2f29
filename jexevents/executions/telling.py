"""Which URLs of a job's definition get an event of its execution."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from jexevents.executions.run import AnyRun
from jexevents.lifecycle import command
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

    The name of an event is the status that hooks are for; an end behind which another attempt
    follows is told by ``retried`` alone, which is written in the same transaction. Gives the names
    of the hooks, to be woken when the transaction has committed.
    """
    last: dict[str, int] = {}
    for _, applied, _ in told:
        last[applied.job_id] = max(applied.seq, last.get(applied.job_id, 0))
    passing = _passing(told)
    wanted = [
        Wanted(applied.seq, applied.job_id, url, applied.seq == last[applied.job_id])
        for event, applied, run in told
        if (applied.job_id, event.checksum) not in passing
        for url in run.hooks.get(event.name, ())
    ]
    return definition_hooks.write(connection, wanted)


def _passing(told: Sequence[tuple[Event, Applied, AnyRun]]) -> set[tuple[str | None, bytes]]:
    """Give what ends an attempt that another one follows, by job id and checksum."""
    by_job: dict[str | None, list[Event]] = {}
    for event, applied, _ in told:
        by_job.setdefault(applied.job_id, []).append(event)
    return {
        (job_id, checksum)
        for job_id, events in by_job.items()
        for checksum in command.passing(events)
    }
