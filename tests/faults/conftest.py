"""Servers that are killed, and the scene of each test.

JEXEVENTS_FAULTS        "full" for the long form of these tests; the short one is for CI
JEXEVENTS_FAULTS_SEED   a number: the random choices of the run that showed it
"""

from __future__ import annotations

import os
import random
import secrets
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from jexevents.errors import JexError
from tests.engine import Registry, TestEngine
from tests.faults.scene import Scene
from tests.faults.servers import Postgres, Rabbit, rabbitmq_programs
from tests.faults.sizes import FULL
from tests.faults.yard import Yard
from tests.support import missing

SEED = int(os.environ.get("JEXEVENTS_FAULTS_SEED") or secrets.randbelow(10**6))


@dataclass(frozen=True)
class Sizes:
    """How much of each fault there is."""

    kills: int
    outage_seconds: float
    terminations: int
    failures: int
    times: int
    chaos_seconds: float


SHORT_SIZES = Sizes(2, 3, 4, 4, 1, 12)
FULL_SIZES = Sizes(20, 60, 40, 60, 5, 120)


def pytest_report_header() -> str:
    form = "full" if FULL else "short"
    return f"faults: {form} form, JEXEVENTS_FAULTS_SEED={SEED}"


@pytest.fixture
def sizes() -> Sizes:
    return FULL_SIZES if FULL else SHORT_SIZES


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    """The random choices of a test; what repeats them is printed where it fails."""
    print(f"repeat with JEXEVENTS_FAULTS_SEED={SEED}")
    return random.Random(f"{SEED} {request.node.name}")


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    try:
        server = Postgres(tmp_path_factory.mktemp("faults_pg"))
    except JexError as exc:
        missing("PostgreSQL", exc)
    yield server
    server.mend()
    server.stop()


@pytest.fixture(scope="session")
def rabbit_server(
    tmp_path_factory: pytest.TempPathFactory, package_cache: Path
) -> Iterator[Rabbit]:
    try:
        server = Rabbit(tmp_path_factory.mktemp("faults_mq"), rabbitmq_programs(package_cache))
    except JexError as exc:
        missing("RabbitMQ", exc)
    yield server
    server.node.stop()


@pytest.fixture
def scene(
    postgres_server: Postgres, rabbit_server: Rabbit, tmp_path: Path, rng: random.Random
) -> Iterator[Scene]:
    """A queue and a ledger of the test's own; daemons begin with ``scene.begin``."""
    with ExitStack() as stack:
        stack.callback(rabbit_server.mend)
        stack.callback(postgres_server.mend)
        made = Scene(postgres_server, rabbit_server, tmp_path, rng, stack)
        yield made
    rabbit_server.node.delete_vhost(made.vhost)
    postgres_server.drop(made.database)


@pytest.fixture
def yard(
    postgres_server: Postgres,
    rabbit_server: Rabbit,
    own_engine: TestEngine,
    busybox: bytes,
    tmp_path: Path,
) -> Iterator[Yard]:
    """A ledger and an engine of the test's own, and a daemon that is asked."""
    with ExitStack() as stack:
        stack.callback(rabbit_server.mend)
        stack.callback(postgres_server.mend)
        made = Yard(postgres_server, rabbit_server, own_engine, busybox, tmp_path)
        stack.callback(made.close)
        yield made
    rabbit_server.node.delete_vhost(made.vhost)
    postgres_server.drop(made.database)


@pytest.fixture
def own_registry(engine_programs, tmp_path: Path) -> Iterator[Registry]:
    """A registry of the test's own, which it may stop."""
    made = Registry(tmp_path / "registry", engine_programs)
    made.start()
    yield made
    made.signal(signal.SIGCONT)
    made.stop()
