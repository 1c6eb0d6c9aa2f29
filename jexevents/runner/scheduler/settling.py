"""What becomes of the due times of one schedule, as what is to be asked for and written; pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, MutableMapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from jexevents import rfc3339
from jexevents.definitions.definition import Definition
from jexevents.executions.requests import BY_SCHEDULE, Asked
from jexevents.faults import fit
from jexevents.schedules import (
    Backlog,
    Decision,
    Due,
    Outcome,
    Schedule,
    Settlement,
    Span,
    settle_found,
    turn,
)
from jexevents.store.schedules import ScheduleRow, Standing, Told

_REASON_CHARACTERS = 2000
_UNDEFINED = "No job of this name is defined any more."


class Item(NamedTuple):
    """A due time with what is written of it, its turn, and the execution that is asked for."""

    told: Told
    turn: tuple[datetime, int]
    asked: Asked | None


class Facts(NamedTuple):
    """What is known beside the schedules.

    ``standings`` are those of jobs that were taken off the active list, ``busy`` names what of a
    job goes on; whoever settles adds what begins.
    """

    now: datetime
    looked_at: datetime | None
    standings: Mapping[str, Standing]
    busy: MutableMapping[str, str]


@dataclass(frozen=True, slots=True)
class Found:
    """A schedule whose time has come, and its due times, of which some may have their rows."""

    row: ScheduleRow
    schedule: Schedule
    backlog: Backlog


@dataclass(frozen=True, slots=True)
class Settled:
    """A schedule with what becomes of each of its due times."""

    row: ScheduleRow
    schedule: Schedule
    items: tuple[Item, ...]

    def refused(self, outcome: Outcome, reason: str) -> Settled:
        """Give it with that outcome for all that would have run."""
        return replace(
            self,
            items=tuple(
                item._replace(told=_refused(item.told, outcome, reason), asked=None)
                if item.asked is not None
                else item
                for item in self.items
            ),
        )


def settled(
    found: Found, definition: Definition | None, known: Collection[tuple[int, str]], facts: Facts
) -> Settled:
    """Decide about all due times that have no row yet; ``definition`` is the one in force."""
    row, schedule = found.row, found.schedule
    forbids = _forbids(definition)
    standing = facts.standings.get(row.definition)
    decided = settle_found(
        schedule,
        _undecided(found, known),
        facts.now,
        last_seen=facts.looked_at,
        paused=standing is not None and not standing.active,
        active_since=standing.changed_at if standing is not None and standing.active else None,
        running=facts.busy.get(row.definition),
        forbids=forbids,
    )
    whole = Settled(row, schedule, tuple(_items(row, schedule, decided)))
    if definition is None:
        return whole.refused(Outcome.MISSED, _UNDEFINED)
    for item in whole.items:
        if item.asked is not None:
            facts.busy.setdefault(
                row.definition, f"The run that was due at {rfc3339.format_utc(item.told.due_at)}"
            )
    return whole


def _forbids(definition: Definition | None) -> bool:
    """Whether a second run is forbidden; of a job that does nothing none ever goes on."""
    if definition is None or definition.does_nothing:
        return False
    return definition.concurrency == "forbid"


def _undecided(found: Found, known: Collection[tuple[int, str]]) -> Backlog:
    number, older = found.row.id, found.backlog.older
    dues = tuple(due for due in found.backlog.dues if (number, due.identity) not in known)
    if older is not None:
        # A look that goes further back finds what was decided, too.
        after = max(older.after, found.row.decided_until)
        older = Span(after, older.until) if after < older.until else None
    return Backlog(older, dues)


def _items(row: ScheduleRow, schedule: Schedule, decided: Settlement) -> list[Item]:
    items = []
    if decided.older is not None:
        span, decision = decided.older
        identity = f"{span.after.isoformat()}/{span.until.isoformat()}"
        told = Told(row.id, identity, span.until, span.after, *_said(decision))
        items.append(Item(told, (span.until, 0), None))
    for due, decision in decided.decisions:
        told = Told(row.id, due.identity, due.at, None, *_said(decision))
        asked = _asked(row, due, decision) if decision.runs else None
        items.append(Item(told, turn(schedule, due), asked))
    return items


def _asked(row: ScheduleRow, due: Due, decision: Decision) -> Asked:
    told = {
        "due_at": rfc3339.format_utc(due.at),
        "due": due.identity,
        "place": row.place,
        "outcome": decision.outcome.value,
    }
    return Asked(row.definition, by=BY_SCHEDULE, trigger=BY_SCHEDULE, schedule=told)


def _said(decision: Decision) -> tuple[str, str]:
    return decision.outcome.value, decision.reason


def _refused(told: Told, outcome: Outcome, reason: str) -> Told:
    return told._replace(outcome=outcome.value, reason=fit(reason, _REASON_CHARACTERS))
