"""Results and their runs are cancelled: what has not begun never does, what runs is killed."""

from __future__ import annotations

from dataclasses import dataclass

from jexevents.errors import Conflict
from jexevents.executions.control import Control
from jexevents.model import Fault
from jexevents.store import audit
from jexevents.store.database import Connection
from jexevents.store.results import Results, Row
from jexevents.tasks.runs import unknown_result
from jexevents.tasks.status import (
    CANCELLED,
    KILLED,
    STATUSES,
    detail_key,
    is_over,
    status_of,
)

KILL = "kill"
# What is tried again in this moment is seen neither as waiting nor as begun, and so there is a next
# look.
_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Cancels:
    """Cancels; methods raise StoreUnavailable while PostgreSQL does not answer."""

    results: Results
    control: Control

    def result(self, result_id: int, cause: str, by: str) -> None:
        """Cancel all runs of a result that are not over; those that run are killed by their nodes.

        Nothing changes where it was cancelled before. Raises Unknown, and Conflict where it has
        ended otherwise.
        """
        row = self.results.find(result_id)
        if row is None:
            raise unknown_result(result_id)
        if not is_over(row):
            self._end(result_id, None, row["task"], cause, by)
        elif status_of(row) not in (CANCELLED, KILLED):
            raise _over(f"The result {result_id}", status_of(row))

    def detail(self, row: Row, cause: str, by: str, seconds: float) -> None:
        """Cancel one run, a row of ``Results.detail``; waits so many seconds for the node that has
        it. As ``result``."""
        name = detail_key(row["result_id"], row["number"])
        if not row["closed"]:
            self._end(row["result_id"], row["number"], row["task"], cause, by, seconds)
        elif STATUSES[row["state"]] not in (CANCELLED, KILLED):
            raise _over(f"The run {name}", STATUSES[row["state"]])

    def _end(
        self, result_id: int, number: int | None, task: str, cause: str, by: str, seconds: float = 0
    ) -> None:
        def noted(connection: Connection, count: int) -> None:
            detail = {"task": task, "result": result_id, "runs": count, "cause": cause}
            if number is not None:
                detail["detail"] = number
            audit.note(connection, "result cancelled", detail, by)

        ordered: set[str] = set()
        for again in range(_ROUNDS):
            waited = self.control.queue.cancel_waiting(result_id, number, cause, by, noted)
            for job_id in self.results.begun(result_id, number):
                if job_id not in ordered:
                    self._kill(job_id, cause, by, seconds)
                    ordered.add(job_id)
            if again and not waited:
                return

    def _kill(self, job_id: str, cause: str, by: str, seconds: float) -> None:
        row = self.control.executions.of_job(job_id)
        # One key for all who cancel it so, and for all tries: it is killed once.
        key = f"cancel {row['attempt']}"
        try:
            self.control.create(row, KILL, cause, by, seconds, key)
        except Conflict:
            # It has ended meanwhile, or another is killing it with words of its own.
            return


def _over(what: str, status: str) -> Conflict:
    return Conflict(
        f"{what} is {status}.", [Fault("", "one that is not over", status)], remedy="It is over."
    )
