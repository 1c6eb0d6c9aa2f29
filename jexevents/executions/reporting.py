"""What nodes tell of attempts, written to the ledger, and what becomes of their executions."""

from __future__ import annotations

from collections.abc import Sequence

from jexevents.executions import events
from jexevents.executions.reports import Report
from jexevents.executions.run import AnyRun
from jexevents.executions.writing import Queued, QueueWriter, queued_rows
from jexevents.model import Event
from jexevents.store.database import Connection
from jexevents.store.literals import array, columns
from jexevents.store.queries import QUERIES

_REPORTS = ("job_ids", "attempts", "sequences", "stdouts", "stderrs", "missings", "settled")


class Reporting(QueueWriter):
    """Takes reports of one node's attempts."""

    def report(self, reports: Sequence[Report]) -> set[tuple[str, int]]:
        """Store what is told of attempts; give those (job id, number) that had been given up.

        What is told of these is kept and changes nothing.
        """
        late: set[tuple[str, int]] = set()
        over: list[tuple[str, float]] = []
        runs: dict[str, AnyRun] = {}

        def decide(connection: Connection) -> list[Event]:
            late.clear()
            runs.clear()
            queued = queued_rows(connection, {one.job_id for one in reports})
            told: list[Event] = []
            for one in reports:
                row = queued.get(one.job_id)
                told += one.told(self._node, known_sequence(connection, one))
                if row is None or (row.attempt, row.node) != (one.attempt, self._node):
                    late.add((one.job_id, one.attempt))
                    continue
                runs[one.job_id] = row.what
                if one.is_last:
                    told += self._ended(connection, row, one.ended_with, one.why)
            over[:] = self._note(connection, reports)
            return told

        self._write(decide, lambda: runs)
        for kind, seconds in over:
            self._observer.ran(kind, seconds)
        if any(one.is_last for one in reports):
            self._ring()
        return late

    def _ended(self, connection: Connection, row: Queued, end: str | None, why: str) -> list[Event]:
        """Take an execution whose attempt ended out of the queue, or have it tried again.

        ``end`` is None for an end that nobody wants another attempt after. So is one that somebody
        has asked for, whatever came of that.
        """
        delay = None if end is None else row.what.retry_seconds(row.attempt, end)
        if delay is not None and QUERIES.execution_queue.asked_to_end(
            connection, job_id=row.job_id, attempt=row.attempt
        ):
            delay = None
        if delay is None:
            QUERIES.execution_queue.leave_queue(connection, job_ids=array([row.job_id]))
            return []
        attempt = row.attempt + 1
        QUERIES.execution_queue.try_again(
            connection, job_id=row.job_id, attempt=attempt, delay_seconds=delay
        )
        reason = f"Attempt {row.attempt} of {row.what.retries.count + 1}: {why}"
        return [events.retried(row.named, events.now(), attempt, reason, delay)]

    def _note(self, connection: Connection, reports: Sequence[Report]) -> list[tuple[str, float]]:
        """Note how far they are; of attempts that are over now, give kind and seconds."""
        rows = [
            (
                one.job_id,
                one.attempt,
                one.sequence,
                *one.sizes,
                one.is_last,
            )
            for one in reports
        ]
        noted = QUERIES.execution_queue.note_reports(connection, **columns(_REPORTS, rows))
        kinds = {one.job_id: one.named.kind.value for one in reports}
        return [(kinds[job_id], seconds) for job_id, _, seconds in noted if seconds is not None]

    def depth(self) -> tuple[int, int]:
        """Say how many executions wait, and how many are in somebody's hands."""
        with self._database.look() as connection:
            waiting, held = QUERIES.execution_queue.queue_depth(connection)
        return waiting, held


def known_sequence(connection: Connection, report: Report) -> int:
    """Give the last number of an attempt's own events, which only one that is lost is asked for."""
    if report.lost is None:
        return 0
    known = QUERIES.execution_queue.known_sequence(
        connection, job_id=report.job_id, attempt=report.attempt
    )
    return max(known or 0, report.sequence)
