"""The fold of a condor job: its table, its order, and that the way events come in is no matter."""

from __future__ import annotations

import hashlib
import itertools
from copy import copy
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jexevents.lifecycle.condor import CondorState, fold, in_order, step
from jexevents.model import INSERTED, Phase, Position
from jexevents.store.rows import StoredEvent

START = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
_numbers = itertools.count()


def event(
    name: str,
    second: float = 0,
    position: tuple[str, int] | None = None,
    alt: float | None = None,
    **data: Any,
) -> StoredEvent:
    checksum = hashlib.sha256(str(next(_numbers)).encode()).digest()
    return StoredEvent(
        name,
        START + timedelta(seconds=second),
        None,
        None if alt is None else START + timedelta(seconds=alt),
        checksum,
        data,
        Position(*position) if position else None,
    )


def ended(second: float = 0, value: int = 0, **more: Any) -> StoredEvent:
    return event("JOB_TERMINATED", second, TerminatedNormally=True, ReturnValue=value, **more)


@pytest.mark.parametrize(
    ("names", "status"),
    [
        (["SUBMIT"], "Submitted"),
        (["SUBMIT", "EXECUTE"], "Running"),
        (["SUBMIT", "EXECUTABLE_ERROR"], "Failed"),
        (["SUBMIT", "EXECUTE", "CHECKPOINTED"], "Running"),
        (["SUBMIT", "EXECUTE", "JOB_EVICTED"], "Submitted"),
        (["SUBMIT", "EXECUTE", "IMAGE_SIZE"], "Running"),
        (["SUBMIT", "EXECUTE", "SHADOW_EXCEPTION"], "Submitted"),
        (["SUBMIT", "GENERIC"], "Submitted"),
        (["SUBMIT", "EXECUTE", "JOB_ABORTED"], "Failed"),
        (["SUBMIT", "EXECUTE", "JOB_SUSPENDED"], "Running"),
        (["SUBMIT", "EXECUTE", "JOB_SUSPENDED", "JOB_UNSUSPENDED"], "Running"),
        (["SUBMIT", "JOB_HELD"], "Failed"),
        (["SUBMIT", "JOB_HELD", "JOB_RELEASED"], "Submitted"),
        (["SUBMIT", "EXECUTE", "JOB_DISCONNECTED"], "Running"),
        (["SUBMIT", "EXECUTE", "JOB_DISCONNECTED", "JOB_RECONNECTED"], "Running"),
        (["SUBMIT", "EXECUTE", "JOB_DISCONNECTED", "JOB_RECONNECT_FAILED"], "Submitted"),
        (["SUBMIT", "EXECUTE", "JOB_AD_INFORMATION"], "Running"),
        (["SUBMIT", "EXECUTE", "EVENT_999"], "Running"),
    ],
)
def test_status_after(names: list[str], status: str) -> None:
    state = fold(event(name, second) for second, name in enumerate(names))
    assert state.state == status


@pytest.mark.parametrize(
    ("data", "status", "exit_code", "signal"),
    [
        ({"TerminatedNormally": True, "ReturnValue": 0}, "Completed", 0, None),
        ({"TerminatedNormally": True, "ReturnValue": 3}, "Failed", 3, None),
        ({"TerminatedNormally": True, "ReturnValue": -1}, "Failed", -1, None),
        ({"TerminatedNormally": True}, "Failed", None, None),
        ({"TerminatedNormally": False, "TerminatedBySignal": 11}, "Failed", None, 11),
        ({}, "Failed", None, None),
        ({"TerminatedNormally": True, "ReturnValue": 2**70}, "Failed", None, None),
    ],
)
def test_termination(
    data: dict[str, Any], status: str, exit_code: int | None, signal: int | None
) -> None:
    state = fold([event("SUBMIT"), event("JOB_TERMINATED", 5, **data)])
    assert (state.state, state.exit_code, state.exit_signal) == (status, exit_code, signal)
    assert state.closed
    assert (state.reason is None) == (status == "Completed")


@pytest.mark.parametrize("closing", ["JOB_TERMINATED", "JOB_ABORTED"])
@pytest.mark.parametrize(
    "later",
    [
        *("SUBMIT", "EXECUTE", "JOB_EVICTED", "JOB_HELD", "JOB_RELEASED", "JOB_ABORTED"),
        *("JOB_AD_INFORMATION", "EXECUTABLE_ERROR", "JOB_TERMINATED"),
    ],
)
def test_nothing_changes_a_closed_job(closing: str, later: str) -> None:
    story = [event("SUBMIT"), event("EXECUTE", 1), event(closing, 2)]
    before = fold(story)
    after = fold([*story, event(later, 3, JobStatus=2, Reason="other", ReturnValue=0)])
    before.tail = after.tail = None
    assert after == before


@pytest.mark.parametrize(
    "name",
    [
        *("SUBMIT", "JOB_EVICTED", "SHADOW_EXCEPTION", "JOB_SUSPENDED", "JOB_UNSUSPENDED"),
        *("EXECUTABLE_ERROR", "JOB_DISCONNECTED", "JOB_RECONNECTED", "JOB_RECONNECT_FAILED"),
    ],
)
def test_a_held_job_stays_held(name: str) -> None:
    state = fold([event("JOB_HELD", 0, HoldReason="disk full"), event(name, 1)])
    assert (state.state, state.held, state.reason) == ("Failed", True, "disk full")


@pytest.mark.parametrize(
    ("name", "status"),
    [("JOB_RELEASED", "Submitted"), ("EXECUTE", "Running"), ("JOB_ABORTED", "Failed")],
)
def test_what_changes_a_held_job(name: str, status: str) -> None:
    state = fold([event("JOB_HELD", 0, HoldReason="x"), event(name, 1)])
    assert (state.state, state.held) == (status, False)


def test_completion_goes_away_on_release() -> None:
    held = [event("SUBMIT"), event("JOB_HELD", 7)]
    assert fold(held).finished_at == START + timedelta(seconds=7)
    assert fold([*held, event("JOB_RELEASED", 8)]).finished_at is None


def test_each_fall_into_failed_counts() -> None:
    story = [event("JOB_HELD", 1), event("JOB_RELEASED", 2), event("JOB_HELD", 3)]
    assert fold(story).failure_count == 2
    assert fold([*story, event("JOB_ABORTED", 4)]).failure_count == 2


@pytest.mark.parametrize("turned", [False, True])
def test_an_insertion_says_what_condor_does_not(turned: bool) -> None:
    said = {"DateStarted": "2020-01-01T00:00:00+02:00", "ExitCode": 9, "FailureCount": 4}
    inserted = event(INSERTED, 50, Submitter="ann", InvocationID=str(1), **said)
    story = [event("SUBMIT", 1, SubmitHost="h"), inserted]
    state = fold(reversed(story) if turned else story)
    assert (state.state, state.exit_code, state.failure_count) == ("Submitted", 9, 4)
    assert state.started_offset == "+02:00"
    state = fold([*story, event("EXECUTE", 2), ended(3, value=5)])
    assert (state.exit_code, state.failure_count) == (5, 1)
    assert state.started_at == START + timedelta(seconds=2)
    assert state.submitter == "ann"


def test_a_log_orders_its_events_whatever_the_clock_says() -> None:
    story = [
        event("SUBMIT", 3600, ("log", 0)),
        event("EXECUTE", 3605, ("log", 100)),
        event("JOB_EVICTED", 10, ("log", 200)),  # the clock went back an hour
        event("EXECUTE", 20, ("log", 300)),
        ended(30, position=("log", 400)),
    ]
    for order in itertools.permutations(story):
        assert in_order(order) == story
    assert fold(story).state == "Completed"
    assert fold(story).starts == 2


def test_an_event_without_position_is_merged_in_by_its_time() -> None:
    chain = [event("SUBMIT", 0, ("log", 0)), event("JOB_HELD", 10, ("log", 90))]
    loose = event("EXECUTE", 5)
    assert in_order([loose, *chain]) == [chain[0], loose, chain[1]]


def test_events_of_one_second_are_told_as_they_happen() -> None:
    names = ["SUBMIT", "EXECUTE", "SHADOW_EXCEPTION", "JOB_EVICTED", "JOB_HELD", "JOB_ABORTED"]
    story = [event(name) for name in names]
    assert in_order(reversed(story)) == story


def test_the_repeated_hour_does_not_turn_the_story_round() -> None:
    # 02:50 before the clock goes back, 02:10 after: both read as the first pass of the hour.
    started = event("EXECUTE", 3000, alt=6600)
    done = event("JOB_TERMINATED", 600, alt=4200, TerminatedNormally=True, ReturnValue=0)
    state = fold([event("SUBMIT", 2990, alt=6590), started, done])
    assert state.state == "Completed"
    assert state.started_at == START + timedelta(seconds=3000)
    assert state.finished_at == START + timedelta(seconds=4200)


@pytest.mark.parametrize("turned", [False, True])
def test_nothing_in_the_repeated_hour_comes_before_the_submission(turned: bool) -> None:
    # Submitted at 02:50, before the clock goes back; begun and held at 02:10 and 02:15, after.
    story = [
        event("SUBMIT", 3000, alt=6600),
        event("EXECUTE", 600, alt=4200),
        event("JOB_HELD", 900, alt=4500, HoldReason="full"),
    ]
    state = fold(reversed(story) if turned else story)
    assert (state.state, state.held, state.starts) == ("Failed", True, 1)
    assert state.submitted_at == START + timedelta(seconds=3000)
    assert state.started_at == START + timedelta(seconds=4200)
    assert state.finished_at == START + timedelta(seconds=4500)


EVENTS = (
    "SUBMIT EXECUTE EXECUTABLE_ERROR JOB_EVICTED JOB_TERMINATED SHADOW_EXCEPTION JOB_ABORTED "
    "JOB_SUSPENDED JOB_HELD JOB_RELEASED JOB_DISCONNECTED JOB_RECONNECT_FAILED "
    "JOB_AD_INFORMATION IMAGE_SIZE"
)
NAMES = EVENTS.split()

DATA = {
    "JOB_TERMINATED": {"TerminatedNormally": True, "ReturnValue": 0},
    "JOB_AD_INFORMATION": {"IpcUuid": "0d1c7a9e-5a0f-44e5-9cf1-1b0a7d3f5c11", "Owner": "ann"},
    INSERTED: {"Submitter": "bob", "DateCompleted": "2020-01-01T00:00:00Z", "ExitCode": 4},
}


@st.composite
def stories(draw: st.DrawFn) -> list[StoredEvent]:
    made = []
    for _ in range(draw(st.integers(1, 9))):
        name = draw(st.sampled_from([*NAMES, INSERTED]))
        place = draw(st.none() | st.tuples(st.sampled_from("ab"), st.integers(0, 5)))
        alt = draw(st.none() | st.just(30))
        made.append(event(name, draw(st.integers(0, 5)), place, alt, **DATA.get(name, {})))
    return made


@given(stories(), st.randoms())
@settings(max_examples=400, deadline=None)
def test_the_state_is_the_same_in_whatever_order_events_come(story, random) -> None:
    shuffled = random.sample(story, len(story))
    assert fold(shuffled) == fold(story)


@given(stories(), st.randoms())
@settings(max_examples=400, deadline=None)
def test_stepping_gives_what_folding_gives(story, random) -> None:
    """As the store does it: step where that is allowed, else fold all that came so far."""
    state = CondorState()
    seen: list[StoredEvent] = []
    steps = 0
    for one in random.sample(story, len(story)):
        seen.append(one)
        trial = copy(state)
        if step(trial, one):
            state = trial
            steps += 1
        else:
            state = fold(seen)
        assert state == fold(seen)
    assert steps >= 1


def test_phases_of_the_words() -> None:
    phases = {fold([event(name)]).phase for name in ("SUBMIT", "EXECUTE", "JOB_HELD")}
    assert phases == {Phase.QUEUED, Phase.RUNNING, Phase.ERROR}
    assert fold([ended()]).phase is Phase.COMPLETE
