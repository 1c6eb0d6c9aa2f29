"""Publish with confirms: a message counts as sent when the broker has taken it over."""

from __future__ import annotations

import hashlib
import json
from types import TracebackType
from typing import Any

import pika
import pika.exceptions

from jexevents.broker.connect import connect, translated
from jexevents.broker.topology import Topology
from jexevents.errors import BrokerUnavailable


class Publisher:
    """A connection for publishing to the configured exchange; not for several threads."""

    def __init__(
        self, uri: str, topology: Topology, routing_key: str = "", *, heartbeat_seconds: int = 30
    ) -> None:
        self._uri = uri
        self._exchange = topology.exchange_name
        self._routing_key = routing_key
        self._connection = connect(uri, heartbeat_seconds=heartbeat_seconds, name="publisher")
        with translated(uri):
            topology.declare_exchange(self._connection)
            self._channel = self._connection.channel()
            self._channel.confirm_delivery()

    def publish_event(self, event: str, *, log: str, offset: int, **members: Any) -> None:
        """Send an event of a log in the message form that HTCondor's log monitors use.

        ``event`` is its text as it stands in the log, ``offset`` where, in bytes; ``members``
        are further members of the message. Raises BrokerUnavailable.
        """
        digest = hashlib.sha256(event.encode()).hexdigest()
        message = {"Event": event, "Hash": digest, "Log": log, "Offset": offset, **members}
        self.publish(json.dumps(message).encode())

    def publish(
        self, body: bytes, content_type: str = "application/json", **properties: Any
    ) -> None:
        """Send one persistent message. Raises BrokerUnavailable unless the broker took it."""
        try:
            with translated(self._uri):
                self._channel.basic_publish(
                    self._exchange,
                    self._routing_key,
                    body,
                    pika.BasicProperties(content_type=content_type, delivery_mode=2, **properties),
                )
        except pika.exceptions.NackError as error:
            raise BrokerUnavailable("RabbitMQ did not take the message over.") from error

    def close(self) -> None:
        """Close the connection; safe when it is gone already."""
        if self._connection.is_open:
            self._connection.close()

    def __enter__(self) -> Publisher:
        """Give the publisher itself; it is closed at the end of the block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
