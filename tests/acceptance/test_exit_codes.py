"""What cannot be mended by waiting ends the daemon at start, and says what to do."""

import socket
import sys
from contextlib import closing

import pika
import pytest

from tests.acceptance.support import rows, run, write_config
from tests.support import administer, database_uri, free_port, unique

_BROKEN_THREAD = """
import sys
from jexevents import cli, presence
presence.Presence.run = lambda self: self.wait(0.5) or 1 / 0
sys.exit(cli.main())
"""


def refused(daemon, *words):
    """Assert that a daemon ended with 78 and said all of these words."""
    assert daemon.wait() == 78, daemon.text
    # Before the configuration is read there is no log.
    assert [line["level"] for line in daemon.logged("stopped")] == ["error"] * bool(daemon.log)
    for word in words:
        assert word in daemon.text


def test_unknown_key_names_the_nearest(start):
    refused(start(QueName="jobs"), "QueName", "QueueName")


def test_port_in_use(start, servers):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        refused(start(**servers, HTTPListenPort=where), where, "HTTPListenPort")


def test_foreign_address_without_a_token(start, servers):
    refused(
        start(**servers, HTTPListenPort=f"0.0.0.0:{free_port()}"), "jexevents token", "loopback"
    )


def test_older_schema_names_the_command(start, vhost, postgres):
    name = unique("jexevents_empty")
    administer(postgres, f"CREATE DATABASE {name}")
    try:
        uri = database_uri(postgres, name)
        daemon = start(AMQPURI=vhost, DBURI=uri)
        refused(daemon, "jexevents migrate --config")
        assert run("check", "--config", daemon.config).code == 78
    finally:
        administer(postgres, f"DROP DATABASE {name} WITH (FORCE)")


def test_newer_schema(start, servers):
    rows(
        servers["DBURI"],
        "insert into jex.schema_migrations (version, name, sha256) values (9999, 'x', 'x')",
    )
    refused(start(**servers), "9999", "newer")


def test_second_live_daemon_of_the_same_name(start, servers):
    first = start(**servers, NodeName="one").wait_ready()
    refused(start(**servers, NodeName="one"), "'one'", "NodeName")
    assert first.is_ready()
    other = start(**servers, NodeName="two").wait_ready()
    assert other.stop() == 0
    assert other.logged("stopped")[0]["level"] == "info"


MISMATCHES = {
    "ExchangeType": ("exchange", {"exchange_type": "topic"}, "type"),
    "ExchangeDurable": ("exchange", {"durable": False}, "durable"),
    "ExchangeAutodelete": ("exchange", {"auto_delete": True}, "auto_delete"),
    "ExchangeInternal": ("exchange", {"internal": True}, "internal"),
    "ExchangeArguments": (
        "exchange",
        {"arguments": {"alternate-exchange": "other"}},
        "alternate-exchange",
    ),
    "QueueDurable": ("queue", {"durable": False}, "durable"),
    "QueueAutodelete": ("queue", {"auto_delete": True}, "auto_delete"),
    "QueueArguments": ("queue", {"arguments": {"x-max-length": 7}}, "x-max-length"),
}
_BASE = {"exchange": {"exchange_type": "fanout", "durable": True}, "queue": {"durable": True}}
_NAMES = {"exchange": "condor_events", "queue": "jexevents"}


@pytest.mark.parametrize("key", MISMATCHES)
def test_other_properties_at_the_broker(key, servers, start):
    what, other, word = MISMATCHES[key]
    with closing(pika.BlockingConnection(pika.URLParameters(servers["AMQPURI"]))) as connection:
        declare = getattr(connection.channel(), f"{what}_declare")
        declare(_NAMES[what], **{**_BASE[what], **other})
        refused(start(**servers), f"The {what} '{_NAMES[what]}'", f"another {word}", key)


def test_check_says_what_is_missing(tmp_path, servers):
    port = free_port()
    away = {
        "AMQPURI": f"amqp://guest:guest@127.0.0.1:{port}/",
        "DBURI": f"postgres://user@127.0.0.1:{port}/d",
    }
    for key, server in (("AMQPURI", "RabbitMQ"), ("DBURI", "PostgreSQL")):
        config = write_config(tmp_path, servers | {key: away[key]})
        done = run("check", "--config", config)
        assert done.code == 69
        assert f"WRONG {server}" in done.err
        assert str(port) in done.err
        assert f"correct {key}" in done.err
    assert run("check", "--config", write_config(tmp_path, servers)).code == 0


def test_check_of_a_database_that_is_not_there(tmp_path, servers, postgres):
    config = write_config(tmp_path, servers | {"DBURI": database_uri(postgres, "nowhere")})
    done = run("check", "--config", config)
    assert done.code == 69
    assert "does not exist. Make the database" in done.err


def test_thread_that_dies_ends_the_process(start, servers):
    daemon = start(sys.executable, "-c", _BROKEN_THREAD, **servers)
    assert daemon.wait() == 70
    assert daemon.logged("service_died")[0]["service"] == "presence"
    assert daemon.log[-1]["event"] == "stopped"
