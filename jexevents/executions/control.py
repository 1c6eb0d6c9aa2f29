"""Events that somebody creates for an execution: signals for what runs, and words of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum
from typing import Any

from jexevents.errors import Conflict, StorageFull, Unavailable
from jexevents.executions import events
from jexevents.executions.events import Named
from jexevents.executions.orders import ENDED, NO_ROOM, Orders
from jexevents.executions.queue import Queue
from jexevents.lifecycle.command import SIGNALS
from jexevents.lifecycle.executionid import shortest
from jexevents.model import Fault
from jexevents.store import audit
from jexevents.store.database import Connection
from jexevents.store.executions import Executions, Row
from jexevents.store.ledger import Ledger

_ENDING = ("terminate", "kill")
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

    def create(self, row: Row, name: str, cause: str, by: str, seconds: float) -> Told:
        """Create an event of an execution, given as ``Executions.find`` gives it.

        A signal is sent to what runs, and cancels what has not begun; any other name is a status of
        the job's own. Waits for its node so many seconds; gives one of ``Told``. Raises Conflict
        where the state does not allow it, StorageFull where its node's disk is full.
        """
        named = Named(row["execution"], row["definition"])
        for _ in range(_TRIES):
            done = self._create(named, row["job_id"], name, cause, by, seconds)
            if done is not None:
                return done
        raise Unavailable("The execution changes hands just now.", remedy="Try again.")

    def give_up(self, row: Row, cause: str, by: str) -> None:
        """Give up what was begun on a node of which nothing is heard. Raises Conflict."""
        named = Named(row["execution"], row["definition"])
        queued = self.executions.queued(row["job_id"])
        reason = cause or "Somebody gave it up."
        if queued is None or not self.queue.give_up(
            row["job_id"], named, queued["attempt"], reason, by
        ):
            raise _refused(row["state"], "an execution that was begun and is not over")
        self._audit(named, "execution given up", cause, by)

    def _create(
        self, named: Named, job_id: str, name: str, cause: str, by: str, seconds: float
    ) -> Told | None:
        """Try it with things as they stand now; None where they changed meanwhile."""
        queued = self.executions.queued(job_id)
        if queued is None:
            return self._after_its_end(named, job_id, name, cause, by)
        if queued["begun_at"] is None:
            return self._before_its_begin(named, job_id, queued, name, cause, by)
        order = self.orders.order(named, job_id, queued["attempt"], queued["node"], name, cause, by)
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

    def _before_its_begin(
        self, named: Named, job_id: str, queued: Row, name: str, cause: str, by: str
    ) -> Told | None:
        if name in _ENDING:
            if not self.queue.cancel(job_id, named, cause or f"Asked to {name}.", by):
                return None
            self._audit(named, f"execution {name}", cause, by)
            return Told.DONE
        if name in SIGNALS:
            raise _refused("QUEUED", "terminate or kill: it has not begun")
        event = events.of_person(named, _now(), queued["attempt"], 0, name, cause, by)
        if not self.queue.add(job_id, event):
            return None
        self._audit(named, "execution event", cause, by)
        return Told.DONE

    def _after_its_end(
        self, named: Named, job_id: str, name: str, cause: str, by: str
    ) -> Told | None:
        row = self.executions.find(named.definition, named.execution)
        if row is None or not row["closed"]:
            return None
        if name in SIGNALS:
            raise _refused(row["state"], "another event than a signal: it is over")
        attempts = self.executions.attempts(job_id)
        last = attempts[-1]["sequence"] if attempts else 2
        # Kept, and no more: what is over has no status that hooks could be for.
        event = events.of_person(named, _now(), row["attempt"], last + 1, name, cause, by)
        self.ledger.apply([event])
        self._audit(named, "execution event", cause, by)
        return Told.DONE

    def _audit(self, named: Named, action: str, cause: str, by: str) -> None:
        detail = {"job": named.definition, "execution": shortest(named.execution), "cause": cause}

        def also(connection: Connection, _applied: Any) -> None:
            audit.note(connection, action, detail, by)

        self.ledger.apply([], also=also)


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _refused(state: str, allowed: str) -> Conflict:
    return Conflict(
        f"The execution is {state}.", [Fault("/event", allowed, "what this does not allow")]
    )
