"""A look at the broker for ``jexevents check``: makes nothing there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pika.adapters.blocking_connection import BlockingConnection

from jexevents.broker.connect import connect, translated
from jexevents.broker.topology import Topology
from jexevents.redaction import redact_uri


def look(uri: str, topology: Topology, *, heartbeat_seconds: int) -> Iterator[str]:
    """Say what is right, line by line.

    Raises BrokerUnavailable, or BrokerMismatch for an exchange or queue that exists with other
    properties than configured.
    """
    with _opened(uri, heartbeat_seconds) as connection:
        yield f"{redact_uri(uri)} answers"
        missing = topology.missing(connection)
        if missing:
            yield f"{' and '.join(missing)} will be made when the daemon starts"
        else:
            yield "exchange and queue are as configured"


def look_at_exchange(uri: str, topology: Topology, *, heartbeat_seconds: int) -> Iterator[str]:
    """Say what is right for one who only publishes, and may have no right to make anything.

    Raises as ``look`` does.
    """
    with _opened(uri, heartbeat_seconds) as connection:
        yield f"{redact_uri(uri)} answers"
        if topology.has_exchange(connection):
            yield f"the exchange {topology.exchange_name!r} is there"
        else:
            yield f"the exchange {topology.exchange_name!r} will be made when the monitor starts"


@contextmanager
def _opened(uri: str, heartbeat_seconds: int) -> Iterator[BlockingConnection]:
    connection = connect(uri, heartbeat_seconds=heartbeat_seconds, name="jexevents check")
    try:
        with translated(uri):
            yield connection
    finally:
        if connection.is_open:
            connection.close()
