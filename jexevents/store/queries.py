"""The SQL files of this package as functions, by the names that stand in them.

``QUERIES.jobs.lock_jobs(connection, kinds=..., keys=...)`` runs the statement ``lock_jobs``
of ``jobs.sql``: one object a file.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from types import SimpleNamespace

import aiosql

FOLDER = Path(str(resources.files("jexevents.store")))


def _load() -> SimpleNamespace:
    # Parameters are named in the statements themselves; to declare them again above each
    # would be a second place to keep.
    return SimpleNamespace(
        **{
            file.stem: aiosql.from_path(file, "psycopg2", mandatory_parameters=False)
            for file in sorted(FOLDER.glob("*.sql"))
        }
    )


QUERIES = _load()
