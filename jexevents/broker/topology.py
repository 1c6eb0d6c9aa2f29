"""The exchange, the queue and the binding, declared as they are configured."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pika.exceptions
from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection

from jexevents.errors import BrokerMismatch

_ACCESS_REFUSED, _NOT_FOUND, _RESOURCE_LOCKED, _PRECONDITION_FAILED = 403, 404, 405, 406
_COMMAND_INVALID = 503
# RabbitMQ keeps these names for its own, which can be declared as they are, but not made.
_RESERVED = "amq."

# "PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'q' in vhost '/': received ..."
_INEQUIVALENT = re.compile(
    r"inequivalent arg '(?P<arg>[^']+)' for (?P<what>exchange|queue) '(?P<name>[^']*)'"
    r" in vhost '[^']*': received (?P<ours>.*?) but current is (?P<theirs>.*)",
    re.DOTALL,
)
_KEYS = {
    ("exchange", "type"): "ExchangeType",
    ("exchange", "durable"): "ExchangeDurable",
    ("exchange", "auto_delete"): "ExchangeAutodelete",
    ("exchange", "internal"): "ExchangeInternal",
    ("queue", "durable"): "QueueDurable",
    ("queue", "auto_delete"): "QueueAutodelete",
    ("queue", "exclusive"): "QueueExclusive",
}

_Declare = Callable[[BlockingChannel], None]


@dataclass(frozen=True, slots=True)
class Topology:
    """What must exist at the broker; the names are those of the configuration's keys."""

    exchange_name: str
    exchange_type: str
    queue_name: str
    queue_binding_key: str = ""
    exchange_durable: bool = True
    exchange_autodelete: bool = False
    exchange_internal: bool = False
    exchange_arguments: Mapping[str, Any] = field(default_factory=dict)
    queue_durable: bool = True
    queue_autodelete: bool = False
    queue_exclusive: bool = False
    queue_arguments: Mapping[str, Any] = field(default_factory=dict)

    def declare(self, connection: BlockingConnection) -> None:
        """Make what is missing. Raises BrokerMismatch where it exists with other properties."""
        self.declare_exchange(connection)
        _guarded(connection, "queue", self.queue_name, self._declare_queue)
        _guarded(connection, "queue", self.queue_name, self._bind)

    def declare_exchange(self, connection: BlockingConnection) -> None:
        """Make the exchange alone, as publishers do. Raises BrokerMismatch."""
        _guarded(connection, "exchange", self.exchange_name, self._declare_exchange)

    def ensure_exchange(self, connection: BlockingConnection) -> None:
        """Make the exchange, or see that it is there where the user may make none.

        Raises BrokerMismatch.
        """
        try:
            self.declare_exchange(connection)
        except pika.exceptions.ChannelClosedByBroker as error:
            if error.reply_code != _ACCESS_REFUSED or not self._is_there(connection):
                raise

    def has_exchange(self, connection: BlockingConnection) -> bool:
        """Say whether the exchange is there; makes nothing. Raises BrokerMismatch."""
        if not self._is_there(connection):
            return False
        self.ensure_exchange(connection)
        return True

    def missing(self, connection: BlockingConnection) -> list[str]:
        """Say which of exchange and queue do not exist; makes nothing.

        Raises BrokerMismatch for one that exists with other properties.
        """
        absent = []
        for what, name, look, declare in self._parts():
            if _exists(connection, look) or name.startswith(_RESERVED):
                _guarded(connection, what, name, declare)
            else:
                absent.append(f"the {what} {name!r}")
        return absent

    def _is_there(self, connection: BlockingConnection) -> bool:
        return _exists(connection, self._parts()[0][2])

    def _parts(self) -> list[tuple[str, str, _Declare, _Declare]]:
        exchange, queue = self.exchange_name, self.queue_name

        def look_at_exchange(channel: BlockingChannel) -> None:
            channel.exchange_declare(exchange, passive=True)

        def look_at_queue(channel: BlockingChannel) -> None:
            channel.queue_declare(queue, passive=True)

        return [
            ("exchange", exchange, look_at_exchange, self._declare_exchange),
            ("queue", queue, look_at_queue, self._declare_queue),
        ]

    def _declare_exchange(self, channel: BlockingChannel) -> None:
        channel.exchange_declare(
            self.exchange_name,
            exchange_type=self.exchange_type,
            durable=self.exchange_durable,
            auto_delete=self.exchange_autodelete,
            internal=self.exchange_internal,
            arguments=dict(self.exchange_arguments),
        )

    def _declare_queue(self, channel: BlockingChannel) -> None:
        channel.queue_declare(
            self.queue_name,
            durable=self.queue_durable,
            auto_delete=self.queue_autodelete,
            exclusive=self.queue_exclusive,
            arguments=dict(self.queue_arguments),
        )

    def _bind(self, channel: BlockingChannel) -> None:
        channel.queue_bind(self.queue_name, self.exchange_name, self.queue_binding_key)


def _guarded(connection: BlockingConnection, what: str, name: str, declare: _Declare) -> None:
    # A refused declaration closes its channel, so each has one of its own.
    channel = connection.channel()
    try:
        declare(channel)
    except pika.exceptions.ChannelClosedByBroker as error:
        if error.reply_code in (_PRECONDITION_FAILED, _RESOURCE_LOCKED):
            raise _mismatch(what, name, error.reply_text) from error
        if error.reply_code == _ACCESS_REFUSED and name.startswith(_RESERVED):
            raise _unusable(what, name, error.reply_text) from error
        raise
    except pika.exceptions.ConnectionClosedByBroker as error:
        # A type of exchange that the broker does not have costs the whole connection.
        if error.reply_code == _COMMAND_INVALID and "exchange type" in error.reply_text:
            raise BrokerMismatch(
                f"The exchange {name!r} cannot be made: {error.reply_text}.",
                remedy="Correct ExchangeType, or enable the plug-in that brings it.",
            ) from error
        raise
    channel.close()


def _exists(connection: BlockingConnection, look: _Declare) -> bool:
    channel = connection.channel()
    try:
        look(channel)
    except pika.exceptions.ChannelClosedByBroker as error:
        if error.reply_code == _NOT_FOUND:
            return False
        if error.reply_code == _RESOURCE_LOCKED:
            return True
        raise
    channel.close()
    return True


def _mismatch(what: str, name: str, text: str) -> BrokerMismatch:
    found = _INEQUIVALENT.search(text)
    if found is None:
        return _unusable(what, name, text)
    arg = found["arg"]
    key = _KEYS.get((what, arg), f"{arg} in {what.capitalize()}Arguments")
    return BrokerMismatch(
        f"The {what} {name!r} exists with another {arg}: configured is {found['ours']}, "
        f"at the broker it is {found['theirs']}.",
        remedy=(
            f"Set {key} to what the broker has, name another {what}, or delete the {what} there "
            "once nothing in it or bound to it is needed."
        ),
    )


def _unusable(what: str, name: str, text: str) -> BrokerMismatch:
    return BrokerMismatch(
        f"The {what} {name!r} cannot be used as configured: {text.rstrip('.')}.",
        remedy=f"Look at it with rabbitmqctl list_{what}s, or name another {what}.",
    )
