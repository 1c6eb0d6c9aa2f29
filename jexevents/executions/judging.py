"""What is decided about executions of which nothing is heard, or that somebody does not want."""

from __future__ import annotations

from jexevents.executions import events
from jexevents.executions.events import Named
from jexevents.executions.reporting import Reporting, known_sequence
from jexevents.executions.reports import Report
from jexevents.executions.run import Run
from jexevents.executions.writing import now, queued_rows
from jexevents.lifecycle.executionid import shortest
from jexevents.logs import get_logger
from jexevents.model import Event
from jexevents.store.database import Connection
from jexevents.store.literals import array
from jexevents.store.queries import QUERIES

log = get_logger("executions")

# Looks come every few seconds; after a longer gap PostgreSQL was away, or nobody was there.
_GAP_SECONDS = 20.0


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
        for execution, name in freed:
            log.warning("claim_expired", job=name, execution=shortest(execution))
        if may_judge:
            self._give_up_silent(lost_after_seconds)
        if freed:
            self._ring()

    def _give_up_silent(self, lost_after_seconds: float) -> None:
        with self._database.look() as connection:
            rows = QUERIES.execution_queue.silent(connection, lease_seconds=self._lease_seconds)
        for job_id, execution, name, attempt, node, run, seconds in rows:
            can_be_tried_again = Run.of_json(run).retry_seconds(attempt, "lost") is not None
            if can_be_tried_again or seconds >= lost_after_seconds:
                reason = f"The node {node} has not been heard of for {seconds:.0f} s."
                self.give_up(job_id, Named(execution, name), attempt, reason)

    def give_up(
        self,
        job_id: str,
        named: Named,
        attempt: int,
        reason: str,
        by: str = "",
        *,
        tries_again: bool = True,
    ) -> bool:
        """Give up an attempt of which nothing is heard; False where it is not the current one.

        It is tried again where its definition says so, and ``tries_again``.
        """
        done, runs = False, {}

        def decide(connection: Connection) -> list[Event]:
            nonlocal done
            row = queued_rows(connection, [job_id]).get(job_id)
            done = row is not None and row.attempt == attempt and row.begun_at is not None
            if not done:
                return []
            runs[job_id] = row.what
            known = known_sequence(connection, Report(job_id, named, attempt, lost=reason))
            told = events.lost(named, now(), attempt, known, reason, by)
            end = "lost" if tries_again else None
            return [told, *self._ended(connection, row, end, reason)]

        self._write(decide, lambda: runs)
        if done:
            log.warning("given_up", job=named.definition, execution=shortest(named.execution),
                        attempt=attempt, reason=reason)  # fmt: skip
            self._ring()
        return done

    def cancel(self, job_id: str, named: Named, cause: str, by: str = "") -> bool:
        """Take an execution out of the queue that has not begun; False where it has, or is over."""
        done, runs = False, {}

        def decide(connection: Connection) -> list[Event]:
            nonlocal done
            row = queued_rows(connection, [job_id]).get(job_id)
            done = row is not None and row.begun_at is None
            if not done:
                return []
            runs[job_id] = row.what
            QUERIES.execution_queue.leave_queue(connection, job_ids=array([job_id]))
            return [events.cancelled(named, now(), row.attempt, cause, by)]

        self._write(decide, lambda: runs)
        if done:
            self._ring()
        return done

    def add(self, job_id: str, event: Event) -> bool:
        """Store an event of an execution that has not begun; False where it has, or is over."""
        done, runs = False, {}

        def decide(connection: Connection) -> list[Event]:
            nonlocal done
            row = queued_rows(connection, [job_id]).get(job_id)
            done = row is not None and row.begun_at is None
            if not done:
                return []
            runs[job_id] = row.what
            return [event]

        self._write(decide, lambda: runs)
        return done
