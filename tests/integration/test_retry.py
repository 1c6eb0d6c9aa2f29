"""Rejects are tried again: as their door reads, under their first arrival, once and only once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timezone

import psycopg2
import pytest

from jexevents.errors import StoreUnavailable
from jexevents.ingest import Ingest
from jexevents.model import Arrival, Event, Outcome
from jexevents.retry import Retry, Tally
from jexevents.sources.condor.message import read
from jexevents.sources.doors import Doors, UnknownDoor
from jexevents.store.database import Database
from jexevents.store.ledger import Ledger
from jexevents.store.reject_list import Choice, RejectList
from tests.ledger import NOON, TestLedger, executing, message, submitted
from tests.support import wait_until

EVERYTHING = Choice()


def plain(arrival: Arrival) -> Event:
    return read(arrival, timezone.utc)


def mended(arrival: Arrival) -> Event:
    """Read as a later version might, which knows what to do with a word before the message."""
    body = arrival.body.removeprefix(b"BAD ")
    return plain(Arrival(body, arrival.received_at, arrival.origin, arrival.source))


def retry(ledger: TestLedger, read_one: Callable = mended, choice: Choice = EVERYTHING) -> Tally:
    rejects = RejectList(ledger.database)
    last = max((one.last_id for one in rejects.counts(choice)), default=0)
    work = Retry(rejects, Ledger(ledger.database), Doors({"amqp": read_one}))
    return [Tally(), *work.run(choice, last)][-1]


def bad(number: int = 222) -> bytes:
    return b"BAD " + message(submitted(job=f"{number}.000.000"))


def rows(ledger: TestLedger, statement: str) -> list[tuple]:
    with ledger.database.transaction() as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def test_one_that_passes_is_stored_under_its_first_arrival_and_leaves(ledger: TestLedger) -> None:
    for at in (NOON, datetime(2026, 4, 1, tzinfo=timezone.utc)):
        ledger.send(bad(), at=at, source="pool")
    tally = retry(ledger)
    assert tally == Tally(stored=1)
    assert ledger.count("rejects") == 0
    (event,) = ledger.story("pool#222")
    assert (event["received_at"], event["source"]) == (NOON, "pool")


def test_one_that_fails_stays_with_its_reasons_of_now(ledger: TestLedger) -> None:
    ledger.send(b"BAD {}")
    (before,) = ledger.reading.rejects(limit=10)
    assert before["reason"] == "unreadable-event"
    assert retry(ledger) == Tally(refused=1)
    (after,) = ledger.reading.rejects(limit=10)
    assert (after["id"], after["reason"], after["times"]) == (before["id"], "schema", 1)
    assert "Event" in after["reasons"][0]["expected"] + after["reasons"][0]["pointer"]
    assert after["tried_at"] is not None


def test_one_that_the_ledger_has_by_now_leaves_too(ledger: TestLedger) -> None:
    ledger.send(bad(), bad().removeprefix(b"BAD "))
    assert retry(ledger) == Tally(known=1)
    assert (ledger.count("rejects"), ledger.count("events")) == (0, 1)


def test_what_is_cut_is_not_tried(ledger: TestLedger) -> None:
    ledger.send(b"BAD " + b"x" * (2 << 20), bad())
    assert retry(ledger) == Tally(stored=1, cut=1)
    (left,) = ledger.reading.rejects(limit=10)
    assert left["cut"]
    assert left["tried_at"] is None


def test_what_came_by_an_unknown_door_stays(ledger: TestLedger) -> None:
    ledger.ingest.handle([Arrival(b"x", NOON, "http:nowhere")])
    assert retry(ledger) == Tally(unknown_door=1)
    with pytest.raises(UnknownDoor, match="http:nowhere"):
        Doors({"amqp": plain}).steps("http:nowhere")


def test_a_retry_has_the_credential_and_the_properties_of_the_arrival(ledger: TestLedger) -> None:
    seen: list[Arrival] = []

    def remember(arrival: Arrival) -> Event:
        seen.append(arrival)
        return mended(arrival)

    properties = {"content_type": "image/png", "headers": {"a": 1}}
    came = Arrival(bad(), NOON, "http:pipeline", "pool", properties, "portal")
    ledger.ingest.handle([came])
    work = Retry(
        RejectList(ledger.database), Ledger(ledger.database), Doors({"http:pipeline": remember})
    )
    assert [tally.stored for tally in work.run(EVERYTHING, 1000)] == [1]
    assert seen == [came]


def test_the_daemon_and_a_retry_read_alike(ledger: TestLedger) -> None:
    properties = {"content_type": "image/png"}
    ledger.ingest.handle([Arrival(message(submitted()), NOON, "amqp:q", properties=properties)])
    assert retry(ledger, plain) == Tally(refused=1)
    (row,) = ledger.reading.rejects(limit=10)
    assert row["reason"] == "content-type"


def test_one_that_postgresql_refuses_keeps_no_other_back(ledger: TestLedger) -> None:
    ledger.send(*(bad(number) for number in range(1, 8)))
    rows_check = "alter table jobs add check (key <> '4')"
    with ledger.database.transaction() as connection, connection.cursor() as cursor:
        cursor.execute(rows_check)
    assert retry(ledger) == Tally(stored=6, refused=1)
    (left,) = ledger.reading.rejects(limit=10)
    assert left["reason"] == "refused-by-database"
    assert len(ledger.jobs()) == 6


def test_a_choice_chooses(ledger: TestLedger) -> None:
    ledger.send(bad(1), at=NOON)
    ledger.send(bad(2), at=NOON.replace(hour=13))
    ledger.send(b"{", at=NOON)
    assert retry(ledger, choice=Choice(until=NOON.replace(hour=13))) == Tally(stored=1, refused=1)
    assert retry(ledger, choice=Choice(reason="not-json")) == Tally(refused=1)
    now = datetime.now(timezone.utc)
    assert retry(ledger, choice=Choice(tried_before=now.replace(year=2020))) == Tally(stored=1)
    assert ledger.count("rejects") == 1


def test_an_event_is_not_stored_unless_its_reject_leaves(ledger: TestLedger) -> None:
    ledger.send(bad())
    with ledger.database.transaction() as connection, connection.cursor() as cursor:
        cursor.execute(
            "create function refuse() returns trigger language plpgsql as"
            " 'begin raise exception ''not now''; end';"
            "create trigger refuse before delete on rejects execute function refuse()"
        )
    with pytest.raises(StoreUnavailable, match="not now"):
        retry(ledger)
    assert (ledger.count("rejects"), ledger.count("events")) == (1, 0)


def test_two_retries_share_the_work(ledger: TestLedger, database: str) -> None:
    count = 700
    ledger.send(*(bad(number) for number in range(1, count + 1)))

    def work(_number: int) -> Tally:
        with closing(Database(database)) as pool:
            own = Retry(RejectList(pool), Ledger(pool), Doors({"amqp": mended}))
            return [Tally(), *own.run(EVERYTHING, 10_000)][-1]

    with ThreadPoolExecutor(3) as threads:
        tallies = list(threads.map(work, range(3)))
    assert sum(tally.stored for tally in tallies) == count
    assert sum(tally.known + tally.refused for tally in tallies) == 0
    assert (ledger.count("rejects"), ledger.count("events")) == (0, count)


def test_what_is_dropped_meanwhile_is_not_stored(ledger: TestLedger) -> None:
    ledger.send(bad(1), bad(2))

    def dropping(arrival: Arrival) -> Event:
        with ledger.database.transaction() as connection, connection.cursor() as cursor:
            cursor.execute(
                "delete from rejects where convert_from(body, 'UTF8') like %s", ("%(1.%",)
            )
        return mended(arrival)

    assert retry(ledger, dropping) == Tally(stored=1, gone=1)
    assert [job["key"] for job in ledger.jobs()] == ["2"]


def test_beside_a_daemon_that_gets_the_same_again(ledger: TestLedger, database: str) -> None:
    bodies = [bad(number) for number in range(1, 301)]
    ledger.send(*bodies)
    done = threading.Event()

    def redeliver() -> None:
        with closing(Database(database)) as pool:
            ingest = Ingest(Ledger(pool), ledger.reading, Doors({"amqp": plain}))
            while not done.is_set():
                arrivals = [Arrival(body, NOON, "amqp:test") for body in reversed(bodies)]
                assert set(ingest.handle(arrivals)) == {Outcome.REJECTED}

    thread = threading.Thread(target=redeliver)
    thread.start()
    try:
        tally = retry(ledger)
    finally:
        done.set()
        thread.join(60)
    assert (tally.stored, tally.refused) == (300, 0)
    retry(ledger)
    assert (ledger.count("rejects"), ledger.count("events")) == (0, 300)


def test_an_outage_ends_a_retry_and_it_goes_on_later(
    ledger: TestLedger, postgres: str, database: str
) -> None:
    ledger.send(*(bad(number) for number in range(1, 251)))
    with closing(Database(database)) as pool:
        steps = Retry(RejectList(pool), Ledger(pool), Doors({"amqp": mended})).run(
            EVERYTHING, 10_000
        )
        assert next(steps).stored == 100
        with closing(psycopg2.connect(postgres)) as other, other, other.cursor() as cursor:
            cursor.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = %s and application_name = 'jexevents'",
                (database.rpartition("/")[2].partition("?")[0],),
            )
        with pytest.raises(StoreUnavailable):
            list(steps)
    wait_until(lambda: recovered(ledger), 10, "the pool to reconnect")
    assert ledger.count("rejects") == 150
    assert retry(ledger) == Tally(stored=150)
    assert ledger.count("events") == 250


def recovered(ledger: TestLedger) -> bool:
    try:
        return ledger.count("rejects") >= 0
    except StoreUnavailable:
        return False


def test_a_retry_is_noted_in_the_audit(ledger: TestLedger) -> None:
    ledger.send(bad(), b"{")
    retry(ledger, choice=Choice(origin="amqp:test"))
    assert rows(ledger, "select credential, action, detail from audit") == [
        (
            "command line",
            "rejects.retry",
            {
                "chosen": {"origin": "amqp:test"},
                "stored": 1, "known": 0, "refused": 1, "cut": 0, "unknown_door": 0, "gone": 0,
            },
        )
    ]  # fmt: skip


def test_dropping_goes_in_steps_and_is_noted(ledger: TestLedger) -> None:
    ledger.send(*(b"%d" % number for number in range(1200)), b"{")
    rejects = RejectList(ledger.database)
    choice = Choice(reason="unreadable-event")
    number = rejects.begin("rejects.drop", choice)
    steps = rejects.drop(choice, 10_000, number)
    assert next(steps) == 500
    # What is done is noted, whatever becomes of the rest.
    told = "select detail->'dropped' from audit"
    assert (rows(ledger, told), ledger.count("rejects")) == ([(500,)], 701)
    assert list(steps) == [500, 200]
    assert (rows(ledger, told), ledger.count("rejects")) == ([(1200,)], 1)


def test_executing_after_a_retry_still_folds(ledger: TestLedger) -> None:
    ledger.send(message(executing(second=5)))
    ledger.send(b"BAD " + message(submitted()), at=NOON)
    assert retry(ledger) == Tally(stored=1)
    assert ledger.job("222")["state"] == "Running"
