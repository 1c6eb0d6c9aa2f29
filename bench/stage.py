"""A stage: one database and one queue, and the daemons that work on them."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import database, publishing
from bench.daemon import Daemon, command
from bench.errors import BenchFailed
from bench.load import FIRST_CLUSTER, STEPS, final_state, messages
from bench.servers import Say, Servers
from bench.sizes import Sizes


@dataclass(frozen=True)
class Bench:
    """What every measurement is given."""

    servers: Servers
    sizes: Sizes
    say: Say

    @contextmanager
    def stage(self, like: str | None = None) -> Iterator[Stage]:
        """Make a stage with an empty, migrated database, or with a copy of the one ``like``."""
        name = f"bench_{secrets.token_hex(4)}"
        uri = database.create(self.servers.postgres, name, like)
        folder = self.servers.folder / name
        folder.mkdir()
        stage = Stage(self.servers.amqp, uri, name, folder)
        try:
            command("migrate", "--config", str(stage.config()))
            yield stage
        finally:
            publishing.drop(stage.amqp, stage.exchange, stage.queue)
            database.drop(self.servers.postgres, name)


@dataclass(frozen=True)
class Stage:
    """``name`` is the name of the database, and of the queue."""

    amqp: str
    database: str
    name: str
    folder: Path

    @property
    def queue(self) -> str:
        """The queue that daemons consume here."""
        return self.name

    @property
    def exchange(self) -> str:
        """The exchange that events are published to."""
        return f"{self.name}_events"

    def config(self, node: int = 1) -> Path:
        """Write the configuration of a daemon; all that is not named here has its default."""
        path = self.folder / f"node{node}.json"
        options = {
            "AMQPURI": self.amqp,
            "ExchangeName": self.exchange,
            "QueueName": self.queue,
            "DBURI": self.database,
            "HTTPListenPort": "127.0.0.1:0",
            "NodeName": f"bench{node}",
        }
        path.write_text(json.dumps(options))
        return path

    def daemon(self, node: int = 1) -> Daemon:
        """Start a daemon."""
        return Daemon(self.config(node))

    def token(self) -> str:
        """Make a token that may read and write."""
        roles = ("--role", "read", "--role", "write")
        return command("token", "make", "--config", str(self.config()), *roles)

    def fill(self, bodies: Iterable[bytes]) -> int:
        """Put messages into the queue; give their number."""
        return publishing.fill(self.amqp, self.exchange, self.queue, bodies)

    def fill_events(self, events: int, first_cluster: int = FIRST_CLUSTER) -> int:
        """Put events of whole jobs into the queue, at least ``events``; give their number."""
        return self.fill(messages(-(-events // STEPS), first_cluster))

    def check(self, events: int, first_cluster: int = FIRST_CLUSTER) -> None:
        """Raise BenchFailed unless the jobs of ``fill_events`` are whole, each event once."""
        with database.connected(self.database) as connection:
            states = database.states(connection)
            stored = database.count_events(connection)
            distinct = database.distinct_events(connection)
        clusters = range(first_cluster, first_cluster + events // STEPS)
        wrong = [key for key in clusters if states.get(str(key)) != final_state(key)]
        if wrong:
            raise BenchFailed(f"{len(wrong)} jobs are in a wrong state, such as {wrong[:5]}")
        if not stored == distinct == STEPS * len(states):
            raise BenchFailed(f"{stored} events, {distinct} distinct ones, {len(states)} jobs")
        with publishing.channel_to(self.amqp) as channel:
            if left := publishing.depth(channel, self.queue):
                raise BenchFailed(f"{left} messages are left in the queue")
