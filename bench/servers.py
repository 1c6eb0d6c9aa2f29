"""The servers that are measured: started here, or named by the variables that the tests know.

JEXEVENTS_TEST_DB     URI of a PostgreSQL whose user may create databases
JEXEVENTS_TEST_AMQP   URI of a RabbitMQ
JEXEVENTS_CACHE       where fetched packages are kept; .cache in the repository otherwise
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from bench import cpu, database, publishing
from bench.children.talk import ROOT
from jexevents.embedded import EmbeddedPostgres
from jexevents.tryout.broker import provide_broker

Say = Callable[[str], object]
_AMQP_PORT = 5672


@dataclass(frozen=True)
class Servers:
    """Both servers. A pid is None where the process is not on this machine, or not to be seen."""

    amqp: str
    postgres: str
    amqp_version: str
    postgres_version: str
    amqp_pid: int | None
    postgres_pid: int | None
    folder: Path

    def clocks(self) -> dict[str, Callable[[], float]]:
        """Give what tells the CPU seconds of each server that runs here."""
        found: dict[str, Callable[[], float]] = {}
        if self.postgres_pid:
            found["postgresql"] = partial(cpu.of_family, self.postgres_pid)
        if self.amqp_pid:
            found["rabbitmq"] = partial(cpu.of_process, self.amqp_pid)
        return found


@contextmanager
def provided(place: Path, say: Say) -> Iterator[Servers]:
    """Start what is not named, with its data in a folder below ``place``, removed at the end."""
    place.mkdir(parents=True, exist_ok=True)
    cache = Path(os.environ.get("JEXEVENTS_CACHE") or ROOT / ".cache")
    with tempfile.TemporaryDirectory(prefix="bench-", dir=place) as name:
        folder = Path(name)
        named = os.environ.get("JEXEVENTS_TEST_AMQP")
        with (
            _postgres(folder / "postgres") as postgres,
            provide_broker(folder / "rabbitmq", uri=named, cache=cache, say=say) as broker,
        ):
            say(f"RabbitMQ: {broker.how}")
            yield _seen(postgres, broker.uri, folder)


@contextmanager
def _postgres(folder: Path) -> Iterator[str]:
    if given := os.environ.get("JEXEVENTS_TEST_DB"):
        yield given
        return
    embedded = EmbeddedPostgres(folder)
    uri = embedded.start()
    try:
        yield uri
    finally:
        embedded.stop()


def _seen(postgres: str, amqp: str, folder: Path) -> Servers:
    version, pid = database.server(postgres)
    listens = urlsplit(amqp).port or _AMQP_PORT
    return Servers(
        amqp, postgres, publishing.version(amqp), version, cpu.listener(listens), pid, folder
    )
