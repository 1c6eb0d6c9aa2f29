"""The life of a job of HTCondor, as a fold of its log events and of what insertions say.

Status words are those of the JEX interface. The rules are the issue's and HTCondor's manual:

========================================  =====================================
event                                     status after it
========================================  =====================================
000 SUBMIT                                Submitted
001 EXECUTE                               Running
002 EXECUTABLE_ERROR                      Failed
004 JOB_EVICTED                           Submitted
005 JOB_TERMINATED                        Completed if it ended by itself with 0,
                                          else Failed; closes the job
007 SHADOW_EXCEPTION                      Submitted
009 JOB_ABORTED                           Failed; closes the job
010 JOB_SUSPENDED, 011 JOB_UNSUSPENDED    Running
012 JOB_HELD                              Failed, and held
013 JOB_RELEASED                          Submitted
022 JOB_DISCONNECTED, 023 JOB_RECONNECTED Running
024 JOB_RECONNECT_FAILED                  Submitted (it waits for a machine again)
any other                                 unchanged
========================================  =====================================

What changes neither status nor facts (006 most of all, most of a busy log) is left out of the
fold altogether, out of its order too: such events are stored, and the job's row stays as it is.

Only 001, 005, 009 and 013 change a held job; nothing changes a closed one.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Protocol

from jexevents import rfc3339
from jexevents.lifecycle.order import Key, Tail, extend, ordered
from jexevents.lifecycle.sealing import opened
from jexevents.model import INSERTED, Phase, Position

SUBMITTED, RUNNING, COMPLETED, FAILED = "Submitted", "Running", "Completed", "Failed"
SUBMIT = "SUBMIT"

PHASES = {
    SUBMITTED: Phase.QUEUED,
    RUNNING: Phase.RUNNING,
    COMPLETED: Phase.COMPLETE,
    FAILED: Phase.ERROR,
}

# In what order events of one clock reading are told, where no log says: as they most often
# follow each other within a second in real logs (an eviction before the hold that follows
# it, a lost connection before the eviction, an execution before its end).
_TOLD = (
    SUBMIT,
    "JOB_RELEASED",
    "EXECUTE",
    "JOB_SUSPENDED",
    "JOB_UNSUSPENDED",
    "JOB_DISCONNECTED",
    "JOB_RECONNECTED",
    "JOB_RECONNECT_FAILED",
    "EXECUTABLE_ERROR",
    "SHADOW_EXCEPTION",
    "JOB_EVICTED",
    "JOB_HELD",
    "JOB_TERMINATED",
    "JOB_ABORTED",
)
_RANKS = {name: rank for rank, name in enumerate(_TOLD)}
_LAST_RANK = len(_TOLD)

# What Condor's own events have spoken of. Where a bit is not set, an insertion's word stands.
SAID_SUBMITTED, SAID_STARTED, SAID_FINISHED, SAID_EXIT, SAID_FAILURES, SAID_INVOCATION = (
    1 << bit for bit in range(6)
)


class CondorEvent(Protocol):
    """What the fold needs of an event; jexevents.model.Event has it, so have stored rows."""

    name: str
    occurred_at: datetime
    occurred_offset: str | None
    occurred_alt: datetime | None
    checksum: bytes
    position: Position | None
    data: Mapping[str, Any]


@dataclass(slots=True)
class CondorState:
    """What the events so far make of a job. A fresh one is a job that nothing is known of."""

    state: str = SUBMITTED
    held: bool = False
    closed: bool = False
    said: int = 0
    submitter: str | None = None
    submitted_at: datetime | None = None
    submitted_offset: str | None = None
    started_at: datetime | None = None
    started_offset: str | None = None
    finished_at: datetime | None = None
    finished_offset: str | None = None
    exit_code: int | None = None
    exit_signal: int | None = None
    core_file: str | None = None
    reason: str | None = None
    reason_code: int | None = None
    reason_subcode: int | None = None
    starts: int = 0
    submit_host: str | None = None
    execute_host: str | None = None
    invocation_id: str | None = None
    app_id: str | None = None
    batch_id: str | None = None
    command_line: str | None = None
    env_variables: str | None = None
    failure_count: int | None = None
    failure_threshold: int | None = None
    tail: Tail | None = None

    @property
    def phase(self) -> Phase:
        """The phase that the status word stands for."""
        return PHASES[self.state]


FACTS = tuple(field.name for field in fields(CondorState) if field.name != "tail")


def key(event: CondorEvent, submitted: datetime | None = None) -> Key:
    """Give an event's place among those whose logs do not order them.

    In an hour that daylight saving repeats, what would come before the job was ``submitted``
    is taken at its later reading, and so is a closing event, since it ends the story: else
    the clock alone would put the end before the beginning.
    """
    at = event.occurred_at
    if event.name in _CLOSING:
        at = max(at, event.occurred_alt or at)
    elif event.name != SUBMIT:
        at = _not_before(submitted, event)
    return at, _RANKS.get(event.name, _LAST_RANK), event.checksum


def matters(event: CondorEvent) -> bool:
    """Whether the fold takes an event into account; all others leave a job as it is."""
    return event.name in _RULES


def in_order(events: Iterable[CondorEvent]) -> list[CondorEvent]:
    """Sort the events that matter into the order of the fold."""
    return [event for _, event in _placed(events)]


def _placed(events: Iterable[CondorEvent]) -> list[tuple[Key, CondorEvent]]:
    telling = [event for event in events if event.name in _RULES]
    submissions = [event.occurred_at for event in telling if event.name == SUBMIT]
    submitted = min(submissions, default=None)
    return ordered([(key(event, submitted), event) for event in telling])


def fold(events: Iterable[CondorEvent]) -> CondorState:
    """Make the state of a job from all its events, given in any order.

    Of a sealed job it is the state that its sealed event holds.
    """
    state, rest = opened(CondorState, events)
    for place, event in _placed(rest):
        _apply(state, place, event)
    return state


def advance(state: CondorState, events: Sequence[CondorEvent]) -> bool:
    """Fold more events into ``state`` in place; False if one of them is not next in order.

    On False the state is of no use any more: the caller has to fold all events of the job.
    """
    if len(events) == 1:
        return step(state, events[0])
    return all(step(state, event) for event in in_order(events))


def step(state: CondorState, event: CondorEvent) -> bool:
    """Fold one more event into ``state`` in place; False, and untouched, if it is not next.

    On False the caller has to fold all events of the job.
    """
    if event.name not in _RULES:
        return True
    place = key(event)
    if state.tail is not None:
        # Whether an ambiguous time precedes the submission, only the whole story can tell.
        if event.name == SUBMIT or event.occurred_alt is not None:
            return False
        if not state.tail.precedes(place, event.position):
            return False
    _apply(state, place, event)
    return True


def invocation(event: CondorEvent) -> str | None:
    """Give the invocation id that an event names, in canonical form, or None."""
    return _uuid(event.data.get("IpcUuid" if event.name != INSERTED else "InvocationID"))


def _apply(state: CondorState, place: Key, event: CondorEvent) -> None:
    state.tail = extend(state.tail, place, event.position)
    name = event.name
    if name in _STATUS and (state.closed or (state.held and name not in _UNHOLDING)):
        return
    _RULES[name](state, event)


def _move(state: CondorState, event: CondorEvent, status: str) -> None:
    """Enter a status: the reason is the one of the event that led here."""
    if status == FAILED and state.state != FAILED:
        counted = state.failure_count if state.said & SAID_FAILURES else 0
        state.failure_count = (counted or 0) + 1
        state.said |= SAID_FAILURES
    state.state = status
    state.held = False
    state.reason = _text(event, "Reason")
    state.reason_code = _integer(event, "ReasonCode")
    state.reason_subcode = _integer(event, "ReasonSubCode")
    if status in (COMPLETED, FAILED):
        _finish(state, event)
    else:
        _unfinish(state)


def _finish(state: CondorState, event: CondorEvent) -> None:
    state.finished_at = _not_before(state.started_at or state.submitted_at, event)
    state.finished_offset = event.occurred_offset
    state.said |= SAID_FINISHED


def _unfinish(state: CondorState) -> None:
    """Take back what a hold or an error said of the end, since the job goes on."""
    if state.said & SAID_FINISHED:
        state.finished_at = state.finished_offset = None


def _not_before(start: datetime | None, event: CondorEvent) -> datetime:
    """Give the event's time, the later one of two if the earlier one is before ``start``."""
    alternative = event.occurred_alt
    if alternative is not None and start is not None and event.occurred_at < start:
        return max(event.occurred_at, alternative)
    return event.occurred_at


def _submit(state: CondorState, event: CondorEvent) -> None:
    if not state.said & SAID_SUBMITTED:
        state.submitted_at, state.submitted_offset = event.occurred_at, event.occurred_offset
        state.submit_host = _text(event, "SubmitHost")
        state.said |= SAID_SUBMITTED
    _move(state, event, SUBMITTED)


def _execute(state: CondorState, event: CondorEvent) -> None:
    if not state.said & SAID_STARTED:
        state.started_at = _not_before(state.submitted_at, event)
        state.started_offset = event.occurred_offset
        state.said |= SAID_STARTED
    state.starts += 1
    state.execute_host = _text(event, "ExecuteHost")
    _move(state, event, RUNNING)


def _wait(state: CondorState, event: CondorEvent) -> None:
    _move(state, event, SUBMITTED)
    if event.name == "SHADOW_EXCEPTION":
        state.reason = _text(event, "Message")


def _run(state: CondorState, event: CondorEvent) -> None:
    _move(state, event, RUNNING)
    if event.name == "JOB_DISCONNECTED":
        state.reason = _text(event, "DisconnectReason")


def _hold(state: CondorState, event: CondorEvent) -> None:
    _move(state, event, FAILED)
    state.held = True
    state.reason = _text(event, "HoldReason")
    state.reason_code = _integer(event, "HoldReasonCode")
    state.reason_subcode = _integer(event, "HoldReasonSubCode")


_EXECUTE_ERRORS = {0: "Job file not executable.", 1: "Job not properly linked for HTCondor."}


def _error(state: CondorState, event: CondorEvent) -> None:
    _move(state, event, FAILED)
    state.reason = _EXECUTE_ERRORS.get(_integer(event, "ExecuteErrorType"), "Executable error.")


def _terminate(state: CondorState, event: CondorEvent) -> None:
    normally = event.data.get("TerminatedNormally") is True
    value = _integer(event, "ReturnValue") if normally else None
    _move(state, event, COMPLETED if normally and value == 0 else FAILED)
    state.exit_code = value
    state.exit_signal = None if normally else _integer(event, "TerminatedBySignal")
    state.core_file = _text(event, "CoreFile")
    state.said |= SAID_EXIT
    if state.state == FAILED:
        state.reason = _why_failed(state, normally)
    state.closed = True


def _why_failed(state: CondorState, normally: bool) -> str:
    if normally:
        return f"Ended with return value {_known(state.exit_code)}."
    return f"Killed by signal {_known(state.exit_signal)}."


def _known(number: int | None) -> str:
    # A negative return value (Windows) is missing from the JSON form of the event.
    return "unknown" if number is None else str(number)


def _abort(state: CondorState, event: CondorEvent) -> None:
    _move(state, event, FAILED)
    state.closed = True


def _information(state: CondorState, event: CondorEvent) -> None:
    """028: never a change of status; it may name the invocation and the owner."""
    named = invocation(event)
    if named is not None and not state.said & SAID_INVOCATION:
        state.invocation_id = named
        state.said |= SAID_INVOCATION
    if state.submitter is None:
        state.submitter = _text(event, "Owner")


_INSERTED_WORDS = {
    "Submitter": "submitter",
    "AppID": "app_id",
    "BatchID": "batch_id",
    "CommandLine": "command_line",
    "EnvVariables": "env_variables",
    "FailureThreshold": "failure_threshold",
}
_INSERTED_DATES = (
    ("DateSubmitted", SAID_SUBMITTED, "submitted"),
    ("DateStarted", SAID_STARTED, "started"),
    ("DateCompleted", SAID_FINISHED, "finished"),
)
_INSERTED_COUNTS = (
    ("ExitCode", SAID_EXIT, "exit_code"),
    ("FailureCount", SAID_FAILURES, "failure_count"),
    ("InvocationID", SAID_INVOCATION, "invocation_id"),
)


def _insert(state: CondorState, event: CondorEvent) -> None:
    """Take what an insertion says: its own fields, and the facts Condor has not spoken of."""
    data = event.data
    for word, name in _INSERTED_WORDS.items():
        if word in data:
            setattr(state, name, data[word])
    for word, bit, name in _INSERTED_DATES:
        if word in data and not state.said & bit:
            sent = rfc3339.parse(data[word])
            setattr(state, f"{name}_at", sent.at)
            setattr(state, f"{name}_offset", sent.offset)
    for word, bit, name in _INSERTED_COUNTS:
        if word in data and not state.said & bit:
            setattr(state, name, data[word])


def _integer(event: CondorEvent, name: str) -> int | None:
    """Give a number that a bigint column can hold; what a hostile log makes of it is no fact."""
    value = event.data.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not -(2**63) <= value < 2**63:
        return None
    return value


def _text(event: CondorEvent, name: str) -> str | None:
    value = event.data.get(name)
    return value if isinstance(value, str) else None


def _uuid(text: Any) -> str | None:
    if text is None:  # as of most events; an exception each would cost more than the fold
        return None
    try:
        return str(uuid.UUID(text))
    except (ValueError, AttributeError, TypeError):
        return None


_STATUS: Mapping[str, Callable[[CondorState, CondorEvent], None]] = {
    SUBMIT: _submit,
    "EXECUTE": _execute,
    "EXECUTABLE_ERROR": _error,
    "JOB_EVICTED": _wait,
    "JOB_TERMINATED": _terminate,
    "SHADOW_EXCEPTION": _wait,
    "JOB_ABORTED": _abort,
    "JOB_SUSPENDED": _run,
    "JOB_UNSUSPENDED": _run,
    "JOB_HELD": _hold,
    "JOB_RELEASED": _wait,
    "JOB_DISCONNECTED": _run,
    "JOB_RECONNECTED": _run,
    "JOB_RECONNECT_FAILED": _wait,
}
_RULES = {**_STATUS, "JOB_AD_INFORMATION": _information, INSERTED: _insert}
TELLING = tuple(_RULES)
_CLOSING = frozenset({"JOB_TERMINATED", "JOB_ABORTED"})
_UNHOLDING = frozenset({"EXECUTE", "JOB_TERMINATED", "JOB_ABORTED", "JOB_RELEASED"})
