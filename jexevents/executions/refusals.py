"""What no node can begin: noted, told to who asks, and given up after long enough."""

from __future__ import annotations

from jexevents.executions import events
from jexevents.executions.claims import Claimed
from jexevents.executions.run import AnyRun
from jexevents.executions.writing import Queued, QueueWriter
from jexevents.faults import fit
from jexevents.logs import get_logger
from jexevents.model import Event
from jexevents.store.database import Connection
from jexevents.store.literals import array
from jexevents.store.queries import QUERIES

log = get_logger("executions")

_SHOWN_CHARACTERS = 1500
# How long an image that no worker can get is asked for again: a registry may be away for a moment.
IMAGE_SECONDS = 60.0
_END_AT_ONCE = 100


class Refusals(QueueWriter):
    """Takes back what a node could not begin."""

    def refuse(self, claimed: Claimed, why: str, lost_after_seconds: float | None) -> None:
        """Let others have what was claimed and could not be begun, and note why.

        What needs one commit or image waits for the same, so it is noted of all that. With
        ``lost_after_seconds`` it is that which cannot be had: what was first refused so long ago,
        and by nobody begun since, fails; what needs an image, as soon as each worker that could run
        it has refused it. None where what is in the way is the node's own.
        """
        needs, ended = claimed.run.needs, []

        def decide(connection: Connection) -> list[Event]:
            nonlocal ended
            ended = []
            if self._give_back(connection, claimed):
                self._note_refusal(connection, needs, why, counts=lost_after_seconds is not None)
                if lost_after_seconds is not None:
                    ended = _refused_for(connection, needs, lost_after_seconds)
            if ended:
                ids = array(row.job_id for row, _ in ended)
                QUERIES.execution_queue.leave_queue(connection, job_ids=ids)
            at = events.now()
            return [events.failed(row.named, at, row.attempt, cause) for row, cause in ended]

        def runs() -> dict[str, AnyRun]:
            return {row.job_id: row.what for row, _ in ended}

        self._write(decide, runs)
        for row, cause in ended:
            log.warning("never_begun", job=row.named.definition, attempt=row.attempt,
                        execution=row.named.text, reason=cause)  # fmt: skip
        self._ring()

    def _give_back(self, connection: Connection, claimed: Claimed) -> bool:
        """Give it back; False where it is this node's no more, or has begun."""
        return bool(
            QUERIES.execution_queue.give_back_one(
                connection, job_id=claimed.job_id, node=self._node
            )
        )

    def _note_refusal(self, connection: Connection, needs: str, why: str, *, counts: bool) -> None:
        told = fit(f"Node {self._node}: {why}", _SHOWN_CHARACTERS)
        QUERIES.execution_queue.note_refusal(
            connection, needs=needs, why=told, counts=counts, node=self._node
        )


def _refused_for(connection: Connection, needs: str, seconds: float) -> list[tuple[Queued, str]]:
    """Lock what has been refused for so long, and say so of each."""
    rows = QUERIES.execution_queue.refused_for(
        connection,
        needs=needs,
        seconds=seconds,
        image_seconds=IMAGE_SECONDS,
        limit=_END_AT_ONCE,
    )
    return [
        (Queued(*row), f"No node could begin it for {ago:.0f} s. {refusal}")
        for *row, refusal, ago in rows
    ]
