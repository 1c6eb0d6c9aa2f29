"""One message or one fault that would stop the ledger for good, and must not."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from contextlib import closing

import pytest

from jexevents.errors import StoreUnavailable
from jexevents.lifecycle import condor
from jexevents.model import Outcome
from jexevents.sources.condor.message import MAX_BYTES
from jexevents.store.database import Database
from tests.ledger import TestLedger, executing, message, submitted, text
from tests.support import administer, database_uri

AMID = [Outcome.ACCEPTED, Outcome.REJECTED, Outcome.ACCEPTED]


@pytest.mark.parametrize("kind", [[0], {"a": 0}, "0", True, None])
def test_an_error_type_may_be_anything(ledger: TestLedger, kind: object) -> None:
    ad = {"EventTypeNumber": 2, "EventTime": "2026-03-01T12:00:01", "Cluster": 222, "Proc": 0}
    error = json.dumps({**ad, "ExecuteErrorType": kind}).encode()
    assert ledger.send(message(submitted()), error) == [Outcome.ACCEPTED] * 2
    assert ledger.job("222")["state"] == "Failed"


def test_a_log_name_may_be_longer_than_what_an_index_takes(ledger: TestLedger) -> None:
    draw = random.Random(1)
    name = "".join(chr(draw.randrange(0x4E00, 0x9FA5)) for _ in range(4096))
    placed = message(executing(second=1), Log=name, Offset=0)
    assert ledger.send(message(submitted()), placed) == [Outcome.ACCEPTED] * 2
    assert ledger.send(placed) == [Outcome.DUPLICATE]
    assert [event["log"] for event in ledger.story("222")] == [None, name]


def test_a_message_past_the_bound_is_rejected_unread(ledger: TestLedger) -> None:
    event = text(8, "x" * MAX_BYTES, second=1).encode()
    assert ledger.send(message(submitted()), event, message(executing(second=2))) == AMID
    (reject,) = ledger.reading.rejects(limit=10)
    assert (reject["size"], reject["cut"]) == (len(event), True)
    assert str(MAX_BYTES) in reject["reasons"][0]["expected"]


def test_what_the_fold_fails_on_is_rejected_alone(
    ledger: TestLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    fold = condor.fold

    def failing(events: Iterable[condor.CondorEvent]) -> condor.CondorState:
        events = list(events)
        if any(event.data["Cluster"] == 333 for event in events):
            raise KeyError("a fault in the program")
        return fold(events)

    monkeypatch.setattr(condor, "fold", failing)
    outcomes = ledger.send(
        message(submitted()),
        message(submitted(job="333.000.000")),
        message(executing(second=2)),
    )
    assert outcomes == AMID
    assert [job["key"] for job in ledger.jobs()] == ["222"]
    (reject,) = ledger.reading.rejects(limit=10)
    assert "a fault in the program" in reject["reasons"][0]["got"]


def name_of(database: str) -> str:
    return database.rpartition("/")[2].partition("?")[0]


def write(connection) -> None:
    with connection.cursor() as cursor:
        cursor.execute("create table if not exists written ()")


def test_a_connection_that_may_not_write_is_not_used_again(database: str) -> None:
    name, server = name_of(database), database_uri(database, "postgres")
    with closing(Database(database, size=2)) as pool:
        administer(server, f"alter database {name} set default_transaction_read_only to on")
        with pytest.raises(StoreUnavailable):
            pool.run(write)
        # As after a failover: the next connection reaches a server that can be written to.
        administer(server, f"alter database {name} reset default_transaction_read_only")
        pool.run(write)


def test_the_isolation_is_the_one_the_statements_rely_on(database: str) -> None:
    name = name_of(database)
    administer(
        database, f"alter database {name} set default_transaction_isolation to 'serializable'"
    )
    with (
        closing(Database(database)) as pool,
        pool.transaction() as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("show transaction_isolation")
        assert cursor.fetchone()[0] == "read committed"
