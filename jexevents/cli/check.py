"""``jexevents check``: is the configuration right, do PostgreSQL and RabbitMQ answer?

It makes nothing: no folder, no database, nothing at the broker. The newest commit of the repository
is fetched into a temporary folder, which is removed.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jexevents import wiring
from jexevents.cli.folders import look_at
from jexevents.cli.logfiles import look_at_logs
from jexevents.cli.words import Note, counted
from jexevents.config import Config, redact_uri
from jexevents.errors import (
    ConfigError,
    EngineUnavailable,
    JexError,
    RepositoryUnavailable,
    Unavailable,
)
from jexevents.exits import Exit

if TYPE_CHECKING:
    from jexevents.definitions.repository import Source

_LOOPBACK = (ip_address("127.0.0.1"), ip_address("::1"))


def add_to(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the command; give the parsers that take --config."""
    parser = commands.add_parser(
        "check",
        help="check the configuration, reach PostgreSQL, RabbitMQ, the repository and the engine",
    )
    parser.add_argument(
        "--monitor",
        action="store_true",
        help="only what `jexevents monitor` needs: RabbitMQ, the logs, the position",
    )
    parser.set_defaults(run=run)
    return [parser]


def run(options: argparse.Namespace, config: Config) -> Exit:
    """Say for each part what is right or wrong, and how to mend it.

    69 where a server does not answer, 78 where configuration or schema are wrong.
    """
    print(f"ok    configuration: {config.path or 'environment and defaults'}")
    for warning in config.warnings:
        print(f"note  {warning}")
    with _cleared_up():
        return _run_monitor(config) if options.monitor else _run(config)


@contextmanager
def _cleared_up() -> Iterator[None]:
    """Have SIGTERM end the command as an error does: what is temporary is removed."""
    before = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(config: Config) -> Exit:
    codes = [
        _try("PostgreSQL", lambda: _postgresql(config)),
        _try("RabbitMQ", lambda: _rabbitmq(config)),
        _try("schemas", lambda: _schemas(config)),
        _try("uploads", lambda: look_at("UploadDir", config.upload_dir)),
        _try("event files", lambda: look_at("SMRTLinkEventDir", config.smrt_link_event_dir)),
        _try("webhooks", lambda: _webhooks(config)),
        _try("jobs", lambda: _jobs(config)),
        _try("containers", lambda: _containers(config)),
        _try("secrets of jobs", lambda: _job_secrets(config)),
    ]
    return max(codes)


def _run_monitor(config: Config) -> Exit:
    codes = [
        _try("RabbitMQ", lambda: _exchange(config)),
        _try("event logs", lambda: look_at_logs(config)),
    ]
    return max(codes)


def _try(what: str, look: Callable[[], Iterable[str]]) -> Exit:
    try:
        for line in look():
            print(f"{'note' if isinstance(line, Note) else 'ok  '}  {what}: {line}")
    except JexError as error:
        print(f"WRONG {what}: {error}", file=sys.stderr)
        return Exit.UNAVAILABLE if isinstance(error, Unavailable) else Exit.CONFIG
    return Exit.OK


def _postgresql(config: Config) -> Iterable[str]:
    from jexevents.store import migrate
    from jexevents.store.reading import Reading
    from jexevents.store.tokens import Tokens

    if folder := wiring.unmade(config):
        # To reach it would make it.
        raise ConfigError(f"{folder} has no database yet.", remedy="Make it: jexevents migrate.")
    with wiring.database(config) as database:
        yield f"{redact_uri(config.db_uri)} answers, version {Reading(database).server_version()}"
        migrate.check(database)
        yield f"the schema {config.db_schema} is the one of this version"
        yield from _who_may(config, len(Tokens(database).in_force()))


def _who_may(config: Config, tokens: int) -> Iterable[str]:
    """Say what callers without a token may do; sidecar/auth.py decides it."""
    trusted = [one for one in _LOOPBACK if any(one in net for net in config.trusted_proxies)]
    if tokens:
        yield counted(tokens, "token")
    elif trusted:
        places = " and ".join(map(str, trusted))
        yield (
            f"no token: read and write are open on loopback; from {places}, which TrustedProxies "
            "has, only to callers that X-Forwarded-For places there"
        )
    else:
        yield "no token: read and write are open on loopback"
    if config.anonymous_roles:
        roles = " and ".join(config.anonymous_roles)
        yield f"without a token all callers have {roles} (AnonymousRoles)"


def _rabbitmq(config: Config) -> Iterable[str]:
    from jexevents.broker.check import look

    topology = wiring.topology(config)
    yield from look(config.amqp_uri, topology, heartbeat_seconds=config.heartbeat_seconds)


def _exchange(config: Config) -> Iterable[str]:
    """Look with the rights of one who only publishes."""
    from jexevents.broker.check import look_at_exchange

    topology = wiring.topology(config)
    seconds = config.heartbeat_seconds
    yield from look_at_exchange(config.amqp_uri, topology, heartbeat_seconds=seconds)


def _schemas(config: Config) -> Iterable[str]:
    """Read the folder of further schemas as the daemon does."""
    schemas = wiring.schemas(config)
    if config.smrt_link_schemas:
        names = schemas.added
        yield f"{len(names)} of your own" + (f" ({', '.join(names)})" if names else "")


def _webhooks(config: Config) -> Iterable[str]:
    """Look at what can be wrong before anything is sent; nobody is asked."""
    names = [hook.name for hook in wiring.hooks(config).enabled()]
    if names:
        wiring.hook_ways(config)
        yield f"{', '.join(names)}; `jexevents hooks test NAME` sends one an event"


def _jobs(config: Config) -> Iterable[str]:
    """Look at the folder of what is run, at git and the repository."""
    if not (config.jobs_repository or wiring.has_engine(config)):
        return
    from jexevents.definitions.reaching import look
    from jexevents.runner.owning import require_own

    require_own(Path(config.jobs_dir), wiring.runs_folder(config), config.node_name)
    yield from look_at("JobsDir", config.jobs_dir)
    if config.jobs_repository:
        yield from look(wiring.source(config))
        yield from _definitions(wiring.source(config))
    yield counted(config.worker_slots, "slot")


def _containers(config: Config) -> Iterable[str]:
    """Look at the engine. One that was found and not configured may be meant for others."""
    if not wiring.has_engine(config):
        return
    from jexevents.engine.client import Engine

    engine = Engine(config.container_engine or None)
    try:
        about = engine.about()
    except EngineUnavailable as error:
        if config.container_engine:
            raise
        yield Note(f"none are run here while it is so: {error}")
        return
    finally:
        engine.close()
    product = about.product or "the engine"
    yield f"{engine.address} answers: {product} {about.version}, API {about.api_version}"
    for folder in config.task_mount_folders:
        if not Path(folder).is_dir():
            yield Note(f"TaskMountFolders has {folder}, which is no folder here")


def _definitions(source: Source) -> Iterable[str]:
    """Load the newest commit. One with a fault is no fault of the daemon's: it keeps the last good
    one in force, and so it is with a disk that is full here."""
    from jexevents.definitions.newest import load_newest

    try:
        found = load_newest(source)
    except RepositoryUnavailable as error:
        if error.reason != "disk":
            raise
        yield Note(f"the newest commit was not looked at: {error}")
        return
    if not found.faults:
        yield f"commit {found.commit} defines {counted(found.jobs, 'job')}"
        return
    told = counted(len(found.faults), "fault")
    yield Note(f"commit {found.commit} cannot be put in force, the last good one stays: {told}")
    yield from map(Note, found.faults)


def _job_secrets(config: Config) -> Iterable[str]:
    """Read them as they are read when a job begins; of what they are nothing is said."""
    runs_any = config.jobs_repository or wiring.has_engine(config)
    if not (runs_any and config.job_secrets):
        return
    from jexevents.errors import CannotRun
    from jexevents.runner.secrets import Secrets

    names = tuple(secret.name for secret in config.job_secrets)
    try:
        Secrets(config.job_secrets)(names)
    except CannotRun as error:
        raise ConfigError(str(error)) from error
    yield ", ".join(names)
