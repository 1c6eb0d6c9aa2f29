"""Makes ledger.sql.gz and expected.json: a ledger as an old version of jexevents left it.

Run it with that version: in a checkout of it, with its folder first on the path of modules.

    git worktree add OLD COMMIT
    cd OLD && PYTHONPATH=. python .../tests/samples/upgrade/make.py .../tests/samples/upgrade

The commit that they were made with stands in README.md beside this. It fills a ledger by the doors
that the version had, asks it what it says of its jobs, and dumps its tables as plain SQL.
"""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from jexevents.embedded import EmbeddedPostgres
from jexevents.embedded.wheel import programs_for
from jexevents.store.database import Database
from jexevents.store.migrate import migrate
from tests.integration.web import JOB
from tests.ledger import (
    TestLedger,
    aborted,
    executing,
    held,
    message,
    named,
    open_ledger,
    released,
    submitted,
    terminated,
    text,
)

INVOCATION = "0d1c7a9e-5a0f-44e5-9cf1-1b0a7d3f5c11"
HEADER = text(8, "Global JobLog: ctime=1772366400 id=x sequence=1", job="000.000.000")
# Long before the others, so that it alone is sealed.
OLD = "{} (100.000.000) 2024-01-02 03:04:0{} {}\n...\n"
PRUNED_DAYS = "500d"
# What the filter leaves out: what psql alone knows, and settings of newer servers.
_LEFT_OUT = re.compile(r"^(\\|SET |--|SELECT pg_catalog\.set_config)")


def fill(ledger: TestLedger) -> None:
    """Store jobs of every kind of story, twice and out of order, and what is no event."""
    ledger.send(
        message(OLD.format("000", 0, "Job submitted from host: <10.0.0.1:9618>")),
        message(OLD.format("005", 9, "Job terminated.\n\t(1) Normal termination (return value 3)")),
        message(submitted(), Log="log", Offset=0),
        message(named(INVOCATION), Log="log", Offset=300),
        message(executing(second=3600), Log="log", Offset=500),
        message(terminated(second=20), Log="log", Offset=900),
        message(submitted(job="223.000.000", second=60)),
        message(held(job="223.000.000", second=69)),
        message(HEADER),
        b"no event",
        message("000 (no header) at all"),
    )
    ledger.send(
        message(executing(job="224.003.000", second=5), Source="a#b", Occurrence=17),
        message(aborted(job="224.003.000", second=9), Source="a#b"),
        message(submitted(job="224.003.000"), Source="a#b"),
        message(executing(job="223.000.000", second=65)),
        message(submitted()),
        message(submitted(job="226.000.000")),
        message(held(job="226.000.000", second=10)),
        message(released(job="226.000.000", second=20)),
    )
    dates = {"InvocationID": INVOCATION.upper(), "DateStarted": "2026-03-01T12:00:05.5+02:00"}
    assert ledger.post("/jobs", {**JOB, "CondorID": "225", **dates}).status == 201
    assert ledger.post("/jobs", {**JOB, "CondorID": "222"}).status == 200


def asked(ledger: TestLedger) -> dict:
    """Ask for all that it says of jobs."""
    jobs = ledger.get("/ledger/jobs")["items"]
    return {
        "jobs": {job["id"]: ledger.get(f"/ledger/jobs/{job['id']}") for job in jobs},
        "last_events": {job["id"]: ledger.get(f"/last-events/{job['id']}") for job in jobs},
        "events": {job["id"]: [one["name"] for one in _events(ledger, job["id"])] for job in jobs},
        "rejects": [one["reason"] for one in ledger.get("/ledger/rejects")["items"]],
    }


def _events(ledger: TestLedger, job_id: str) -> list:
    return ledger.get(f"/ledger/jobs/{job_id}/events")["items"]


def command(folder: Path, uri: str, *arguments: str) -> str:
    """Run a command of the old version; give what it printed."""
    config = folder / "jexevents.json"
    config.write_text(json.dumps({"DBURI": uri}))
    done = subprocess.run(
        [sys.executable, "-m", "jexevents", *arguments, "--config", str(config)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def dumped(uri: str, place: Path) -> str:
    """Dump the schema as statements that any client and any server from 13 on understands."""
    program = programs_for(None, place).path("pg_dump")
    options = ["--inserts", "--no-owner", "--no-privileges", "--schema=jex"]
    done = subprocess.run([program, *options, uri], capture_output=True, text=True, check=True)
    kept = [line for line in done.stdout.splitlines() if line and not _LEFT_OUT.match(line)]
    return "\n".join(kept) + "\n"


def main() -> None:
    """Make both files in the folder that is named."""
    target = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory(dir=".", prefix="upgrade-") as work:
        folder = Path(work).resolve()
        server = EmbeddedPostgres(folder / "postgres")
        uri = server.start()
        try:
            with closing(Database(uri)) as database:
                migrate(database)
            with open_ledger(uri) as ledger:
                fill(ledger)
                command(folder, uri, "prune", "--older-than", PRUNED_DAYS)
                expected = asked(ledger)
            made = command(folder, uri, "token", "make", "--role", "read", "--name", "upgrade")
            expected["token"] = made.strip()
            (target / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
            sql = dumped(uri, folder).encode()
            (target / "ledger.sql.gz").write_bytes(gzip.compress(sql, mtime=0))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
