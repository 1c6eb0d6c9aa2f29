"""Write events and fold the states of their jobs: one transaction a batch, sets not rows.

Whoever writes events of a job holds its lock. So what is not found is new, and goes in by
COPY, which knows no ``on conflict``. Even the look is left out as long as nothing comes twice
(``trust``): the unique index stands behind it all, and then the batch is tried again. So is
what deadlocks, by Database.run.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from jexevents.model import Event, Outcome, Reject
from jexevents.store.batch import Batch
from jexevents.store.database import Connection, Database
from jexevents.store.matching import Matching
from jexevents.store.offers import Applied
from jexevents.store.outbox import Interest
from jexevents.store.proofs import prove
from jexevents.store.queries import QUERIES
from jexevents.store.rejects import hold_rejects, insert_rejects, take_rejects
from jexevents.store.trust import Trust


def _nothing(_connection: Connection, _applied: Sequence[Applied]) -> None:
    """Do nothing."""


def _no_more(_connection: Connection) -> Sequence[Event]:
    return ()


Wake = Callable[[Collection[str]], None]


def nobody_waits(_hooks: Collection[str]) -> None:
    """Do nothing: nobody waits for deliveries."""


class Ledger:
    """The one way to write events."""

    def __init__(
        self,
        database: Database,
        *,
        reject_max_bytes: int = 1 << 20,
        interest: Interest | None = None,
        wake: Wake = nobody_waits,
    ) -> None:
        """``interest`` is that of the hooks, None where there are none.

        ``wake`` is called when deliveries are written, after their commit, with the hooks' names.
        """
        self._interest = interest
        self._wake = wake
        self._database = database
        self._reject_max_bytes = reject_max_bytes
        self._trust = Trust()

    def data_of(self, source: str, identity: bytes) -> Mapping[str, Any] | None:
        """Give what the event says that has this identity, one that is one over its source; None
        if there is none. Raises StoreUnavailable."""
        with self._database.look() as connection:
            return QUERIES.events.data_of_identity(connection, source=source, checksum=identity)

    def apply(
        self,
        events: Sequence[Event],
        rejects: Sequence[Reject] = (),
        retried: Sequence[int] = (),
        also: Callable[[Connection, Sequence[Applied]], object] = _nothing,
        decide: Callable[[Connection], Sequence[Event]] = _no_more,
    ) -> list[Applied]:
        """Store events and rejects in one transaction; give one Applied for each event.

        ``decide`` is asked first in the transaction, and may lock what it decides by: what it gives
        is stored behind ``events``.

        ``retried`` are the numbers of rejects that these events were, in the same order: they
        leave the list in the same transaction, save those whose events are refused again.
        ``also`` is done in the transaction, too, with what became of the events.

        Raises StoreUnavailable where a later try may succeed, Invalid where PostgreSQL
        refuses what one of them holds, RejectsGone where one of ``retried`` has left the list
        already; nothing was stored then.
        """
        tries, matching = 0, None

        def work(connection: Connection) -> list[Applied]:
            nonlocal tries, matching
            tries += 1
            matching = None if self._interest is None else Matching(self._interest)
            told = [*events, *decide(connection)]
            hold_rejects(connection, retried)
            insert_rejects(connection, rejects, self._reject_max_bytes)
            looks = tries > 1 or self._trust.looks
            applied = _apply(connection, told, looks, matching) if told else []
            take_rejects(
                connection,
                [
                    number
                    for number, one in zip(retried, applied, strict=False)
                    if one.refusal is None
                ],
            )
            also(connection, applied)
            return applied

        applied = self._database.run(work)
        if matching is not None and matching.names:
            self._wake(matching.names)
        if tries > 1:
            self._trust.broken()
        else:
            self._trust.kept()
        return applied


def _apply(
    connection: Connection, events: Sequence[Event], looks: bool, matching: Matching | None
) -> list[Applied]:
    proven = prove(connection, events)
    if proven is events:
        return Batch(connection, events, looks=looks, matching=matching).apply()
    admitted = [one for one in proven if isinstance(one, Event)]
    applied = iter(Batch(connection, admitted, looks=looks, matching=matching).apply())
    return [
        next(applied) if isinstance(one, Event) else Applied(Outcome.FORBIDDEN, None, refusal=one)
        for one in proven
    ]
