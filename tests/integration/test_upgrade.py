"""A ledger that the oldest version left is brought to the schema of today, and is as it was."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest

from jexevents import wiring
from jexevents.errors import SchemaVersionError
from jexevents.store.database import Database
from jexevents.store.migrate import bundled, check, migrate
from jexevents.store.verify import Scope, Verification
from tests.integration.web import bearer
from tests.ledger import TestLedger, message, open_ledger, submitted, terminated
from tests.support import ROOT, administer, database_uri, unique

SAMPLE = ROOT / "tests/samples/upgrade"
EXPECTED: dict[str, Any] = json.loads((SAMPLE / "expected.json").read_text("utf-8"))
BEARER = bearer(EXPECTED["token"])
# What the oldest version had.
FIRST = 4


@pytest.fixture
def old(postgres: str) -> Iterator[str]:
    """The URI of a database with the old ledger in it."""
    name = unique("jexevents_upgrade")
    administer(postgres, f"CREATE DATABASE {name}")
    uri = database_uri(postgres, name)
    statements = gzip.decompress((SAMPLE / "ledger.sql.gz").read_bytes()).decode()
    with closing(psycopg2.connect(uri)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statements)
    yield uri
    administer(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def upgraded(old: str) -> Iterator[TestLedger]:
    """The same, brought to the schema of today."""
    with closing(Database(old)) as database:
        migrate(database)
    with open_ledger(old) as ledger:
        yield ledger


def test_it_is_refused_before_and_taken_after(old: str) -> None:
    said: list[str] = []
    with closing(Database(old)) as database:
        with pytest.raises(SchemaVersionError, match=bundled()[FIRST].name):
            check(database)
        assert migrate(database, said.append) == len(bundled()) - FIRST
        assert said == [f"applying {one.name}" for one in bundled()[FIRST:]]
        check(database)
        assert migrate(database) == 0


def test_its_schema_is_that_of_a_new_one(old: str, database: str) -> None:
    with closing(Database(old)) as pool:
        migrate(pool)
    assert _columns(old) == _columns(database)
    assert _rest(old) == _rest(database)


def test_verify_finds_nothing(upgraded: TestLedger) -> None:
    verification = Verification(upgraded.database, Scope(), wiring.recognise)
    pages = list(verification.pages())
    assert [found for page in pages for found in page.differences] == []
    assert sum(page.jobs for page in pages) == len(EXPECTED["jobs"]) >= 6


def test_it_says_of_its_jobs_what_it_said(upgraded: TestLedger) -> None:
    for job_id, job in EXPECTED["jobs"].items():
        now = upgraded.get(f"/ledger/jobs/{job_id}", **BEARER)
        assert {name: now[name] for name in job} == job
        last = upgraded.get(f"/last-events/{job_id}", **BEARER)
        assert last == EXPECTED["last_events"][job_id]
        events = upgraded.get(f"/ledger/jobs/{job_id}/events", **BEARER)["items"]
        assert [one["name"] for one in events] == EXPECTED["events"][job_id]
    assert any(job["sealed"] for job in EXPECTED["jobs"].values())
    rejects = upgraded.get("/ledger/rejects", **BEARER)["items"]
    assert [one["reason"] for one in rejects] == EXPECTED["rejects"] != []


def test_it_goes_on(upgraded: TestLedger) -> None:
    """What it had is known, what is new is stored, and moves its job."""
    outcomes = upgraded.send(
        message(submitted()), message(terminated(job="226.000.000", second=90))
    )
    assert [one.value for one in outcomes] == ["duplicate", "accepted"]
    assert upgraded.job("226")["state"] == "Completed"
    test_verify_finds_nothing(upgraded)


def _columns(uri: str) -> list[tuple]:
    return _asked(
        uri,
        "select table_name, column_name, data_type, is_nullable, column_default, is_identity "
        "from information_schema.columns where table_schema = 'jex' order by 1, 2",
    )


def _rest(uri: str) -> list[tuple]:
    indexes = _asked(uri, "select indexdef from pg_indexes where schemaname = 'jex' order by 1")
    constraints = _asked(
        uri,
        "select conrelid::regclass::text, pg_get_constraintdef(oid) from pg_constraint "
        "where connamespace = 'jex'::regnamespace and contype <> 'n' order by 1, 2",
    )
    return [*indexes, *constraints]


def _asked(uri: str, statement: str) -> list[tuple]:
    with closing(psycopg2.connect(uri)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()
