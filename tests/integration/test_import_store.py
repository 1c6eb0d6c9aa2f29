"""What is read from logs is stored by the one way in, through outages of the server too."""

from __future__ import annotations

import psycopg2
import pytest

from jexevents import wiring
from jexevents.config import from_mapping
from jexevents.errors import StoreUnavailable
from jexevents.imports.crew import Crew
from jexevents.imports.entry import Entry
from jexevents.imports.storing import CountingLedger, LogStore
from jexevents.ingest import Ingest
from jexevents.model import Outcome
from jexevents.store.database import Database
from jexevents.store.ledger import Ledger
from jexevents.store.reading import Reading
from tests.ledger import TestLedger, message, submitted, terminated

HOOK = {"Hooks": [{"Name": "all", "URL": "http://127.0.0.1:9/"}]}


def entry(text: str, number: int = 0, occurrence: int = 0, year: int | None = None) -> Entry:
    return Entry(text.encode(), "EventLog", 100 * number, occurrence, year, None)


def store_over(database: Database, **more: object) -> LogStore:
    config = from_mapping({"LogTimeZone": "UTC"})
    ledger = CountingLedger(Ledger(database))
    ingest = Ingest(ledger, Reading(database), wiring.doors(config))  # type: ignore[arg-type]
    return LogStore(ingest, ledger, "pool", **more)  # type: ignore[arg-type]


def test_what_became_of_each(ledger: TestLedger) -> None:
    store = store_over(ledger.database)
    events = [entry(submitted()), entry(submitted(), 1, 1), entry(terminated(second=9), 2)]
    counts = store.store([*events, Entry(b"rubbish\n...\n", "EventLog", 300, 0, None, "none")])
    assert (counts.new, counts.duplicates, counts.rejected, counts.jobs_new) == (3, 0, 1, 1)
    again = store.store(events)
    assert (again.new, again.duplicates, again.rejected, again.jobs_new) == (0, 3, 0, 0)
    assert ledger.job("pool#222")["state"] == "Completed"
    assert [row["offset"] for row in ledger.story("pool#222")] == [0, 100, 200]


def test_a_message_says_the_same(ledger: TestLedger) -> None:
    text = "000 (7.000.000) 12/31 23:59:59 Job submitted from host: <10.0.0.1:9618>\n...\n"
    sent = message(text, Source="pool", Log="EventLog", Offset=700, Occurrence=2, Year=2011)
    assert ledger.send(sent) == [Outcome.ACCEPTED]
    assert ledger.job("pool#7")["submitted_at"].isoformat() == "2011-12-31T23:59:59+00:00"
    counts = store_over(ledger.database).store([entry(text, 7, 2, 2011)])
    assert (counts.new, counts.duplicates) == (0, 1)
    (row,) = ledger.story("pool#7")
    assert (row["log"], row["offset"]) == ("EventLog", 700)


def test_a_year_that_the_day_cannot_have_is_a_reject(ledger: TestLedger) -> None:
    text = "000 (7.000.000) 02/29 23:59:59 Job submitted from host: <10.0.0.1:9618>\n...\n"
    assert store_over(ledger.database).store([entry(text, year=2011)]).rejected == 1
    assert store_over(ledger.database).store([entry(text, year=2012)]).new == 1


def test_a_server_that_was_away(ledger: TestLedger, database: str) -> None:
    other = Database(database, name="import")
    waits: list[float] = []
    store = store_over(other, sleep=waits.append)
    assert store.store([entry(submitted())]).new == 1
    with psycopg2.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where application_name = 'import' and datname = current_database()"
        )
    connection.close()
    assert store.store([entry(terminated(second=9), 1)]).new == 1
    assert len(waits) == 1
    other.close()


def test_a_server_that_stays_away() -> None:
    away = Database("postgresql://127.0.0.1:9/none", connect_timeout_seconds=2)
    waits: list[float] = []
    store = store_over(away, sleep=waits.append, patience_seconds=3)
    with pytest.raises(StoreUnavailable):
        store.store([entry(submitted())])
    assert sum(waits) >= 1
    away.close()


SLOW = """
    create function jex.slow() returns trigger language plpgsql as
    $$ begin perform pg_sleep(0.4); return new; end $$;
    create trigger slow before insert on jex.events for each row execute function jex.slow();
"""


def test_less_at_once_where_the_server_is_slow(ledger: TestLedger, database: str) -> None:
    with psycopg2.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute(SLOW)
    connection.close()
    slow = Database(database, statement_timeout_seconds=0.7)
    store = store_over(slow, sleep=lambda _seconds: pytest.fail("one alone is fast enough"))
    assert store.store([entry(submitted()), entry(terminated(second=9), 1)]).new == 2
    assert ledger.job("pool#222")["state"] == "Completed"
    slow.close()


@pytest.mark.parametrize("told", [False, True])
def test_webhooks_hear_only_if_one_says_so(ledger: TestLedger, database: str, told: bool) -> None:
    config = from_mapping({"DBURI": database, **HOOK})
    with wiring.open_log_store(config, "pool", told) as store:
        store.store([entry(submitted())])
    assert ledger.count("hook_deliveries") == int(told)


def test_processes_share_the_work(ledger: TestLedger, database: str) -> None:
    config = from_mapping({"DBURI": database, "LogTimeZone": "UTC"})
    crew = Crew(2, wiring.open_log_store, config, "pool", False)
    for job in range(1, 21):
        where = {"job": f"{job}.0.0"}
        crew.put([entry(submitted(**where), job), entry(terminated(second=9, **where), 50 + job)])
    crew.finish()
    assert (crew.counts.new, crew.counts.jobs_new) == (40, 20)
    assert {job["state"] for job in ledger.jobs()} == {"Completed"}


def test_a_process_that_cannot_begin_says_why() -> None:
    config = from_mapping({"DBURI": "postgresql://127.0.0.1:9/none"})
    crew = Crew(2, wiring.open_log_store, config, "", False)
    crew.put([entry(submitted())])
    with pytest.raises(StoreUnavailable, match="PostgreSQL"):
        crew.finish()
    crew.end()
