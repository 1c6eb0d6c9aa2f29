"""What no node can begin is noted, said, and ended after long enough; what one can goes on."""

from __future__ import annotations

from typing import Any

import pytest

from jexevents.executions.events import Named
from jexevents.executions.queue import Claimed
from jexevents.processes import boot
from jexevents.sidecar.jobrecords import waits_for
from tests.integration.test_execution_queue import JOBS, Place, place
from tests.scheduling import commit

__all__ = ["place"]

LONG = 3600.0
WHY = "Commit aaaa is not here any more."


def refuse(place: Place, node: str = "one", after: float | None = LONG) -> Claimed:
    queue = place.queue(node)
    (claimed,) = queue.claim(1)
    queue.refuse(claimed, WHY, after)
    return claimed


def row(place: Place, named: Named) -> Any:
    return place.executions.find(named.definition, named.execution)


def waiting(place: Place, named: Named) -> tuple | None:
    found = waits_for(row(place, named))
    return found and (found["what"], found["reason"])


def age(place: Place, seconds: float) -> None:
    place.run(
        f"update jex.execution_queue set refused_at = refused_at - interval '{seconds} seconds'"
    )


def test_all_that_waits_on_a_commit_is_refused_with_one_and_ends_in_time(place: Place) -> None:
    gone = [place.ask("free"), place.ask("row"), place.ask("row"), place.ask("again")]
    place.repository.put(commit("b" * 40, **JOBS))
    other = place.ask("free")
    refuse(place)
    for one in gone:
        assert waiting(place, one) == ("commit", f"Node one: {WHY}")
    assert waiting(place, other) == ("node", None)
    age(place, LONG - 60)
    refuse(place, "two")
    assert {place.state(one) for one in gone} == {"QUEUED"}
    assert waiting(place, gone[0]) == ("commit", f"Node two: {WHY}")
    age(place, 61)
    refuse(place)
    for one in gone:
        found = row(place, one)
        assert (found["state"], found["closed"]) == ("FAILED", True)
        assert (WHY in found["reason"], "360" in found["reason"]) == (True, True)
        assert place.names(one)[-1] == "fail", "not tried again: nobody can begin it"
        assert waits_for(found) is None
    assert place.state(other) == "QUEUED"
    assert [one.named for one in place.queue().claim(5)] == [other]


def test_age_alone_ends_nothing(place: Place) -> None:
    """Somebody has to see that it still cannot be had."""
    named = place.ask("free")
    refuse(place)
    age(place, 2 * LONG)
    place.queue("two").judge(LONG)
    assert place.state(named) == "QUEUED"
    (claimed,) = place.queue("two").claim(1)
    assert place.queue("two").begin(claimed, boot())
    assert row(place, named)["refused_at"] is None


def test_a_node_that_can_have_the_commit_clears_all_on_it(place: Place) -> None:
    first, second = place.ask("free"), place.ask("free")
    refuse(place)
    age(place, LONG - 1)
    two = place.queue("two")
    (claimed,) = two.claim(1)
    assert claimed.named == first
    assert two.begin(claimed, boot())
    assert waiting(place, second) == ("node", None)
    age(place, 2)
    refuse(place)
    assert place.state(second) == "QUEUED"
    assert waiting(place, second) == ("commit", f"Node one: {WHY}")


def test_a_fault_of_the_node_is_said_and_does_not_count(place: Place) -> None:
    named = place.ask("free")
    refuse(place, after=None)
    assert waiting(place, named) == ("node", f"Node one: {WHY}")
    assert row(place, named)["refused_at"] is None
    refuse(place, after=0.0)
    assert place.state(named) == "FAILED"


def test_what_somebody_else_has_by_now_is_left_alone(place: Place) -> None:
    named, other = place.ask("free"), place.ask("free")
    one, two = place.queue("one"), place.queue("two")
    (late,) = one.claim(1)
    one.give_back()
    (claimed,) = two.claim(1)
    assert claimed.named == late.named
    one.refuse(late, WHY, 0.0)
    assert two.begin(claimed, boot())
    assert [place.state(each) for each in (named, other)] == ["QUEUED", "QUEUED"]
    assert waiting(place, other) == ("node", None), "nothing is known by who had lost his claim"


@pytest.mark.parametrize("why", ["\0\ud800", "x" * 100_000])
def test_whatever_was_said_can_be_kept(place: Place, why: str) -> None:
    named = place.ask("free")
    queue = place.queue()
    (claimed,) = queue.claim(1)
    queue.refuse(claimed, why, 0.0)
    assert place.state(named) == "FAILED"
    assert len(row(place, named)["reason"]) < 2000


def test_what_waits_for_another_or_for_its_time_says_so(place: Place) -> None:
    first, second, third = (place.ask("row") for _ in range(3))
    for one in (second, third):
        assert waits_for(row(place, one))["execution"] == pytest.approx(first.execution / 1e6)
        assert waiting(place, one) == ("execution", None)
    assert waiting(place, first) == ("node", None)
    assert place.queue().claim(1)
    assert waits_for(row(place, first)) is None, "somebody has it"
    assert waiting(place, second) == ("execution", None)
    place.queue().give_back()
    place.run("update jex.execution_queue set due_at = now() + interval '100 s'")
    assert waiting(place, first) == ("time", None)
