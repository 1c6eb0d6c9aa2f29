"""Which processes share this ledger. A name is held by a lock that ends with its session."""

from __future__ import annotations

import os
import time

import psycopg2

from jexevents import __version__
from jexevents.errors import StoreUnavailable
from jexevents.store.database import Connection, Database
from jexevents.store.queries import QUERIES

_NOTE_SECONDS = 10.0
# A look takes milliseconds. This one's session is not the pool's, and nothing else bounds it.
_HOLD_SECONDS = 6.0


class NodeName:
    """The name that one process of a role has among all that share the ledger.

    Not for use by several threads at once.
    """

    def __init__(self, database: Database, name: str, role: str, url: str | None = None) -> None:
        self._database = database
        self._name = name
        self._role = role
        self._url = url
        self._connection: Connection | None = None
        self._noted_at = float("-inf")

    def hold(self) -> bool:
        """Take the name, or keep it; False where another live process of the role has it.

        Asks the database each time. Raises StoreUnavailable; the name may be lost then and is
        taken again by the next call.
        """
        try:
            return self._hold()
        except psycopg2.Error as error:
            self.release()
            raise StoreUnavailable(f"PostgreSQL: {error}") from error

    def _hold(self) -> bool:
        if self._connection is None:
            connection = self._database.open()
            if not self._lock(connection):
                connection.close()
                return False
            self._connection = connection
        with self._database.watched(self._connection, _HOLD_SECONDS):
            now = time.monotonic()
            if now - self._noted_at >= _NOTE_SECONDS:
                self._note()
                self._noted_at = now
            else:
                QUERIES.nodes.ping(self._connection)
        return True

    def _lock(self, connection: Connection) -> bool:
        with self._database.watched(connection, _HOLD_SECONDS):
            return QUERIES.nodes.hold_name(
                connection,
                lock_class=f"jexevents {self._database.schema} {self._role}",
                lock_name=self._name,
            )

    def release(self) -> None:
        """Let the name go; safe at any time."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
            self._noted_at = float("-inf")

    def _note(self) -> None:
        QUERIES.nodes.note_node(
            self._connection,
            name=self._name,
            role=self._role,
            url=self._url,
            version=__version__,
            pid=os.getpid(),
        )
