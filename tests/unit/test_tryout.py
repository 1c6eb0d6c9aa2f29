"""What ``make run`` hands on to its daemon."""

from __future__ import annotations

import socket

import pytest

from jexevents import config
from jexevents.tryout import story
from tests.support import free_port

NAMES = ["JEXEVENTS_HTTPLISTENPORT", "JEXEVENTS_HTTP_LISTEN_PORT", "SMRTFLOW_SERVER_PORT"]


@pytest.mark.parametrize("name", NAMES)
def test_the_port_is_the_one_that_is_configured_by_whatever_name(name: str) -> None:
    port = free_port()
    environ = {name: str(port), "HOME": "/"}
    told = story._listening(environ, config.load(None, environ))
    assert told == {
        "HOME": "/",
        "JEXEVENTS_HTTPLISTENPORT": f"127.0.0.1:{port}",
        # Links in webhooks lead to it.
        "JEXEVENTS_PUBLICURL": f"http://localhost:{port}",
    }
    assert config.load(None, told).http_listen_port.port == port


@pytest.mark.parametrize("name", NAMES)
def test_a_port_that_is_taken_gives_way_to_a_free_one(name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        environ = {name: str(taken.getsockname()[1])}
        told = story._listening(environ, config.load(None, environ))
    assert told == {"JEXEVENTS_HTTPLISTENPORT": "127.0.0.1:0"}


@pytest.mark.parametrize("name", ["JEXEVENTS_AMQPURI_FILE", "JEXEVENTS_AM_QPURI"])
def test_the_broker_that_was_provided_stands_alone(name: str) -> None:
    told = story._with({name: "x"}, "AMQPURI", "amqp://localhost/")
    assert told == {"JEXEVENTS_AMQPURI": "amqp://localhost/"}
