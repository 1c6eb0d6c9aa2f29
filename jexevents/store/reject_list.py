"""Choose among the rejects, look through them, and drop them.

All of it goes through the chosen ones in the order of their numbers and in small steps, from
behind one number up to another. Rejects that come meanwhile have higher numbers, so every walk
ends, and comes to each reject once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from jexevents.model import Reject
from jexevents.store import audit
from jexevents.store.database import Connection, Database
from jexevents.store.queries import QUERIES
from jexevents.store.reading import Row
from jexevents.store.rejects import drop_rejects, renew_rejects

# A step is one transaction: short enough that a running daemon does not notice it.
STEP_ROWS = 100
STEP_BYTES = 4 << 20
_DROPPED_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Choice:
    """Which rejects: all that meet everything that is given.

    ``since`` and ``until`` are aware and compare with the first arrival; ``tried_before``
    leaves out what was tried in vain at or after that time.
    """

    ids: tuple[int, ...] | None = None
    reason: str | None = None
    origin: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    tried_before: datetime | None = None

    def arguments(self) -> dict[str, Any]:
        """Give what the statements take."""
        return asdict(self) | {"ids": None if self.ids is None else list(self.ids)}

    def told(self) -> dict[str, Any]:
        """Give what was chosen by as JSON values, for the audit."""
        given = {name: value for name, value in asdict(self).items() if value is not None}
        return {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in given.items()
        }


@dataclass(frozen=True, slots=True)
class Count:
    """How many of the chosen rejects have a reason, how many of those are cut."""

    reason: str
    rejects: int
    cut: int
    times: int
    last_id: int


class RejectList:
    """The rejects of one ledger. Every method raises StoreUnavailable while it is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def counts(self, choice: Choice) -> list[Count]:
        """Count the chosen ones by reason, the most frequent first."""
        with self._database.transaction() as connection:
            rows = QUERIES.rejects.count_rejects(connection, **choice.arguments())
            return [Count(*row) for row in rows]

    def missing(self, ids: Sequence[int]) -> list[int]:
        """Give those of these numbers that no reject has."""
        with self._database.transaction() as connection:
            rows = QUERIES.rejects.known_reject_ids(connection, ids=list(ids))
            return sorted(set(ids) - {number for (number,) in rows})

    def newest(self, choice: Choice, limit: int, before: int | None = None) -> list[Row]:
        """Give the newest of the chosen ones below a number, without their bodies."""
        return self._rows(
            QUERIES.rejects.newest_rejects, limit=limit, before=before, **choice.arguments()
        )

    def reasons_of_newest(self, choice: Choice, most: int) -> list[tuple[str, int]]:
        """Count the newest of the chosen ones by reason, the most frequent first."""
        with self._database.look() as connection:
            rows = QUERIES.rejects.reasons_of_newest(connection, most=most, **choice.arguments())
            return [(reason, count) for reason, count in rows]

    def walk(self, choice: Choice, last: int) -> Iterator[list[Row]]:
        """Give the chosen ones up to the number ``last``, a step at a time, bodies included."""
        after = 0
        bounds = {"last": last, "limit": STEP_ROWS, "max_bytes": STEP_BYTES}
        while rows := self._rows(
            QUERIES.rejects.next_rejects, after=after, **bounds, **choice.arguments()
        ):
            yield rows
            after = rows[-1]["id"]

    def begin(self, action: str, choice: Choice, by: str = audit.COMMAND_LINE) -> int:
        """Note in the audit that somebody begins an action; give the number of the note.

        ``by`` is the name of a credential.
        """
        with self._database.transaction() as connection:
            return audit.note(connection, action, {"chosen": choice.told()}, by)

    def note(self, number: int, progress: Mapping[str, int], renewed: Mapping[int, Reject]) -> None:
        """Note how far a retry has come, and why those were refused that it tried last."""

        def work(connection: Connection) -> None:
            if renewed:
                renew_rejects(connection, renewed)
            audit.note_progress(connection, number, progress)

        self._database.run(work)

    def drop(self, choice: Choice, last: int, number: int) -> Iterator[int]:
        """Drop the chosen ones up to the number ``last``, a step at a time; give each's count.

        With each step the note of that number says how many were dropped.
        """
        after = dropped = 0
        while True:
            ids, count = self._drop_step(choice, after, last, number, dropped)
            if not ids:
                return
            after, dropped = ids[-1], dropped + count
            yield count

    def _drop_step(
        self, choice: Choice, after: int, last: int, number: int, before: int
    ) -> tuple[list[int], int]:
        bounds = {"after": after, "last": last, "limit": _DROPPED_AT_ONCE}

        def work(connection: Connection) -> tuple[list[int], int]:
            found = QUERIES.rejects.next_reject_ids(connection, **bounds, **choice.arguments())
            ids = [reject_id for (reject_id,) in found]
            count = drop_rejects(connection, ids)
            audit.note_progress(connection, number, {"dropped": before + count})
            return ids, count

        return self._database.run(work)

    def _rows(self, query: Any, **arguments: Any) -> list[Row]:
        with self._database.look() as connection:
            return query.mappings(connection, **arguments)
