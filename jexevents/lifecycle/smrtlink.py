"""The life of a job of SMRT Link, as a fold of the changes of state that its system tells.

=========================== ========= ======
state                       phase     closes
=========================== ========= ======
CREATED, SUBMITTED          QUEUED    no
RUNNING                     RUNNING   no
UNKNOWN                     as it was no
SUCCESSFUL                  COMPLETE  yes
FAILED                      ERROR     yes
TERMINATED, ABORTED         CANCELLED yes
=========================== ========= ======

Changes are ordered by their own time, then as the table has them, then by checksum. Of two that
close a job the first stands, and nothing leads on from there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Protocol

from jexevents.lifecycle.order import Key, Tail, extend, fold_on, placed
from jexevents.lifecycle.sealing import opened
from jexevents.model import Phase, Position

# The type and version of the events that tell of jobs.
CHANGE = ("smrtlink_job_change_state", 1)

CREATED, SUBMITTED, RUNNING, UNKNOWN = "CREATED", "SUBMITTED", "RUNNING", "UNKNOWN"
_QUEUED = (CREATED, SUBMITTED)
_ENDED = {
    "SUCCESSFUL": Phase.COMPLETE,
    "FAILED": Phase.ERROR,
    "TERMINATED": Phase.CANCELLED,
    "ABORTED": Phase.CANCELLED,
}
STATES = (*_QUEUED, RUNNING, UNKNOWN, *_ENDED)
_RANKS = {state: rank for rank, state in enumerate(STATES)}
# As the seed's example has it.
_MISSPELT = {"SUCCCESSFUL": "SUCCESSFUL"}


class SmrtLinkEvent(Protocol):
    """What the fold needs of an event; jexevents.model.Event has it, so have stored rows."""

    name: str
    occurred_at: datetime
    checksum: bytes
    position: Position | None
    data: Mapping[str, Any]


@dataclass(slots=True)
class SmrtLinkState:
    """What the events so far make of a job. A fresh one is a job that nothing is known of."""

    state: str = CREATED
    closed: bool = False
    submitter: str | None = None
    submitted_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    exit_code: int | None = None
    reason: str | None = None
    job_type: str | None = None
    tail: Tail | None = None

    @property
    def phase(self) -> Phase:
        """The phase that the state stands for."""
        if self.state in _ENDED:
            return _ENDED[self.state]
        begun = self.state == RUNNING or (self.state == UNKNOWN and self.started_at is not None)
        return Phase.RUNNING if begun else Phase.QUEUED


FACTS = tuple(each.name for each in fields(SmrtLinkState) if each.name != "tail")


def state_of(event: SmrtLinkEvent) -> str:
    """Give the state that an event tells."""
    told = event.data["message"]["state"]
    return _MISSPELT.get(told, told)


def fold(events: Iterable[SmrtLinkEvent]) -> SmrtLinkState:
    """Make the state of a job from all its events, given in any order.

    Of a sealed job it is the state that its sealed event holds.
    """
    state, rest = opened(SmrtLinkState, events)
    for place, event in placed(_key, rest):
        _apply(state, place, event)
    return state


def advance(state: SmrtLinkState, events: Sequence[SmrtLinkEvent]) -> bool:
    """Fold more events into ``state`` in place; False if one of them is not next in order.

    On False the state is of no use any more: the caller has to fold all events of the job.
    """
    return fold_on(state, placed(_key, events), _apply)


def in_order(events: Iterable[SmrtLinkEvent]) -> list[SmrtLinkEvent]:
    """Sort events into the order of the fold."""
    return [event for _, event in placed(_key, events)]


def _key(event: SmrtLinkEvent) -> Key:
    return event.occurred_at, _RANKS[state_of(event)], event.checksum


def _apply(state: SmrtLinkState, place: Key, event: SmrtLinkEvent) -> None:
    state.tail = extend(state.tail, place, event.position)
    if state.closed:
        return
    told, at = state_of(event), event.occurred_at
    state.state = told
    state.job_type = event.data["message"]["jobTypeId"]
    if told in _QUEUED:
        state.submitted_at = state.submitted_at or at
    elif told == RUNNING:
        state.started_at = state.started_at or at
    elif told in _ENDED:
        state.closed, state.finished_at = True, at
