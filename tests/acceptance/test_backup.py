"""docs/operations.md on backup and restore: its lines are run, while a daemon stores events."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pytest

from jexevents.embedded.wheel import programs_for
from jexevents.errors import ConfigError
from tests.acceptance.support import (
    PYTHON,
    Daemon,
    environment,
    message,
    publish,
    rows,
    submission,
)
from tests.docs.test_coverage import section
from tests.support import ROOT, administer, database_uri, missing, unique, wait_until

BLOCKS = re.findall(
    r"^```sh\n(.*?)^```$",
    section((ROOT / "docs/operations.md").read_text("utf-8"), "Backup and restore"),
    re.M | re.S,
)
JOBS = 300


@pytest.fixture
def restored(postgres: str) -> Iterator[str]:
    """The URI of an empty database."""
    name = unique("jexevents_restored")
    administer(postgres, f"CREATE DATABASE {name}")
    yield database_uri(postgres, name)
    administer(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def programs(postgres: str, tmp_path: Path) -> str:
    """A folder with pg_dump and pg_restore that are not older than the server."""
    with closing(psycopg2.connect(postgres)) as connection:
        server = connection.server_version // 10000
    try:
        wheel = programs_for(None, tmp_path)
        if wheel.version >= server:
            return str(wheel.root / "bin")
    except ConfigError:
        pass
    found = shutil.which("pg_dump")
    if not found:
        missing("pg_dump", f"there is none for PostgreSQL {server}")
    return str(Path(found).parent)


@pytest.fixture
def shell(tmp_path: Path, programs: str, database: str, restored: str) -> Callable[[str], str]:
    """Run lines as an administrator would; give what they print."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "jexevents"
    program.write_text(f'#!/bin/sh\nexec {" ".join(PYTHON)} "$@"\n')
    program.chmod(0o755)
    path = os.pathsep.join([str(folder), programs, os.environ["PATH"]])

    def run(lines: str) -> str:
        done = subprocess.run(
            ["sh", "-e"],
            input=lines,
            cwd=tmp_path,
            env=environment(PATH=path, JEXEVENTS_DBURI=database, RESTORED_DBURI=restored),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    return run


def test_a_ledger_is_dumped_while_it_is_written_and_restored(
    start: Callable[..., Daemon],
    servers: dict[str, str],
    shell: Callable[[str], str],
    database: str,
    restored: str,
) -> None:
    assert urlsplit(database).path != urlsplit(restored).path
    daemon = start(**servers).wait_ready()
    publish(servers["AMQPURI"], [message(submission(number)) for number in range(1, JOBS + 1)])
    stored = "select count(*) from jex.jobs"
    wait_until(lambda: rows(database, stored) != [(0,)], 20, "a first job")
    backup, restore = BLOCKS
    shell(backup)
    wait_until(lambda: rows(database, stored) == [(JOBS,)], 20, "all jobs")
    assert daemon.stop() == 0
    said = shell(restore)
    assert "schema is current" in said
    ((number,),) = rows(restored, stored)
    assert 1 <= number <= JOBS
    # What came after the dump is brought again, and counts once.
    again = start(**servers | {"DBURI": restored, "NodeName": "restored"}).wait_ready()
    publish(servers["AMQPURI"], [message(submission(one)) for one in range(1, JOBS + 1)])
    wait_until(lambda: rows(restored, stored) == [(JOBS,)], 20, "all jobs")
    wait_until(
        lambda: (
            (again.metric("events_total", door="amqp", outcome="accepted") or 0)
            + (again.metric("events_total", door="amqp", outcome="duplicate") or 0)
            == JOBS
        ),
        20,
        "all messages",
    )
    assert again.metric("events_total", door="amqp", outcome="duplicate") == number
    assert again.stop() == 0
    shell('JEXEVENTS_DBURI="$RESTORED_DBURI" jexevents verify')


def test_the_document_has_a_dump_and_a_restore() -> None:
    backup, restore = BLOCKS
    assert backup.startswith("pg_dump ")
    assert restore.startswith("pg_restore ")
    assert "jexevents verify" in restore
