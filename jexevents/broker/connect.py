"""Connections to RabbitMQ, and its errors as ours."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pika
import pika.exceptions
from pika.adapters.blocking_connection import BlockingConnection

from jexevents import __version__
from jexevents.broker import properties
from jexevents.errors import BrokerUnavailable
from jexevents.faults import in_words
from jexevents.redaction import redact_uri

# It logs each failed connection half a dozen times, once with a trace; we say it in one line.
logging.getLogger("pika").setLevel(logging.CRITICAL)
properties.install()

_SOCKET_TIMEOUT_SECONDS = 5.0
# How long a connection may be blocked by an alarm of the broker before it counts as lost.
_BLOCKED_TIMEOUT_SECONDS = 300.0


def connect(uri: str, *, heartbeat_seconds: int, name: str = "jexevents") -> BlockingConnection:
    """Open a connection; ``name`` is what the broker's own tools show for it.

    Raises BrokerUnavailable, which says what the broker had against it.
    """
    parameters = connection_parameters(uri, heartbeat_seconds=heartbeat_seconds, name=name)
    parameters.blocked_connection_timeout = _BLOCKED_TIMEOUT_SECONDS
    with translated(uri):
        return BlockingConnection(parameters)


def connection_parameters(uri: str, *, heartbeat_seconds: int, name: str) -> pika.URLParameters:
    """Give what every connection of ours is opened with."""
    parameters = pika.URLParameters(uri)
    parameters.heartbeat = heartbeat_seconds
    parameters.socket_timeout = _SOCKET_TIMEOUT_SECONDS
    parameters.stack_timeout = 2 * _SOCKET_TIMEOUT_SECONDS
    parameters.connection_attempts = 1
    parameters.client_properties = {
        "product": "jexevents",
        "version": __version__,
        "connection_name": name,
    }
    return parameters


@contextmanager
def translated(uri: str) -> Iterator[None]:
    """Turn pika's errors, and those of the socket below it, into BrokerUnavailable."""
    try:
        yield
    except (pika.exceptions.AMQPError, OSError) as error:
        raise BrokerUnavailable(
            f"RabbitMQ at {redact_uri(uri)}: {describe(error)}.", remedy=_remedy(error)
        ) from error


def describe(error: BaseException) -> str:
    """Say in one line what pika means; many of its errors carry it only in their causes."""
    if isinstance(error, pika.exceptions.AMQPConnectionError):
        for cause in (*error.args, error.__cause__, error.__context__):
            inner = getattr(cause, "exception", cause)
            if isinstance(inner, BaseException) and inner is not error:
                return describe(inner)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    code, text = getattr(error, "reply_code", None), getattr(error, "reply_text", None)
    if code is not None:
        return f"{code} {text}"
    return in_words(error)


def _remedy(error: BaseException) -> str:
    if isinstance(
        error,
        pika.exceptions.ProbableAuthenticationError | pika.exceptions.AuthenticationError,
    ):
        return "Look at the user and the password in AMQPURI."
    if isinstance(error, pika.exceptions.ProbableAccessDeniedError):
        return "Look at the virtual host in AMQPURI and at the user's permissions in it."
    if isinstance(error, pika.exceptions.AMQPConnectionError | OSError):
        return "Start it, or correct AMQPURI."
    return ""
