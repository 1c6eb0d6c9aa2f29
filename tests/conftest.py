"""The servers that tests talk to: real ones, given by the environment or started here.

JEXEVENTS_TEST_DB     URI of a PostgreSQL whose user may create databases
JEXEVENTS_TEST_AMQP   URI of a RabbitMQ
DOCKER_HOST           a container engine; docker's default socket is tried too
JEXEVENTS_CACHE       where fetched packages are kept; .cache in the repository otherwise
CI                    if set, a missing service is a failure and not a skip
"""

from __future__ import annotations

import hashlib
import logging
import os
import signal
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import structlog
from hypothesis import settings

from jexevents.errors import JexError
from tests.ledger import TestLedger, open_ledger
from tests.runs import Runs
from tests.support import ROOT, administer, database_uri, fill_template, missing, unique


def pytest_configure() -> None:
    """Give the runs of each checkout a temporary folder of their own, and let Ctrl-C end programs.

    What a shell runs in its background ignores SIGINT, and so would all that the tests start.

    Each run takes the rights of others from the folder above all its temporary ones. Where that is
    one for all, the PostgreSQL of another run, which has a user of its own, dies of it.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    name = f"jex-{os.getuid()}-{hashlib.sha256(str(ROOT).encode()).hexdigest()[:6]}"
    folder = Path(tempfile.gettempdir(), name)
    folder.mkdir(mode=0o755, exist_ok=True)
    if folder.stat().st_uid == os.getuid():
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(folder))


# How long an example takes says more of the machine than of us.
settings.register_profile("jexevents", deadline=None)
settings.load_profile("jexevents")


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """Undo what a test configured of the logs.

    What they were sent to is closed by then, and its descriptor may be a socket of somebody else's.
    """
    yield
    if structlog.is_configured():
        structlog.reset_defaults()
        root = logging.getLogger()
        for handler in [one for one in root.handlers if type(one).__module__ == "jexevents.logs"]:
            root.removeHandler(handler)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URI of a PostgreSQL server, for databases of one's own; see ``database``."""
    if given := os.environ.get("JEXEVENTS_TEST_DB"):
        try:
            psycopg2.connect(given, connect_timeout=10).close()
        except psycopg2.Error as exc:
            missing("PostgreSQL", f"JEXEVENTS_TEST_DB: {exc}")
        yield given
        return
    from jexevents.embedded import EmbeddedPostgres

    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"), durable=False)
    try:
        uri = server.start()
    except JexError as exc:
        missing("PostgreSQL", exc)
    yield uri
    server.stop()


@pytest.fixture(scope="session")
def template(postgres: str) -> Iterator[str]:
    """The name of a database with the current schema and no rows, for copying."""
    name = unique("jexevents_template")
    administer(postgres, f"CREATE DATABASE {name}")
    try:
        fill_template(database_uri(postgres, name))
        yield name
    finally:
        administer(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(postgres: str, template: str) -> Iterator[str]:
    """The URI of a database with the current schema and no rows, the test's own."""
    with copied_database(postgres, template) as uri:
        yield uri


@contextmanager
def copied_database(postgres: str, template: str) -> Iterator[str]:
    """Make such a database, and drop it at the end."""
    name = unique("jexevents_test")
    # The quickest way where nothing waits for the disk; a given server may not know the words.
    how = "" if os.environ.get("JEXEVENTS_TEST_DB") else " STRATEGY file_copy"
    administer(postgres, f"CREATE DATABASE {name} TEMPLATE {template}{how}")
    yield database_uri(postgres, name)
    administer(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def package_cache() -> Path:
    """The folder in which fetched packages are kept from run to run."""
    return Path(os.environ.get("JEXEVENTS_CACHE") or ROOT / ".cache")


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory, package_cache: Path) -> Iterator:
    """A RabbitMQ: a ``jexevents.tryout.broker.Broker``; see ``vhost``."""
    from jexevents.tryout.broker import provide_broker

    said: list[str] = []
    try:
        found = provide_broker(
            tmp_path_factory.mktemp("rabbitmq"),
            uri=os.environ.get("JEXEVENTS_TEST_AMQP"),
            cache=package_cache,
            say=said.append,
        )
    except JexError as exc:
        missing("RabbitMQ", exc)
    with found:
        yield found


@pytest.fixture
def vhost(broker) -> Iterator[str]:
    """The AMQP URI of a virtual host, the test's own and deleted after it.

    A given broker without a management plugin has none to give: then it is the broker's own
    URI, with a warning; queues and exchanges need unique names in any case.
    """
    with own_vhost(broker) as uri:
        yield uri


@contextmanager
def own_vhost(broker: Any) -> Iterator[str]:
    """Make such a virtual host, and delete it at the end."""
    if not broker.makes_vhosts:
        warnings.warn(f"tests share the virtual host of {broker.how}", stacklevel=2)
        yield broker.uri
        return
    name = unique("jexevents")
    yield broker.create_vhost(name)
    broker.delete_vhost(name)


@pytest.fixture
def ledger(database: str) -> Iterator[TestLedger]:
    """The product's parts over a database of the test's own."""
    with open_ledger(database) as opened:
        yield opened


@pytest.fixture
def way() -> str:
    """The way by which executions are held together; see ``tests.runs.WAYS``."""
    return "group"


@pytest.fixture
def runs(way: str, tmp_path: Path) -> Iterator[Runs]:
    """Executions under a folder of their own, none of which is left behind."""
    found = Runs(tmp_path / "runs")
    if way == "walk":
        found.without_groups()
    yield found
    found.close()


@pytest.fixture(scope="session")
def engine_programs(package_cache: Path):
    """An engine's programs, a registry's and busybox: an ``enginepackages.Programs``."""
    from jexevents.tryout import enginepackages

    try:
        return enginepackages.fetched(package_cache, lambda _said: None)
    except JexError as exc:
        missing("a container engine", exc)


@pytest.fixture(scope="session")
def engine(request: pytest.FixtureRequest) -> Iterator:
    """A container engine that the tests of this process share: a ``tests.engine.TestEngine``."""
    from tests import engine as engines

    found = engines.answering() or _own_engine(request.getfixturevalue("engine_programs"))
    yield found
    found.close()


@pytest.fixture
def own_engine(engine_programs) -> Iterator:
    """An engine of the test's own, which it may kill: ``private`` does it."""
    found = _own_engine(engine_programs)
    yield found
    found.close()


def _own_engine(programs: Any) -> Any:
    from tests import engine as engines

    try:
        return engines.start_own(programs)
    except JexError as exc:
        missing("a container engine", exc)


@pytest.fixture(scope="session")
def busybox(engine_programs) -> bytes:
    """A root file system of busybox, for ``import_image`` of any engine."""
    from jexevents.tryout.rootfs import root_file_system

    return root_file_system(engine_programs)


@pytest.fixture(scope="session")
def image(engine, busybox: bytes) -> str:
    """The name of an image of busybox that only the engine has."""
    return engine.import_image(busybox)


@pytest.fixture(scope="session")
def registry(engine_programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator:
    """An open registry on loopback: a ``tests.engine.Registry``."""
    yield from _registry(engine_programs, tmp_path_factory.mktemp("registry"))


@pytest.fixture(scope="session")
def secured_registry(engine_programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator:
    """A registry on loopback that wants ``tests.engine.USER`` and ``PASSWORD``."""
    yield from _registry(engine_programs, tmp_path_factory.mktemp("secured"), secured=True)


def _registry(programs: Any, folder: Path, *, secured: bool = False) -> Iterator:
    from tests.engine import Registry

    found = Registry(folder, programs, secured=secured)
    found.start()
    yield found
    found.stop()
