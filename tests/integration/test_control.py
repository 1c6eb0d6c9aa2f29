"""Two requests with one Idempotency-Key that meet: both are answered as the first."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jexevents.errors import Conflict
from jexevents.executions.bell import Bell
from jexevents.executions.control import Control, Told
from jexevents.executions.orders import Orders
from jexevents.store.executions import Executions, Row
from tests.integration.test_execution_queue import Place, begun, place

__all__ = ["place"]


class Slow(Executions):
    """Does something else before it looks how an execution stands."""

    meanwhile: Callable[[], object]

    def queued(self, job_id: str) -> Row | None:
        self.meanwhile()
        return super().queued(job_id)


def control(place: Place, executions: Executions) -> Control:
    queue = place.queue()
    return Control(place.ledger, executions, queue, Orders(place.database, queue, "one", Bell()))


def test_the_same_request_ended_it_meanwhile(place: Place) -> None:
    named = place.ask("free")
    row = place.executions.find("free", named.execution)
    slow, first = Slow(place.database), control(place, place.executions)
    slow.meanwhile = lambda: first.create(row, "kill", "", "ann", 1, "k")
    assert control(place, slow).create(row, "kill", "", "ann", 1, "k") is Told.DONE
    assert place.names(named) == ["requested", "cancelled"]
    slow.meanwhile = lambda: None
    with pytest.raises(Conflict):
        control(place, slow).create(row, "kill", "", "ann", 1, "another")


def test_the_same_request_gave_it_up_meanwhile(place: Place) -> None:
    named = begun(place, place.queue()).named
    row = place.executions.find("free", named.execution)
    slow, first = Slow(place.database), control(place, place.executions)
    slow.meanwhile = lambda: first.give_up(row, "", "ann", "k")
    control(place, slow).give_up(row, "", "ann", "k")
    assert place.names(named) == ["requested", "claimed", "lost"]
    slow.meanwhile = lambda: None
    with pytest.raises(Conflict):
        control(place, slow).give_up(row, "", "ann", "another")
