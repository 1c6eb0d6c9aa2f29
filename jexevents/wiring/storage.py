"""The database, and the pools of connections to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jexevents.config import Config
from jexevents.service import Service
from jexevents.store import migrate
from jexevents.store.database import Database

_EMBEDDED = "embedded:"
_STARTED_AGAIN = "The daemon starts it again by itself; what it says is in {}."

# For the process's own work: batches, presence; what HTTP asks has a pool of its own.
_OWN_CONNECTIONS = 3
# For those who send webhooks: each needs one for a moment, now and then.
_HOOK_CONNECTIONS = 3
# For those who run jobs: one looks after all, and each that starts one notes that.
_JOB_CONNECTIONS = 6


def unmade(config: Config) -> Path | None:
    """Give the folder of the embedded server that is configured, if its data is not made yet."""
    if not config.db_uri.startswith(_EMBEDDED):
        return None
    # As in ``database``.
    from jexevents.embedded.folder import Folder

    folder = Folder(Path(config.db_uri.removeprefix(_EMBEDDED)))
    try:
        (folder.data / "PG_VERSION").stat()
    except FileNotFoundError:
        return folder.path
    except OSError:
        # What is wrong there says who wants to use it.
        return None
    return None


@contextmanager
def database(config: Config, name: str = "jexevents") -> Iterator[Database]:
    """Give the configured database, its embedded server started if it is one.

    At the end the connections are closed, and the server is stopped if nobody else uses it.
    Raises ConfigError where an embedded server cannot be started.
    """
    if not config.db_uri.startswith(_EMBEDDED):
        yield from _pool(config, config.db_uri, name)
        return
    # Only here: the embedded server is an extra, and its library takes long to import.
    from jexevents.embedded import EmbeddedPostgres

    with EmbeddedPostgres(Path(config.db_uri.removeprefix(_EMBEDDED))) as server:
        yield from _pool(config, server.start(), name, _STARTED_AGAIN.format(server.folder.log))


def attending(config: Config) -> Service | None:
    """Give what starts the embedded server again if it dies, None for another one."""
    if not config.db_uri.startswith(_EMBEDDED):
        return None
    # As in ``database``.
    from jexevents.embedded import Attending

    return Attending(Path(config.db_uri.removeprefix(_EMBEDDED)))


@contextmanager
def ledger_database(config: Config) -> Iterator[Database]:
    """Give the database, closed at the end, after a look whether its schema is ours.

    Raises SchemaVersionError.
    """
    with database(config) as pool:
        migrate.check(pool)
        yield pool


def _pool(config: Config, dsn: str, name: str, remedy: str = "") -> Iterator[Database]:
    pool = Database(
        dsn,
        schema=config.db_schema,
        size=_OWN_CONNECTIONS,
        connect_timeout_seconds=config.db_connect_timeout_seconds,
        statement_timeout_seconds=config.db_statement_timeout_seconds,
        name=name,
        remedy=remedy,
    )
    try:
        yield pool
    finally:
        pool.close()


def front(config: Config, database: Database) -> Database:
    """Give the pool for requests over HTTP: larger, and less patient."""
    return database.sibling(
        size=config.db_pool_size,
        statement_timeout_seconds=config.http_statement_timeout_seconds,
    )


def back(config: Config, database: Database) -> Database:
    """Give the pool for the webhooks: those who send must not keep the consumer waiting."""
    return database.sibling(
        size=_HOOK_CONNECTIONS,
        statement_timeout_seconds=config.db_statement_timeout_seconds,
    )


def side(config: Config, database: Database) -> Database:
    """Give the pool for what runs jobs: it waits for nobody, and keeps nobody waiting."""
    return database.sibling(
        size=_JOB_CONNECTIONS,
        statement_timeout_seconds=config.db_statement_timeout_seconds,
    )


def runs_folder(config: Config) -> Path:
    """Give the folder of what executions write on this node."""
    return Path(config.jobs_dir) / "runs"
