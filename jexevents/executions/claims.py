"""Who has what of the queue: claims with a lease, and begins, which no lease frees."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from jexevents.executions import events
from jexevents.executions.events import Named
from jexevents.executions.run import AnyRun, run_of_json
from jexevents.executions.writing import QueueWriter
from jexevents.model import Event, Kind
from jexevents.store.database import Connection
from jexevents.store.literals import array, columns
from jexevents.store.queries import QUERIES


@dataclass(frozen=True, slots=True)
class Claimed:
    """An attempt that a node has: which one, and what is run."""

    job_id: str
    named: Named
    attempt: int
    claim: int
    run: AnyRun


@dataclass(frozen=True, slots=True)
class Offer:
    """What a node can take: executions of these kinds, whose labels are among its own, and nothing
    that needs what is in ``but``: commits and images that it could not get just now."""

    kinds: Collection[Kind] = (Kind.COMMAND,)
    labels: Collection[str] = ()
    but: Collection[str] = ()


_COMMANDS = Offer()


@dataclass(frozen=True, slots=True)
class Unsettled:
    """An attempt that was begun on a node, whose end is not in the ledger.

    ``run`` is None where the attempt was given up. ``sequence`` is the last of its own events that
    is known.
    """

    job_id: str
    named: Named
    attempt: int
    boot: str
    sequence: int
    run: AnyRun | None


class Claims(QueueWriter):
    """Takes from the queue for one node."""

    def next_due(self, offer: Offer = _COMMANDS, *, later: bool = False) -> float | None:
        """Give in how many seconds the first of what waits for such a node is due, below 0 for some
        time ago; None if nothing waits. With ``later``, of what is not due yet."""
        with self._database.look() as connection:
            return QUERIES.execution_queue.next_due_execution(
                connection, later=later, **_columns(offer)
            )

    def claim(self, limit: int, offer: Offer = _COMMANDS) -> list[Claimed]:
        """Take up to ``limit`` of what is next."""
        found: list[Claimed] = []

        def decide(connection: Connection) -> list[Event]:
            nonlocal found
            QUERIES.execution_queue.lock_claims(connection)
            rows = QUERIES.execution_queue.next_in_line(
                connection, node=self._node, limit=limit, **_columns(offer)
            )
            found = [
                Claimed(job_id, Named(*names), attempt, claim, run_of_json(run))
                for job_id, *names, attempt, claim, run in rows
            ]
            found = _one_of_each(found)
            if found:
                QUERIES.execution_queue.take(
                    connection,
                    node=self._node,
                    lease_seconds=self._lease_seconds,
                    job_ids=array(one.job_id for one in found),
                )
            at = events.now()
            return [
                events.claimed(one.named, at, one.attempt, self._node, one.claim) for one in found
            ]

        self._write(decide, lambda: {one.job_id: one.run for one in found})
        return found

    def begin(self, claimed: Claimed, boot: str) -> bool:
        """Note that what was claimed begins now; False where it is this node's no more."""
        with self._database.transaction() as connection:
            waited = QUERIES.execution_queue.begin_attempt(
                connection,
                job_id=claimed.job_id,
                attempt=claimed.attempt,
                node=self._node,
                claim=claimed.claim,
                boot=boot,
            )
        if waited is None:
            return False
        self._observer.begun(claimed.named.kind.value, waited)
        return True

    def renew(self, claimed: Collection[Claimed]) -> None:
        """Keep what was claimed and does not begin yet."""
        if claimed:
            with self._database.transaction() as connection:
                QUERIES.execution_queue.renew(
                    connection,
                    job_ids=array(one.job_id for one in claimed),
                    node=self._node,
                    lease_seconds=self._lease_seconds,
                )

    def give_back(self, but: Iterable[Claimed] = ()) -> None:
        """Let others have all that this node has claimed and not begun, but for these."""
        kept = array(one.job_id for one in but)
        with self._database.transaction() as connection:
            given = QUERIES.execution_queue.give_back(connection, node=self._node, but=kept)
        if given:
            self._ring()

    def unsettled(self) -> list[Unsettled]:
        """Give what was begun on this node and whose end is not known."""
        with self._database.look() as connection:
            rows = QUERIES.execution_queue.unsettled(connection, node=self._node)
        return [
            Unsettled(
                job_id,
                Named(*names),
                attempt,
                boot,
                sequence,
                run_of_json(run) if current else None,
            )
            for job_id, *names, attempt, boot, sequence, run, current in rows
        ]

    def begun(self, places: Sequence[tuple[str, int]]) -> set[tuple[str, int]]:
        """Give those of these attempts (job id, number) that some node has begun and still has."""
        if not places:
            return set()
        with self._database.look() as connection:
            rows = QUERIES.execution_queue.begun_of(
                connection, **columns(("job_ids", "attempts"), places)
            )
        return {(job_id, attempt) for job_id, attempt in rows}

    def ledger_id(self) -> str:
        """Give what this ledger is called among others."""
        with self._database.look() as connection:
            return QUERIES.execution_queue.ledger_id(connection)

    def held(self) -> set[tuple[str, int]]:
        """Give the attempts (job id, number) that are this node's."""
        with self._database.look() as connection:
            rows = QUERIES.execution_queue.held_by(connection, node=self._node)
        return {(job_id, attempt) for job_id, attempt in rows}


def _columns(offer: Offer) -> dict[str, str]:
    return {
        "kinds": array(kind.value for kind in offer.kinds),
        "labels": array(offer.labels),
        "but": array(offer.but),
    }


def _one_of_each(found: Sequence[Claimed]) -> list[Claimed]:
    """Leave out what must wait for another one that is claimed with it."""
    taken: set[tuple[Kind, str]] = set()
    left = []
    for one in found:
        what = one.named.kind, one.named.definition
        if not (one.run.is_exclusive and what in taken):
            left.append(one)
            taken.add(what)
    return left
