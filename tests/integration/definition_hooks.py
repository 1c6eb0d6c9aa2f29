"""Executions whose definitions have hooks, in a ledger, and the senders of daemons for it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from jexevents.executions import events
from jexevents.executions.events import Named
from jexevents.executions.run import Run
from jexevents.executions.telling import tell
from jexevents.model import Event, Outcome
from jexevents.store.database import Connection
from jexevents.store.ledger import Ledger
from jexevents.store.offers import Applied
from tests.integration.hook_place import Place
from tests.ledger import NOON

_SECOND = 1_000_000
_FIRST = 1_772_366_400 * _SECOND


@dataclass
class Executions:
    """Makes executions and tells of them, as the runner's queue does."""

    ledger: Ledger
    woken: list[str] = field(default_factory=list)
    _ids: Any = field(default_factory=lambda: count(_FIRST, _SECOND))

    @classmethod
    def of(cls, place: Place) -> Executions:
        return cls(Ledger(place.database(), wake=lambda _names: None))

    def make(self, name: str = "nightly", **data: Any) -> Named:
        """Make an execution."""
        named = Named(next(self._ids), name)
        self.ledger.apply([events.requested(named, NOON, {"by": "ann", **data})])
        return named

    def tell(
        self,
        named: Named,
        names: str | Sequence[str],
        hooks: Mapping[str, Sequence[str]],
        sequence: int = 1,
    ) -> Collection[str]:
        """Tell events of an execution by their names; give the hooks to be woken."""
        names = [names] if isinstance(names, str) else names
        return self.apply(
            [event_of(named, name, sequence + place) for place, name in enumerate(names)], hooks
        )

    def apply(self, told: Sequence[Event], hooks: Mapping[str, Sequence[str]]) -> Collection[str]:
        """Store events, with what the hooks of their definition get in the same transaction."""
        woken: Collection[str] = ()

        def also(connection: Connection, applied: Sequence[Applied]) -> None:
            nonlocal woken
            fresh = [
                (event, one, Run("c0ffee", hooks=hooks))
                for event, one in zip(told, applied, strict=True)
                if one.outcome is Outcome.ACCEPTED
            ]
            woken = tell(connection, fresh)

        self.ledger.apply(told, also=also)
        return woken


def event_of(named: Named, name: str, sequence: int) -> Event:
    """Give an event as the supervisor's number ``sequence``."""
    told = {"name": name, "time": _FIRST, "seq": sequence, "cause": "", "by": "job", "auto": False}
    if name in ("start", "complete", "fail", "time-out"):
        told["auto"] = True
    end = {"exit_code": 0} if name == "complete" else {"exit_code": 3}
    return events.of_supervisor(named, 1, told, "n1", end)
