"""The processes that run executions: who they are, what each does, and whether it is drained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jexevents.store import audit
from jexevents.store.database import Connection, Database
from jexevents.store.nodes import lock_prefix
from jexevents.store.queries import QUERIES

Row = Mapping[str, Any]

# A process that was heard of within so many seconds lives, also where its session was cut off.
SEEN_SECONDS = 30.0
MOST_EXECUTIONS = 100


class Workers:
    """Methods raise StoreUnavailable while PostgreSQL does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[Row]:
        """Give all of them, by name; of what each does the first ``MOST_EXECUTIONS``."""
        with self._database.look() as connection:
            return self._rows(connection, None)

    def find(self, name: str) -> Row | None:
        """Give one; None where there is none of this name."""
        with self._database.look() as connection:
            return next(iter(self._rows(connection, name)), None)

    def drain(self, name: str, *, draining: bool, by: str = audit.COMMAND_LINE) -> bool:
        """Have one that lives claim nothing more, or take that back; False where there is none.

        What it claims is decided in the database: after this it claims nothing.
        """

        def work(connection: Connection) -> bool:
            found = next(iter(self._rows(connection, name)), None)
            if found is None or not found["alive"]:
                return False
            # Who claims at this moment has claimed when this is done.
            QUERIES.execution_queue.lock_claims(connection)
            if QUERIES.nodes.set_draining(connection, name=name, draining=draining) is None:
                return False
            action = "worker drained" if draining else "worker resumed"
            audit.note(connection, action, {"worker": name}, by)
            return True

        return self._database.run(work)

    def held(self, name: str) -> int:
        """Give how many executions a node has, begun or not."""
        with self._database.look() as connection:
            return QUERIES.nodes.held_by_worker(connection, name=name)

    def _rows(self, connection: Connection, name: str | None) -> list[Row]:
        return QUERIES.nodes.workers.mappings(
            connection,
            name=name,
            most=MOST_EXECUTIONS,
            seen_seconds=SEEN_SECONDS,
            lock_prefix=lock_prefix(self._database),
        )
