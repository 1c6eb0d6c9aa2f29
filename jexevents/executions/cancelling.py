"""What has not begun of a result is cancelled, be it ten thousand runs, in one go."""

from __future__ import annotations

from collections.abc import Callable

from jexevents.executions import events
from jexevents.executions.writing import Queued, QueueWriter
from jexevents.model import Event
from jexevents.store.database import Connection
from jexevents.store.literals import array
from jexevents.store.queries import QUERIES

# Done in the transaction, with how many are cancelled; only where any is.
AlsoCounted = Callable[[Connection, int], object]


class Cancelling(QueueWriter):
    """Takes the runs of results out of the queue."""

    def cancel_waiting(
        self, result_id: int, number: int | None, cause: str, by: str, also: AlsoCounted
    ) -> int:
        """Cancel the runs of a result, or the one of this number, that have not begun.

        Gives how many these were.
        """
        waiting: dict[str, Queued] = {}

        def decide(connection: Connection) -> list[Event]:
            waiting.clear()
            rows = QUERIES.execution_queue.lock_waiting_of_result(
                connection, result_id=result_id, number=number
            )
            waiting.update((row[0], Queued(*row)) for row in rows)
            if not waiting:
                return []
            QUERIES.execution_queue.leave_queue(connection, job_ids=array(waiting))
            also(connection, len(waiting))
            at = events.now()
            return [
                events.cancelled(one.named, at, one.attempt, cause, by) for one in waiting.values()
            ]

        self._write(decide, lambda: {job_id: one.what for job_id, one in waiting.items()})
        if waiting:
            self._ring()
        return len(waiting)
