"""`jexevents monitor` as a process: what is written into a log comes into the ledger."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pika
import pytest

from tests.acceptance.support import PYTHON, STOP_SECONDS, Daemon, rows, run, submission
from tests.support import free_port, wait_until

# It is to be seen that no database is asked.
NO_DATABASE = "postgres://nobody@127.0.0.1:1/none"
SECONDS = 30


def execution(cluster: int) -> str:
    head = f"001 ({cluster:03}.000.000) 2026-03-04 05:06:08"
    return f"{head} Job executing on host: <127.0.0.1:9618>\n...\n"


class Host:
    """A submit host: a log, and monitors that follow it."""

    def __init__(self, start: Callable[..., Daemon], uri: str, folder: Path) -> None:
        folder.mkdir()
        self._start = start
        self.folder = folder
        self.log = folder / "EventLog"
        self.options = {
            "AMQPURI": uri,
            "DBURI": NO_DATABASE,
            "EventLog": str(self.log),
            "PositionFile": str(folder / "position"),
            "SourceName": "submit-1",
            "MonitorHTTPListenPort": "127.0.0.1:0",
        }

    def write(self, text: str, path: Path | None = None) -> None:
        with (path or self.log).open("a") as file:
            file.write(text)

    def monitor(self, *arguments: str, ready: bool = True, **options: Any) -> Daemon:
        """Start a monitor."""
        started = self._start(*PYTHON, "monitor", *arguments, **{**self.options, **options})
        return started.wait_ready() if ready else started


@pytest.fixture
def host(start: Callable[..., Daemon], vhost: str, tmp_path: Path) -> Host:
    return Host(start, vhost, tmp_path / "submit")


@pytest.fixture
def daemon(start: Callable[..., Daemon], servers: dict[str, str]) -> Daemon:
    return start(**servers, LogTimeZone="UTC").wait_ready()


def keys(uri: str) -> list[str]:
    return [key for (key,) in rows(uri, "select key from jex.jobs order by key")]


def wait_events(uri: str, number: int) -> None:
    def stored() -> int:
        return rows(uri, "select count(*) from jex.events")[0][0]

    wait_until(lambda: stored() >= number, SECONDS, f"event {number}")
    assert stored() == number


def test_what_is_written_is_in_the_ledger(host: Host, daemon: Daemon) -> None:
    monitor = host.monitor()
    host.write(submission(301))
    job = daemon.wait_job("submit-1#301")
    assert (job["state"], job["source"]) == ("Submitted", "submit-1")
    half = len(execution(301)) // 2
    host.write(execution(301)[:half])
    host.write(execution(301)[half:])
    wait_until(lambda: daemon.job("submit-1#301")["state"] == "Running", SECONDS, "its start")
    events = daemon.get(f"/ledger/jobs/{job['id']}/events").json()["items"]
    assert [event["offset"] for event in events] == [len(submission(301)), 0]
    assert len({event["log"] for event in events} - {None}) == 1
    assert monitor.stop() == 0
    assert monitor.logged("stopped")[0]["exit_code"] == 0


def test_a_log_that_is_rotated_is_followed_on(
    host: Host, daemon: Daemon, servers: dict[str, str]
) -> None:
    host.monitor()
    for number in range(1, 7):
        host.write(submission(number))
        if number % 2 == 0:
            for older in (2, 1):
                if (path := Path(f"{host.log}.{older}")).exists():
                    path.rename(f"{host.log}.{older + 1}")
            host.log.rename(f"{host.log}.1")
    host.write(submission(7))
    wait_events(servers["DBURI"], 7)


def test_equal_texts_are_told_apart_and_sent_twice_is_stored_once(
    host: Host, daemon: Daemon, servers: dict[str, str]
) -> None:
    host.write(submission(1) + execution(1) * 3)
    first = host.monitor()
    wait_events(servers["DBURI"], 4)
    assert first.stop() == 0
    os.remove(host.options["PositionFile"])
    second = host.monitor()
    second.wait_metric(4, "monitor_published_total")
    host.write(submission(2))
    wait_events(servers["DBURI"], 5)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_gracefully_and_goes_on_where_it_was(
    number: int, host: Host, daemon: Daemon, servers: dict[str, str]
) -> None:
    host.write("".join(map(submission, range(1, 2001))))
    first = host.monitor(ready=False, MonitorWindow=50)
    first.wait_logged("publishing")
    first.send(number)
    assert first.wait(STOP_SECONDS) == 0
    second = host.monitor()
    wait_events(servers["DBURI"], 2000)
    second.wait_metric(0, "monitor_behind_bytes")
    assert daemon.metric("events_total", door="amqp", outcome="duplicate") == 0, "sent twice"


def test_killed_it_loses_nothing(host: Host, daemon: Daemon, servers: dict[str, str]) -> None:
    host.write("".join(map(submission, range(1, 3001))))
    for times in range(1, 4):
        monitor = host.monitor(ready=False, MonitorWindow=100)
        wanted = min(2800, rows(servers["DBURI"], "select count(*) from jex.events")[0][0] + 300)
        wait_until(
            lambda n=wanted: rows(servers["DBURI"], "select count(*) from jex.events")[0][0] >= n,
            SECONDS,
            f"some more, {times}; {monitor.text}",
        )
        monitor.send(signal.SIGKILL)
        monitor.wait()
    host.monitor()
    wait_events(servers["DBURI"], 3000)


def test_two_monitors_of_one_position_file(host: Host) -> None:
    host.monitor(ready=False).wait_logged("listening")
    second = host.monitor(ready=False)
    assert second.wait() == 78, second.text
    assert "in use by another monitor" in second.text
    assert not second.logged("service_died")


def test_without_a_broker_it_waits_and_says_so(host: Host) -> None:
    host.write(submission(1))
    monitor = host.monitor(ready=False, AMQPURI=f"amqp://127.0.0.1:{free_port()}/")
    monitor.wait_logged("broker_away")
    answer = monitor.get("/readyz")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    assert "Connection refused" in answer.json()["checks"]["broker"]["detail"]
    assert answer.json()["checks"]["logs"]["ok"]
    assert monitor.get("/healthz").status == 200
    monitor.wait_metric(1, "publisher_under_way")
    monitor.wait_metric(len(submission(1)), "monitor_behind_bytes")
    assert monitor.metric("publisher_connected") == 0
    assert monitor.stop() == 0


def test_while_the_broker_is_away_it_reads_no_further_than_its_window(host: Host) -> None:
    host.write("".join(map(submission, range(1, 1001))))
    monitor = host.monitor(
        ready=False, AMQPURI=f"amqp://127.0.0.1:{free_port()}/", MonitorWindow=10
    )
    monitor.wait_metric(10, "publisher_under_way")
    monitor.wait_logged("broker_away", 3)
    assert monitor.metric("publisher_under_way") == 10
    size = host.log.stat().st_size
    assert monitor.metric("monitor_behind_bytes") == size


def test_before_there_is_a_queue_nothing_is_passed_over(
    host: Host, start: Callable[..., Daemon], servers: dict[str, str]
) -> None:
    host.write(submission(1))
    monitor = host.monitor(ready=False)
    monitor.wait_logged("messages_refused")
    assert "No queue gets" in monitor.get("/readyz").json()["checks"]["broker"]["detail"]
    start(**servers).wait_ready().wait_job("submit-1#1")
    monitor.wait_ready()


def test_a_second_signal_ends_it_at_once(host: Host) -> None:
    host.write(submission(1))
    monitor = host.monitor(ready=False, AMQPURI=f"amqp://127.0.0.1:{free_port()}/")
    monitor.wait_metric(1, "publisher_under_way")
    monitor.send(signal.SIGTERM)
    monitor.wait_logged("ending")
    monitor.send(signal.SIGTERM)
    assert monitor.wait(2) == 128 + signal.SIGTERM


def test_hang_up_has_it_look_for_new_logs(host: Host, daemon: Daemon) -> None:
    pattern = host.folder / "*.log"
    monitor = host.monitor(EventLog=str(pattern), MonitorPollSeconds=60)
    monitor.wait_logged("publishing")
    wait_until(lambda: monitor.metric("monitor_logs") == 0, SECONDS, "the first look")
    host.write(submission(1), host.folder / "one.log")
    assert monitor.metric("monitor_logs") == 0
    begun = time.monotonic()
    monitor.send(signal.SIGHUP)
    daemon.wait_job("submit-1#1")
    assert time.monotonic() - begun < SECONDS
    assert monitor.metric("monitor_logs") == 1
    assert monitor.stop() == 0


def test_what_the_command_line_says_goes_first(host: Host, daemon: Daemon) -> None:
    other, position = host.folder / "other", host.folder / "other.position"
    host.write(submission(1))
    host.write(submission(2), other)
    host.monitor(str(other), "--position", str(position), "--listen", "127.0.0.1:0")
    daemon.wait_job("submit-1#2")
    assert position.exists()
    assert not Path(host.options["PositionFile"]).exists()
    assert daemon.job("submit-1#1") is None


def test_its_metrics(host: Host, daemon: Daemon) -> None:
    monitor = host.monitor()
    host.write(submission(1) + "no event\n" + submission(2))
    monitor.wait_metric(3, "monitor_published_total")
    assert monitor.metric("monitor_events_total") == 2
    assert monitor.metric("monitor_garbage_total") == 1
    assert monitor.metric("monitor_published_bytes_total") == host.log.stat().st_size
    assert monitor.metric("publisher_confirmed_total") == 3
    assert monitor.metric("publisher_connected") == 1
    assert monitor.metric("monitor_gaps_total") == 0
    assert monitor.metric("monitor_logs") == 1
    assert monitor.metric("monitor_problems") == 0
    monitor.wait_metric(0, "monitor_behind_bytes")
    wait_until(
        lambda: abs(time.time() - monitor.metric("monitor_position_timestamp_seconds")) < 60,
        SECONDS,
        "the position",
    )
    daemon.wait_metric(1, "rejects_total", reason="unreadable-event")


@contextmanager
def other_exchange(uri: str) -> Iterator[None]:
    with closing(pika.BlockingConnection(pika.URLParameters(uri))) as connection:
        connection.channel().exchange_declare("condor_events", "topic", durable=True)
        yield


def test_an_exchange_that_is_other_than_configured(host: Host, vhost: str) -> None:
    with other_exchange(vhost):
        monitor = host.monitor(ready=False)
        assert monitor.wait() == 78, monitor.text
    assert "another type" in monitor.logged("stopped")[0]["reason"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"EventLog": []}, ("no log to follow", "EventLog")),
        ({"ExchangeInternal": True}, ("ExchangeInternal",)),
        ({"MonitorHTTPListenPort": "0.0.0.0:0"}, ("MonitorHTTPListenPort", "AnonymousRoles")),
        ({"PositionFile": "/proc/nowhere/position"}, ("/proc/nowhere/position",)),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_waiting_would_not_mend(
    host: Host, options: dict[str, Any], words: tuple[str, ...]
) -> None:
    monitor = host.monitor(ready=False, **options)
    assert monitor.wait() == 78, monitor.text
    for word in words:
        assert word in monitor.logged("stopped")[0]["reason"]


def test_a_port_without_a_host_is_loopback_s_unless_opened(host: Host) -> None:
    first = host.monitor(ready=False, MonitorHTTPListenPort=f":{free_port()}")
    assert first.wait_logged("listening")["addresses"][0][0] == "127.0.0.1"
    assert "AnonymousRoles" in first.logged("loopback_only")[0]["reason"]
    first.end()
    second = host.monitor(
        ready=False, MonitorHTTPListenPort=f":{free_port()}", AnonymousRoles=["read"]
    )
    hosts = {address[0] for address in second.wait_logged("listening")["addresses"]}
    assert hosts == {"0.0.0.0", "::"}
    assert second.get("/metrics").status == 200


def test_check_says_what_the_monitor_lacks(host: Host, vhost: str) -> None:
    def checked(**options: Any) -> tuple[int, str]:
        path = host.folder / "check.json"
        path.write_text(json.dumps({**host.options, **options}))
        done = run("check", "--monitor", "--config", path)
        return done.code, done.out + done.err

    code, said = checked()
    assert code == 0, said
    assert "the exchange 'condor_events' will be made when the monitor starts" in said
    assert f"{host.log} is not there yet" in said
    assert "PostgreSQL" not in said
    host.write(submission(1))
    assert "1 log can be read" in checked()[1]
    assert not Path(host.options["PositionFile"]).exists()
    code, said = checked(EventLog=[])
    assert (code, "no log to follow" in said) == (78, True)
    code, said = checked(PositionFile=str(host.log / "position"))
    assert (code, "is no folder" in said) == (78, True)
    code, said = checked(AMQPURI=f"amqp://127.0.0.1:{free_port()}/")
    assert (code, "WRONG RabbitMQ" in said) == (69, True)
    with other_exchange(vhost):
        code, said = checked()
    assert (code, "another type" in said) == (78, True)
