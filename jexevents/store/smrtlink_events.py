"""Look up system events of SMRT Link, those of jobs and those of none. Never writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jexevents.store.database import Database
from jexevents.store.queries import QUERIES
from jexevents.store.reading import PAGE_BYTES

Row = Mapping[str, Any]
FILTERS = ("source", "name", "version", "since", "until")


class SmrtLinkEvents:
    """Every method raises StoreUnavailable while PostgreSQL does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, format_: str, checksum: bytes, system: str | None) -> dict[str, Any] | None:
        """What the event with this identity says, None where there is none.

        Of several systems that have it, the first stored.
        """
        with self._database.look() as connection:
            row = QUERIES.smrtlink_jobs.smrtlink_event(
                connection, checksum=checksum, format=format_, source=system
            )
            return None if row is None else row[0]

    def find(
        self, format_: str, *, limit: int, before: int | None = None, **filters: Any
    ) -> list[Row]:
        """A page of events, the last stored first, bounded as those of the ledger are.

        Filters are those of FILTERS; ``since`` and ``until`` are aware datetimes. Each row has
        ``seq``, ``data`` and ``found``.
        """
        given = dict.fromkeys(FILTERS) | filters
        with self._database.look() as connection:
            return QUERIES.smrtlink_jobs.find_smrtlink_events.mappings(
                connection,
                format=format_,
                limit=limit,
                before=before,
                max_bytes=PAGE_BYTES,
                **given,
            )
