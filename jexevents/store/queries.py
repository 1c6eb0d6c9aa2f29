"""The SQL files of this package as functions, by the names that stand in them.

``QUERIES.jobs.lock_jobs(connection, kinds=..., keys=...)`` runs the statement ``lock_jobs``
of ``jobs.sql``: one object a file. Those that are asked all the time are prepared.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiosql
from aiosql.types import SQLOperationType

from jexevents.store.prepared import Prepared
from jexevents.store.session import Session

FOLDER = Path(str(resources.files("jexevents.store")))

# Asked for every batch, insertion or look-up. Not those whose best plan depends on what is
# asked for, such as the pages with filters that may be null.
_HOT = {
    "jobs": ("lock_jobs", "insert_jobs", "update_jobs", "job_by_id", "state_of"),
    "events": (
        "insert_event",
        "next_seqs",
        "find_seqs",
        "add_positions",
        "latest_of_name",
        "story",
    ),
    "condor_jobs": (
        "condor_facts",
        "save_condor_facts",
        "condor_record",
        "add_invocations",
        "job_of_invocation",
    ),
    "hooks": (
        "insert_deliveries",
        "lock_hooks",
        "claim_deliveries",
        "is_anything_due",
        "next_due",
        "finish_deliveries",
        "unpark",
    ),
}


class Query:
    """A named statement; called with a connection and its parameters by name.

    What it gives is what the sign behind its name says, as aiosql has it: ``^`` a row or None,
    ``$`` a value or None, ``!`` a number of rows, and without a sign a list of rows.
    """

    def __init__(self, name: str, query: Callable[..., Any], *, hot: bool) -> None:
        self.sql: str = query.sql
        self._query = query
        self._prepared = Prepared(name, query.sql) if hot else None
        self._give = _GIVES[query.operation] if hot else None
        self._lists = query.operation is SQLOperationType.SELECT

    def __call__(self, connection: Session, **arguments: Any) -> Any:
        """Run it."""
        if self._prepared is None:
            given = self._query(connection, **arguments)
            # Some versions of aiosql ask the server when the rows are taken, so perhaps never: who
            # asks for a lock takes none.
            return list(given) if self._lists else given
        with connection.cursor() as cursor:
            self._prepared.execute(cursor, arguments)
            return self._give(cursor)

    def later(self, connection: Session, **arguments: Any) -> None:
        """Have it run in front of the transaction's next statement; nobody sees what it gives."""
        with connection.cursor() as cursor:
            if self._prepared is None:
                connection.later(cursor.mogrify(self.sql, arguments))
            else:
                self._prepared.later(cursor, arguments)

    def mappings(self, connection: Session, **arguments: Any) -> list[dict[str, Any]]:
        """Run it, and give its rows as mappings from column to value."""
        with connection.cursor() as cursor:
            if self._prepared is None:
                cursor.execute(self.sql, arguments)
            else:
                self._prepared.execute(cursor, arguments)
            names = [column.name for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _value(cursor: Any) -> Any:
    row = cursor.fetchone()
    return None if row is None else row[0]


_GIVES: dict[SQLOperationType, Callable[[Any], Any]] = {
    SQLOperationType.SELECT: lambda cursor: cursor.fetchall(),
    SQLOperationType.SELECT_ONE: lambda cursor: cursor.fetchone(),
    SQLOperationType.SELECT_VALUE: _value,
    SQLOperationType.INSERT_UPDATE_DELETE: lambda cursor: cursor.rowcount,
}


class _Queries:
    """The files by their names, each read when it is first needed: commands need few of them."""

    def __init__(self) -> None:
        self._lock = threading.RLock()

    def __getattr__(self, name: str) -> SimpleNamespace:
        # Asked for what is not there yet. One alone reads a file: its statements are prepared once.
        with self._lock:
            if name not in vars(self):
                file = FOLDER / f"{name}.sql"
                if not file.is_file():
                    raise AttributeError(f"There are no statements {name!r}.")
                setattr(self, name, _loaded(file))
            return vars(self)[name]


def _loaded(file: Path) -> SimpleNamespace:
    # Parameters are named in the statements themselves; to declare them again above each
    # would be a second place to keep.
    queries = aiosql.from_path(file, "psycopg2", mandatory_parameters=False)
    hot = _HOT.get(file.stem, ())
    names = [name for name in queries.available_queries if not name.endswith("_cursor")]
    return SimpleNamespace(
        **{name: Query(name, getattr(queries, name), hot=name in hot) for name in names}
    )


QUERIES = _Queries()
