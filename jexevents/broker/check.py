"""A look at the broker for ``jexevents check``: makes nothing there."""

from __future__ import annotations

from collections.abc import Iterator

from jexevents.broker.connect import connect, translated
from jexevents.broker.topology import Topology
from jexevents.redaction import redact_uri


def look(uri: str, topology: Topology, *, heartbeat_seconds: int) -> Iterator[str]:
    """Say what is right, line by line.

    Raises BrokerUnavailable, or BrokerMismatch for an exchange or queue that exists with other
    properties than configured.
    """
    connection = connect(uri, heartbeat_seconds=heartbeat_seconds, name="jexevents check")
    try:
        with translated(uri):
            yield f"{redact_uri(uri)} answers"
            missing = topology.missing(connection)
            if missing:
                yield f"{' and '.join(missing)} will be made when the daemon starts"
            else:
                yield "exchange and queue are as configured"
    finally:
        if connection.is_open:
            connection.close()
