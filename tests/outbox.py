"""An outbox in a test's own database: filled by hand, its clock moved, looked into."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from jexevents.store.database import Connection
from jexevents.store.literals import array
from jexevents.store.queries import QUERIES
from tests.ledger import TestLedger

LEASE_SECONDS = 600.0


def job_id(number: int) -> str:
    """Give the id of a job that need not exist."""
    return str(uuid.UUID(int=number))


def put(ledger: TestLedger, hook: str, jobs: Iterable[int | None], seq: int = 0) -> list[int]:
    """Put a delivery for each of these jobs (None for none) into the outbox; give their numbers.

    Without a ``seq`` their events are gone.
    """
    jobs = list(jobs)

    def work(connection: Connection) -> list[int]:
        QUERIES.hooks.insert_deliveries(
            connection,
            hooks=array([hook] * len(jobs)),
            message_ids=array(str(uuid.uuid4()) for _ in jobs),
            seqs=array([seq] * len(jobs)),
            kinds=array(["condor"] * len(jobs)),
            job_ids=array(None if job is None else job_id(job) for job in jobs),
            jobs=array(None if job is None else "{}" for job in jobs),
        )
        with connection.cursor() as cursor:
            cursor.execute("select id from hook_deliveries order by id desc limit %s", [len(jobs)])
            return sorted(number for (number,) in cursor.fetchall())

    return ledger.database.run(work)


def later(ledger: TestLedger, seconds: float) -> None:
    """Make it later for all that waits: what is due, and what is claimed."""
    execute(
        ledger,
        "update hook_deliveries set due_at = due_at - %s * interval '1 second',"
        " claimed_until = claimed_until - %s * interval '1 second'",
        seconds,
        seconds,
    )


def rows(ledger: TestLedger) -> dict[int, Mapping[str, Any]]:
    """Give all deliveries whole, by number."""
    with ledger.database.look() as connection, connection.cursor() as cursor:
        cursor.execute("select * from hook_deliveries order by id")
        names = [column.name for column in cursor.description]
        found = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return {row["id"]: row for row in found}


def execute(ledger: TestLedger, statement: str, *arguments: Any) -> None:
    """Run a statement."""
    with ledger.database.transaction() as connection, connection.cursor() as cursor:
        cursor.execute(statement, arguments)
