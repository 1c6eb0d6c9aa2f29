"""The life of a PipelineJob: the table of edges, and the fold, whatever the order of arrival."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jexevents.lifecycle import pipeline, sealing
from jexevents.lifecycle.pipeline import EDGES, STATES, STATUSES, PipelineState
from jexevents.model import Event, Kind, Phase, Position
from tests.support import ROOT

SAMPLES = ROOT / "tests" / "samples" / "pipelinejobs"
NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)


def event(name: str, second: float = 0, position: Position | None = None, **data: Any) -> Event:
    at = NOON + timedelta(seconds=second)
    text = f"{name} {at.isoformat()} {json.dumps(data, sort_keys=True)} {position}"
    return Event(
        kind=Kind.PIPELINE,
        job=None,
        source="",
        name=name,
        occurred_at=at,
        received_at=at,
        data=data,
        raw=b"",
        checksum=hashlib.sha256(text.encode()).digest(),
        position=position,
    )


def agave(status: str, second: float = 0) -> Event:
    return event(f"agave.{status}", second)


def tapis(status: str, second: float, count: int, series: str = "series") -> Event:
    return event(f"tapis.{status}", second, Position(series, count))


def state_after(*events: Event) -> str:
    return pipeline.fold([event("create"), *events]).state


def sample(name: str) -> Any:
    return json.loads((SAMPLES / name).read_text("utf-8"))


# --- the table


def test_the_edges_are_those_of_the_original() -> None:
    found = {}
    for edge in sample("fsm-edges.json")["edges"]:
        sources = STATES if edge["source"] == "*" else edge["source"]
        for source in [sources] if isinstance(sources, str) else sources:
            target = source if edge["dest"] == "=" else edge["dest"]
            found.setdefault(edge["trigger"], {})[source] = target
    assert found == EDGES


WALKS = sample("fsm-walks.json")["walks"]


@pytest.mark.parametrize("walk", WALKS, ids=lambda walk: str(walk["n"]))
def test_a_walk_ends_as_in_the_original(walk: dict) -> None:
    told = [event("create")]
    state = pipeline.fold(told)
    for number, (name, after, error) in enumerate(walk["steps"], 1):
        if name not in EDGES or state.state not in EDGES[name]:
            assert error is not None, (name, state.state)
        else:
            assert error is None, (name, state.state)
            told.append(event(name, number))
            # A second creation belongs to the beginning, where the first one is.
            if not pipeline.advance(state, told[-1:]):
                assert name == "create"
                state = pipeline.fold(told)
        assert state.state == after


def test_a_state_says_what_it_allows() -> None:
    assert pipeline.allowed("CREATED") == ["run", "update", "resource", "fail", "reset"]
    assert pipeline.allowed("RETIRED") == ["reset"]
    assert pipeline.allowed("RESET") == ["reset", "ready"]
    assert "create" not in [name for state in STATES for name in pipeline.allowed(state)]


# --- Agave's statuses


FAULTS_OF_THE_ORIGINAL = {"UPDATED": "update", "KILLED": "fail"}


def test_statuses_mean_what_they_meant_save_two_faults() -> None:
    original = sample("agave-status-map.json")["map"] | FAULTS_OF_THE_ORIGINAL
    assert {status: pipeline.edge_of(f"agave.{status}") for status in original} == original


@pytest.mark.parametrize("status", ["ACCEPTED", "BLOCKED", "SUBMITTING_JOB"])
def test_further_statuses_note_resources(status: str) -> None:
    assert pipeline.edge_of(f"agave.{status}") == "resource"


def test_a_cancelled_job_of_tapis_has_failed() -> None:
    assert pipeline.edge_of("tapis.CANCELLED") == "fail"


def test_an_unknown_status_is_an_update() -> None:
    assert pipeline.edge_of("agave.NO_SUCH") == "update"
    assert state_after(agave("NO_SUCH", 1)) == "CREATED"


# --- callbacks


def test_a_killed_job_ends() -> None:
    assert state_after(agave("RUNNING", 1), agave("KILLED", 2)) == "FAILED"


def test_finished_implies_the_run_that_was_missed() -> None:
    steps = list(pipeline.steps([event("create"), agave("FINISHED", 9)]))
    told = [(step.name, step.before, step.after, step.implied) for step in steps]
    assert told == [
        ("create", "CREATED", "CREATED", False),
        ("run", "CREATED", "RUNNING", True),
        ("finish", "RUNNING", "FINISHED", False),
    ]
    assert {step.event.name for step in steps[1:]} == {"agave.FINISHED"}


def test_a_run_that_comes_late_is_no_longer_implied() -> None:
    late = [event("create"), agave("FINISHED", 9), agave("RUNNING", 3)]
    assert not any(step.implied for step in pipeline.steps(late))
    state = pipeline.fold(late)
    assert (state.state, state.started_at) == ("FINISHED", NOON + timedelta(seconds=3))


@pytest.mark.parametrize("status", sorted(set(STATUSES) - {"FINISHED"}))
def test_what_comes_behind_the_end_is_history(status: str) -> None:
    events = [event("create"), agave("RUNNING", 1), agave("FINISHED", 2), agave(status, 3)]
    *_, last = pipeline.steps(events)
    assert (last.after, last.moved) == ("FINISHED", False)
    state = pipeline.fold(events)
    assert (state.last_event, state.updated_at) == ("finish", NOON + timedelta(seconds=2))


def test_finished_again_is_allowed_and_keeps_the_first_end() -> None:
    state = pipeline.fold([event("create"), agave("FINISHED", 2), agave("FINISHED", 5)])
    assert (state.state, state.finished_at) == ("FINISHED", NOON + timedelta(seconds=2))


def test_of_two_ends_the_first_stands() -> None:
    assert state_after(agave("FAILED", 1), agave("FINISHED", 2)) == "FAILED"
    assert state_after(agave("FINISHED", 1), agave("FAILED", 2)) == "FINISHED"


def test_statuses_of_one_second_follow_each_other_as_in_agave() -> None:
    assert state_after(*map(agave, ("FINISHED", "RUNNING", "QUEUED", "ARCHIVING"))) == "FINISHED"


def test_tapis_is_ordered_by_its_own_count() -> None:
    first = event("tapis.FAILED", 8, Position("series", 7))
    second = event("tapis.RUNNING", 5, Position("series", 9))
    assert state_after(second, first) == "FAILED"
    swapped = [first._replace(position=Position("series", 11)), second]
    assert [step.name for step in pipeline.steps(swapped)] == ["run", "fail"]


# Also before the job was created, by the clock of who sends.
SENT = st.builds(agave, st.sampled_from([*STATUSES, "NO_SUCH"]), st.integers(-3, 6)) | st.builds(
    tapis,
    st.sampled_from([*STATUSES, "NO_SUCH"]),
    st.integers(-3, 6),
    st.integers(0, 9),
    st.sampled_from(["one", "other"]),
)


@given(st.lists(SENT, max_size=8, unique_by=lambda sent: sent.checksum), st.randoms())
def test_the_order_of_arrival_does_not_matter(sent: list[Event], random: Any) -> None:
    created = event("create")
    shuffled = random.sample(sent, len(sent))
    whole = pipeline.fold([created, *sent])
    assert pipeline.fold([*shuffled, created]) == whole
    state, known = pipeline.fold([created]), [created]
    for one in shuffled:
        known.append(one)
        if not pipeline.advance(state, [one]):
            state = pipeline.fold(known)
    assert state == whole


@given(st.lists(SENT, max_size=8, unique_by=lambda sent: sent.checksum))
def test_a_sealed_state_is_the_state(sent: list[Event]) -> None:
    whole = pipeline.fold([event("create", pipeline_uuid="p", data={"a": [1]}), *sent])
    sealed = event("sealed", 99)._replace(data=json.loads(json.dumps(sealing.dump(whole))))
    assert pipeline.fold([sealed]) == whole


# --- events of the event doors


def test_what_was_let_in_comes_behind_all_that_was_known() -> None:
    """The clock of Agave is a day ahead."""
    ahead = agave("FINISHED", 86_400)
    state = pipeline.fold([event("create"), ahead])
    at = pipeline.instant(state, NOON + timedelta(seconds=5))
    indexing = event("index", 0)._replace(occurred_at=at)
    assert at > ahead.occurred_at
    assert pipeline.fold([indexing, ahead, event("create")]).state == "INDEXING"


def test_the_time_is_our_own_where_nothing_is_ahead_of_it() -> None:
    state = pipeline.fold([event("create")])
    later = NOON + timedelta(seconds=5)
    assert pipeline.instant(state, later) == later
    assert pipeline.instant(PipelineState(), later) == later


def test_a_creation_comes_first_whatever_the_clocks_say() -> None:
    told = [agave("FINISHED", -60), event("create")]
    names = [(step.name, step.implied) for step in pipeline.steps(told)]
    assert names == [("create", False), ("run", True), ("finish", False)]


def test_an_end_that_callbacks_tell_late_is_not_undone_by_what_was_let_in_before() -> None:
    """As where the clock of Agave is behind ours, or its seconds are cut off."""
    told = [event("create"), event("run", 10), agave("FINISHED", 9)]
    assert pipeline.fold(told).state == "FINISHED"
    *_, last = pipeline.steps(told)
    assert (last.name, last.moved) == ("run", False)


SENT_BY_BOTH = st.lists(
    st.builds(agave, st.sampled_from([*STATUSES]), st.integers(0, 6))
    | st.builds(event, st.sampled_from(pipeline.SENDABLE), st.integers(0, 6)),
    max_size=8,
    unique_by=lambda sent: sent.checksum,
)


@given(SENT_BY_BOTH)
def test_only_edges_are_followed_save_by_what_closes_or_opens(sent: list[Event]) -> None:
    for step in pipeline.steps([event("create"), *sent]):
        if step.moved and EDGES[step.name].get(step.before) != step.after:
            assert step.name in ("fail", "reject", "finalize", "retire", "reset", "ready")
            assert step.event.name == step.name


def test_numbers_have_the_digest_that_they_have_behind_jsonb() -> None:
    behind = {"a": 10**16, "b": 0.0, "c": 15 * 10**299, "d": 1000, "e": 0.5, "f": [1]}
    sent = {"a": 1e16, "b": -0.0, "c": 1.5e300, "d": 1e3, "e": 0.5, "f": [1.0]}
    assert pipeline.digest("run", sent) == pipeline.digest("run", behind)


def test_what_was_let_in_stands_whatever_comes_late() -> None:
    failed = event("fail", 10)
    assert state_after(failed, agave("FINISHED", 9)) == "FAILED"
    assert state_after(failed, agave("FINISHED", 11)) == "FAILED"
    *_, last = pipeline.steps([event("create"), failed, agave("FINISHED", 9)])
    assert (last.before, last.after) == ("FINISHED", "FAILED")


def test_a_job_that_was_reset_takes_no_callback_until_it_is_ready() -> None:
    gone = [agave("FAILED", 1), event("reset", 2), agave("RUNNING", 3)]
    assert state_after(*gone) == "RESET"
    state = pipeline.fold([event("create"), *gone, event("ready", 4), agave("RUNNING", 5)])
    assert (state.state, state.closed, state.finished_at) == ("RUNNING", False, None)
    assert state.started_at == NOON + timedelta(seconds=5)


# --- phases and facts


PHASES = {
    Phase.QUEUED: {"CREATED", "RESET"},
    Phase.RUNNING: {"RUNNING", "INDEXING", "VALIDATING"},
    Phase.COMPLETE: {"FINISHED", "VALIDATED", "FINALIZED", "RETIRED"},
    Phase.ERROR: {"FAILED", "REJECTED"},
}


def test_each_state_has_its_phase() -> None:
    found = {state: PipelineState(state=state).phase for state in STATES}
    assert {phase: {s for s in STATES if found[s] is phase} for phase in PHASES} == PHASES


@pytest.mark.parametrize(
    ("way", "phase"),
    [
        (["fail", "retire"], Phase.CANCELLED),
        (["run", "finish", "retire"], Phase.COMPLETE),
        (["run", "finish", "validate", "reject", "retire"], Phase.CANCELLED),
        (["run", "finish", "validate", "validated", "finalize", "retire"], Phase.COMPLETE),
        (["fail", "retire", "reset", "ready", "run", "finish", "retire"], Phase.COMPLETE),
    ],
)
def test_a_retired_job_shows_where_it_came_from(way: list[str], phase: Phase) -> None:
    told = [event(name, number) for number, name in enumerate(way, 1)]
    assert pipeline.fold([event("create"), *told]).phase is phase


def test_what_goes_on_has_not_ended() -> None:
    told = [event("create"), event("run", 1), event("finish", 2), event("index", 3)]
    assert pipeline.fold(told).finished_at is None
    assert pipeline.fold([*told, event("indexed", 4)]).finished_at == NOON + timedelta(seconds=4)


def test_a_creation_says_what_the_job_is() -> None:
    said = {"pipeline_uuid": "p", "archive_path": "/a", "data": {"x": 1}, "session": "s"}
    state = pipeline.fold([event("create", **said), event("run", 2, message="on node 7")])
    assert {name: getattr(state, name) for name in said} == said
    assert (state.submitted_at, state.reason) == (NOON, "on node 7")


def test_the_reason_is_that_of_the_last_move() -> None:
    failed = pipeline.fold([event("create"), agave("RUNNING", 1), agave("KILLED", 2)])
    assert failed.reason == "KILLED"
    assert pipeline.fold([event("create"), event("fail", 1, reason="no disk")]).reason == "no disk"


def test_equal_events_have_the_same_digest() -> None:
    assert pipeline.digest("run", {"a": 1, "b": 2}) == pipeline.digest("run", {"b": 2, "a": 1})
    assert pipeline.digest("run", {"a": 1}) != pipeline.digest("index", {"a": 1})
