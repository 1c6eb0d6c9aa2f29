"""The life of an execution: what each event means, and the fold in whatever order."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jexevents.lifecycle import command, sealing
from jexevents.lifecycle.command import CommandState, advance, fold, in_order
from jexevents.model import SEALED, Phase
from jexevents.store.rows import StoredEvent

NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)


def event(
    name: str, sequence: int = 0, attempt: int = 1, second: float | None = None, **data: Any
) -> StoredEvent:
    """Make an event; by default it happens a second for each number after noon."""
    at = NOON + timedelta(seconds=sequence if second is None else second)
    data = {"attempt": attempt, "sequence": sequence, **data}
    checksum = hashlib.sha256(json.dumps([name, data]).encode()).digest()
    return StoredEvent(name, at, None, None, checksum, data, None)


def auto(name: str, sequence: int = 0, attempt: int = 1, **data: Any) -> StoredEvent:
    return event(name, sequence, attempt, auto=True, **data)


REQUESTED = auto("requested", by="ann", definition="nightly", commit="c0ffee")
CLAIMED = auto("claimed", node="n1", claim=1)
START = auto("start", 1)
LOST = auto("lost", 1, reason="The node n1 was started anew.")
RETRIED = auto("retried", 0, 2, reason="Lost; it is tried again.")


def told() -> list[list[str]]:
    """Give the rows of the table in the module's own words."""
    table = re.split(r"^=+ .*\n", command.__doc__, flags=re.M)[2]
    columns = (0, 19, 63, 74)
    return [
        [line[a:b].strip() for a, b in zip(columns, (*columns[1:], None), strict=True)]
        for line in table.splitlines()
    ]


BEFORE = {"stop": [START], "continue": [START, event("stop", 2, signal="stop")]}
MEANING = {
    "requested": REQUESTED,
    "claimed": CLAIMED,
    "start": START,
    "stop": event("stop", 3, signal="stop"),
    "continue": event("continue", 3, signal="continue"),
    "complete": auto("complete", 3, exit_code=0),
    "fail": auto("fail", 3, exit_code=1, reason="exit"),
    "time-out": auto("time-out", 3),
    "cancelled": auto("cancelled"),
    "lost": LOST,
}


@pytest.mark.parametrize("name", MEANING)
def test_states_are_those_of_the_table(name: str) -> None:
    row = next(row for row in told() if row[0] == name)
    found = fold([*BEFORE.get(name, []), MEANING[name]])
    assert [found.state, found.phase.value] == row[2:]
    assert found.closed == (found.phase not in (Phase.QUEUED, Phase.RUNNING))
    assert (found.finished_at is not None) == found.closed


def test_every_event_and_every_state_is_in_the_table() -> None:
    names = {row[0] for row in told()} - {"", "any, by the job"}
    assert names == {*MEANING, "retried"}
    assert {row[2] for row in told()} - {"", "as it was"} == set(command.STATES)


@pytest.mark.parametrize("reason", ["terminated", "killed"])
def test_an_end_that_was_asked_for(reason: str) -> None:
    found = fold([START, auto("fail", 2, reason=reason, exit_signal=9, cause="too slow")])
    assert (found.state, found.phase) == ("KILLED", Phase.CANCELLED)
    assert found.reason == f"{reason.capitalize()} on request: too slow"
    assert found.exit_signal == 9


def test_facts() -> None:
    story = [REQUESTED, CLAIMED, START, event("half", 2), auto("fail", 3, exit_code=7)]
    assert replace(fold(story), tail=None) == CommandState(
        state="FAILED",
        closed=True,
        submitter="ann",
        submitted_at=NOON,
        started_at=NOON + timedelta(seconds=1),
        finished_at=NOON + timedelta(seconds=3),
        exit_code=7,
        reason="Ended with exit status 7.",
        status="half",
        node="n1",
        claim=1,
        definition="nightly",
        commit="c0ffee",
    )


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"exit_signal": 11, "reason": "signal"}, "Ended by signal 11."),
        ({"reason": "start failed", "cause": "No such file: x"}, "No such file: x"),
        ({"reason": "start failed"}, "start failed"),
        ({"reason": "killed"}, "Killed on request."),
        ({}, None),
    ],
)
def test_why_it_failed(data: dict, reason: str | None) -> None:
    assert fold([auto("fail", 1, **data)]).reason == reason


NAMES = ["start", "stop", "continue", "complete", "fail", "time-out", "terminate", "kill"]
DAEMONS = ["requested", "claimed", "cancelled", "lost", "retried"]


@pytest.mark.parametrize("name", [*NAMES, *DAEMONS, "half"])
@pytest.mark.parametrize("before", [[START], [], [START, auto("complete", 2)]])
def test_a_word_of_the_job_sets_its_status_and_nothing_else(name: str, before: list) -> None:
    was = fold(before)
    found = fold([*before, event(name, 5, attempt=1, auto=False, by="job", exit_code=3)])
    status = was.status if was.closed else name
    assert replace(found, tail=None) == replace(was, tail=None, status=status)


def test_a_word_of_a_job_does_not_open_it_again() -> None:
    ended = [START, auto("fail", 2)]
    assert fold([*ended, event("retried", 0, 2, auto=False)]).state == "FAILED"


def test_terminate_and_kill_change_nothing_by_themselves() -> None:
    found = fold(
        [START, event("kill", 2, signal="kill"), event("terminate", 3, signal="terminate")]
    )
    assert (found.state, found.status) == ("RUNNING", None)


@pytest.mark.parametrize("name", ["complete", "fail", "time-out", "start"])
def test_late_reports_of_an_attempt_that_was_given_up_change_nothing(name: str) -> None:
    given_up = [REQUESTED, CLAIMED, START, LOST]
    late = [event("half", 2), auto(name, 3, exit_code=0)]
    assert fold([*late, *given_up]).state == "LOST"
    assert replace(fold([*late, *given_up]), tail=None) == replace(fold(given_up), tail=None)
    again = [*given_up, RETRIED, auto("claimed", 0, 2, node="n2"), auto("start", 1, 2)]
    assert replace(fold([*again, *late]), tail=None) == replace(fold(again), tail=None)


def test_an_end_that_was_known_before_it_was_given_up_stands() -> None:
    story = [START, auto("complete", 2), auto("lost", 2, reason="never heard of it")]
    assert fold(story).state == "COMPLETE"


def test_what_began_is_not_cancelled_and_what_was_cancelled_does_not_begin() -> None:
    found = fold([REQUESTED, START, auto("cancelled", 1)])
    assert found.state == "CANCELLED"  # the daemon had decided before the start was known
    assert found.started_at is None
    assert fold([REQUESTED, START, auto("cancelled", 2)]).state == "RUNNING"


def test_a_next_attempt_begins_anew() -> None:
    first = [REQUESTED, CLAIMED, START, event("half", 2), auto("fail", 3, exit_code=7)]
    found = fold([*first, auto("retried", 0, 2, reason="It failed; it is tried again.")])
    assert (found.state, found.phase, found.closed) == ("QUEUED", Phase.QUEUED, False)
    assert found.reason == "It failed; it is tried again."
    assert found.attempt == 2
    assert (found.started_at, found.finished_at, found.exit_code) == (None, None, None)
    assert (found.status, found.node) == (None, None)
    assert (found.submitter, found.submitted_at, found.commit) == ("ann", NOON, "c0ffee")


@pytest.mark.parametrize("end", [auto("complete", 2), auto("fail", 2, reason="killed")])
def test_only_a_failure_is_tried_again(end: StoredEvent) -> None:
    ended = fold([START, end])
    found = fold([START, end, RETRIED, auto("start", 1, 2), auto("fail", 2, 2)])
    assert replace(found, tail=None) == replace(ended, tail=None)


def test_an_attempt_that_nobody_has_ordered_changes_nothing() -> None:
    running = [REQUESTED, CLAIMED, START]
    stray = [auto("start", 1, 2, node="n2"), auto("fail", 2, 2), event("half", 3, 2)]
    assert replace(fold([*running, *stray]), tail=None) == replace(fold(running), tail=None)


def test_the_node_is_that_of_the_last_claim_until_it_begins() -> None:
    claims = [auto("claimed", node=f"n{number}", claim=number) for number in (2, 10, 1)]
    assert fold(claims).node == "n10"
    assert fold([*claims, auto("start", 1, node="n2")]).node == "n2"


def test_clocks_have_no_say() -> None:
    end = auto("complete", 2)._replace(occurred_at=NOON - timedelta(days=1))
    found = fold([end, START, REQUESTED])
    assert (found.state, found.finished_at) == ("COMPLETE", end.occurred_at)


def test_numbers_that_are_none_are_borne() -> None:
    odd = auto("fail", 1, exit_code=10**30, exit_signal="9", reason=5)
    found = fold([odd._replace(data={**odd.data, "attempt": "1", "sequence": -4})])
    assert (found.state, found.exit_code, found.exit_signal, found.reason) == (
        "FAILED",
        None,
        None,
        None,
    )
    assert fold([event("start", 10**30, second=0, auto=True)]).state == "RUNNING"
    assert fold([auto("start", 1, 10**30)]).state == "QUEUED"


@st.composite
def stories(draw) -> list[StoredEvent]:
    """Give events of up to three attempts, all that may be and much that may not."""
    found = [draw(st.sampled_from([REQUESTED, auto("requested", by="bob")]))]
    for attempt in range(1, draw(st.integers(1, 3)) + 1):
        numbers = st.integers(0, 6)
        names = st.sampled_from([*NAMES, *DAEMONS, "half", "done"])
        datas = st.sampled_from(
            [{}, {"auto": True}, {"auto": False}, {"signal": "stop"}, {"auto": True, "claim": 2}]
        )
        for name, number, data in draw(st.lists(st.tuples(names, numbers, datas), max_size=7)):
            second = draw(st.integers(0, 9))
            found.append(event(name, number, attempt, second, node=f"n{second}", **data))
    return list({one.checksum: one for one in found}.values())


@given(stories(), st.randoms(), st.integers(0, 20))
@settings(max_examples=300, deadline=None)
def test_the_order_of_arrival_and_the_cuts_do_not_matter(story, random, cut) -> None:
    whole = fold(story)
    random.shuffle(story)
    assert fold(story) == whole
    state = fold(story[:cut])
    if advance(state, story[cut:]):
        assert state == whole


@given(stories())
@settings(max_examples=300, deadline=None)
def test_events_in_their_order_are_stepped_on(story) -> None:
    state = CommandState()
    assert all(advance(state, [one]) for one in in_order(story))
    assert state == fold(story)


@given(stories())
@settings(max_examples=300, deadline=None)
def test_a_closing_event_absorbs(story) -> None:
    """Behind the first end, nothing but a retry opens the job or changes how it ended."""
    state, ended = CommandState(), None
    for one in in_order(story):
        advance(state, [one])
        facts = (state.state, state.phase, state.reason, state.finished_at, state.status)
        if ended is not None and state.attempt == ended[0]:
            assert (state.closed, facts) == (True, ended[1])
        ended = (state.attempt, facts) if state.closed else None


@given(stories(), st.integers(0, 20))
@settings(max_examples=300, deadline=None)
def test_a_seal_stands_for_what_was_before(story, cut) -> None:
    story = in_order(story)
    data = json.loads(json.dumps(sealing.dump(fold(story[:cut])), allow_nan=False))
    sealed = event("x")._replace(name=SEALED, data=data)
    assert fold([sealed, *story[cut:]]) == fold(story)


@given(stories())
@settings(max_examples=200, deadline=None)
def test_only_what_is_made_by_itself_ends_an_execution(story) -> None:
    words = [one for one in story if command.is_own(one)]
    assert fold([START, *words]).state == "RUNNING"
    for one in story:
        if fold([START, one]).closed:
            assert one.data.get("auto") is True


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ([START, auto("fail", 2), RETRIED], ["fail"]),
        ([LOST, RETRIED], ["lost"]),
        ([auto("time-out", 2), auto("retried", 0, 3)], []),
        ([auto("fail", 2)], []),
        ([event("fail", 2), auto("fail", 3), RETRIED], ["fail"]),
        ([auto("fail", 2), event("retried", 0, 2)], []),
        ([event("stop", 2, signal="stop"), RETRIED], []),
    ],
)
def test_an_end_passes_if_the_next_attempt_is_told_with_it(told, expected) -> None:
    passing = command.passing(iter(told))
    assert [one.name for one in told if one.checksum in passing] == expected
