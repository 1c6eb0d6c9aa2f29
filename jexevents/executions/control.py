"""Events that somebody creates for an execution: signals for what runs, and words of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any
from uuid import UUID, uuid5

import uuid_utils

from jexevents.errors import Conflict, StorageFull, Unavailable
from jexevents.executions import events
from jexevents.executions.events import Named, Ordered
from jexevents.executions.orders import ENDED, NO_ROOM, Order, Orders
from jexevents.executions.queue import Queue
from jexevents.executions.writing import Also, noted
from jexevents.ingest import other_content
from jexevents.lifecycle.command import SIGNALS
from jexevents.model import Event, Fault
from jexevents.store.executions import Executions, Row
from jexevents.store.ledger import Ledger

_ENDING = ("terminate", "kill")
# No event that somebody creates is called so: that has a name without a slash.
_GIVE_UP = "kill/give-up"
_TRIES = 3


class Told(str, Enum):
    """What became of an event that somebody created."""

    DONE = "done"
    """It is carried out, and is in the ledger or will be at once."""
    PENDING = "pending"
    """The node that has the execution has not answered yet, and will do it when it can."""


@dataclass(frozen=True, slots=True)
class Control:
    """Creates events. Methods raise StoreUnavailable while PostgreSQL does not answer."""

    ledger: Ledger
    executions: Executions
    queue: Queue
    orders: Orders

    def create(
        self, row: Row, name: str, cause: str, by: str, seconds: float, key: str | None = None
    ) -> Told:
        """Create an event of an execution, given as ``Executions.find`` gives it.

        A signal is sent to what runs, and cancels what has not begun; any other name is a status of
        the job's own. Waits for its node so many seconds; gives one of ``Told``. With the same
        ``key`` (an Idempotency-Key) it is created once. Raises Conflict where the state does not
        allow it, or the key was used for something else; StorageFull where its node's disk is full.
        """
        named = Named(row["execution"], row["definition"])
        for number in range(_TRIES):
            asked = _Asked(named, row["job_id"], name, cause, by, key, number)
            done = self._again(asked, seconds) or self._create(asked, seconds)
            if done is not None:
                return done
        raise Unavailable("The execution changes hands just now.", remedy="Try again.")

    def give_up(self, row: Row, cause: str, by: str, key: str | None = None) -> None:
        """Give up what was begun on a node of which nothing is heard; once with the same ``key``.

        Raises Conflict.
        """
        named = Named(row["execution"], row["definition"])
        asked = _Asked(named, row["job_id"], _GIVE_UP, cause, by, key, 0)
        if self._again(asked, 0.0) is not None:
            return
        queued = self.executions.queued(asked.job_id)
        done = queued is not None and self.queue.give_up(
            asked.job_id,
            named,
            queued["attempt"],
            asked.why,
            by,
            ordered=asked.ordered,
            also=asked.noted("execution given up"),
        )
        # The same request may have been first just now.
        if not done and self._again(asked, 0.0) is None:
            raise _refused(row["state"], "an execution that was begun and is not over")

    def _again(self, asked: _Asked, seconds: float) -> Told | None:
        """Give what became of the same request, asked before; None where it was not."""
        if asked.key is None:
            return None
        order = self.orders.known(asked.order)
        if order is not None:
            _require_same(asked, order.event, order.cause or asked.default)
            return self._waited(order, seconds)
        before = self.executions.event_of(asked.job_id, asked.identity)
        if before is None:
            return None
        _require_same(asked, *_asked_by(before["data"], before["name"]))
        return Told.DONE

    def _create(self, asked: _Asked, seconds: float) -> Told | None:
        """Try it with things as they stand now; None where they changed meanwhile."""
        queued = self.executions.queued(asked.job_id)
        if queued is None:
            return self._after_its_end(asked)
        if queued["begun_at"] is None:
            return self._before_its_begin(asked, queued)
        order = Order(
            asked.order, asked.job_id, queued["attempt"], asked.name, asked.cause, asked.by
        )
        self.orders.order(asked.named, order, queued["node"])
        return self._waited(order, seconds)

    def _waited(self, order: Order, seconds: float) -> Told | None:
        answer = self.orders.wait(order, seconds)
        return Told.PENDING if answer is None else self._answered(answer)

    def _answered(self, answer: Mapping[str, Any]) -> Told | None:
        fault = answer.get("fault")
        if fault is None:
            return Told.DONE
        if fault == ENDED:
            return None
        if fault == NO_ROOM:
            raise StorageFull(answer["error"])
        raise Conflict(answer["error"])

    def _before_its_begin(self, asked: _Asked, queued: Row) -> Told | None:
        name = asked.name
        if name in _ENDING:
            done = self.queue.cancel(
                asked.job_id,
                asked.named,
                asked.why,
                asked.by,
                asked.noted(f"execution {name}"),
                asked.ordered,
            )
        elif name in SIGNALS:
            raise _refused("QUEUED", "terminate or kill: it has not begun")
        else:
            event = asked.event(queued["attempt"], 0)
            done = self.queue.add(asked.job_id, event, asked.noted("execution event"))
        return Told.DONE if done else None

    def _after_its_end(self, asked: _Asked) -> Told | None:
        named = asked.named
        row = self.executions.find(named.definition, named.execution)
        if row is None or not row["closed"]:
            return None
        if asked.name in SIGNALS:
            # The same request may have ended it just now.
            done = self._again(asked, 0.0)
            if done is None:
                raise _refused(row["state"], "another event than a signal: it is over")
            return done
        attempts = self.executions.attempts(asked.job_id)
        last = attempts[-1]["sequence"] if attempts else 2
        # Kept, and no more: what is over has no status that hooks could be for.
        note = asked.noted("execution event")
        self.ledger.apply(
            [asked.event(row["attempt"], last + 1)], also=lambda connection, _: note(connection)
        )
        return Told.DONE


@dataclass(frozen=True, slots=True)
class _Asked:
    """An event that somebody wants; ``number`` counts the tries of one request."""

    named: Named
    job_id: str
    name: str
    cause: str
    by: str
    key: str | None
    number: int
    order: str = field(init=False)
    """The id of the order that it becomes, where it becomes one."""

    def __post_init__(self) -> None:
        """Have the order's id say which request it is, where there is a key."""
        own = uuid_utils.uuid7()
        if self.key is not None:
            own = uuid5(UUID(self.job_id), f"{self.number} {self.key}")
        object.__setattr__(self, "order", str(own))

    @property
    def identity(self) -> bytes | None:
        """The identity of the event that it becomes, where it becomes one at once."""
        return None if self.key is None else events.identity_of_person(self.named, self.key)

    @property
    def default(self) -> str:
        """The cause where none is given."""
        if self.name == _GIVE_UP:
            return "Somebody gave it up."
        return f"Asked to {self.name}." if self.name in _ENDING else ""

    @property
    def why(self) -> str:
        """The cause."""
        return self.cause or self.default

    @property
    def ordered(self) -> Ordered:
        """What the event says of the request, where it becomes one of the daemon's."""
        return Ordered(self.name, self.identity)

    def noted(self, action: str) -> Also:
        """Give what writes into the audit that this was done."""
        return noted(self.named, action, self.by, cause=self.cause)

    def event(self, attempt: int, sequence: int) -> Event:
        """Give that event."""
        told = events.of_person(
            self.named, events.now(), attempt, sequence, self.name, self.cause, self.by
        )
        return told if self.identity is None else told._replace(checksum=self.identity)


def _require_same(asked: _Asked, name: str, cause: str) -> None:
    if (asked.name, asked.why) != (name, cause):
        raise other_content()


def _asked_by(data: Mapping[str, Any], name: str) -> tuple[str, str]:
    """Give the word and the cause with which an event was asked for."""
    if "asked" in data:
        return data["asked"], data.get("cause") or data.get("reason", "")
    return name, data.get("cause", "")


def _refused(state: str, allowed: str) -> Conflict:
    return Conflict(f"The execution is {state}.", [Fault("/event", allowed, "a signal")])
