"""What is decided about executions of which nothing is heard, or that somebody does not want."""

from __future__ import annotations

from collections.abc import Callable

from jexevents.executions import events
from jexevents.executions.events import NOBODY, Named, Ordered
from jexevents.executions.reporting import Reporting, known_sequence
from jexevents.executions.reports import Report
from jexevents.executions.run import run_of_json
from jexevents.executions.writing import Also, Queued, queued_rows
from jexevents.lifecycle import command
from jexevents.logs import get_logger
from jexevents.model import Event
from jexevents.store.database import Connection
from jexevents.store.literals import array
from jexevents.store.queries import QUERIES

log = get_logger("executions")

# Looks come every few seconds; after a longer gap PostgreSQL was away, or nobody was there.
_GAP_SECONDS = 20.0


def _nothing(_connection: Connection) -> None:
    """Do nothing."""


class Judging(Reporting):
    """Judges leases and nodes, and ends what has not begun."""

    def judge(self, lost_after_seconds: float) -> None:
        """Free what was claimed and not begun by nodes that went silent, and give up what was begun
        by those that have been silent for too long; see that what is replaced makes room.

        No lease and no node is judged until a whole lease has passed with PostgreSQL there.
        """
        with self._database.transaction() as connection:
            (may_judge,) = QUERIES.execution_queue.judge(
                connection, gap_seconds=_GAP_SECONDS, lease_seconds=self._lease_seconds
            )
            freed = QUERIES.execution_queue.free_expired(connection) if may_judge else []
        for named in (Named(*row) for row in freed):
            log.warning("claim_expired", job=named.definition, execution=named.text)
        if may_judge:
            self._give_up_silent(lost_after_seconds)
        if freed:
            self._ring()

    def _give_up_silent(self, lost_after_seconds: float) -> None:
        with self._database.look() as connection:
            rows = QUERIES.execution_queue.silent(connection, lease_seconds=self._lease_seconds)
        for job_id, *names, attempt, node, run, seconds in rows:
            can_be_tried_again = run_of_json(run).retry_seconds(attempt, "lost") is not None
            if can_be_tried_again or seconds >= lost_after_seconds:
                reason = f"The node {node} has not been heard of for {seconds:.0f} s."
                self.give_up(job_id, Named(*names), attempt, reason)

    def give_up(
        self,
        job_id: str,
        named: Named,
        attempt: int,
        reason: str,
        by: str = "",
        *,
        ordered: Ordered = NOBODY,
        also: Also = _nothing,
    ) -> bool:
        """Give up an attempt of which nothing is heard; False where it is not the current one.

        It is tried again where its definition says so, unless somebody has ``ordered`` it. ``also``
        is done in the transaction.
        """
        end = command.LOSE if ordered is NOBODY else None

        def told(connection: Connection, row: Queued) -> list[Event]:
            known = known_sequence(connection, Report(job_id, named, attempt, lost=reason))
            lost = events.lost(named, events.now(), attempt, known, reason, by, ordered)
            return [lost, *self._ended(connection, row, end, reason)]

        def is_current(row: Queued) -> bool:
            return row.attempt == attempt and row.begun_at is not None

        done = self._decide(job_id, is_current, told, also)
        if done:
            log.warning("given_up", job=named.definition, execution=named.text,
                        attempt=attempt, reason=reason)  # fmt: skip
            self._ring()
        return done

    def cancel(
        self,
        job_id: str,
        named: Named,
        cause: str,
        by: str = "",
        also: Also = _nothing,
        ordered: Ordered = NOBODY,
    ) -> bool:
        """Take an execution out of the queue that has not begun; False where it has, or is over."""

        def told(connection: Connection, row: Queued) -> list[Event]:
            QUERIES.execution_queue.leave_queue(connection, job_ids=array([job_id]))
            return [events.cancelled(named, events.now(), row.attempt, cause, by, ordered)]

        done = self._decide(job_id, _waits, told, also)
        if done:
            self._ring()
        return done

    def add(self, job_id: str, event: Event, also: Also = _nothing) -> bool:
        """Store an event of an execution that has not begun; False where it has, or is over."""
        return self._decide(job_id, _waits, lambda _connection, _row: [event], also)

    def _decide(
        self,
        job_id: str,
        may: Callable[[Queued], bool],
        told: Callable[[Connection, Queued], list[Event]],
        also: Also,
    ) -> bool:
        """Store what is told of an execution if it stands as it must; whether it did."""
        done, runs = False, {}

        def decide(connection: Connection) -> list[Event]:
            nonlocal done
            row = queued_rows(connection, [job_id]).get(job_id)
            done = row is not None and may(row)
            if not done:
                return []
            runs[job_id] = row.what
            also(connection)
            return told(connection, row)

        self._write(decide, lambda: runs)
        return done


def _waits(row: Queued) -> bool:
    return row.begun_at is None
