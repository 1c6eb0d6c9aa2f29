"""What no node can begin: noted, told to who asks, and given up after long enough."""

from __future__ import annotations

from jexevents.executions import events
from jexevents.executions.claims import Claimed
from jexevents.executions.run import Run
from jexevents.executions.writing import Queued, QueueWriter
from jexevents.faults import fit
from jexevents.lifecycle.executionid import shortest
from jexevents.logs import get_logger
from jexevents.model import Event
from jexevents.store.database import Connection
from jexevents.store.literals import array
from jexevents.store.queries import QUERIES

log = get_logger("executions")

_SHOWN_CHARACTERS = 1500
_END_AT_ONCE = 100


class Refusals(QueueWriter):
    """Takes back what a node could not begin."""

    def refuse(self, claimed: Claimed, why: str, lost_after_seconds: float | None) -> None:
        """Let others have what was claimed and could not be begun, and note why.

        What waits on one commit waits for the same, so it is noted of all that. With
        ``lost_after_seconds`` it is the commit that cannot be had: what was first refused so long
        ago, and by nobody begun since, fails. None where what is in the way is the node's own.
        """
        commit, ended = claimed.run.commit, []

        def decide(connection: Connection) -> list[Event]:
            nonlocal ended
            ended = []
            if self._give_back(connection, claimed):
                self._note_refusal(connection, commit, why, counts=lost_after_seconds is not None)
                if lost_after_seconds is not None:
                    ended = _refused_for(connection, commit, lost_after_seconds)
            if ended:
                ids = array(row.job_id for row, _ in ended)
                QUERIES.execution_queue.leave_queue(connection, job_ids=ids)
            at = events.now()
            return [events.failed(row.named, at, row.attempt, cause) for row, cause in ended]

        def runs() -> dict[str, Run]:
            return {row.job_id: row.what for row, _ in ended}

        self._write(decide, runs)
        for row, cause in ended:
            log.warning("never_begun", job=row.named.definition, attempt=row.attempt,
                        execution=shortest(row.named.execution), reason=cause)  # fmt: skip
        self._ring()

    def _give_back(self, connection: Connection, claimed: Claimed) -> bool:
        """Give it back; False where it is this node's no more, or has begun."""
        return bool(
            QUERIES.execution_queue.give_back(
                connection, job_ids=array([claimed.job_id]), node=self._node, delay_seconds=0.0
            )
        )

    def _note_refusal(self, connection: Connection, commit: str, why: str, *, counts: bool) -> None:
        told = fit(f"Node {self._node}: {why}", _SHOWN_CHARACTERS)
        QUERIES.execution_queue.note_refusal(connection, commit=commit, why=told, counts=counts)


def _refused_for(connection: Connection, commit: str, seconds: float) -> list[tuple[Queued, str]]:
    """Lock what has been refused for so long, and say so of each."""
    rows = QUERIES.execution_queue.refused_for(
        connection, commit=commit, seconds=seconds, limit=_END_AT_ONCE
    )
    return [
        (Queued(*row), f"No node could begin it for {ago:.0f} s. {refusal}")
        for *row, refusal, ago in rows
    ]
