"""Which events a hook takes, by its patterns and by what became of the job."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from jexevents.hooks.hook import STOP, Hook, Hooks
from jexevents.hookwords import JEX, OVERSEER, SMRTLINK
from jexevents.lifecycle.condor import COMPLETED, FAILED, RUNNING, SUBMITTED, CondorState
from jexevents.model import Event, Kind

NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
QUEUED, ERROR = (SUBMITTED, "QUEUED"), (FAILED, "ERROR")


def event(name: str = "SUBMIT", source: str = "", kind: Kind | None = Kind.CONDOR) -> Event:
    return Event(kind, None, source, name, NOON, NOON, {}, b"", b"")


def wanted(given: Event, before: Any = None, after: Any = None, **members: Any) -> bool:
    hooks = Hooks([Hook("mine", "http://h/", **members)])
    names = hooks.wanted(given, before, after)
    assert set(names) <= {"mine"}
    return bool(names)


@pytest.mark.parametrize(
    ("members", "takes"),
    [
        ({}, True),
        ({"sources": ("east-*",)}, True),
        ({"sources": ("west-*", "*-1")}, True),
        ({"sources": ("west-*",)}, False),
        ({"sources": ("East-*",)}, False),
        ({"kinds": ("condor",)}, True),
        ({"kinds": ("pipe*",)}, False),
        ({"events": ("SUBMIT", "JOB_*")}, True),
        ({"events": ("JOB_*",)}, True),
        ({"events": ("job_*",)}, False),
        ({"events": ("SUBMIT",)}, False),
        ({"sources": ("east-1",), "kinds": ("c*",), "events": ("JOB_HEL?",)}, True),
        ({"sources": ("east-1",), "kinds": ("c*",), "events": ("JOB_[!H]*",)}, False),
        ({"disabled": True}, False),
    ],
)
def test_patterns(members: dict[str, Any], takes: bool) -> None:
    one = event("JOB_HELD", "east-1")
    assert wanted(one, **members) == takes
    assert Hooks([Hook("mine", "http://h/", **members)]).concerns(one, True) == takes


@pytest.mark.parametrize(
    ("hook", "needs"),
    [
        (Hook("a", "http://h/"), True),
        (Hook("a", "http://h/", format=SMRTLINK), True),
        (Hook("a", "http://h/", format=JEX), False),
        (Hook("a", "http://h/", format=OVERSEER), False),
        (Hook("a", "http://h/", format=STOP), False),
        (Hook("a", "mailto:ann@example.org"), False),
        (Hook("a", "job:report"), True),
        (Hook("a", "job:report", format=OVERSEER), True),
    ],
)
def test_who_needs_an_event_to_send_what_became_of_a_job(hook: Hook, needs: bool) -> None:
    assert hook.needs_event == needs


def test_an_event_of_no_system_of_ours_has_a_word_too() -> None:
    assert wanted(event(kind=None), kinds=("cloudevent",))
    assert not wanted(event(kind=None), kinds=("condor",))


@pytest.mark.parametrize(
    ("states", "before", "state", "takes"),
    [
        ((FAILED,), QUEUED, FAILED, True),
        ((FAILED,), ERROR, FAILED, False),
        ((FAILED,), None, FAILED, True),
        ((FAILED,), QUEUED, RUNNING, False),
        (("ERROR",), QUEUED, FAILED, True),
        (("error",), QUEUED, FAILED, False),
        (("Comp*", "RUN*"), QUEUED, COMPLETED, True),
        (("Comp*", "RUN*"), QUEUED, RUNNING, True),
        (("*",), QUEUED, RUNNING, True),
        (("*",), QUEUED, SUBMITTED, False),
        (("*",), None, SUBMITTED, True),
        ((), QUEUED, SUBMITTED, True),
    ],
)
def test_states_are_those_that_a_job_comes_to(
    states: tuple[str, ...], before: Any, state: str, takes: bool
) -> None:
    assert wanted(event(), before, CondorState(state), states=states) == takes


def test_a_phase_that_differs_is_a_change_too() -> None:
    assert wanted(event(), (FAILED, "CANCELLED"), CondorState(FAILED), states=(FAILED,))


def test_events_of_no_job_are_taken_where_nothing_asks_for_a_job() -> None:
    assert wanted(event())
    assert not wanted(event(), states=("*",))
    for form in (JEX, OVERSEER, STOP):
        assert not wanted(event(), format=form)


def test_only_a_held_job_with_an_invocation_id_is_to_be_stopped() -> None:
    held = CondorState(FAILED, held=True, invocation_id="x")
    assert wanted(event(), QUEUED, held, format=STOP)
    assert not wanted(event(), QUEUED, CondorState(FAILED, held=True), format=STOP)
    assert not wanted(event(), QUEUED, CondorState(FAILED, invocation_id="x"), format=STOP)


def test_what_cannot_change_a_job_concerns_only_those_who_ask_for_no_states() -> None:
    changes = Hook("changes", "http://h/", states=("*",))
    assert Hooks([changes]).concerns(event(), True)
    assert not Hooks([changes]).concerns(event(), False)
    assert Hooks([changes, Hook("all", "http://h/")]).concerns(event(), False)


def test_several_hooks_are_asked_each() -> None:
    hooks = Hooks(
        [
            Hook("all", "http://h/"),
            Hook("failures", "http://h/", states=(FAILED,)),
            Hook("off", "http://h/", disabled=True),
            Hook("others", "http://h/", kinds=("pipeline",)),
        ]
    )
    assert hooks.wanted(event(), QUEUED, CondorState(FAILED)) == ["all", "failures"]
    assert hooks.wanted(event(), QUEUED, CondorState(RUNNING)) == ["all"]
    assert [hook.name for hook in hooks.enabled()] == ["all", "failures", "others"]
    assert (len(hooks), hooks.get("off").disabled, hooks.get("none")) == (4, True, None)


def test_what_is_remembered_of_names_has_a_bound() -> None:
    hooks = Hooks([Hook("mine", "http://h/", events=("X*",))])
    for number in range(10_000):
        assert not hooks.concerns(event(f"N{number}", f"source {number}"), True)
    assert len(hooks._takers) <= 4096
    assert hooks.concerns(event("X"), True)
