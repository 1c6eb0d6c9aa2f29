"""The scene of one test: a queue, a ledger, daemons between them, and who watches them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.faults.daemons import PlainDaemon, SupervisedDaemon
from tests.faults.producer import Producer
from tests.faults.progress import Progress
from tests.faults.proxy import Proxy
from tests.faults.servers import Postgres, Rabbit, ask
from tests.faults.stories import InOrder, Schedd, TwiceAndShuffled
from tests.faults.truth import stored_texts
from tests.faults.watcher import Watcher
from tests.support import free_port, wait_until

# How many messages the producer is ahead of the ledger at most, unless told to go on.
_AHEAD = 2000
_OPTIONS = {
    "LogTimeZone": "UTC",
    "LogLevel": "info",
    "BatchSize": 200,
    "HeartbeatSeconds": 6,
    "ReconnectMaxSeconds": 0.5,
    "HTTPStatementTimeoutSeconds": 1,
    "DBConnectTimeoutSeconds": 2,
}


_BUSY = (
    "select application_name, state, wait_event, left(query, 60) from pg_stat_activity"
    " where datname = current_database()"
)


class Scene:
    """What a test has at hand; ``begin`` starts it all."""

    def __init__(
        self, postgres: Postgres, rabbit: Rabbit, folder: Path, rng: random.Random, stack: ExitStack
    ) -> None:
        self.postgres, self.rabbit = postgres, rabbit
        self.database, self.vhost = postgres.create(), rabbit.create()
        self.rng = rng
        self.schedd = Schedd(rng)
        self.daemons: list[PlainDaemon | SupervisedDaemon] = []
        self.watchers: list[Watcher] = []
        self.progress = Progress(self.database).start()
        self._folder, self._stack, self._ahead = folder, stack, _AHEAD
        stack.callback(self.progress.stop)

    def begin(
        self,
        *,
        count: int = 1,
        supervised: bool = False,
        placed: bool = True,
        twice: bool = False,
        askers: int = 1,
        amqp_uri: str | None = None,
        database_uri: str | None = None,
        **options: Any,
    ) -> PlainDaemon | SupervisedDaemon:
        """Start daemons, producer and watchers; returns when the first events are stored.

        ``askers`` is how many watchers each daemon has.
        """
        self.schedd.placed = placed
        for number in range(count):
            servers = {
                "AMQPURI": amqp_uri or self.rabbit.uri(self.vhost),
                "DBURI": database_uri or self.database,
            }
            daemon = self._add_daemon(number, supervised, {**_OPTIONS, **servers, **options})
            for _ in range(askers):
                pause = 0.03 * askers
                self.watchers.append(Watcher(daemon.port, self.schedd.first_invocation, pause))
        for daemon in self.daemons:
            daemon.wait_ready()
        self._publish(twice)
        for watcher in self.watchers:
            watcher.start()
            self._stack.callback(watcher.stop)
        self.wait_stored(300)
        return self.daemons[0]

    def publish_on(self, count: int = 300) -> None:
        """Have so many more messages published, however far behind the ledger is."""
        self.more_room(count)
        self.producer.wait_confirmed(count)

    def more_room(self, count: int) -> None:
        """Let the producer be so many messages further ahead of the ledger."""
        self._ahead += count

    @contextmanager
    def away(self, what: str) -> Iterator[None]:
        """Say that the ``database`` or the ``daemon`` is away meanwhile."""
        with ExitStack() as stack:
            for watcher in self.watchers:
                stack.enter_context(watcher.excused(what))
            yield

    def delete_queue(self) -> None:
        """Delete the queue with all in it, and publish again just what may have been in it.

        Not again: what the ledger had before, and what was confirmed since the queue is back.
        """
        stored = stored_texts(self.database)
        self.rabbit.delete_queue(self.vhost)
        self.rabbit.wait_bound(self.vhost)
        confirmed = list(self.producer.confirmed.values())
        self.producer.again(each for each in confirmed if each.raw not in stored)

    def keep(self, proxy: Proxy) -> Any:
        """Give the proxy, which is closed at the test's end."""
        self._stack.callback(proxy.close)
        return proxy

    def seen(self, status: int) -> int:
        """How often this status was answered so far."""
        return sum(
            count
            for watcher in self.watchers
            for (_, answered), count in list(watcher.answers.items())
            if answered == status
        )

    def describe(self) -> str:
        """How things stand, and the last words of the daemons, for messages."""
        ledger = ask(self.database, "select count(*) from jex.events")
        listed = self.rabbit.queue(self.vhost)
        busy = ask(self.database, _BUSY)
        logs = [f"-- {daemon.port}\n{daemon.log()[-2000:]}" for daemon in self.daemons]
        told = [f"ledger {ledger}, {self.producer}", f"queue {listed}", f"busy {busy}", *logs]
        return "\n".join(told)

    def wait_more(self, more: int, timeout: float = 60) -> None:
        """Wait until the ledger has so many more events than now."""
        self.wait_stored(self.progress.stored + more, timeout)

    def wait_stored(self, goal: int, timeout: float = 60) -> None:
        """Wait until the ledger has so many events."""
        try:
            wait_until(lambda: self.progress.stored >= goal, timeout, f"event {goal}")
        except pytest.fail.Exception as late:
            pytest.fail(f"{late}; seen {self.progress.stored}\n{self.describe()}")

    def assert_daemons_stayed(self) -> None:
        for daemon in self.daemons:
            daemon.assert_stayed()

    def assert_answered(self) -> None:
        for watcher in self.watchers:
            watcher.stop()
            faults = watcher.faults()
            assert not faults, f"{len(faults)} answers amiss:\n" + "\n".join(faults[:8])

    def stop_daemons(self) -> None:
        """End all daemons gracefully, and assert that they did."""
        for daemon in self.daemons:
            assert daemon.stop() == 0, daemon.log()[-3000:]

    def count_logged(self, event: str) -> int:
        return sum(daemon.log().count(f'"event": "{event}"') for daemon in self.daemons)

    def wait_logged(self, event: str, times: int = 1, timeout: float = 30) -> None:
        try:
            wait_until(lambda: self.count_logged(event) >= times, timeout, event)
        except pytest.fail.Exception as late:
            pytest.fail(f"{late}\n{self.describe()}")

    def _add_daemon(
        self, number: int, supervised: bool, options: dict[str, Any]
    ) -> PlainDaemon | SupervisedDaemon:
        port = free_port()
        options = {"HTTPListenPort": f"127.0.0.1:{port}", "NodeName": f"node{number}", **options}
        folder = self._folder / f"daemon{number}"
        folder.mkdir()
        daemon = (SupervisedDaemon if supervised else PlainDaemon)(folder, options)
        self.daemons.append(daemon)
        self._stack.callback(daemon.end)
        return daemon

    def _publish(self, twice: bool) -> None:
        messages = (TwiceAndShuffled if twice else InOrder)(self.schedd)
        self.producer = Producer(self.rabbit.uri(self.vhost), messages, self._room)
        self._stack.callback(self.producer.abandon)
        self.producer.start()

    def _room(self) -> int:
        return self._ahead - (len(self.producer.confirmed) - self.progress.stored)
