"""A sealed event stands for the whole story: nothing of the state is lost in it."""

from __future__ import annotations

import json
from dataclasses import fields

from hypothesis import given, settings

from jexevents.lifecycle import sealing
from jexevents.lifecycle.condor import CondorState, fold
from jexevents.model import SEALED
from jexevents.store.rows import StoredEvent
from tests.unit.test_condor_lifecycle import event, stories

JOB = "01a2041e-bec3-75ad-a31c-0a427ef2f719"


def sealed(state: CondorState) -> StoredEvent:
    """Give the sealed event of a state, its data as it comes back out of JSON."""
    data = json.loads(json.dumps(sealing.dump(state), allow_nan=False))
    return event(SEALED, 900, **data)


@given(stories())
@settings(max_examples=300, deadline=None)
def test_a_fold_that_begins_with_it_ends_as_that_of_the_story(story) -> None:
    state = fold(story)
    assert fold([sealed(state)]) == state


def test_it_holds_every_field() -> None:
    state = fold([event("SUBMIT", 0, ("log", 7)), event("JOB_ABORTED", 1.5)])
    dumped = sealing.dump(state)
    assert dumped.keys() == {field.name for field in fields(CondorState)}
    assert dumped["finished_at"] == "2026-03-01T12:00:01.5Z"
    assert dumped["tail"]["logs"] is True


def test_events_behind_it_are_folded_onto_it() -> None:
    begun = [event("SUBMIT"), event("EXECUTE", 1)]
    ended = event("JOB_ABORTED", 2)
    assert fold([ended, sealed(fold(begun))]) == fold([*begun, ended])


def test_a_later_version_may_know_more_fields_or_fewer() -> None:
    dumped = sealing.dump(fold([event("SUBMIT", SubmitHost="h")]))
    del dumped["core_file"]
    state = sealing.load(CondorState, {**dumped, "invocations": []})
    assert (state.submit_host, state.core_file) == ("h", None)


def test_a_job_has_one_identity_of_it() -> None:
    assert sealing.checksum(JOB) == sealing.checksum(JOB)
    assert len({sealing.checksum(JOB), sealing.checksum(JOB[:-1] + "8")}) == 2
