"""Statements that PostgreSQL plans once a connection, for those that are asked all the time.

To plan a statement takes it longer than to find a row by its key, and with a batch's dozen of
statements as long as to store some tens of events. PREPARE is SQL like any other (PostgreSQL
manual, PREPARE), so psycopg2 need not know of it.
"""

from __future__ import annotations

import re
from typing import Any

import psycopg2.extensions

from jexevents.store.session import Session

_PLACEHOLDER = re.compile(r"%\((\w+)\)s")


class Prepared:
    """One statement, prepared on each connection at its first use; only on a ``Session``.

    ``sql`` has parameters as psycopg2 writes them, ``%(name)s``.
    """

    def __init__(self, name: str, sql: str) -> None:
        self._name = name
        names = list(dict.fromkeys(_PLACEHOLDER.findall(sql)))
        numbered = _PLACEHOLDER.sub(lambda match: f"${names.index(match[1]) + 1}", sql)
        self._prepare = f"prepare {name} as {numbered.rstrip().rstrip(';')}"
        given = ", ".join(f"%({each})s" for each in names)
        self._execute = f"execute {name} ({given})" if names else f"execute {name}"

    def execute(self, cursor: psycopg2.extensions.cursor, arguments: dict[str, Any]) -> None:
        """Run it; the cursor then has its rows."""
        self._provide(cursor.connection)
        cursor.execute(self._execute, arguments)

    def later(self, cursor: psycopg2.extensions.cursor, arguments: dict[str, Any]) -> None:
        """Have it run in front of the next statement."""
        session: Session = cursor.connection
        self._provide(session)
        session.later(cursor.mogrify(self._execute, arguments))

    def _provide(self, session: Session) -> None:
        if not session.is_prepared(self._name):
            session.prepare(self._name, self._prepare)
