"""A stage: one database and one queue, and the daemons that work on them."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bench import database, publishing
from bench.daemon import Daemon, command
from bench.errors import BenchFailed
from bench.load import FIRST_CLUSTER, STEPS, final_state, messages
from bench.servers import Say, Servers
from bench.sizes import Sizes


@dataclass(frozen=True)
class Bench:
    """What every measurement is given; ``empty`` is a migrated database without rows."""

    servers: Servers
    sizes: Sizes
    say: Say
    empty: str

    @contextmanager
    def stage(self, like: str | None = None, **options: Any) -> Iterator[Stage]:
        """Make a stage with an empty database, or with a copy of that of the stage ``like``.

        ``options`` are of its daemons, beside what they all have.
        """
        with _stage(self.servers, like or self.empty, options) as stage:
            yield stage


@contextmanager
def opened(servers: Servers, sizes: Sizes, say: Say) -> Iterator[Bench]:
    """Make a bench: migrates the database that those of all stages are copied from."""
    with _stage(servers, "template1") as first:
        command("migrate", "--config", str(first.config()))
        yield Bench(servers, sizes, say, first.name)


@contextmanager
def _stage(
    servers: Servers, like: str, options: Mapping[str, Any] = MappingProxyType({})
) -> Iterator[Stage]:
    name = f"bench_{secrets.token_hex(4)}"
    folder = servers.folder / name
    folder.mkdir()
    uri = database.create(servers.postgres, name, like)
    try:
        yield Stage(servers.amqp, uri, name, folder, options)
    finally:
        publishing.drop(servers.amqp, f"{name}_events", name)
        database.drop(servers.postgres, name)


@dataclass(frozen=True)
class Stage:
    """``name`` is the name of the database, and of the queue."""

    amqp: str
    database: str
    name: str
    folder: Path
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def queue(self) -> str:
        """The queue that daemons consume here."""
        return self.name

    @property
    def exchange(self) -> str:
        """The exchange that events are published to."""
        return f"{self.name}_events"

    def config(self, node: int = 1) -> Path:
        """Write the configuration of a daemon; all that is not named has its default."""
        path = self.folder / f"node{node}.json"
        options = {
            "AMQPURI": self.amqp,
            "ExchangeName": self.exchange,
            "QueueName": self.queue,
            "DBURI": self.database,
            "HTTPListenPort": "127.0.0.1:0",
            "NodeName": f"bench{node}",
            **self.options,
        }
        path.write_text(json.dumps(options))
        return path

    def daemon(self, node: int = 1) -> Daemon:
        """Start a daemon."""
        return Daemon(self.config(node))

    @contextmanager
    def served(self) -> Iterator[tuple[Daemon, tuple[str, int], str]]:
        """Run a daemon that answers HTTP; give it, its address, and a token to read and write."""
        roles = ("--role", "read", "--role", "write")
        token = command("token", "make", "--config", str(self.config()), *roles)
        with self.daemon() as daemon:
            yield daemon, daemon.wait_ready(), token

    def fill(self, bodies: Iterable[bytes]) -> int:
        """Put messages into the queue; give their number."""
        return publishing.fill(self.amqp, self.exchange, self.queue, bodies)

    def fill_events(self, events: int, first_cluster: int = FIRST_CLUSTER) -> int:
        """Put events of whole jobs into the queue, at least ``events``; give their number."""
        return self.fill(messages(-(-events // STEPS), first_cluster))

    def check(self, events: int, first_cluster: int = FIRST_CLUSTER, others: int = 0) -> None:
        """Raise BenchFailed unless the jobs of ``fill_events`` are whole, each event once.

        ``others`` is the number of events that the ledger has beside these.
        """
        self.check_jobs(events, first_cluster, others)
        with publishing.channel_to(self.amqp) as channel:
            if left := publishing.depth(channel, self.queue):
                raise BenchFailed(f"{left} messages are left in the queue")

    def check_jobs(self, events: int, first_cluster: int = FIRST_CLUSTER, others: int = 0) -> None:
        """Raise BenchFailed unless the ledger has these jobs whole, each event once."""
        with database.connected(self.database) as connection:
            states = database.states(connection)
            stored = database.count_events(connection)
            distinct = database.distinct_events(connection)
        clusters = range(first_cluster, first_cluster + events // STEPS)
        wrong = [key for key in clusters if states.get(str(key)) != final_state(key)]
        if wrong:
            raise BenchFailed(f"{len(wrong)} jobs are in a wrong state, such as {wrong[:5]}")
        if not stored == distinct == events + others:
            raise BenchFailed(f"{stored} events, {distinct} distinct, not {events + others}")
