"""A real log that grows and is rotated, and a monitor that is killed: the ledger becomes what one
clean import of the log's files makes of it."""

from __future__ import annotations

import random
import re
import signal
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.acceptance.support import PYTHON, Daemon, run
from tests.faults.daemons import PlainDaemon
from tests.faults.servers import ask
from tests.faults.sizes import FULL
from tests.monitoring import Site, cuts, marker, whole_events
from tests.support import free_port, wait_until
from tests.unit.condor_samples import NAMES, raw

# Without a year, live reading and an import may take a date for different ones.
_NO_YEAR = re.compile(rb"^\d{3} \([^)]*\) \d\d/\d\d", re.MULTILINE)
LOGS = [name for name in NAMES if len(raw(name)) > 3000 and not _NO_YEAR.search(raw(name))]
SOURCE = "submit-1"
_SECONDS = 60
# The time of a file's header is another one after its rotation.
_TIME = "case when name <> 'GENERIC' then occurred_at::text end"
_EVENTS = f"select encode(checksum, 'hex'), name, {_TIME}, source from jex.events"
_JOBS = "select key, state, exit_code, reason from jex.jobs"
_REJECTS = "select count(*) from jex.rejects"


class Submit:
    """A submit host whose log is written by the test, and whose monitor may be killed."""

    def __init__(self, postgres, rabbit, folder: Path, stack: ExitStack, *, headers: bool) -> None:
        self.database, self.vhost = postgres.create(), rabbit.create()
        self._uri = rabbit.uri(self.vhost)
        self._folder, self._stack = folder, stack
        (folder / "logs").mkdir()
        (folder / "daemon").mkdir()
        (folder / "monitor").mkdir()
        self.site = Site(folder / "logs", headers=headers)
        port = free_port()
        daemon = PlainDaemon(
            folder / "daemon",
            {
                "AMQPURI": self._uri,
                "DBURI": self.database,
                "LogTimeZone": "UTC",
                "HTTPListenPort": f"127.0.0.1:{port}",
            },
        )
        stack.callback(daemon.end)
        daemon.wait_ready()
        self.monitor = self.start()

    def start(self) -> Daemon:
        options = {
            "AMQPURI": self._uri,
            "EventLog": str(self.site.path),
            "PositionFile": str(self._folder / "position"),
            "SourceName": SOURCE,
            "MonitorHTTPListenPort": "127.0.0.1:0",
            "MonitorWindow": 50,
        }
        self.monitor = Daemon(self._folder / "monitor", options, [*PYTHON, "monitor"])
        self._stack.callback(self.monitor.end)
        return self.monitor

    def kill(self) -> None:
        self.monitor.send(signal.SIGKILL)
        self.monitor.wait()

    def stored(self) -> int:
        return ask(self.database, "select count(*) from jex.events")[0][0]

    def wait_all(self) -> None:
        """Wait until the broker has taken over all that stands in the log."""
        self.monitor.wait_logged("publishing")
        self.monitor.wait_metric(0, "monitor_behind_bytes")

    def write(self, data: bytes, rng: random.Random) -> None:
        for part in cuts(data, rng):
            self.site.write(part)

    def rotate(self, rng: random.Random) -> None:
        """Go on in a new file; it begins with an event that no other begins with."""
        how = rng.choice(["rename", "copy", "remove"])
        if how == "remove":
            self.wait_all()  # what is removed unread is lost, which other tests are about
            self.site.remove()
        elif how == "rename":
            self.site.rename()
        else:
            self.site.copy_and_truncate()
        self.site.begin()
        self.site.write(marker(9000 + len(self.site.all), 0))
        if how == "remove":
            # As long as nothing of the new file is noted, a kill leaves what may be a gap.
            self.wait_all()
            assert self.monitor.stop() == 0
            self.start()


def ledger(uri: str) -> dict[str, list]:
    """Give what two ledgers of the same log have in common."""
    queries = {"events": _EVENTS, "jobs": _JOBS, "rejects": _REJECTS}
    return {name: sorted(ask(uri, query), key=str) for name, query in queries.items()}


def assert_same(found: dict[str, list], expected: dict[str, list]) -> None:
    for name, rows in expected.items():
        lost, unknown = set(rows) - set(found[name]), set(found[name]) - set(rows)
        assert not lost | unknown, f"{name}: lost {lost}, unknown {unknown}"
        assert len(rows) == len(found[name])


def imported(uri: str, contents: list[bytes], folder: Path) -> None:
    """Import a log's files, all together."""
    folder.mkdir()
    names = [f"EventLog.{number}" for number in range(len(contents) - 1, 0, -1)] + ["EventLog"]
    for name, content in zip(names, contents, strict=True):
        (folder / name).write_bytes(content)
    files = [folder / name for name in names]
    servers = {"JEXEVENTS_DBURI": uri, "JEXEVENTS_LOGTIMEZONE": "UTC"}
    done = run("import", "--source", SOURCE, *files, **servers)
    assert done.code == 0, f"{done.out}\n{done.err}"


@pytest.fixture
def empty(postgres_server):
    """A second ledger."""
    uri = postgres_server.create()
    yield uri
    postgres_server.drop(uri)


@pytest.mark.parametrize("headers", [True, False])
def test_rotated_and_killed_it_makes_the_ledger_of_one_import(
    headers, postgres_server, rabbit_server, empty, tmp_path, rng, sizes
):
    with ExitStack() as stack:
        host = Submit(postgres_server, rabbit_server, tmp_path, stack, headers=headers)
        log = b"".join(
            raw(name).rstrip(b"\n") + b"\n" for name in rng.sample(LOGS, 12 if FULL else 4)
        )
        events = whole_events(log)
        kills = set(rng.sample(range(len(events)), min(len(events), sizes.kills)))
        rotations = set(rng.sample(range(len(events)), min(len(events), 2 * sizes.kills)))
        for number, event in enumerate(events):
            host.write(event, rng)
            if number in rotations:
                host.rotate(rng)
            if number in kills:
                if rng.random() < 0.5:
                    host.monitor.wait_logged("publishing")
                host.kill()
                if rng.random() < 0.5 and number not in rotations:
                    host.site.rename()
                    host.site.begin()
                    host.site.write(marker(8000 + number, 0))
                host.start()
        host.wait_all()
        wait_until(lambda: rabbit_server.ready(host.vhost) == 0, _SECONDS, "the daemon to take all")
        imported(empty, host.site.all, tmp_path / "all")
        expected = ledger(empty)
        wait_until(
            lambda: host.stored() >= len(expected["events"]),
            _SECONDS,
            f"event {len(expected['events'])}; {host.monitor.text[-3000:]}",
        )
        assert_same(ledger(host.database), expected)
        imported(host.database, host.site.all, tmp_path / "again")
        assert_same(ledger(host.database), expected)
        done = run("verify", JEXEVENTS_DBURI=host.database)
        assert (done.code, done.out) == (0, "")
    rabbit_server.node.delete_vhost(host.vhost)
    postgres_server.drop(host.database)
