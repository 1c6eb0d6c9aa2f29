"""Where the outputs of executions are. The bytes themselves lie with the nodes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jexevents.store.database import Connection, Database
from jexevents.store.queries import QUERIES, Query


@dataclass(frozen=True, slots=True)
class OutputPlace:
    """An attempt of an execution, and where its output is.

    ``node`` is None for an attempt that was not begun; ``url`` is where that node answers HTTP, if
    it says so. ``settled_at`` is when nothing more was to be heard of the attempt, ``removed_at``
    when its files were removed. State, phase, exit code and reason are the execution's;
    ``current`` is the number of its last attempt.
    """

    job_id: str
    current: int
    attempt: int
    state: str
    phase: str
    closed: bool
    exit_code: int | None
    reason: str | None
    node: str | None
    settled_at: datetime | None
    removed_at: datetime | None
    url: str | None

    @property
    def is_past(self) -> bool:
        """Whether the ledger expects no more of this attempt."""
        return self.closed or self.attempt < self.current or self.settled_at is not None


class ExecutionOutputs:
    """Methods raise StoreUnavailable while PostgreSQL does not answer.

    ``machine`` is the one that asks: nodes on it need no URL that others can reach.
    """

    def __init__(self, database: Database, machine: str = "") -> None:
        self._database = database
        self._machine = machine

    def find(
        self, definition: str, execution: int, attempt: int | None = None
    ) -> OutputPlace | None:
        """Find an attempt, else the current one, of the execution with this id (microseconds)."""
        return self._one(
            QUERIES.execution_outputs.output_of_execution,
            definition=definition,
            execution=execution,
            attempt=attempt,
        )

    def find_detail(
        self, result_id: int, number: int, attempt: int | None = None
    ) -> OutputPlace | None:
        """Find an attempt, else the current one, of a container's run by its result and number."""
        return self._one(
            QUERIES.execution_outputs.output_of_detail,
            result_id=result_id,
            number=number,
            attempt=attempt,
        )

    def of_attempt(self, job_id: str, attempt: int) -> OutputPlace | None:
        """Find an attempt of the execution that is the job ``job_id``."""
        query = QUERIES.execution_outputs.output_of_attempt
        return self._one(query, job_id=job_id, attempt=attempt)

    def _one(self, query: Query, **arguments: Any) -> OutputPlace | None:
        with self._database.look() as connection:
            return _place(query, connection, {"machine": self._machine, **arguments})


def _place(query: Query, connection: Connection, arguments: Any) -> OutputPlace | None:
    rows = query.mappings(connection, **arguments)
    if not rows:
        return None
    return OutputPlace(**{**rows[0], "job_id": str(rows[0]["job_id"])})
