"""docs/migrating.md: the original's configuration file is read, and its callers are answered."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pika
import pytest

from jexevents import config
from jexevents.config import OPTIONS
from tests.acceptance.conftest import servers, start
from tests.acceptance.support import Daemon, invocation_ad, message, publish, submission
from tests.docs.test_coverage import rows, section
from tests.support import ROOT, administer, unique, wait_until

__all__ = ["servers", "start"]

DOCUMENT = (ROOT / "docs/migrating.md").read_text("utf-8")
EXAMPLE = re.search(r"^```json\n(.*?)^```$", DOCUMENT, re.M | re.S)[1]
INVOCATION = "ebbff967-b467-48a3-b3bf-d73f7cde8ed1"
# The original's own example of an insertion: strings as Go's clients send them, by curl's --data.
JOB = {
    "Submitter": "wregglej",
    "AppID": "c7f05682-23c8-4182-b9a2-e09650a5f49b",
    "CommandLine": "/bin/true",
    "CondorID": "222",
}


def filled(amqp: str, database: str) -> dict:
    """Give the example with what stands in angle brackets in it filled in."""
    options = json.loads(EXAMPLE)
    assert re.fullmatch(r"amqp://<user>:<password>@<hostname>:<port>/", options["AMQPURI"])
    assert options["DBURI"].endswith("?sslmode=disable")
    has_query = "?" in database
    return options | {
        "AMQPURI": amqp,
        "DBURI": f"{database}{'&' if has_query else '?'}sslmode=disable",
        "HTTPListenPort": "127.0.0.1:0",
    }


def test_the_example_is_read_as_it_is(tmp_path: Path) -> None:
    text = EXAMPLE.replace("<port>", "5672")
    path = tmp_path / "config.json"
    path.write_text(re.sub(r"<(\w+)>", r"\1", text))
    loaded = config.load(path, {})
    assert loaded.exchange_name == "exchange"
    assert loaded.queue_binding_key == "binding_key"
    assert urlsplit(loaded.db_uri).query == "sslmode=disable"
    assert [one for one in loaded.warnings if "unknown" in one.lower()] == []


def test_a_daemon_runs_on_it_and_answers_as_the_original(
    start: Callable[..., Daemon], vhost: str, database: str
) -> None:
    daemon = start(**filled(vhost, database), LogTimeZone="UTC").wait_ready()
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    inserted = daemon.ask("POST", "/jobs", json.dumps(JOB).encode(), **form)
    assert 200 <= inserted.status < 300
    bodies = [message(submission(222)), message(invocation_ad(222, INVOCATION))]
    publish(vhost, bodies, exchange="exchange")
    told = wait_until(lambda: _last(daemon), 20, f"the status; {daemon.text}")
    assert told == {"state": {"status": "Submitted", "uuid": INVOCATION}}
    end = "005 (222.000.000) 2014-11-14 18:02:11.640 Job terminated.\n"
    end += "\t(1) Normal termination (return value 0)\n...\n"
    publish(vhost, [message(end)], exchange="exchange")
    wait_until(lambda: _last(daemon)["state"]["status"] == "Completed", 20, "the end")
    state = {"status": "Completed", "completion_date": "1415988131640", "uuid": INVOCATION}
    assert _last(daemon) == {"state": state}
    assert daemon.ask("POST", "/jobs", b"{").status == 400
    assert daemon.ask("POST", "/jobs", {**JOB, "AppID": "no uuid"}).status == 422
    assert daemon.stop() == 0


def test_it_takes_over_the_queue_that_the_original_left(
    start: Callable[..., Daemon], vhost: str, database: str
) -> None:
    """What came before the first start is not lost; what the exchange was declared as, stays."""
    with pika.BlockingConnection(pika.URLParameters(vhost)) as connection:
        channel = connection.channel()
        channel.exchange_declare("exchange", "fanout", durable=True)
        channel.queue_declare("queue", durable=True)
        channel.queue_bind("queue", "exchange", "binding_key")
    publish(vhost, [message(submission(7))], exchange="exchange")
    daemon = start(**filled(vhost, database)).wait_ready()
    daemon.wait_job("7")
    assert daemon.stop() == 0


def test_tables_of_the_original_are_not_touched(
    start: Callable[..., Daemon], vhost: str, database: str
) -> None:
    table = unique("jobs")
    administer(database, f"create table public.{table} (id integer)")
    daemon = start(**filled(vhost, database)).wait_ready()
    assert daemon.stop() == 0
    administer(database, f"drop table public.{table}")


def test_every_key_of_the_example_is_told() -> None:
    told = " ".join(row[0] for row in rows(section(DOCUMENT, "The configuration file")))
    for name in json.loads(EXAMPLE):
        assert f"`{name}`" in told, name
    for name in re.findall(r"`(\w+)`", told):
        assert name in OPTIONS, name


def test_keys_that_have_no_effect_are_these() -> None:
    (told,) = [
        row[0]
        for row in rows(section(DOCUMENT, "The configuration file"))
        if row[1].endswith("accepted, without effect")
    ]
    for name in re.findall(r"`(\w+)`", told):
        assert not OPTIONS[name].effect, name


def _last(daemon: Daemon) -> dict | None:
    answer = daemon.get(f"/last-events/{INVOCATION}")
    return answer.json() if answer.status == 200 else None


@pytest.fixture(autouse=True)
def _needs_nothing_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is read as it is, is read without variables beside it."""
    for name in ("JEXEVENTS_AMQPURI", "JEXEVENTS_DBURI"):
        monkeypatch.delenv(name, raising=False)
