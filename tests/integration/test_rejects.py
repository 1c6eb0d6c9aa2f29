"""Rejects: one row for what is the same, a word to count by, and how they are found again."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timedelta, timezone

import psycopg2
import pytest

from jexevents.ingest import read_all
from jexevents.model import Arrival, Outcome, Reason, Reject
from jexevents.sources.condor.message import reader
from jexevents.sources.doors import Doors
from jexevents.store import migrate
from jexevents.store.database import Database
from jexevents.store.ledger import Ledger
from tests.integration.web import call
from tests.ledger import NOON, TestLedger, message, submitted
from tests.support import administer, database_uri, unique

HOUR = timedelta(hours=1)
DOORS = Doors({"amqp": reader(timezone.utc)})


def arrival(body: bytes = b"no event", at: datetime = NOON, **fields: object) -> Arrival:
    return Arrival(body, at, **{"origin": "amqp:test", **fields})


def rejects(ledger: TestLedger) -> list:
    return ledger.reading.rejects(limit=1000)


def test_the_same_again_is_one_row_that_counts(ledger: TestLedger) -> None:
    for at in (NOON, NOON + 2 * HOUR, NOON + HOUR):
        assert ledger.ingest.handle([arrival(at=at)]) == [Outcome.REJECTED]
    (row,) = rejects(ledger)
    assert (row["times"], row["received_at"], row["last_at"]) == (3, NOON, NOON + 2 * HOUR)


def test_the_same_in_one_batch_is_one_row(ledger: TestLedger) -> None:
    batch = [arrival(), arrival(b"another"), arrival(at=NOON + HOUR), arrival()]
    assert ledger.ingest.handle(batch) == [Outcome.REJECTED] * 4
    assert {bytes(row["body"]): row["times"] for row in rejects(ledger)} == {
        b"no event": 3,
        b"another": 1,
    }


@pytest.mark.parametrize(
    "other",
    [
        {"body": b"no event "},
        {"origin": "amqp:other"},
        {"source": "pool"},
        {"credential": "portal"},
        {"properties": {"message_id": "2"}},
        {"properties": {"headers": {"a": [1]}}},
    ],
    ids=lambda other: next(iter(other)),
)
def test_what_differs_in_anything_is_another(ledger: TestLedger, other: dict) -> None:
    ledger.ingest.handle([arrival(), arrival(**other)])
    assert [row["times"] for row in rejects(ledger)] == [1, 1]


def test_the_order_of_headers_and_their_secrets_make_no_other(ledger: TestLedger) -> None:
    first = {"headers": {"a": 1, "b": 2, "token": "x"}, "type": "t"}
    second = {"type": "t", "headers": {"token": "y", "b": 2, "a": 1}}
    ledger.ingest.handle([arrival(properties=first), arrival(properties=second)])
    (row,) = rejects(ledger)
    assert row["times"] == 2


def test_long_ones_differ_behind_what_is_kept_of_them(ledger: TestLedger) -> None:
    ledger.send(b"x" * (2 << 20) + b"a", b"x" * (2 << 20) + b"b")
    assert [row["times"] for row in rejects(ledger)] == [1, 1]


def test_how_often_a_quorum_queue_handed_it_out_is_not_its_identity(ledger: TestLedger) -> None:
    for count in (0, 1, 2):
        headers = {"x-delivery-count": count, "x-acquired-count": count} if count else {}
        properties = {"headers": headers} if count else {}
        ledger.ingest.handle([arrival(properties=properties)])
    (row,) = rejects(ledger)
    assert row["times"] == 3


def test_the_reasons_are_those_of_the_last_time(ledger: TestLedger) -> None:
    one = arrival()
    for reason in (Reason.INTERNAL, Reason.SCHEMA):
        (reject,) = read_all(DOORS, [one])
        Ledger(ledger.database).apply([], [Reject(one, reject.faults, reason)])
    (row,) = rejects(ledger)
    assert (row["reason"], row["times"]) == ("schema", 2)


def test_several_writers_of_the_same_rejects_do_not_block_each_other(
    ledger: TestLedger, database: str
) -> None:
    arrivals = [arrival(b"bad %d" % number) for number in range(200)]

    def write(seed: int) -> None:
        order = random.Random(seed).sample(arrivals, len(arrivals))
        with closing(Database(database)) as pool:
            own = Ledger(pool)
            for start in range(0, len(order), 50):
                refused = read_all(DOORS, order[start : start + 50])
                # One try only: a deadlock must not be hidden by trying again.
                pool.run = lambda work: once(pool, work)
                own.apply([], refused)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(write, range(8)))
    assert {row["times"] for row in rejects(ledger)} == {8}
    assert ledger.count("rejects") == len(arrivals)


def once(pool: Database, work):
    with pool.transaction() as connection:
        return work(connection)


def fill(ledger: TestLedger) -> None:
    # One by one: within a batch they are numbered in no order.
    ledger.ingest.handle([arrival(b"", NOON)])
    ledger.ingest.handle([arrival(b"{", NOON + HOUR, origin="amqp:other")])
    ledger.ingest.handle([arrival(b'{"Event": 1}', NOON + 2 * HOUR)])


@pytest.mark.parametrize(
    ("query", "reasons"),
    [
        ("", ["schema", "not-json", "empty"]),
        ("reason=schema", ["schema"]),
        ("origin=amqp:test", ["schema", "empty"]),
        ("since=2026-03-01T13:00:00Z", ["schema", "not-json"]),
        ("until=2026-03-01T13:00:00Z", ["empty"]),
        ("since=2026-03-01T12:30:00Z&until=2026-03-01T13:30:00Z", ["not-json"]),
        ("reason=schema&origin=amqp:other", []),
        ("reason=internal", []),
    ],
)
def test_lists_are_filtered(ledger: TestLedger, query: str, reasons: list[str]) -> None:
    fill(ledger)
    assert [item["reason"] for item in ledger.get("/ledger/rejects", query)["items"]] == reasons
    page = ledger.get("/ledger/rejects", f"{query}&limit=1")
    assert [item["reason"] for item in page["items"]] == reasons[:1]
    if page["next"]:
        following = ledger.get("/ledger/rejects", page["next"].partition("?")[2])
        assert [item["reason"] for item in following["items"]] == reasons[1:2]


def test_one_is_found_by_its_number(ledger: TestLedger) -> None:
    fill(ledger)
    newest, *_ = ledger.get("/ledger/rejects")["items"]
    assert ledger.get(f"/ledger/rejects/{newest['id']}") == newest
    assert (newest["times"], newest["last_at"]) == (1, newest["received_at"])
    assert newest["tried_at"] is None


@pytest.mark.parametrize("asked", ["0", "999999", "x", "-1", "9" * 30, "1.0", "%D9%A1"])
def test_what_is_no_reject_is_404(ledger: TestLedger, asked: str) -> None:
    ledger.send(b"no event")
    assert call(ledger.app, "GET", f"/ledger/rejects/{asked}").status == 404


@pytest.mark.parametrize("query", ["reason=nonsense", "since=yesterday", "colour=red"])
def test_filters_that_cannot_be_are_400(ledger: TestLedger, query: str) -> None:
    assert call(ledger.app, "GET", "/ledger/rejects", query=query).status == 400


OLD = """
insert into jex.rejects (received_at, origin, reasons, body, size, sha256, cut) values
(now(), 'amqp:q', '[{"pointer": "", "expected": "a message of at most 4194304 bytes",
    "got": "5000000"}]', 'x', 5000000, sha256('x'), true),
(now(), 'amqp:q', '[{"pointer": "/Event", "expected": "string", "got": "5"}]', '{}', 2,
    sha256('{}'), false),
(now(), 'amqp:q', '[{"pointer": "", "expected": "a header", "got": "x"}]', 'x', 1, sha256('x'),
    false),
(now(), 'amqp:q', '[{"pointer": "", "expected": "a header", "got": "x"}]', 'x', 1, sha256('x'),
    false)
"""


def test_rejects_of_before_are_kept_and_get_a_reason(
    postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = unique("jexevents_old")
    administer(postgres, f"CREATE DATABASE {name}")
    uri = database_uri(postgres, name)
    try:
        with closing(Database(uri)) as pool:
            everything = migrate.bundled()
            monkeypatch.setattr(migrate, "bundled", lambda: everything[:1])
            migrate.migrate(pool)
            with closing(psycopg2.connect(uri)) as connection, connection:
                connection.cursor().execute(OLD)
            monkeypatch.undo()
            assert migrate.migrate(pool) == len(everything) - 1
            with pool.transaction() as connection, connection.cursor() as cursor:
                cursor.execute(
                    "select reason, times, last_at = received_at from rejects order by id"
                )
                assert cursor.fetchall() == [
                    ("too-large", 1, True),
                    ("schema", 1, True),
                    ("unreadable-event", 1, True),
                    ("unreadable-event", 1, True),
                ]
    finally:
        administer(postgres, f"DROP DATABASE {name} WITH (FORCE)")


def test_a_reject_is_no_event_and_an_event_no_reject(ledger: TestLedger) -> None:
    ledger.send(message(submitted()), b"x")
    assert (ledger.count("events"), ledger.count("rejects")) == (1, 1)
