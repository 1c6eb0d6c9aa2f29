"""Connections that begin, end and say several things in as few exchanges as can be.

psycopg2 sends BEGIN and each statement by itself, and waits for the answer to each; a thread
that waits lets go of the interpreter and has to queue for it again. PostgreSQL takes several
statements in one message (manual, 53.2.3, "Simple Query"): what needs no answer of its own goes
along with the next statement that does.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import psycopg2
import psycopg2.extensions
from psycopg2.errors import InFailedSqlTransaction
from psycopg2.extensions import TRANSACTION_STATUS_IDLE

_BEGIN = b"begin"


class Session(psycopg2.extensions.connection):
    """A connection in psycopg2's autocommit mode, with transactions of our own.

    Outside of ``begin`` and ``commit`` each statement is a transaction. ``prepared`` are the names
    of what was prepared on it; that outlives its transactions. ``descriptor`` and ``inode`` are
    those of its socket.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.autocommit = True
        self.cursor_factory = Cursor
        self.prepared: set[str] = set()
        self.descriptor = self.fileno()
        self.inode = os.fstat(self.descriptor).st_ino
        self._ahead: list[bytes] = []
        self._preparing: list[str] = []
        self._in_doubt = self._is_lost = False

    def begin(self) -> None:
        """Begin a transaction with the next statement."""
        self._ahead.append(_BEGIN)

    def later(self, statement: bytes) -> None:
        """Have a statement done in front of the next one, or of the commit; nobody sees its answer.

        What goes wrong with it, goes wrong there.
        """
        self._ahead.append(statement)

    def prepare(self, name: str, statement: str) -> None:
        """Have a statement prepared in front of the next one."""
        self._ahead.append(statement.encode())
        self._preparing.append(name)

    def is_prepared(self, name: str) -> bool:
        """Whether a statement of that name is prepared, or will be in front of the next one."""
        return name in self.prepared or name in self._preparing

    def commit(self) -> None:
        """Commit; where nothing was said since ``begin`` the server hears of neither."""
        if self._ahead == [_BEGIN]:
            self._forget()
        elif self.waits or self.info.transaction_status != TRANSACTION_STATUS_IDLE:
            self._say(b"commit")

    def rollback(self) -> None:
        """Take back what was said since ``begin``."""
        self._forget()
        self._is_lost = False
        if self.info.transaction_status != TRANSACTION_STATUS_IDLE:
            self._say(b"rollback")
        if self._in_doubt:
            self._say(b"deallocate all")
            self.prepared.clear()
            self._in_doubt = False

    def flush(self) -> None:
        """Say what has waited."""
        if self.waits:
            statement = self._ahead.pop()
            with self.cursor() as cursor:
                self.sent(cursor.say, statement)

    def sent(self, say: Callable[[bytes], None], statement: bytes) -> None:
        """Say a statement with what has waited in front of it, by ``say``."""
        begins = _BEGIN in self._ahead
        text = b";\n".join([*self._ahead, statement])
        preparing = self._preparing
        self._forget()
        try:
            say(text)
        except psycopg2.Error:
            # What was prepared before the statement that failed, stays so. Which were, nobody says.
            self._in_doubt = self._in_doubt or bool(preparing)
            idle = self.info.transaction_status == TRANSACTION_STATUS_IDLE
            self._is_lost = self._is_lost or (begins and idle)
            raise
        self.prepared.update(preparing)

    @property
    def waits(self) -> bool:
        """Whether anything waits to be said.

        Raises InFailedSqlTransaction where the transaction never began, its first text having been
        refused whole: what is said now would be no part of one.
        """
        if self._is_lost:
            raise InFailedSqlTransaction("The transaction did not begin; roll it back.")
        return bool(self._ahead)

    def _say(self, statement: bytes) -> None:
        with self.cursor() as cursor:
            cursor.execute(statement)

    def _forget(self) -> None:
        self._ahead, self._preparing = [], []


class Cursor(psycopg2.extensions.cursor):
    """Says what has waited in front of its own statement."""

    def execute(self, query: Any, arguments: Any = None) -> None:
        """Run a statement (DB-API 2.0)."""
        session: Session = self.connection
        if not session.waits:
            super().execute(query, arguments)
        elif self.name is not None:
            session.flush()
            super().execute(query, arguments)
        else:
            session.sent(self.say, self.mogrify(query, arguments))

    def say(self, text: bytes) -> None:
        """Run a text as it is."""
        super().execute(text)

    def _refuse(self, *_arguments: Any, **_options: Any) -> None:
        raise psycopg2.NotSupportedError("Only execute and copy_expert heed what has waited.")

    executemany = callproc = copy_from = copy_to = _refuse

    def copy_expert(self, *arguments: Any, **options: Any) -> None:
        """Run a COPY; it stands in no message with others."""
        self.connection.flush()
        super().copy_expert(*arguments, **options)
