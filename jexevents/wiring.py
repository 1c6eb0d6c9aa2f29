"""Makes of the configuration what the other packages take; they know no configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Any

from jexevents.broker.session import Intake
from jexevents.broker.topology import Topology
from jexevents.config import Config
from jexevents.config.hook_members import EVENT_HOOK, JEX_HOOK
from jexevents.config.hooks import HookOptions
from jexevents.hooks import hook
from jexevents.hooks.carrier import Ways
from jexevents.hooks.hook import Hook, Hooks
from jexevents.hooks.mail import server_of
from jexevents.hooks.service import HookSenders
from jexevents.hooks.transport import tls_context
from jexevents.ingest import Ingest
from jexevents.model import Arrival, Event, Kind, Role
from jexevents.observers import NOBODY, HookObserver, IngestObserver
from jexevents.pipelines import Pipelines
from jexevents.redaction import redact_uri
from jexevents.retry import Retry
from jexevents.sidecar.compose import Access
from jexevents.sidecar.hooks import HookSurface
from jexevents.sidecar.pipelinejobs import PipelineSurface
from jexevents.sidecar.throttle import Throttle
from jexevents.sources.condor.message import is_identity
from jexevents.sources.condor.message import reader as condor_reader
from jexevents.sources.doors import Doors
from jexevents.sources.pipelinejobs import message as pipelinejobs
from jexevents.sources.pipelinejobs.words import PIPELINE_DOOR
from jexevents.store import migrate
from jexevents.store.database import Database
from jexevents.store.ledger import Ledger, Wake, nobody_waits
from jexevents.store.outbox import Outbox
from jexevents.store.pipeline_jobs import PipelineJobs
from jexevents.store.reading import Reading
from jexevents.store.reject_list import RejectList

_EMBEDDED = "embedded:"

_CONDOR = (Kind.CONDOR.value,)

# For the process's own work: batches, presence; what HTTP asks has a pool of its own.
_OWN_CONNECTIONS = 3
# For those who send webhooks: each needs one for a moment, now and then.
_HOOK_CONNECTIONS = 3


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
        yield from _pool(config, server.start(), name)


@contextmanager
def ledger_database(config: Config) -> Iterator[Database]:
    """Give the database, closed at the end, after a look whether its schema is ours.

    Raises SchemaVersionError.
    """
    with database(config) as pool:
        migrate.check(pool)
        yield pool


def _pool(config: Config, dsn: str, name: str) -> Iterator[Database]:
    pool = Database(
        dsn,
        schema=config.db_schema,
        size=_OWN_CONNECTIONS,
        connect_timeout_seconds=config.db_connect_timeout_seconds,
        statement_timeout_seconds=config.db_statement_timeout_seconds,
        name=name,
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


def ingest(
    config: Config,
    database: Database,
    observer: IngestObserver = NOBODY,
    wake: Wake = nobody_waits,
) -> Ingest:
    """Give the way into the ledger; ``wake`` is called when it has written for the hooks."""
    return _ingest(config, database, _ledger(config, database, wake), observer)


def _ingest(config: Config, database: Database, ledger: Ledger, observer: IngestObserver) -> Ingest:
    return Ingest(ledger, Reading(database), doors(config), observer)


def retry(config: Config, database: Database) -> Retry:
    """Give what tries rejects again, by the way that they came."""
    return Retry(RejectList(database), _ledger(config, database), doors(config))


def pipeline_surface(
    config: Config,
    database: Database,
    observer: IngestObserver,
    throttle: Throttle,
    now: Callable[[], datetime],
    wake: Wake = nobody_waits,
) -> PipelineSurface:
    """Give the surface of PipelineJobs; for ``wake`` see ``ingest``."""
    ledger = _ledger(config, database, wake)
    way_in = _ingest(config, database, ledger, observer)
    return PipelineSurface(
        Pipelines(way_in, PipelineJobs(database, ledger)),
        throttle,
        actor=config.pipeline_actor,
        public_url=config.public_url or "",
        max_body_bytes=config.pipeline_max_body_bytes,
        now=now,
    )


def doors(config: Config) -> Doors:
    """Give the readers of what comes in, by the door that it comes in by."""

    def pipeline_or_other(arrival: Arrival) -> Event | Arrival:
        is_one = pipelinejobs.is_one(arrival, config.pipeline_max_body_bytes)
        return pipelinejobs.read(arrival) if is_one else arrival

    return Doors(
        {
            "amqp": (pipeline_or_other, *condor_reader(config.log_zone)),
            PIPELINE_DOOR: pipelinejobs.read,
        }
    )


def _ledger(config: Config, database: Database, wake: Wake = nobody_waits) -> Ledger:
    all_hooks = hooks(config)
    return Ledger(
        database,
        reject_max_bytes=config.reject_max_bytes,
        interest=all_hooks if all_hooks.enabled() else None,
        wake=wake,
    )


def hooks(config: Config) -> Hooks:
    """Give the hooks: those that are configured, and those that EventURL and JEXURL stand for."""
    older = []
    if config.event_url:
        older.append(
            Hook(EVENT_HOOK, config.event_url, kinds=_CONDOR, states=("*",), format=hook.JEX)
        )
    if config.jex_url:
        older.append(
            Hook(JEX_HOOK, config.jex_url, kinds=_CONDOR, events=("JOB_HELD",), format=hook.STOP)
        )
    return Hooks([*map(_hook, config.hooks), *older])


def _hook(given: HookOptions) -> Hook:
    members = {one.name: getattr(given, one.name) for one in fields(HookOptions)}
    del members["secret_file"]
    members["hmac"] = given.hmac and hook.Hmac(*given.hmac)
    return Hook(**members)


def hook_senders(
    config: Config,
    database: Database,
    observer: HookObserver = NOBODY,
    require_store: Callable[[], None] = lambda: None,
) -> HookSenders:
    """Give what sends for the hooks; ``database`` is a pool of its own.

    ``require_store`` raises StoreUnavailable while this process may not work. Raises ConfigError
    where HookCAFile cannot be used.
    """
    return HookSenders(
        Outbox(database),
        hooks(config),
        hook_ways(config),
        threads=config.hook_threads,
        by=config.node_name,
        retry_max_seconds=config.hook_retry_max_seconds,
        observer=observer,
        require_store=require_store,
    )


def hook_ways(config: Config) -> Ways:
    """Give by which ways webhooks are sent, and to whom not. Raises ConfigError."""
    server = server_of(config.smtp_uri, config.mail_from) if config.smtp_uri else None
    return Ways(
        tls_context(config.hook_ca_file),
        config.public_url or "",
        config.hook_forbidden_networks,
        server,
    )


def shown_hooks(config: Config) -> list[dict[str, Any]]:
    """Give all hooks by the members of their configuration, without what is secret."""
    older = [hook for hook in hooks(config) if hook.name in (EVENT_HOOK, JEX_HOOK)]
    return [*config.redacted()["Hooks"], *map(_shown_older, older)]


def _shown_older(older: Hook) -> dict[str, Any]:
    return {
        "Name": older.name,
        "URL": redact_uri(older.url),
        "Kinds": list(older.kinds),
        "Events": list(older.events),
        "States": list(older.states),
        "Format": older.format,
        "TimeoutSeconds": older.timeout_seconds,
        "TryForSeconds": older.try_seconds,
        "Disabled": older.disabled,
    }


def hook_surface(config: Config, database: Database, wake: Wake = nobody_waits) -> HookSurface:
    """Give the surface of webhooks; ``wake`` is called when something is to be sent again."""
    return HookSurface(Outbox(database), shown_hooks(config), wake)


def back(config: Config, database: Database) -> Database:
    """Give the pool for the webhooks: those who send must not keep the consumer waiting."""
    return database.sibling(
        size=_HOOK_CONNECTIONS,
        statement_timeout_seconds=config.db_statement_timeout_seconds,
    )


def recognise(kind: Kind | None, name: str, checksum: bytes, source: str, raw: bytes) -> bool:
    """Whether a checksum is the identity that an event's format gives it."""
    if kind is Kind.PIPELINE:
        return pipelinejobs.is_identity(name, checksum, raw)
    # Of condor jobs, or of no job.
    return is_identity(checksum, source, raw)


def topology(config: Config) -> Topology:
    """Give exchange, queue and binding as they are configured."""
    return Topology(
        exchange_name=config.exchange_name,
        exchange_type=config.exchange_type,
        exchange_durable=config.exchange_durable,
        exchange_autodelete=config.exchange_autodelete,
        exchange_internal=config.exchange_internal,
        exchange_arguments=config.exchange_arguments,
        queue_name=config.queue_name,
        queue_binding_key=config.queue_binding_key,
        queue_durable=config.queue_durable,
        queue_autodelete=config.queue_autodelete,
        queue_exclusive=config.queue_exclusive,
        queue_arguments=config.queue_arguments,
    )


def intake(config: Config) -> Intake:
    """Give how messages are taken from the queue."""
    return Intake(
        batch_size=config.batch_size,
        batch_max_seconds=config.batch_max_seconds,
        prefetch_count=config.prefetch_count,
        prefetch_max_bytes=config.prefetch_max_bytes,
        consumer_tag=config.consumer_tag,
        source=config.source_name,
    )


def access(config: Config) -> Access:
    """Give where the sidecar listens and whom it lets in."""
    listen = config.http_listen_port
    return Access(
        host=listen.host,
        port=listen.port,
        public_url=config.public_url,
        allowed_hosts=config.allowed_hosts,
        trusted_proxies=[str(network) for network in config.trusted_proxies],
        anonymous_roles=frozenset(map(Role, config.anonymous_roles)),
        token_cache_seconds=config.token_cache_seconds,
        threads=config.http_threads,
        stream_limit=config.stream_limit,
        max_body_bytes=config.http_max_body_bytes,
    )
