"""Webhooks of a daemon that runs, and the command that looks after them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from jexevents.hookwords import name_of_url
from jexevents.lifecycle.executionid import microseconds, shortest
from tests.acceptance.jobs import Jobs
from tests.acceptance.support import Daemon, message, publish, run, submission, write_config
from tests.receiver import Receiver, Reply, receiving
from tests.support import free_port, wait_until

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
KEY = SECRET.removeprefix("whsec_")


@pytest.fixture
def receiver():
    with receiving() as started:
        yield started


def hook(receiver: Receiver, **more: Any) -> dict[str, Any]:
    return {"Name": "portal", "URL": receiver.url, "Secret": SECRET, **more}


def test_an_event_goes_from_the_queue_to_the_receiver(
    start: Callable[..., Daemon], servers: dict[str, str], receiver: Receiver
) -> None:
    daemon = start(**servers, Hooks=[hook(receiver)]).wait_ready()
    publish(servers["AMQPURI"], [message(submission(number)) for number in range(1, 4)])
    for came in receiver.wait_for(3):
        Webhook(SECRET).verify(came.body, came.headers)
    daemon.wait_metric(3, "hook_tries_total", hook="portal", outcome="delivered")
    assert KEY not in daemon.text
    assert daemon.stop() == 0


def test_it_is_sent_when_it_is_stored_and_not_when_somebody_looks(
    start: Callable[..., Daemon], servers: dict[str, str], receiver: Receiver
) -> None:
    """A look a second would take ten."""
    daemon = start(**servers, Hooks=[hook(receiver)]).wait_ready()
    began = time.monotonic()
    for number in range(1, 11):
        publish(servers["AMQPURI"], [message(submission(number))])
        receiver.wait_for(number)
    assert time.monotonic() - began < 6
    assert daemon.stop() == 0


def test_a_daemon_that_sends_ends_in_time(
    start: Callable[..., Daemon], servers: dict[str, str], receiver: Receiver
) -> None:
    daemon = start(**servers, Hooks=[hook(receiver)]).wait_ready()
    receiver.answer = lambda _received: Reply(by=lambda _handler: wait_until(
        lambda: daemon.code is not None, 30, "the daemon's end"))  # fmt: skip
    publish(servers["AMQPURI"], [message(submission(1))])
    receiver.wait_for(1)
    assert daemon.stop() == 0


def test_the_command(
    start: Callable[..., Daemon], servers: dict[str, str], receiver: Receiver
) -> None:
    receiver.answer = lambda _received: Reply(410)
    daemon = start(**servers, Hooks=[hook(receiver)]).wait_ready()
    publish(servers["AMQPURI"], [message(submission(1))])

    def listed() -> dict[str, Any]:
        (row,) = json.loads(run("hooks", "list", "--json", "--config", daemon.config).out)
        return row

    wait_until(lambda: listed()["dead"] == 1 and listed()["reason"], 30, "the hook to be refused")
    table = run("hooks", "list", "--config", daemon.config)
    assert "portal" in table.out
    assert "refused by its receiver" in table.out
    assert "410" in table.out
    assert "disabled" not in table.out
    assert KEY not in table.out
    assert run("hooks", "redeliver", "portal", "99", "--config", daemon.config).code == 65
    assert run("hooks", "redeliver", "portal", "--config", daemon.config).code == 64
    assert run("hooks", "redeliver", "portla", "--dead", "--config", daemon.config).code == 64
    receiver.answer = lambda _received: Reply()
    assert run("hooks", "enable", "portal", "--config", daemon.config).code == 0
    assert run("hooks", "enable", "portal", "--config", daemon.config).code == 64
    again = run("hooks", "redeliver", "portal", "--dead", "--config", daemon.config)
    assert (again.code, again.out) == (0, "1 delivery of portal will be sent again.\n")
    first, second = receiver.wait_for(2)
    assert first.id == second.id
    wait_until(lambda: listed()["delivered"] == 1, 30, "the delivery")
    assert run("hooks", "redeliver", "portal", "1", "--config", daemon.config).code == 0
    receiver.wait_for(3)
    assert daemon.stop() == 0


@pytest.mark.parametrize("format_name", ["cloudevents", "jex", "smrtlink", "overseer"])
def test_a_test_shows_request_and_answer(
    tmp_path: Path, receiver: Receiver, format_name: str
) -> None:
    """It needs no database."""
    given = hook(receiver, Format=format_name, Headers={"X-Key": "hidden"})
    given["URL"] += "/hidden?sig=hidden"
    options = {"Hooks": [given]}
    config = write_config(tmp_path, options)
    receiver.answer = lambda received: Reply(
        202, {"X-Seen": "yes"}, f"fine \x1b[31m {received.path} {received.headers}".encode()
    )
    done = run("hooks", "test", "portal", "--config", config)
    assert done.code == 0, done.err
    (came,) = receiver.received
    Webhook(SECRET).verify(came.body, came.headers)
    assert came.headers["X-Key"] == "hidden"
    for told in (f"POST {receiver.url}/***", came.id, came.body.decode(), "Answered 202", "fine"):
        assert told in done.out
    assert "X-Seen: yes" in done.out
    assert "hidden" not in done.out
    assert "\x1b" not in done.out


@pytest.mark.parametrize(
    ("reply", "code", "told"),
    [(Reply(500, body=b"broken"), 65, "broken"), (Reply(301), 65, "redirect")],
)
def test_a_test_that_is_refused(
    tmp_path: Path, receiver: Receiver, reply: Reply, code: int, told: str
) -> None:
    receiver.answer = lambda _received: reply
    config = write_config(tmp_path, {"Hooks": [hook(receiver)]})
    done = run("hooks", "test", "portal", "--config", config)
    assert done.code == code
    assert told in done.out


@pytest.mark.parametrize(
    ("options", "is_execution"),
    [
        ({"Format": "overseer"}, True), ({"Format": "overseer", "Kinds": ["cond*"]}, False),
        ({"Kinds": ["command"]}, True), ({}, False), ({"Kinds": ["pipeline"]}, False),
    ],
)  # fmt: skip
def test_a_test_is_of_a_kind_that_the_hook_takes(
    tmp_path: Path, receiver: Receiver, options: dict[str, Any], is_execution: bool
) -> None:
    public = {"PublicURL": "https://jex.example.org"}
    config = write_config(tmp_path, public | {"Hooks": [hook(receiver, **options)]})
    assert run("hooks", "test", "portal", "--config", config).code == 0
    (came,) = receiver.received
    body = came.json()
    if "Format" not in options:
        assert (body["type"] == "jexevents.command.test") == is_execution
    elif is_execution:
        own = shortest(microseconds(str(body["execution"])))
        assert body == {
            "job": "jexevents", "execution": float(own), "status": "test",
            "metadata": f"{public['PublicURL']}/jobs/jexevents/{own}",
        }  # fmt: skip
    else:
        assert body["job"] == "jexevents#0.0"


def test_a_test_of_a_hook_of_a_definition(jobs: Callable[..., Jobs], receiver: Receiver) -> None:
    """It stands in no configuration: where it leads, the database says."""
    text = f"hooks: {{complete: {receiver.url}/x, start: 'job:other'}}\n"
    place = jobs({"hooked.yml": text, "other.yml": "{}"}, JobHookSecret=SECRET)
    config, name = place.daemon.config, name_of_url(f"{receiver.url}/x")
    assert run("hooks", "test", name, "--config", config).code == 64
    place.run("hooked", wait=30)
    receiver.wait_for(1)
    done = run("hooks", "test", name, "--config", config)
    assert done.code == 0, done.err
    came = receiver.wait_for(2)[1]
    Webhook(SECRET).verify(came.body, came.headers)
    assert (came.path, came.json()["job"], came.json()["status"]) == ("/x", "jexevents", "test")
    assert f"POST {receiver.url}/***" in done.out
    started = run("hooks", "test", name_of_url("job:other"), "--config", config)
    assert (started.code, "POST /jobs/other" in started.err) == (64, True)


def test_a_test_that_reaches_nobody(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    config = write_config(tmp_path, {"Hooks": [{"Name": "portal", "URL": url}]})
    done = run("hooks", "test", "portal", "--config", config)
    assert done.code == 69
    assert "connection refused" in done.out
    unknown = run("hooks", "test", "portla", "--config", config)
    assert unknown.code == 64
    assert "Did you mean portal?" in unknown.err


def test_a_test_of_a_mail(tmp_path: Path) -> None:
    options = {
        "Hooks": [{"Name": "post", "URL": "mailto:ann@example.org"}],
        "SMTPURI": f"smtp://127.0.0.1:{free_port()}",
        "MailFrom": "jex@example.org",
    }
    done = run("hooks", "test", "post", "--config", write_config(tmp_path, options))
    assert done.code == 69
    assert "To: ann@example.org" in done.out
    assert "cannot be reached" in done.out


def test_a_file_of_authorities_that_is_none_is_told(tmp_path: Path) -> None:
    options = {"Hooks": [{"Name": "a", "URL": "https://127.0.0.1"}], "HookCAFile": "/none.pem"}
    config = write_config(tmp_path, options)
    for command in (("hooks", "test", "a"), ("check",)):
        done = run(*command, "--config", config)
        assert done.code == 78
        assert "HookCAFile" in done.err
