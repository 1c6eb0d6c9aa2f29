"""The monitor's thread: real files, real time; the broker is a list that confirms when told."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from jexevents.errors import ConfigError, JexError
from jexevents.monitor.gaps import MARK
from jexevents.monitor.patterns import logs
from jexevents.monitor.service import MonitorService
from jexevents.monitor.watching import Watcher
from jexevents.observers import Nobody
from tests import support
from tests.monitoring import Site

NEVER = 3600.0


def wait_until(predicate: Callable[[], object]) -> None:
    support.wait_until(predicate, 20, "the monitor")


def event(number: int) -> bytes:
    return b"001 (%03d.000.000) 2026-11-22 04:10:00 Job executing on host: <a>\n...\n" % number


class Broker:
    """Takes all, and confirms while ``is_there``."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.confirmed_so_far = 0
        self.is_there = True
        self.error: JexError | None = None
        self.changed = threading.Condition()
        self.waits = 0

    def send(self, body: bytes, message_id: str | None = None) -> None:
        if self.error is not None:
            raise self.error
        self.bodies.append(body)

    def confirmed(self) -> int:
        if self.is_there:
            self.confirmed_so_far = len(self.bodies)
        return self.confirmed_so_far

    def wait_confirmed(self, timeout: float | None = None, count: int | None = None) -> bool:
        if self.error is not None:
            raise self.error
        self.waits += 1
        wanted = len(self.bodies) if count is None else count
        with self.changed:
            return self.changed.wait_for(lambda: self.confirmed() >= wanted, timeout)

    def numbers(self) -> list[int]:
        return [int(json.loads(body)["Event"][5:8]) for body in list(self.bodies)]

    def back(self) -> None:
        with self.changed:
            self.is_there = True
            self.changed.notify_all()


class Hearer(Nobody):
    """Counts how often the position file could not be written."""

    failures = 0

    def positions_noted(self, noted: bool) -> None:
        self.failures += not noted


@pytest.fixture
def run(tmp_path):
    running = []

    def start(*names: str, broker: Broker, **options) -> MonitorService:
        service = MonitorService(
            [str(tmp_path / name) for name in names],
            position_file=tmp_path / "position",
            sender=broker,
            **options,
        )
        running.append(service)
        service.start()
        return service

    yield start
    for service in running:
        service.stop()
        assert service.join(10)


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def test_growth_is_noticed_at_once(run, tmp_path):
    log, broker = tmp_path / "EventLog", Broker()
    append(log, event(1))
    run("EventLog", broker=broker, poll_seconds=NEVER)
    wait_until(lambda: broker.numbers() == [1])
    for number in range(2, 6):
        append(log, event(number))
        started = time.monotonic()
        wait_until(lambda number=number: broker.numbers()[-1] == number)
        assert time.monotonic() - started < 1.0


def test_rotation_is_noticed_at_once(run, tmp_path):
    log, broker = tmp_path / "EventLog", Broker()
    append(log, event(1))
    run("EventLog", broker=broker, poll_seconds=NEVER)
    wait_until(lambda: broker.numbers() == [1])
    log.rename(tmp_path / "EventLog.old")
    append(log, event(2))
    wait_until(lambda: broker.numbers() == [1, 2])


def test_without_the_kernel_it_looks_every_so_often(run, tmp_path, monkeypatch):
    """As on a file system over a network, where the kernel tells nothing."""
    monkeypatch.setattr(Watcher, "watch", lambda self, folders: None)
    log, broker = tmp_path / "EventLog", Broker()
    run("EventLog", broker=broker, poll_seconds=0.05)
    append(log, event(1))
    wait_until(lambda: broker.numbers() == [1])


def test_new_files_of_a_pattern_are_followed(run, tmp_path):
    broker = Broker()
    service = run("*.log", "named", broker=broker, poll_seconds=0.05)
    append(tmp_path / "a.log", event(1))
    append(tmp_path / "named", event(2))
    wait_until(lambda: sorted(broker.numbers()) == [1, 2])
    append(tmp_path / "b.log", event(3))
    service.look_again()
    wait_until(lambda: sorted(broker.numbers()) == [1, 2, 3])
    assert {path.name for path in service.logs} == {"a.log", "b.log", "named"}


def test_it_reads_no_further_than_a_bound_while_the_broker_is_away(run, tmp_path):
    log, broker = tmp_path / "EventLog", Broker()
    broker.is_there = False
    append(log, b"".join(map(event, range(500))))
    service = run("EventLog", broker=broker, window=20)
    wait_until(lambda: len(broker.bodies) == 20)
    assert service.bytes_behind == log.stat().st_size
    waits = broker.waits
    wait_until(lambda: broker.waits > waits + 2)
    assert len(broker.bodies) == 20
    broker.back()
    wait_until(lambda: len(broker.bodies) == 500)
    wait_until(lambda: service.bytes_behind == 0)


def test_a_gap_is_told_when_all_before_it_is_noted(run, tmp_path):
    """Else, after a kill, it would be told with another position before it: as another event."""
    broker = Broker()
    broker.is_there = False
    site = Site(tmp_path, headers=True)
    site.write(event(1))
    for _ in range(2):
        site.rename()
        site.begin()
    (tmp_path / "EventLog.1").unlink()
    service = run("EventLog", broker=broker)
    wait_until(lambda: len(broker.bodies) == 2)
    waits = broker.waits
    wait_until(lambda: broker.waits > waits + 2)
    assert len(broker.bodies) == 2
    broker.back()
    wait_until(lambda: len(broker.bodies) == 4)
    assert MARK in json.loads(broker.bodies[2])["Event"]
    assert not service.problems


def test_it_stops_at_once_while_the_broker_is_away(run, tmp_path):
    broker = Broker()
    broker.is_there = False
    append(tmp_path / "EventLog", b"".join(map(event, range(50))))
    service = run("EventLog", broker=broker, window=20)
    wait_until(lambda: len(broker.bodies) == 20)
    service.stop()
    assert service.join(9)
    assert service.exception is None


def test_what_was_confirmed_before_the_stop_is_not_sent_again(run, tmp_path):
    append(tmp_path / "EventLog", event(1) + event(2))
    broker = Broker()
    service = run("EventLog", broker=broker)
    wait_until(lambda: len(broker.bodies) == 2)
    service.stop()
    assert service.join(10)
    append(tmp_path / "EventLog", event(3))
    later = Broker()
    run("EventLog", broker=later)
    wait_until(lambda: later.numbers() == [3])


def test_a_full_disk_stops_the_notes_and_not_the_messages(run, tmp_path):
    """SQLite refuses to grow, with the error that it has for a full disk."""
    log, broker = tmp_path / "EventLog", Broker()
    append(log, event(0))
    hearer = Hearer()
    service = run("EventLog", broker=broker, unnoted=300, observer=hearer)
    wait_until(lambda: service.bytes_behind == 0 and not service.problems)
    connection = service._positions._connection
    pages = connection.execute("pragma page_count").fetchone()[0]
    connection.execute(f"pragma max_page_count = {pages}")
    append(log, b"".join(event(number) * 4 for number in range(1, 250)))
    wait_until(lambda: service.problems)
    (problem,) = service.problems
    assert "database or disk is full" in problem
    wait_until(lambda: len(broker.bodies) >= 300)
    failures = hearer.failures
    wait_until(lambda: hearer.failures > failures + 1)
    assert len(broker.bodies) < 700, "it reads no further than a bound"
    connection.execute("pragma max_page_count = 100000")
    wait_until(lambda: len(broker.bodies) == 1 + 249 * 4)
    wait_until(lambda: not service.problems)


def test_it_dies_of_what_the_sender_dies_of(run, tmp_path):
    broker = Broker()
    service = run("EventLog", broker=broker)
    broker.error = JexError("the exchange is another one")
    append(tmp_path / "EventLog", event(1))
    assert service.join(10)
    assert service.exception is broker.error


def test_a_second_monitor_is_refused_the_position_file(run, tmp_path):
    run("EventLog", broker=Broker())
    program = (
        "import sys; from pathlib import Path; from jexevents.monitor.positions import *\n"
        "PositionFile(Path(sys.argv[1]))"
    )
    second = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "position"], capture_output=True, text=True
    )
    assert "ConfigError" in second.stderr
    assert "is in use by another monitor" in second.stderr


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"no position file, but somebody's data" * 100, "is no position file"),
        (None, "cannot be opened: "),
    ],
)
def test_what_is_no_position_file_is_refused(content, expected, tmp_path):
    path = tmp_path / "position"
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(ConfigError, match=expected):
        MonitorService(["x"], position_file=path, sender=Broker())
    if content is not None:
        assert path.read_bytes() == content


def test_the_position_file_is_for_its_owner_alone(run, tmp_path):
    run("EventLog", broker=Broker())
    assert (tmp_path / "position").stat().st_mode & 0o777 == 0o600


# --- patterns


def test_patterns_leave_out_the_older_files_of_a_log(tmp_path):
    for name in ("EventLog", "EventLog.1", "EventLog.old", "job.7", "job.8", "other.1"):
        (tmp_path / name).touch()
    (tmp_path / "folder").mkdir()
    found = logs([str(tmp_path / "*")])
    assert [path.name for path in found] == ["EventLog", "job.7", "job.8", "other.1"]
    (tmp_path / "EventLog").unlink()  # it is just being rotated
    found = logs([str(tmp_path / "Event*")], known=[tmp_path / "EventLog"])
    assert found == []


def test_a_path_counts_though_nothing_is_there_and_a_link_only_once(tmp_path):
    (tmp_path / "EventLog").touch()
    (tmp_path / "link").symlink_to(tmp_path / "EventLog")
    found = logs([str(tmp_path / name) for name in ("EventLog", "link", "nothing")])
    assert [path.name for path in found] == ["EventLog", "nothing"]
