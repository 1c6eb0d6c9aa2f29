"""The life of an execution that we run, command or container, as a fold of its attempts' events.

=================  ==========================================  =========  =========
event              by whom                                     state      phase
=================  ==========================================  =========  =========
requested          the daemon: by whom, of what                QUEUED     QUEUED
claimed            the daemon: which node takes it             QUEUED     QUEUED
start              the supervisor                              RUNNING    RUNNING
stop               the supervisor, which sent the signal       STOPPED    RUNNING
continue           the supervisor, which sent the signal       RUNNING    RUNNING
complete           the supervisor                              COMPLETE   COMPLETE
fail               the supervisor                              FAILED     ERROR
fail               the same, after a request to terminate or   KILLED     CANCELLED
                   to kill
time-out           the supervisor                              TIMED-OUT  ERROR
cancelled          the daemon: before it began                 CANCELLED  CANCELLED
lost               the daemon: the attempt is given up         LOST       ERROR
retried            the daemon: a next attempt follows          QUEUED     QUEUED
any, by the job    the job itself, or a person: its status     as it was  as it was
=================  ==========================================  =========  =========

What daemon and supervisor did by themselves has ``auto``: true in its data; what the supervisor
did to the job's processes on request names the ``signal``. An event with neither is a word of the
job, be it called ``complete`` or ``lost``: it sets the status, and never the state.

Events go by attempt, then by their number in it (``attempt`` and ``sequence`` of their data);
clocks have no say. What the daemon does before the job begins has the number 0. Of ``lost`` it
is the last number that was known: so what is told of that attempt later comes behind, and
changes nothing. What ends an attempt absorbs all that follows, until ``retried``, the first event
of the next attempt, opens the job again; it does so only after FAILED, TIMED-OUT and LOST.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta, timezone
from typing import Any, Protocol

from jexevents.lifecycle.executionid import micros
from jexevents.lifecycle.order import Key, Tail, extend, fold_on, placed
from jexevents.lifecycle.sealing import opened
from jexevents.model import INSERTED, SEALED, Phase, Position

QUEUED, RUNNING, STOPPED, COMPLETE = "QUEUED", "RUNNING", "STOPPED", "COMPLETE"
FAILED, TIMED_OUT, CANCELLED = "FAILED", "TIMED-OUT", "CANCELLED"
KILLED, LOST = "KILLED", "LOST"

PHASES = {
    QUEUED: Phase.QUEUED,
    RUNNING: Phase.RUNNING,
    STOPPED: Phase.RUNNING,
    COMPLETE: Phase.COMPLETE,
    FAILED: Phase.ERROR,
    TIMED_OUT: Phase.ERROR,
    CANCELLED: Phase.CANCELLED,
    KILLED: Phase.CANCELLED,
    LOST: Phase.ERROR,
}
STATES = tuple(PHASES)

REQUESTED, CLAIMED, RETRIED = "requested", "claimed", "retried"
CANCEL, LOSE = "cancelled", "lost"
START, STOP, CONTINUE = "start", "stop", "continue"
COMPLETES, FAILS, TIMES_OUT = "complete", "fail", "time-out"
# The events that the supervisor makes by itself; the last three alone end an execution.
AUTOMATIC = (START, COMPLETES, FAILS, TIMES_OUT)
# What sends a signal, where it is asked for over HTTP.
SIGNALS = (STOP, CONTINUE, "terminate", "kill")
# What no event of a job or a person may be called: parts of URLs, and events of the ledger's own.
REFUSED_NAMES = ("stdout", "stderr", "output", "schedule", INSERTED, SEALED)
# What the end of an attempt can be called where somebody asked for it.
ON_REQUEST = ("terminated", "killed")

# The status of an execution by its state, where the job has said none of its own.
_STATUSES = {
    QUEUED: REQUESTED,
    RUNNING: START,
    STOPPED: STOP,
    COMPLETE: COMPLETES,
    FAILED: FAILS,
    KILLED: FAILS,
    TIMED_OUT: TIMES_OUT,
    CANCELLED: CANCEL,
    LOST: LOSE,
}

# Of events of one attempt and number, this is the order.
_RANKS = {REQUESTED: 0, RETRIED: 0, CLAIMED: 1, CANCEL: 2, LOSE: 4}
_OWN_RANK = 3
_ENDS = (COMPLETES, FAILS, TIMES_OUT, LOSE, CANCEL)
_RETRIABLE = (FAILED, TIMED_OUT, LOST)

# Attempts and numbers are kept where the order of the fold has an instant: a day an attempt, a
# microsecond a number.
_BEGIN = datetime.min.replace(tzinfo=timezone.utc)
_MOST_ATTEMPTS = 1_000_000
_MOST_EVENTS = 86_400_000_000 - 1


class CommandEvent(Protocol):
    """What the fold needs of an event; jexevents.model.Event has it, so have stored rows."""

    name: str
    occurred_at: datetime
    checksum: bytes
    position: Position | None
    data: Mapping[str, Any]


@dataclass(slots=True)
class CommandState:
    """What the events so far make of an execution. A fresh one is one that nothing is known of.

    ``status`` is the job's own word, None before it says one. Dates, node, exit and status are
    those of the current ``attempt``; ``claim`` is the number of the claim that the node has.
    ``execution`` is the id in microseconds. A command has ``definition`` and ``commit``, a
    container the name of its ``task``, the ``image``, its ``result_id`` and its ``number`` in that.
    """

    state: str = QUEUED
    closed: bool = False
    submitter: str | None = None
    submitted_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    exit_code: int | None = None
    exit_signal: int | None = None
    reason: str | None = None
    attempt: int = 1
    status: str | None = None
    node: str | None = None
    claim: int = 0
    definition: str | None = None
    commit: str | None = None
    execution: int | None = None
    task: str | None = None
    image: str | None = None
    result_id: int | None = None
    number: int | None = None
    tail: Tail | None = None

    @property
    def phase(self) -> Phase:
        """The phase that the state stands for."""
        return PHASES[self.state]

    @property
    def shown_status(self) -> str:
        """The status as everybody is told it; see ``status_of``."""
        return status_of(self.state, self.closed, self.status)


FACTS = tuple(each.name for each in fields(CommandState) if each.name != "tail")


def attempt_of(event: CommandEvent) -> int:
    """Give the attempt that an event belongs to, 1 for the first."""
    return _number(event, "attempt", 1, _MOST_ATTEMPTS)


def sequence_of(event: CommandEvent) -> int:
    """Give the number of an event in its attempt; see above for those of the daemon."""
    return _number(event, "sequence", 0, _MOST_EVENTS)


def status_of(state: str, closed: bool, own: str | None) -> str:
    """Give the status of an execution: the job's ``own`` word while it goes on, else what
    happened."""
    return (None if closed else own) or _STATUSES[state]


def is_own(event: CommandEvent) -> bool:
    """Whether an event is a word of the job, which sets its status and nothing else."""
    signalled = event.name in SIGNALS and _text(event, "signal")
    return event.data.get("auto") is not True and not signalled


def end_of(event: CommandEvent) -> str | None:
    """Say how the attempt ended that an event ends: the event's name, or ``killed`` where somebody
    asked for that; None for an event that ends none."""
    if is_own(event) or event.name not in _ENDS:
        return None
    return "killed" if event.data.get("reason") in ON_REQUEST else event.name


def passing(events: Iterable[CommandEvent]) -> set[bytes]:
    """Of events of one execution that are told together, give the checksums of those that end an
    attempt which another one follows: who waits for an end has to wait on."""
    told = list(events)
    ended = {attempt_of(one) - 1 for one in told if one.name == RETRIED and not is_own(one)}
    return {
        one.checksum
        for one in told
        if ended and attempt_of(one) in ended and end_of(one) is not None
    }


def fold(events: Iterable[CommandEvent]) -> CommandState:
    """Make the state of an execution from all its events, given in any order.

    Of a sealed job it is the state that its sealed event holds.
    """
    state, rest = opened(CommandState, events)
    for place, event in placed(_key, rest):
        _apply(state, place, event)
    return state


def in_order(events: Iterable[CommandEvent]) -> list[CommandEvent]:
    """Sort events into the order of the fold."""
    return [event for _, event in placed(_key, events)]


def advance(state: CommandState, events: Sequence[CommandEvent]) -> bool:
    """Fold more events into ``state`` in place; False if one of them is not next in order.

    On False the state is of no use any more: the caller has to fold all events of the job.
    """
    return fold_on(state, placed(_key, events), _apply)


def _key(event: CommandEvent) -> Key:
    place = timedelta(days=attempt_of(event), microseconds=sequence_of(event))
    rank = _OWN_RANK if is_own(event) else _RANKS.get(event.name, _OWN_RANK)
    return _BEGIN + place, rank, event.checksum


def _apply(state: CommandState, place: Key, event: CommandEvent) -> None:
    state.tail = extend(state.tail, place, event.position)
    if is_own(event):
        if _goes_on(state, event):
            state.status = event.name
    elif event.name == RETRIED:
        _retry(state, event)
    elif event.name == REQUESTED:
        _request(state, event)
    elif _goes_on(state, event):
        _RULES.get(event.name, _nothing)(state, event)


def _goes_on(state: CommandState, event: CommandEvent) -> bool:
    """Whether an event is of the current attempt, which has not ended."""
    return not state.closed and attempt_of(event) == state.attempt


def _request(state: CommandState, event: CommandEvent) -> None:
    state.submitted_at = event.occurred_at
    state.submitter = _text(event, "by")
    state.definition = _text(event, "definition")
    state.commit = _text(event, "commit")
    state.execution = _execution(event)
    state.task, state.image = _text(event, "task"), _text(event, "image")
    state.result_id, state.number = _integer(event, "result"), _integer(event, "detail")


def _claim(state: CommandState, event: CommandEvent) -> None:
    """Note the node; of several claims, which come where one was given back, that of the last."""
    claim = _number(event, "claim", 1, _MOST_ATTEMPTS)
    if claim >= state.claim:
        state.claim, state.node = claim, _text(event, "node")


def _start(state: CommandState, event: CommandEvent) -> None:
    state.state = RUNNING
    state.started_at = state.started_at or event.occurred_at
    state.node = _text(event, "node") or state.node


def _stop(state: CommandState, _event: CommandEvent) -> None:
    if state.state == RUNNING:
        state.state = STOPPED


def _continue(state: CommandState, _event: CommandEvent) -> None:
    if state.state == STOPPED:
        state.state = RUNNING


def _end(state: CommandState, event: CommandEvent, word: str, reason: str | None) -> None:
    state.state, state.closed = word, True
    state.finished_at = event.occurred_at
    state.exit_code = _integer(event, "exit_code")
    state.exit_signal = _integer(event, "exit_signal")
    state.reason = reason


def _complete(state: CommandState, event: CommandEvent) -> None:
    _end(state, event, COMPLETE, None)


def _fail(state: CommandState, event: CommandEvent) -> None:
    asked = event.data.get("reason") in ON_REQUEST
    _end(state, event, KILLED if asked else FAILED, _why_failed(event))


def _why_failed(event: CommandEvent) -> str | None:
    """Say in words how an attempt failed; a cause that somebody gave stands behind it."""
    why, cause = _text(event, "reason"), _text(event, "cause")
    code, signal = _integer(event, "exit_code"), _integer(event, "exit_signal")
    if why in ON_REQUEST:
        told = f"{why.capitalize()} on request"
        return f"{told}: {cause}" if cause else f"{told}."
    if cause:
        return cause
    if signal is not None:
        return f"Ended by signal {signal}."
    return why if code is None else f"Ended with exit status {code}."


def _time_out(state: CommandState, event: CommandEvent) -> None:
    _end(state, event, TIMED_OUT, _text(event, "cause") or "Ran longer than its timeout.")


def _cancel(state: CommandState, event: CommandEvent) -> None:
    if state.state == QUEUED:
        _end(state, event, CANCELLED, _text(event, "cause") or "Cancelled before it began.")


def _lose(state: CommandState, event: CommandEvent) -> None:
    _end(state, event, LOST, _text(event, "reason") or "Given up.")


def _retry(state: CommandState, event: CommandEvent) -> None:
    attempt = attempt_of(event)
    if state.state not in _RETRIABLE or attempt <= state.attempt:
        return
    state.state, state.closed, state.attempt = QUEUED, False, attempt
    state.started_at = state.finished_at = None
    state.exit_code = state.exit_signal = None
    state.status = state.node = None
    state.claim = 0
    state.reason = _text(event, "reason")


def _nothing(_state: CommandState, _event: CommandEvent) -> None:
    """Change nothing: terminate and kill send a signal, and the end tells what came of it."""


_RULES: Mapping[str, Callable[[CommandState, CommandEvent], None]] = {
    CLAIMED: _claim,
    START: _start,
    STOP: _stop,
    CONTINUE: _continue,
    COMPLETES: _complete,
    FAILS: _fail,
    TIMES_OUT: _time_out,
    CANCEL: _cancel,
    LOSE: _lose,
}


def _number(event: CommandEvent, name: str, default: int, most: int) -> int:
    value = event.data.get(name, default)
    return min(max(value, 0), most) if type(value) is int else default


def _integer(event: CommandEvent, name: str) -> int | None:
    """Give a number that a bigint column can hold, None for anything else."""
    value = event.data.get(name)
    return value if type(value) is int and -(2**63) <= value < 2**63 else None


def _execution(event: CommandEvent) -> int | None:
    value = event.data.get("execution")
    return micros(value) if isinstance(value, float) else None


def _text(event: CommandEvent, name: str) -> str | None:
    value = event.data.get(name)
    return value if isinstance(value, str) and value else None
