"""The life of a job of SMRT Link: what each state means, and the fold in whatever order."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jexevents.lifecycle import sealing, smrtlink
from jexevents.model import SEALED, Event, Kind, Phase

NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)


def change(state: str, second: float = 0, number: int = 0) -> Event:
    at = NOON + timedelta(seconds=second)
    return Event(
        kind=Kind.SMRTLINK,
        job=None,
        source="",
        name=smrtlink.CHANGE[0],
        occurred_at=at,
        received_at=at,
        data={"message": {"jobId": 1, "jobTypeId": "pbsmrtpipe", "state": state}},
        raw=b"",
        checksum=hashlib.sha256(f"{state} {second} {number}".encode()).digest(),
    )


@pytest.mark.parametrize(
    ("state", "phase", "closed"),
    [
        ("CREATED", Phase.QUEUED, False),
        ("SUBMITTED", Phase.QUEUED, False),
        ("RUNNING", Phase.RUNNING, False),
        ("UNKNOWN", Phase.QUEUED, False),
        ("SUCCESSFUL", Phase.COMPLETE, True),
        ("FAILED", Phase.ERROR, True),
        ("TERMINATED", Phase.CANCELLED, True),
        ("ABORTED", Phase.CANCELLED, True),
    ],
)
def test_states(state: str, phase: Phase, closed: bool) -> None:
    found = smrtlink.fold([change(state)])
    assert (found.state, found.phase, found.closed) == (state, phase, closed)
    assert (found.finished_at is not None) == closed
    assert found.job_type == "pbsmrtpipe"


def test_every_state_is_tried() -> None:
    assert len(smrtlink.STATES) == 8


def test_the_misspelt_state_of_the_seed_is_the_right_one() -> None:
    assert smrtlink.fold([change("SUCCCESSFUL")]).state == "SUCCESSFUL"


def test_dates_are_those_of_the_first_of_each() -> None:
    events = [
        change("CREATED", 1),
        change("SUBMITTED", 2),
        change("RUNNING", 3),
        change("RUNNING", 4),
        change("SUCCESSFUL", 5),
    ]
    found = smrtlink.fold(events)
    seconds = [
        (at - NOON).total_seconds()
        for at in (found.submitted_at, found.started_at, found.finished_at)
    ]
    assert seconds == [1, 3, 5]


def test_unknown_leaves_the_phase() -> None:
    found = smrtlink.fold([change("RUNNING", 1), change("UNKNOWN", 2)])
    assert (found.state, found.phase) == ("UNKNOWN", Phase.RUNNING)


def test_the_first_end_stands() -> None:
    ends = [change("FAILED", 5), change("SUCCESSFUL", 4), change("RUNNING", 6)]
    found = smrtlink.fold(ends)
    assert (found.state, found.finished_at) == ("SUCCESSFUL", NOON + timedelta(seconds=4))
    assert found.started_at is None


def test_of_one_instant_the_end_is_last() -> None:
    assert smrtlink.fold([change("FAILED"), change("RUNNING")]).started_at == NOON


CHANGES = st.lists(
    st.builds(
        change,
        st.sampled_from([*smrtlink.STATES, "SUCCCESSFUL"]),
        st.integers(0, 4),
        st.integers(0, 1),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda event: event.checksum,
)


@given(CHANGES, st.randoms(), st.integers(0, 8))
def test_the_order_of_arrival_and_the_cuts_do_not_matter(events, random, cut) -> None:
    whole = smrtlink.fold(events)
    random.shuffle(events)
    assert smrtlink.fold(events) == whole
    state = smrtlink.fold(events[:cut])
    if smrtlink.advance(state, events[cut:]):
        assert state == whole


@given(CHANGES, st.integers(0, 8))
def test_a_seal_stands_for_what_was_before(events, cut) -> None:
    events = sorted(events, key=smrtlink._key)
    sealed = change("CREATED")._replace(name=SEALED, data=sealing.dump(smrtlink.fold(events[:cut])))
    assert smrtlink.fold([sealed, *events[cut:]]) == smrtlink.fold(events)
