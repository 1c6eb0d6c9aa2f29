"""docs/scale.md: its SQL runs, and a ledger with partitioned events is a ledger like any other."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timedelta, timezone

import psycopg2
import pytest

from jexevents import wiring
from jexevents.model import Outcome
from jexevents.store.prune import Prune
from jexevents.store.queries import QUERIES
from tests.acceptance.support import Daemon, message, publish, rows, run, submission
from tests.integration.test_pipelines import Jobs
from tests.ledger import TestLedger, executing, open_ledger, submitted, terminated
from tests.ledger import message as body
from tests.support import ROOT, wait_until

DOCUMENT = (ROOT / "docs/scale.md").read_text("utf-8")
SCRIPT = (ROOT / "etc/sql/partition-events.sql").read_text("utf-8")
NOW = datetime.now(timezone.utc)
MANY = 400


def statements(text: str) -> Iterator[str]:
    """Give the statements of a script one by one, as psql sends them."""
    statement = ""
    for piece in re.split(r"(?<=;)\s*$", text, flags=re.MULTILINE):
        statement += piece
        if statement.count("$$") % 2 == 0:
            if re.sub(r"--.*", "", statement).strip():
                yield statement
            statement = ""


def execute(uri: str, text: str) -> None:
    with closing(psycopg2.connect(uri)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute("set search_path to jex")
        for statement in statements(text):
            cursor.execute(statement)


def partition(uri: str, until: datetime) -> None:
    execute(uri, SCRIPT.replace(":'until'", f"'{until:%Y-%m-%d}'"))


@pytest.fixture
def partitioned(database: str) -> Iterator[TestLedger]:
    """A new ledger whose jobs are in the partition of this month."""
    partition(database, NOW.replace(day=1))
    with open_ledger(database) as ledger:
        yield ledger


def blocks(marked: bool) -> list[str]:
    found = re.findall(r"^```sql\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
    return [block for block in found if block.startswith("-- partitioned") == marked]


def test_the_documents_sql_runs(database: str) -> None:
    assert len(blocks(marked=False)) == 4
    for block in blocks(marked=False):
        execute(database, block)


@pytest.mark.usefixtures("partitioned")
def test_the_documents_sql_for_partitions_runs(database: str) -> None:
    execute(
        database,
        """
        insert into jobs (id, kind, key, state, phase)
            values (uuid_at('2032-02-03'), 'condor', '1', 'Submitted', 'QUEUED');
        insert into events (job_id, checksum, source, name, occurred_at, received_at, data, raw)
            values (uuid_at('2032-02-03'), sha256(''), '', 'SUBMIT', now(), now(), '{}', '');
        """,
    )
    assert where(database) == ["events_default"]
    assert len(blocks(marked=True)) == 2
    for block in blocks(marked=True):
        execute(database, block)
    assert where(database) == ["events_2032_02"]


def where(uri: str) -> list[str]:
    """Give the partitions that have events."""
    found = rows(
        uri, "select distinct replace(tableoid::regclass::text, 'jex.', '') from jex.events"
    )
    return sorted(name for (name,) in found)


def story(key: int) -> list[bytes]:
    texts = (event(job=f"{key}.000.000", second=n) for n, event in enumerate(
        (submitted, executing, terminated)
    ))  # fmt: skip
    return [body(text, Log="job.log", Offset=100 * n) for n, text in enumerate(texts)]


def test_an_event_is_stored_once_and_sealed_with_its_job(
    partitioned: TestLedger, database: str
) -> None:
    messages = [one for key in range(100, 120) for one in story(key)]
    assert partitioned.send(*messages) == [Outcome.ACCEPTED] * 60
    assert partitioned.send(*messages) == [Outcome.DUPLICATE] * 60
    assert where(database) == [f"events_{NOW:%Y_%m}"]
    assert partitioned.job("100")["state"] == "Completed"
    assert partitioned.count("event_positions") == 60
    with pytest.raises(psycopg2.errors.UniqueViolation):
        execute(
            database,
            "insert into events (job_id, checksum, source, name, occurred_at, received_at, data,"
            " raw) select job_id, checksum, source, name, occurred_at, received_at, data, raw"
            " from events limit 1;",
        )
    later = NOW + timedelta(days=1)
    for _step in Prune(partitioned.database, later, wiring.recognise).steps():
        pass
    assert [job["sealed"] for job in partitioned.jobs()] == [True] * 20
    assert partitioned.count("events") == 20
    assert partitioned.count("event_positions") == 0
    assert partitioned.send(*messages) == [Outcome.DUPLICATE] * 60


def test_pipelinejobs_and_the_identities_of_their_callbacks(partitioned: TestLedger) -> None:
    jobs = Jobs(partitioned)
    assert [jobs.agave("RUNNING", 1).json()["result"] for _ in range(2)] == [
        "accepted",
        "duplicate",
    ]
    assert partitioned.count("event_identities") == 1
    path = f"/pipelinejobs/{jobs.uuid}"
    assert jobs.call("DELETE", path, query="force=true", who=jobs.admin).status == 204
    assert [partitioned.count(table) for table in ("events", "event_identities")] == [0, 0]


def test_a_look_for_events_needs_their_jobs_partition_only(
    partitioned: TestLedger, database: str
) -> None:
    partitioned.send(*story(100))
    ((job, checksum),) = rows(database, "select job_id, checksum from jex.events limit 1")
    with partitioned.database.transaction() as connection, connection.cursor() as cursor:
        asked = {"job_ids": f"{{{job}}}", "checksums": f'{{"\\\\x{bytes(checksum).hex()}"}}'}
        for name, values in (("find_seqs", asked), ("story", {"ids": f"{{{job}}}", "names": None})):
            statement = getattr(QUERIES.events, name).sql
            cursor.execute(f"explain (analyze, costs off) {statement}", values)
            plan = [line for (line,) in cursor.fetchall()]
            scans = [line for line in plan if re.search(r"on events_\w+", line)]
            done = [line for line in scans if "never executed" not in line]
            assert len(done) == 1, "\n".join(plan)
            assert f"events_{NOW:%Y_%m}" in done[0]


def test_a_ledger_is_partitioned_while_a_daemon_writes(
    start: Callable[..., Daemon],
    servers: dict[str, str],
    database: str,
) -> None:
    daemon = start(**servers, BatchSize=20).wait_ready()
    messages = [message(submission(number)) for number in range(1, MANY + 1)]
    publish(servers["AMQPURI"], messages[: MANY // 2])
    wait_until(lambda: where(database), 20, "the first events")
    with ThreadPoolExecutor(1) as pool:
        published = pool.submit(publish, servers["AMQPURI"], messages[MANY // 2 :])
        partition(database, NOW + timedelta(days=2))
        published.result(30)
    publish(servers["AMQPURI"], messages)
    accepted = {"door": "amqp", "outcome": "accepted"}
    wait_until(lambda: daemon.metric("events_total", **accepted) == MANY, 30, "all to be stored")
    daemon.wait_metric(MANY, "events_total", door="amqp", outcome="duplicate")
    assert where(database) == ["events_first"]
    assert rows(database, "select count(*), count(distinct seq) from jex.events") == [(MANY, MANY)]
    assert daemon.metric("rejects_total", reason="refused-by-database") == 0
    assert daemon.metric("batch_failures_total", kind="away") == 0
    verified = run("verify", "--config", str(daemon.config))
    assert (verified.code, verified.out) == (0, "")
    assert daemon.stop() == 0
