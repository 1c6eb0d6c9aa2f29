"""``jexevents rejects`` as a process: what it prints, writes, ends with, and survives."""

from __future__ import annotations

import base64
import json
import os
import pty
import signal
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from jexevents.ingest import Ingest
from jexevents.model import Arrival
from jexevents.sources.condor.message import read
from jexevents.sources.doors import Doors
from jexevents.store.database import Database
from jexevents.store.ledger import Ledger
from jexevents.store.reading import Reading
from tests.acceptance.support import PYTHON, environment, rows, run, write_config
from tests.ledger import NOON, message, submitted
from tests.support import wait_until

BINARY = bytes(range(256))
LONG = b"x" * (2 << 20)


@pytest.fixture
def config(tmp_path: Path, database: str) -> Path:
    return write_config(tmp_path, {"DBURI": database, "LogTimeZone": "UTC"})


def fill(database: str, *bodies: bytes, **fields: object) -> None:
    """Have the ledger reject messages as those of a door; it has no reader that takes any."""

    def refuse(arrival: Arrival) -> None:
        read(Arrival(b"BAD " + arrival.body, NOON, arrival.origin), NOON.tzinfo)

    with closing(Database(database)) as pool:
        ingest = Ingest(Ledger(pool), Reading(pool), Doors({"amqp": refuse, "http": refuse}))
        for body in bodies:
            ingest.handle([Arrival(body, NOON, "amqp:q", **fields)])


def good(count: int) -> list[bytes]:
    """Give messages that a retry accepts."""
    return [message(submitted(job=f"{number}.000.000")) for number in range(1, count + 1)]


def left(database: str) -> int:
    return rows(database, "select count(*) from jex.rejects")[0][0]


def test_list_counts_first_and_shows_the_newest(config: Path, database: str) -> None:
    fill(database, b"a", b"a", b"[red]b", LONG)
    done = run("rejects", "list", "--config", config)
    assert done.code == 0, done.err
    assert done.out.index("of them cut") < done.out.index("first came")
    told = " ".join(done.out.split())
    assert "unreadable-event\t3\t1\t4 times\n\nid\treason" in done.out
    assert "[red]b" in told
    document = json.loads(run("rejects", "list", "--json", "--limit", 2, "--config", config).out)
    assert document["counts"] == [
        {"reason": "unreadable-event", "rejects": 3, "cut": 1, "times": 4}
    ]
    assert [item["size"] for item in document["items"]] == [len(LONG), len("[red]b")]


def test_list_is_filtered(config: Path, database: str) -> None:
    fill(database, b"a")
    for arguments, count in (
        (["--reason", "schema"], 0),
        (["--origin", "amqp:q"], 1),
        (["--since", "2026-03-01T12:00:01Z"], 0),
        (["--until", "2026-03-01T12:00:01Z"], 1),
        (["--since", "52w", "--until", "1s"], None),
    ):
        done = run("rejects", "list", "--json", *arguments, "--config", config)
        items = json.loads(done.out)["items"]
        assert count is None or len(items) == count, arguments
    assert (
        "No reject matches." in run("rejects", "list", "--reason", "schema", "--config", config).out
    )


def test_show_tells_everything_and_nothing_that_a_terminal_would_do(
    config: Path, database: str
) -> None:
    headers = {"headers": {"esc": "\x1b[2J", "c1": "\x9b2J"}}
    fill(database, b"text \x1b[2J \xc2\x9b and more\nline two\n", properties=headers)
    fill(database, BINARY, credential="portal")
    shown = run("rejects", "show", 1, "--config", config)
    assert shown.code == 0
    assert "text \\u001b[2J \\u009b and more\nline two\n" in shown.out
    assert "2026-03-01T12:00:00Z" in shown.out
    assert "expected a header" in shown.out
    assert not [one for one in shown.out if not one.isprintable() and one != "\n"]
    dumped = run("rejects", "show", 2, "--config", config).out
    assert "000010  10 11 12" in dumped
    assert "portal" in dumped
    assert run("rejects", "show", 3, "--config", config).code == 64


def test_export_loses_nothing(config: Path, database: str, tmp_path: Path) -> None:
    bodies = [b"text \0 \xf0\x9f\x92\xa9", BINARY, b"\xed\xa0\x80", b"", *good(250)]
    fill(database, *bodies)
    done = run("rejects", "export", "--all", "--config", config)
    assert done.code == 0
    assert done.err.startswith(f"{len(bodies)} rejects match: ")
    assert [body_of(line) for line in done.out.splitlines()] == bodies
    file = tmp_path / "out.jsonl"
    assert run("rejects", "export", "--all", "--output", file, "--config", config).out == ""
    assert file.read_text() == done.out
    assert file.stat().st_mode & 0o777 == 0o600
    (line,) = run("rejects", "export", "2", "--config", config).out.splitlines()
    assert body_of(line) == BINARY
    missing = run("rejects", "export", "2", "9999", "--config", config)
    assert (missing.code, len(missing.out.splitlines())) == (65, 1)
    assert "no reject 9999" in missing.err
    nowhere = tmp_path / "no" / "out"
    assert run("rejects", "export", "--all", "--output", nowhere, "--config", config).code == 70


def body_of(line: str) -> bytes:
    item = json.loads(line)
    if "body" in item:
        return item["body"].encode()
    return base64.b64decode(item["body_base64"])


def test_retry_says_counts_first_and_what_became_of_them(config: Path, database: str) -> None:
    fill(database, *good(3), b"still bad", LONG)
    done = run("rejects", "retry", "--reason", "unreadable-event", "--config", config)
    assert done.code == 65
    assert done.err.splitlines()[0] == "5 rejects match: 5 unreadable-event."
    assert done.out.startswith("3 stored, 0 known already, 1 refused again, 1 cut, 0 gone")
    assert "export or drop" in done.out
    assert left(database) == 2
    assert rows(database, "select distinct received_at from jex.events") == [(NOON,)]
    assert run("rejects", "drop", "--all", "--config", config).out == "2 rejects dropped.\n"
    assert run("rejects", "retry", "--all", "--config", config).code == 0
    actions = rows(database, "select action from jex.audit order by id")
    assert actions == [("rejects.retry",), ("rejects.drop",)]


def test_retry_of_all_that_pass_ends_with_0(config: Path, database: str) -> None:
    fill(database, *good(250))
    done = run("rejects", "retry", "--all", "--config", config)
    assert (done.code, left(database)) == (0, 0), done.err


@pytest.mark.parametrize("action", ["retry", "drop", "export"])
@pytest.mark.parametrize("choice", [[], ["1", "--all"], ["--all", "--reason", "schema"], ["x"]])
def test_nothing_is_done_without_one_clear_choice(
    config: Path, database: str, action: str, choice: list[str]
) -> None:
    fill(database, b"a")
    done = run("rejects", action, *choice, "--config", config)
    assert (done.code, done.out, left(database)) == (64, "", 1)


def test_drop_asks_who_sits_at_a_terminal(config: Path, database: str) -> None:
    fill(database, b"a", b"b")
    assert "Nothing was dropped." in at_a_terminal(config, b"n\n")
    assert left(database) == 2
    told = at_a_terminal(config, b"y\n")
    assert "Drop 2 rejects for good?" in told
    assert "2 rejects dropped." in told
    assert left(database) == 0


def at_a_terminal(config: Path, answer: bytes) -> str:
    """Run ``rejects drop --all`` at a terminal, with an answer typed; give what is seen there."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [*PYTHON, "rejects", "drop", "--all", "--config", str(config)],
        env=environment(TERM="xterm"),
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    os.write(master, answer)
    seen = b""
    try:
        while piece := os.read(master, 4096):
            seen += piece
    except OSError:  # how a terminal says that its other end is gone
        pass
    os.close(master)
    assert process.wait(60) == 0
    return seen.decode()


def test_a_retry_that_is_killed_goes_on_where_it_was(config: Path, database: str) -> None:
    def read_bad(arrival: Arrival) -> None:
        read(bad(arrival), NOON.tzinfo)

    count = 3000
    with closing(Database(database)) as pool:
        ingest = Ingest(Ledger(pool), Reading(pool), Doors({"amqp": read_bad}))
        ingest.handle([Arrival(body, NOON, "amqp:q") for body in good(count)])
    process = subprocess.Popen(
        [*PYTHON, "rejects", "retry", "--all", "--config", str(config)],
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_until(lambda: left(database) < count, 30, "the first step")
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    remaining = left(database)
    assert 0 < remaining < count
    assert rows(database, "select count(*) from jex.events") == [(count - remaining,)]
    done = run("rejects", "retry", "--all", "--config", config)
    assert done.out.startswith(f"{remaining} stored, 0 known")
    assert rows(database, "select count(*) from jex.events") == [(count,)]


def bad(arrival: Arrival) -> Arrival:
    return Arrival(b"BAD " + arrival.body, arrival.received_at, arrival.origin)


def test_the_database_away_is_69(config: Path, tmp_path: Path) -> None:
    away = write_config(tmp_path, {"DBURI": "postgres://127.0.0.1:1/nothing"})
    assert run("rejects", "list", "--config", away).code == 69
