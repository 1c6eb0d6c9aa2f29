"""What is ordered of executions that run: signals, and events that a person creates.

An order is a row; the node that has the execution carries it out, by whatever daemon it was given.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import uuid_utils

from jexevents.executions.bell import Bell
from jexevents.executions.events import Named
from jexevents.executions.queue import Queue
from jexevents.executions.writing import noted
from jexevents.lifecycle.executionid import shortest
from jexevents.store.database import Connection, Database
from jexevents.store.literals import array
from jexevents.store.queries import QUERIES

# Why an order was not carried out.
ENDED, NO_ROOM, REFUSED = "ended", "no-room", "refused"

TERMINATE, KILL = "terminate", "kill"
_POLL_SECONDS = 0.5
# What is to make room has so long between TERM and KILL.
_REPLACE_GRACE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Order:
    """One order: ``event`` is a signal's name, or that of an event."""

    id: str
    job_id: str
    attempt: int
    event: str
    cause: str = ""
    credential: str = ""


class Orders:
    """The orders of one ledger; ``node`` is whose they are that this process carries out.

    ``ring`` is called with the node that has something to do; ``bell`` rings when something was
    done here.
    """

    def __init__(
        self,
        database: Database,
        queue: Queue,
        node: str,
        bell: Bell,
        ring: Callable[[str], None] = lambda _node: None,
    ) -> None:
        self._database = database
        self._queue = queue
        self._node = node
        self._bell = bell
        self._ring = ring

    # --- for who orders

    def order(self, named: Named, order: Order, node: str) -> None:
        """Order a signal or an event of the attempt that a node has begun; once by one id."""

        def work(connection: Connection) -> None:
            _insert(connection, order, node)
            action = f"execution {order.event}"
            noted(named, action, order.credential, cause=order.cause)(connection)

        self._database.run(work)
        self._ring(node)

    def known(self, id_: str) -> Order | None:
        """Give the order with this id."""
        with self._database.look() as connection:
            row = QUERIES.execution_queue.known_order(connection, id=id_)
        return None if row is None else Order(*row)

    def wait(self, order: Order, seconds: float) -> Mapping[str, Any] | None:
        """Wait till an order was carried out; None where it was not by then."""
        end = time.monotonic() + seconds
        while True:
            heard = self._bell.count
            with self._database.look() as connection:
                answer = QUERIES.execution_queue.order_answer(connection, id=order.id)
            left = end - time.monotonic()
            if answer is not None or left <= 0:
                return answer
            self._bell.wait(heard, min(left, _POLL_SECONDS))

    # --- for who carries out

    def open(self) -> list[Order]:
        """Give what this node is ordered to do, the first ordered first."""
        with self._database.look() as connection:
            rows = QUERIES.execution_queue.open_orders(connection, node=self._node)
        return [Order(*row) for row in rows]

    def done(self, answers: Sequence[tuple[Order, Mapping[str, Any]]]) -> None:
        """Note what became of orders."""
        if not answers:
            return
        with self._database.transaction() as connection:
            for order, answer in answers:
                QUERIES.execution_queue.order_done(
                    connection, id=order.id, answer=json.dumps(answer)
                )

    def make_room(self, names: Collection[str] | None = None) -> float | None:
        """Have those end that a newer execution of their job replaces; of these jobs, or of all.

        Gives in how many seconds more has to be done; None where nothing is known to be.
        """
        with self._database.look() as connection:
            rows = QUERIES.execution_queue.replaced(
                connection, definitions=None if names is None else array(names)
            )
        pauses = []
        for job_id, execution, name, attempt, node, begun_at, newer in rows:
            named = Named(execution, name)
            cause = f"Replaced by {shortest(newer)}"
            if begun_at is None:
                self._queue.cancel(job_id, named, cause)
            else:
                pauses.append(self._replace(job_id, attempt, node, cause))
        return min((pause for pause in pauses if pause is not None), default=None)

    def _replace(self, job_id: str, attempt: int, node: str, cause: str) -> float | None:
        """Have one terminated, and killed if it does not heed that; give when to look again."""
        pause: float | None = None

        def work(connection: Connection) -> bool:
            nonlocal pause
            pause = None
            QUERIES.execution_queue.lock_queued(connection, job_ids=array([job_id]))
            seconds = QUERIES.execution_queue.ordered_seconds_ago(
                connection, job_id=job_id, attempt=attempt, event=TERMINATE
            )
            if seconds is None:
                event, pause = TERMINATE, _REPLACE_GRACE_SECONDS
            elif QUERIES.execution_queue.has_order(
                connection, job_id=job_id, attempt=attempt, event=KILL
            ):
                return False
            elif seconds < _REPLACE_GRACE_SECONDS:
                pause = _REPLACE_GRACE_SECONDS - seconds
                return False
            else:
                event = KILL
            order = Order(str(uuid_utils.uuid7()), job_id, attempt, event, cause)
            _insert(connection, order, node)
            return True

        if self._database.run(work):
            self._ring(node)
        return pause


def _insert(connection: Connection, order: Order, node: str) -> None:
    QUERIES.execution_queue.order(
        connection,
        id=order.id,
        job_id=order.job_id,
        attempt=order.attempt,
        node=node,
        event=order.event,
        cause=order.cause,
        credential=order.credential,
    )
