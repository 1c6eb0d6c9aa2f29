"""Which processes share this ledger. A name is held by a lock that ends with its session."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psycopg2

from jexevents import __version__
from jexevents.errors import StoreUnavailable
from jexevents.store.database import Connection, Database
from jexevents.store.literals import array
from jexevents.store.queries import QUERIES

_NOTE_SECONDS = 10.0
# A look takes milliseconds. This one's session is not the pool's, and nothing else bounds it.
_HOLD_SECONDS = 6.0
# What is locked by all that run executions, whatever their roles: rows know nodes by name alone.
_RUNS = "runs"


@dataclass(frozen=True, slots=True)
class NodeNote:
    """What a process says of itself. ``slots`` is None for one that runs no executions.

    ``engine`` says which container engine answers it. ``local_url`` is where those reach it that
    are on the same ``machine``.
    """

    slots: int | None = None
    running: int | None = None
    labels: Sequence[str] = ()
    kinds: Sequence[str] = ()
    engine: Mapping[str, Any] | None = None
    local_url: str | None = None
    machine: str = ""


class NodeName:
    """The name that one process of a role has among all that share the ledger; one that ``runs``
    executions has it among all of those, whatever their roles.

    ``note`` is what it says of itself: written where it is new, and every ten seconds. Not for use
    by several threads at once.
    """

    def __init__(
        self,
        database: Database,
        name: str,
        role: str,
        url: str | None = None,
        *,
        runs: bool = False,
    ) -> None:
        self._database = database
        self._name = name
        self._role = role
        self._url = url
        self._runs = runs
        self._connection: Connection | None = None
        self._noted_at = float("-inf")
        self._noted: NodeNote | None = None
        self._is_first = True
        self.note = NodeNote()
        self.is_draining = False
        self.taken = ""

    def hold(self) -> bool:
        """Take the name, or keep it; False where another live process has it: ``taken`` says what
        kind of one, and afterwards ``is_draining`` whether this one is to claim nothing.

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
            if not self._locked(connection):
                connection.close()
                return False
            self._connection = connection
        with self._database.watched(self._connection, _HOLD_SECONDS):
            now = time.monotonic()
            if self.note != self._noted or now - self._noted_at >= _NOTE_SECONDS:
                self._note()
                self._noted_at = now
            else:
                self.is_draining = QUERIES.nodes.ping(
                    self._connection, name=self._name, role=self._role
                )
        return True

    def _locked(self, connection: Connection) -> bool:
        if not self._lock(connection, self._role):
            self.taken = f"Another live {self._role} {self._name!r} works on this database."
            return False
        if self._runs and not self._lock(connection, _RUNS):
            self.taken = (
                f"Another live process of this database has the name {self._name!r} and runs "
                "executions, as this one does."
            )
            return False
        return True

    def _lock(self, connection: Connection, what: str) -> bool:
        with self._database.watched(connection, _HOLD_SECONDS):
            return QUERIES.nodes.hold_name(
                connection,
                lock_class=lock_prefix(self._database) + what,
                lock_name=self._name,
            )

    def end(self) -> None:
        """Let the name go, and note that this process ends in good order, if that can be noted."""
        if self._connection is not None:
            with (
                suppress(psycopg2.Error, StoreUnavailable),
                self._database.watched(self._connection, _HOLD_SECONDS),
            ):
                QUERIES.nodes.node_ended(self._connection, name=self._name, role=self._role)
        self.release()

    def release(self) -> None:
        """Let the name go; safe at any time."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
            self._noted_at = float("-inf")

    def _note(self) -> None:
        note = self.note
        if self._is_first and self._runs:
            QUERIES.nodes.resume_others(self._connection, name=self._name, role=self._role)
        self.is_draining = QUERIES.nodes.note_node(
            self._connection,
            name=self._name,
            role=self._role,
            url=self._url,
            version=__version__,
            pid=os.getpid(),
            slots=note.slots,
            running=note.running,
            labels=array(note.labels),
            kinds=array(note.kinds),
            engine=None if note.engine is None else json.dumps(note.engine),
            local_url=note.local_url,
            machine=note.machine,
            is_first=self._is_first,
        )
        self._is_first, self._noted = False, note


def lock_prefix(database: Database) -> str:
    """Give what the classes of the locks begin with, by which processes hold their names."""
    return f"jexevents {database.schema} "
