"""What the ledger knows of uploaded files. The files themselves lie with the nodes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from jexevents.rfc3339 import format_utc
from jexevents.store import audit
from jexevents.store.database import Connection, Database
from jexevents.store.literals import array
from jexevents.store.queries import QUERIES

Row = Mapping[str, Any]

FILTERS = ("system", "type", "since", "until")
_AT_ONCE = 500


class UploadStore:
    """Rows as mappings from column to value; ids are strings.

    Every method but ``insert`` raises StoreUnavailable while PostgreSQL does not answer.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def insert(self, connection: Connection, row: Row) -> None:
        """Note an upload in a transaction of somebody else's."""
        manifest = json.dumps(row["manifest"], ensure_ascii=False)
        QUERIES.uploads.insert_upload(connection, **{**row, "manifest": manifest})

    def get_in(self, connection: Connection, upload_id: str) -> Row | None:
        """One upload, or None, as a transaction sees it."""
        rows = QUERIES.uploads.upload_by_id.mappings(connection, id=upload_id)
        return rows[0] if rows else None

    def get(self, upload_id: str) -> Row | None:
        """One upload, or None."""
        with self._database.look() as connection:
            return self.get_in(connection, upload_id)

    def find(self, *, limit: int, before: int | None = None, **filters: Any) -> list[Row]:
        """A page of uploads without their manifests, the newest first, older than ``before``.

        Filters are those of FILTERS; ``since`` and ``until`` are aware datetimes.
        """
        given = dict.fromkeys(FILTERS) | filters
        with self._database.look() as connection:
            return QUERIES.uploads.find_uploads.mappings(
                connection, limit=limit, before=before, **given
            )

    def known(self, ids: Sequence[str]) -> set[str]:
        """Which of these ids are uploads, of whichever node."""
        with self._database.look() as connection:
            rows = QUERIES.uploads.known_uploads(connection, ids=array(ids))
            return {upload_id for (upload_id,) in rows}

    def url_of(self, node: str) -> str | None:
        """Where a node answers HTTP, None where it does not say."""
        with self._database.look() as connection:
            return QUERIES.uploads.url_of_node(connection, node=node)

    def count_old(self, node: str, before: datetime) -> tuple[int, int]:
        """How many uploads came before then: of this node, and of all others."""
        with self._database.look() as connection:
            return (
                QUERIES.uploads.count_uploads(connection, node=node, before=before),
                QUERIES.uploads.count_uploads_elsewhere(connection, node=node, before=before),
            )

    def note_pruned(self, node: str, before: datetime, removed: int) -> None:
        """Note in the audit that so many old uploads of a node were removed."""
        detail = {"before": format_utc(before), "node": node, "uploads": removed}
        self._database.run(lambda connection: audit.note(connection, "prune.uploads", detail))

    def drop_old(self, node: str, before: datetime) -> Iterator[list[str]]:
        """Forget uploads of a node that came before then; gives paths, a transaction a step.

        The caller removes the files: one that nothing is known of any more hurts nobody.
        """
        while True:
            with self._database.transaction() as connection:
                rows = QUERIES.uploads.drop_uploads(
                    connection, node=node, before=before, limit=_AT_ONCE
                )
                paths = [path for (path,) in rows]
            if not paths:
                return
            yield paths
