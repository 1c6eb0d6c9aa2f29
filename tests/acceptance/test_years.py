"""``jexevents verify`` and ``jexevents prune`` as an administrator runs them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.support import PYTHON, environment, rows, run, write_config
from tests.ledger import executing, message, open_ledger, submitted, terminated
from tests.support import wait_until

SEALED = "select count(*) from jex.jobs where sealed_seq is not null"


@pytest.fixture
def config(tmp_path: Path, database: str) -> Path:
    return write_config(tmp_path, {"DBURI": database})


def fill(database: str, count: int) -> None:
    """Make jobs that ended long ago, with three events each."""
    jobs = [f"{number:03}.000.000" for number in range(1, count + 1)]
    with open_ledger(database) as ledger:
        for start in range(0, count, 100):
            some = jobs[start : start + 100]
            ledger.send(*(message(submitted(job=job)) for job in some))
            ledger.send(*(message(executing(job=job, second=5)) for job in some))
            ledger.send(*(message(terminated(job=job, second=9)) for job in some))


def test_verify(config: Path, database: str) -> None:
    fill(database, 3)
    done = run("verify", "--config", config)
    assert (done.code, done.out) == (0, "")
    assert "3 jobs, 9 events: 0 differences." in done.err
    rows(database, "update jex.jobs set finished_at = null, reason = E'a\\tb' where key = '2'")
    job_id = rows(database, "select id from jex.jobs where key = '2'")[0][0]
    done = run("verify", "--config", config)
    assert done.code == 65
    assert done.out.splitlines() == [
        f'{job_id}\tcondor\t2\tjobs.finished_at\tnull\t"2026-03-01T12:00:09Z"',
        f'{job_id}\tcondor\t2\tjobs.reason\t"a\\tb"\tnull',
    ]
    done = run("verify", "--config", config, "--json", "--key", "1", "2", "--key", "3")
    found = [json.loads(line) for line in done.out.splitlines()]
    assert [one["column"] for one in found] == ["jobs.finished_at", "jobs.reason"]
    assert found[0]["folded"] == "2026-03-01T12:00:09Z"
    for scope in (
        ["--key", "1"],
        ["--since", "2026-03-02T00:00:00Z"],
        ["--until", "2026-03-01T00:00:00Z"],
    ):
        assert run("verify", "--config", config, *scope).code == 0


def test_verify_knows_what_it_does_not_understand(config: Path) -> None:
    assert run("verify", "--config", config, "--since", "yesterday").code == 64
    assert run("verify", "--config", config, "--kind", "other").code == 64


def test_prune(config: Path, database: str) -> None:
    fill(database, 3)
    ages = ["--older-than", "12h"], ["--older-than", "6m"], ["--older-than", "soon"], []
    for age in ages:
        done = run("prune", "--config", config, *age)
        assert (done.code, done.out) == (64, "")
    assert "--force" in run("prune", "--config", config, *ages[0]).err
    listed = (
        "3 jobs, 0 events of no job, 0 rejects, 0 deliveries, 0 audit entries, 0 due times, "
        "0 uploads."
    )
    done = run("prune", "--config", config, "--older-than", "30d", "--dry-run")
    assert done.code == 0
    assert done.out.endswith(f"{listed}\n")
    assert rows(database, SEALED) == [(0,)]
    done = run("prune", "--config", config, "--older-than", "12h", "--force")
    assert done.code == 0
    assert done.out.splitlines()[1].startswith("Sealed 3 jobs, removed 9 events of theirs; 0 ")
    assert rows(database, SEALED) == [(3,)]
    assert rows(database, "select action from jex.audit order by id") == [
        ("prune.begin",),
        ("prune",),
    ]
    assert run("verify", "--config", config).code == 0


def test_prune_leaves_what_is_not_as_its_events_say(config: Path, database: str) -> None:
    fill(database, 2)
    rows(database, "update jex.jobs set exit_code = 9 where key = '1'")
    done = run("prune", "--config", config, "--older-than", "1d")
    assert done.code == 65
    assert "1 job left" in done.err
    assert rows(database, SEALED) == [(1,)]


def test_prune_killed_at_any_time_is_started_again(config: Path, database: str) -> None:
    fill(database, 1500)
    command = [*PYTHON, "prune", "--config", str(config), "--older-than", "1d"]
    for _ in range(3):
        (sealed,) = rows(database, SEALED)[0]
        with subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL) as process:
            wait_until(lambda sealed=sealed: rows(database, SEALED)[0][0] > sealed, 30, "a step")
            process.kill()
        assert run("verify", "--config", config).code == 0
    assert rows(database, SEALED)[0][0] < 1500
    done = run("prune", "--config", config, "--older-than", "1d")
    assert done.code == 0
    assert rows(database, f"select ({SEALED}), (select count(*) from jex.events)") == [(1500, 1500)]
    assert run("verify", "--config", config).code == 0
