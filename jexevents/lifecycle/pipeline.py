"""The life of a PipelineJob, as a fold of the events of its doors and of callbacks.

``EDGES`` is the whole state machine: for each event the states that allow it, and where it leads
(seed pipelinejobs-manager; facts: the edges). Two kinds of events drive it, and the fold treats
them differently:

- **Events of the event doors** are named by the edge, ``run`` or ``index``. Whether the state
  allows one is decided when it comes in, under the job's lock. It gets an instant behind all
  that the job knew by then (``instant``), so the fold has these events in the order in which
  they were let in. One that closes the job or opens it again stands then, whatever callback
  turns out to be older; any other is history if older callbacks leave no edge for it.
- **Callbacks** are named by who sent them and the status, ``agave.FINISHED``. They come late,
  twice and out of order, and are never refused: ordered by their own time (``order``), each does
  what its status means if the state there allows it, and is history if not.

A callback that says FINISHED where the job was never said to run implies the run: a step of the
fold, no event. ``steps`` shows it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple, Protocol

from jexevents.lifecycle.canonical import canonical
from jexevents.lifecycle.order import Key, Tail, extend, fold_on, placed
from jexevents.lifecycle.sealing import opened
from jexevents.model import Phase, Position

CREATED, RUNNING, FAILED, FINISHED = "CREATED", "RUNNING", "FAILED", "FINISHED"
INDEXING, VALIDATING, VALIDATED, REJECTED = "INDEXING", "VALIDATING", "VALIDATED", "REJECTED"
FINALIZED, RETIRED, RESET = "FINALIZED", "RETIRED", "RESET"
STATES = (
    CREATED,
    RUNNING,
    FAILED,
    FINISHED,
    INDEXING,
    VALIDATING,
    VALIDATED,
    REJECTED,
    FINALIZED,
    RETIRED,
    RESET,
)

CREATE = "create"


def _all_to(target: str, *sources: str) -> dict[str, str]:
    return dict.fromkeys(sources, target)


def _staying(*states: str) -> dict[str, str]:
    return {state: state for state in states}


EDGES: Mapping[str, Mapping[str, str]] = {
    CREATE: _staying(CREATED),
    "run": _all_to(RUNNING, CREATED, RUNNING),
    "update": _staying(CREATED, RUNNING, INDEXING, VALIDATING),
    "resource": _staying(CREATED, RUNNING),
    "fail": _all_to(FAILED, CREATED, RUNNING, INDEXING, VALIDATING),
    "finish": _all_to(FINISHED, RUNNING, FINISHED),
    "index": _all_to(INDEXING, FINISHED, INDEXING),
    "indexed": _all_to(FINISHED, FINISHED, INDEXING),
    "validate": _all_to(VALIDATING, FINISHED, VALIDATED),
    "validated": _all_to(VALIDATED, VALIDATING, VALIDATED),
    "reject": _all_to(REJECTED, VALIDATING),
    "finalize": _all_to(FINALIZED, VALIDATED),
    "retire": _all_to(RETIRED, FAILED, FINISHED, VALIDATING, VALIDATED, REJECTED, FINALIZED),
    "reset": _all_to(RESET, *STATES),
    "ready": _all_to(CREATED, RESET),
}
# Where an edge leads that leads anywhere; the others stay where they are.
_TARGETS = {
    name: target
    for name, edges in EDGES.items()
    for source, target in edges.items()
    if source != target
}
# What anybody may send who has the job's token, and what only administrators may.
ADMINISTRATIVE = frozenset(("reset", "ready"))
SENDABLE = tuple(name for name in EDGES if name != CREATE)

_ENDED = {
    FINISHED: Phase.COMPLETE,
    VALIDATED: Phase.COMPLETE,
    FINALIZED: Phase.COMPLETE,
    FAILED: Phase.ERROR,
    REJECTED: Phase.ERROR,
    RETIRED: Phase.COMPLETE,
}
_PHASES = {
    **_ENDED,
    CREATED: Phase.QUEUED,
    RESET: Phase.QUEUED,
    RUNNING: Phase.RUNNING,
    INDEXING: Phase.RUNNING,
    VALIDATING: Phase.RUNNING,
}
# Only what administrators do, and retiring, leads on from here.
_CLOSED = frozenset((FAILED, REJECTED, FINALIZED, RETIRED))
# What closes a job or opens it again stands once it was let in.
_STANDING = frozenset(("fail", "reject", "finalize", "retire", "reset", "ready"))

_RESOURCE = (
    "CREATED",
    "ACCEPTED",
    "PENDING",
    "PROCESSING_INPUTS",
    "STAGING_INPUTS",
    "STAGED",
    "STAGING_JOB",
    "SUBMITTING",
    "SUBMITTING_JOB",
    "QUEUED",
    "PAUSED",
    "BLOCKED",
    "PERMISSION_GRANT",
    "PERMISSION_REVOKE",
)
_LATE_RESOURCE = ("CLEANING_UP", "ARCHIVING", "ARCHIVING_FINISHED")
# What a status of Agave or of Tapis means, in the order in which they follow each other where
# they have the same time, which is often: it is that of a second.
STATUSES: Mapping[str, str] = {
    **dict.fromkeys(_RESOURCE, "resource"),
    "RUNNING": "run",
    "UPDATED": "update",
    "HEARTBEAT": "update",
    **dict.fromkeys(_LATE_RESOURCE, "resource"),
    "FINISHED": "finish",
    **dict.fromkeys(("KILLED", "STOPPED", "CANCELLED"), "fail"),
    **dict.fromkeys(("ARCHIVING_FAILED", "FAILED", "DELETED"), "fail"),
}
UNKNOWN_STATUS = "update"
_RANKS = {status: rank for rank, status in enumerate(STATUSES, 1)}
_UNKNOWN_RANK = _RANKS["HEARTBEAT"]

# Who sends callbacks. The name of the event is one of these, a dot, and the status.
AGAVE, TAPIS = "agave", "tapis"

_STEP = timedelta(microseconds=1)
# A job's story begins with its creation, whatever the clocks of others say.
_BEGIN = datetime.min.replace(tzinfo=timezone.utc)


class PipelineEvent(Protocol):
    """What the fold needs of an event; jexevents.model.Event has it, so have stored rows."""

    name: str
    occurred_at: datetime
    checksum: bytes
    position: Position | None
    data: Mapping[str, Any]


@dataclass(slots=True)
class PipelineState:
    """What the events so far make of a job. A fresh one is a job that nothing is known of.

    ``last_event`` is the last one that the state allowed, by the edge's name, ``updated_at`` its
    time. ``sent`` is the digest of the last event of an event door.
    """

    state: str = CREATED
    closed: bool = False
    submitter: str | None = None
    submitted_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    exit_code: int | None = None
    reason: str | None = None
    after_error: bool = False
    last_event: str | None = None
    updated_at: datetime | None = None
    sent: str | None = None
    pipeline_uuid: str | None = None
    archive_path: str | None = None
    archive_system: str | None = None
    session: str | None = None
    agent: str | None = None
    task: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    tail: Tail | None = None

    @property
    def phase(self) -> Phase:
        """The phase that the state stands for."""
        if self.state == RETIRED and self.after_error:
            return Phase.CANCELLED
        return _PHASES[self.state]


FACTS = tuple(each.name for each in fields(PipelineState) if each.name != "tail")
# What a creation says, under the names that it has in the state.
CREATION = (
    "pipeline_uuid",
    "archive_path",
    "archive_system",
    "session",
    "agent",
    "task",
    "data",
)


class Step(NamedTuple):
    """One step of the fold: the edge's name, from where to where, and the event behind it.

    ``moved`` is false for a callback that came where the state did not allow it: history.
    ``implied`` is true for a step that no event says, only the next one implies.
    """

    name: str
    before: str
    after: str
    moved: bool
    implied: bool
    event: PipelineEvent


def is_callback(name: str) -> bool:
    """Whether an event of this name is a callback, and not one of an event door."""
    return status_of(name) is not None


def status_of(name: str) -> str | None:
    """Give the status that a callback of this name tells, None for an event of an event door."""
    _, dot, status = name.partition(".")
    return status if dot else None


def edge_of(name: str) -> str:
    """Give the edge that an event of this name is about: its own, or that of the status."""
    status = status_of(name)
    return name if status is None else STATUSES.get(status, UNKNOWN_STATUS)


def allowed(state: str) -> list[str]:
    """Give the events that a state allows, those of administrators included."""
    return [name for name in SENDABLE if state in EDGES[name]]


def digest(name: str, data: Mapping[str, Any]) -> str:
    """Give what tells whether an event of an event door says the same as another."""
    text = canonical([name, data])
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def instant(state: PipelineState, now: datetime) -> datetime:
    """Give the time of an event that is let in now: behind all that the job knows already.

    The clocks of others may be ahead of ours.
    """
    return now if state.tail is None else max(now, state.tail.key[0] + _STEP)


def fold(events: Iterable[PipelineEvent]) -> PipelineState:
    """Make the state of a job from all its events, given in any order.

    Of a sealed job it is the state that its sealed event holds.
    """
    state, rest = opened(PipelineState, events)
    for place, event in placed(_key, rest):
        _apply(state, place, event)
    return state


def steps(events: Iterable[PipelineEvent]) -> Iterator[Step]:
    """Give what the fold does, step by step."""
    state, rest = opened(PipelineState, events)
    for place, event in placed(_key, rest):
        yield from _apply(state, place, event)


def in_order(events: Iterable[PipelineEvent]) -> list[PipelineEvent]:
    """Sort events into the order of the fold."""
    return [event for _, event in placed(_key, events)]


def advance(state: PipelineState, events: Sequence[PipelineEvent]) -> bool:
    """Fold more events into ``state`` in place; False if one of them is not next in order.

    On False the state is of no use any more: the caller has to fold all events of the job.
    """
    return fold_on(state, placed(_key, events), _apply)


def _key(event: PipelineEvent) -> Key:
    status = status_of(event.name)
    rank = 0 if status is None else _RANKS.get(status, _UNKNOWN_RANK)
    at = _BEGIN if event.name == CREATE else event.occurred_at
    return at, rank, event.checksum


def _apply(state: PipelineState, place: Key, event: PipelineEvent) -> list[Step]:
    state.tail = extend(state.tail, place, event.position)
    if event.name == CREATE:
        _create(state, event)
    if is_callback(event.name):
        return _called_back(state, event)
    state.sent = digest(event.name, event.data)
    after = EDGES[event.name].get(state.state)
    if after is None and event.name in _STANDING:
        after = _TARGETS[event.name]
    if after is None:
        return [Step(event.name, state.state, state.state, False, False, event)]
    return [_move(state, event, event.name, after)]


def _called_back(state: PipelineState, event: PipelineEvent) -> list[Step]:
    edge = edge_of(event.name)
    made = []
    if edge == "finish" and state.state == CREATED:
        made.append(_move(state, event, "run", RUNNING, implied=True))
    after = EDGES[edge].get(state.state)
    if after is None:
        return [*made, Step(edge, state.state, state.state, False, False, event)]
    return [*made, _move(state, event, edge, after)]


def _create(state: PipelineState, event: PipelineEvent) -> None:
    for name in CREATION:
        if name in event.data:
            setattr(state, name, event.data[name])
    state.submitted_at = event.occurred_at


def _move(
    state: PipelineState, event: PipelineEvent, edge: str, after: str, *, implied: bool = False
) -> Step:
    before, at = state.state, event.occurred_at
    if after == RETIRED and before != RETIRED:
        state.after_error = before in (FAILED, REJECTED)
    state.state, state.closed = after, after in _CLOSED
    _date(state, before, at)
    state.last_event, state.updated_at = edge, at
    if after != before or edge == "fail":
        state.reason = _reason(event)
    return Step(edge, before, after, True, implied, event)


def _date(state: PipelineState, before: str, at: datetime) -> None:
    """Note when the job began and when it ended; what goes on has not ended."""
    after = state.state
    if after in (CREATED, RESET):
        state.started_at = state.finished_at = None
    elif after in _ENDED:
        state.finished_at = state.finished_at or at
    else:
        state.finished_at = None
    if after == RUNNING and before in (CREATED, RESET):
        state.started_at = at


def _reason(event: PipelineEvent) -> str | None:
    """Give why the job is where it is, in the words of who said it, if there are any."""
    for name in ("reason", "message", "lastStatusMessage"):
        text = event.data.get(name)
        if isinstance(text, str) and text:
            return text
    return status_of(event.name) if edge_of(event.name) == "fail" else None
