"""``jexevents import`` and ``jexevents audit-log`` as an administrator runs them."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jexevents.eventlogs.naming import log_name
from jexevents.sources.condor.message import canonical
from jexevents.sources.condor.split import Splitter
from jexevents.validation import SCHEMAS
from tests.acceptance.support import PYTHON, Daemon, environment, rows, run, write_config
from tests.ledger import message, open_ledger
from tests.support import ROOT, wait_until

SAMPLES = sorted((ROOT / "tests/samples/condor").glob("*.log"))
LEDGER = """
    select j.key, j.source, j.state, j.submitted_at, j.finished_at, e.checksum, e.occurred_at,
        e.data::text
    from jex.events e left join jex.jobs j on j.id = e.job_id
    order by 1, 2, 6
"""
STEPS = (
    (0, "Job submitted from host: <10.0.0.1:9618>"),
    (1, "Job executing on host: <10.0.0.2:9618>"),
    (6, "Image size of job updated: 9"),
    (5, "Job terminated.\n\t(1) Normal termination (return value 0)"),
)


@pytest.fixture
def config(tmp_path: Path, database: str) -> Path:
    return write_config(tmp_path, {"DBURI": database, "LogTimeZone": "UTC"})


def log(jobs: int, steps: int = 4, first: int = 1) -> bytes:
    """Give a log of so many jobs with as many events each, some at the same time."""
    return b"".join(
        f"{number:03} ({job}.0.0) 2026-02-{1 + step:02} 10:{job % 60:02}:00 {said}\n...\n".encode()
        for step, (number, said) in enumerate(STEPS[:steps])
        for job in range(first, first + jobs)
    )


def imported(*arguments: object, code: int = 0) -> dict[str, Any]:
    done = run("import", "--json", *arguments)
    assert done.code == code, done.err
    summary = json.loads(done.out)
    assert SCHEMAS.check("import_summary", summary) == []
    return summary


def count(database: str, table: str = "events") -> int:
    return rows(database, f"select count(*) from jex.{table}")[0][0]


def test_a_log_and_once_more(config: Path, database: str, tmp_path: Path) -> None:
    (tmp_path / "EventLog").write_bytes(log(50))
    summary = imported(tmp_path / "EventLog", "--config", config)
    assert [summary[name] for name in ("events", "new", "duplicates", "rejected", "jobs_new")] == [
        200, 200, 0, 0, 50
    ]  # fmt: skip
    before = rows(database, LEDGER)
    assert {row[2] for row in before} == {"Completed"}
    for more in ([], ["--processes", "3"]):
        again = imported(tmp_path / "EventLog", "--config", config, *more)
        assert (again["new"], again["duplicates"], again["jobs_new"]) == (0, 200, 0)
    assert rows(database, LEDGER) == before
    assert run("verify", "--config", config).code == 0
    done = run("import", tmp_path / "EventLog", "--config", config)
    assert done.out.startswith(
        "Read 200 events of 1 file: 0 new, 200 known, 0 rejected; 0 new jobs"
    )


@pytest.mark.parametrize("how", ["files", "pipe", "packed", "processes"])
def test_it_is_what_came_live(config: Path, database: str, tmp_path: Path, how: str) -> None:
    """What a monitor sent, with what it knows, is what an import stores."""
    whole = b"".join(path.read_bytes().rstrip(b"\n") + b"\n" for path in SAMPLES)
    (tmp_path / "EventLog").write_bytes(whole)
    pieces = [piece for piece in Splitter().feed(whole) if piece.fault is None]
    name = log_name(pieces[0].raw, (tmp_path / "EventLog").stat().st_ino)
    seen: Counter[bytes] = Counter()
    bodies = []
    for piece in pieces:
        text = canonical(piece.raw)
        place = {"Log": name, "Offset": piece.offset, "Occurrence": seen[text]}
        bodies.append(message(piece.raw.decode("utf-8", "surrogateescape"), **place))
        seen[text] += 1
    with open_ledger(database) as ledger:
        for start in range(0, len(bodies), 100):
            ledger.send(*bodies[start : start + 100])
    before = rows(database, LEDGER)
    assert len(before) > 500
    file = tmp_path / "EventLog"
    more: list[object] = []
    if how == "packed":
        (tmp_path / "EventLog.gz").write_bytes(gzip.compress(whole))
        file = tmp_path / "EventLog.gz"
    elif how == "processes":
        more = ["--processes", "2"]
    if how == "pipe":
        done = subprocess.run(
            [*PYTHON, "import", "--json", "--year", "2025", "-", "--config", str(config)],
            input=whole,
            env=environment(),
            capture_output=True,
            timeout=60,
            check=False,
        )
        summary = json.loads(done.stdout)
    else:
        summary = imported(file, "--config", config, *more, code=65)
    assert summary["new"] == 0, summary
    assert summary["duplicates"] > 500
    assert rows(database, LEDGER) == before


def test_two_orders_make_one_ledger(config: Path, database: str, tmp_path: Path) -> None:
    """The ledger that several processes make is that of one."""
    (tmp_path / "log").write_bytes(log(3000))
    summary = imported(tmp_path / "log", "--config", config, "--processes", "3")
    assert (summary["new"], summary["jobs_new"]) == (12000, 3000)
    assert {row[2] for row in rows(database, LEDGER)} == {"Completed"}
    assert run("verify", "--config", config).code == 0


def test_sources_years_and_rejects(config: Path, database: str, tmp_path: Path) -> None:
    text = b"001 (1.000.000) 12/31 23:00:00 Job executing on host: <10.0.0.2:9618>\n...\n"
    text += b"rubbish\n...\n005 (1.000.000) 01/01 01:00:00 Job terminated.\n"
    text += (
        b"\t(1) Normal termination (return value 0)\n...\n000 (2.000.000) 01/01 01:00:01 Job sub"
    )
    (tmp_path / "old.log").write_bytes(text)
    os.utime(tmp_path / "old.log", (1136100000, 1136100000))  # 2006-01-01
    done = run("import", tmp_path / "old.log", "--source", "pool", "--config", config)
    assert done.code == 65
    assert "2 new, 0 known, 1 rejected" in done.out
    assert "it was taken from the file's time" in done.err
    assert f"begins at byte {text.index(b'000 (2')}" in done.err
    found = rows(database, "select key, finished_at::text, started_at::text from jex.jobs")
    assert found == [("pool#1", "2006-01-01 01:00:00+00", "2005-12-31 23:00:00+00")]
    (kept,) = rows(database, "select origin, source, properties from jex.rejects")
    assert kept[:2] == ("import", "pool")
    assert kept[2]["Offset"] == text.index(b"rubbish")
    assert run("rejects", "retry", "--all", "--config", config).code == 65
    other = imported(
        tmp_path / "old.log", "--source", "pool", "--year", "2011", "--config", config, code=65
    )
    assert other["new"] == 0


def test_what_is_not_there(config: Path, database: str, tmp_path: Path) -> None:
    (tmp_path / "good").write_bytes(log(1))
    done = run("import", tmp_path / "good", tmp_path / "gone", tmp_path, "--config", config)
    assert done.code == 66
    assert "gone: No such file" in done.err
    assert "a folder" in done.err
    assert count(database) == 0
    for wrong in (["--year", "19"], ["--processes", "0"], ["--source", "a\nb"]):
        assert run("import", tmp_path / "good", *wrong, "--config", config).code == 64
    (tmp_path / "empty").write_bytes(b"")
    done = run("import", tmp_path / "empty", "--config", config)
    assert done.code == 0
    assert "empty: empty" in done.err


def test_ended_in_the_middle(config: Path, database: str, tmp_path: Path) -> None:
    """Whole batches are stored, and the same command does the rest."""
    reader, writer = os.pipe()
    command = [*PYTHON, "import", "--json", "--processes", "2", "-", "--config", str(config)]
    pipes = {"stdin": reader, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=environment(), **pipes) as process:
        os.close(reader)
        with os.fdopen(writer, "wb") as file:
            file.write(log(6000, 2))
            file.flush()
            wait_until(lambda: count(database) > 0, 30, "a batch")
            # Not INT: what a shell has started in the background ignores that.
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert b"Stopped before the end" in err
    summary = json.loads(out)
    assert summary["stopped"]
    assert summary["new"] == count(database) > 0
    (tmp_path / "log").write_bytes(log(6000, 2))
    rest = imported(tmp_path / "log", "--config", config)
    assert (rest["new"], rest["duplicates"]) == (12000 - summary["new"], summary["new"])


def test_killed_at_any_time(config: Path, database: str, tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(log(5000))
    command = [*PYTHON, "import", "--processes", "2", str(tmp_path / "log")]
    for _ in range(2):
        before = count(database)
        with subprocess.Popen(
            [*command, "--config", str(config)], env=environment(), stdout=subprocess.DEVNULL
        ) as process:
            wait_until(lambda before=before: count(database) > before, 30, "a batch")
            process.kill()
        wait_until(lambda: nobody_stores(database), 30, "the processes that stored")
        assert run("verify", "--config", config).code == 0
    summary = imported(tmp_path / "log", "--config", config)
    assert summary["new"] + summary["duplicates"] == 20000
    assert count(database) == 20000
    assert {row[0] for row in rows(database, "select state from jex.jobs")} == {"Completed"}


def nobody_stores(database: str) -> bool:
    asked = """
        select count(*) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()
    """
    return rows(database, asked) == [(0,)]


def test_a_process_that_dies_is_told(config: Path, database: str) -> None:
    reader, writer = os.pipe()
    command = [*PYTHON, "import", "--processes", "2", "-", "--config", str(config)]
    pipes = {"stdin": reader, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=environment(), **pipes) as process:
        os.close(reader)
        with os.fdopen(writer, "wb") as file:
            file.write(log(6000, 2))
            file.flush()
            wait_until(lambda: count(database) > 0, 30, "a batch")
            os.kill(children(process.pid)[-1], signal.SIGKILL)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 70, err
    assert b"exit code -9" in err
    assert b"run again" in err


def children(pid: int) -> list[int]:
    """Give the processes that store, which have begun in this order."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [
        int(child)
        for child in found
        if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]


def test_through_the_broker(
    database: str, vhost: str, tmp_path: Path, start: Callable[..., Daemon]
) -> None:
    daemon = start(DBURI=database, AMQPURI=vhost, LogTimeZone="UTC").wait_ready()
    old = b"001 (7.000.000) 02/03 23:00:00 Job executing on host: <10.0.0.2:9618>\n...\n"
    (tmp_path / "log").write_bytes(log(100) + old)
    summary = imported(tmp_path / "log", "--through-broker", "--config", daemon.config)
    assert (summary["sent"], summary["new"]) == (401, None)
    wait_until(lambda: count(database) == 401, 30, "all events")
    again = imported(tmp_path / "log", "--config", daemon.config)
    assert (again["new"], again["duplicates"]) == (0, 401)
    asked = "select occurred_at::text from jex.events where name = 'EXECUTE' order by 1 limit 1"
    assert rows(database, asked) == [("2026-02-02 10:00:00+00",)]


def test_audit_log(config: Path, database: str, tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(log(20))
    imported(tmp_path / "log", "--config", config)
    assert run("audit-log", "--config", config).code == 0
    (tmp_path / "more").write_bytes(log(3, 3, first=100) + b"rubbish\n...\n")
    imported(tmp_path / "more", "--source", "pool", "--config", config, code=65)
    done = run("audit-log", "--config", config)
    assert done.code == 65
    assert "no-end" in done.out
    assert "2026-02-03" in done.out
    assert "4 findings." in done.err
    done = run("audit-log", "--json", "--config", config)
    found = [json.loads(line) for line in done.out.splitlines()]
    assert [SCHEMAS.check("audit_finding", one) for one in found] == [[]] * 4
    assert [one["finding"] for one in found] == ["no-end"] * 3 + ["rejected"]
    done = run("audit-log", "--list", "--until", "2026-02-04T00:00:00Z", "--config", config)
    lines = [line.split("\t") for line in done.out.splitlines()]
    assert [line[:3] for line in lines] == [["no-end", "pool", "2026-02-03"]] * 3
    for scope in (["--source", "other"], ["--since", "2026-02-03T00:00:00Z", "--source", ""]):
        assert run("audit-log", *scope, "--config", config).code == 0
    assert run("audit-log", "--silent", "soon", "--config", config).code == 64
