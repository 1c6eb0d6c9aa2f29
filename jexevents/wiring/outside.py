"""The broker and the sidecar, as they are configured."""

from __future__ import annotations

from pathlib import Path

from jexevents.broker.session import Intake
from jexevents.broker.topology import Topology
from jexevents.config import Config
from jexevents.model import Role
from jexevents.sidecar.auth import Signer
from jexevents.sidecar.compose import Access


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


def signers(config: Config) -> list[Signer]:
    """Give the clients of SMRT Link that sign their requests."""
    return [Signer(*client) for client in config.smrt_link_clients]


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
        spool=Path(config.upload_dir),
    )
