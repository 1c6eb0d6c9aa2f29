"""The README's commands for RabbitMQ and PostgreSQL give the daemon all rights that it needs."""

import re
import shlex
from urllib.parse import urlsplit

import pytest

from jexevents.broker.wake import Wake, exchange_of
from tests.acceptance.support import message, publish, rows, run, submission, write_config
from tests.support import ROOT, administer, database_uri, unique, wait_until

README = (ROOT / "README.md").read_text("utf-8")


@pytest.fixture
def limited(broker):
    """The AMQP URI of a user made by the README's commands, in a virtual host made by them."""
    if not hasattr(broker, "rabbitmqctl"):
        pytest.skip("the broker is not one of our own")
    host, user = unique("jobs"), unique("jexevents")
    new = {"jobs": host, "jexevents": user}
    told = re.findall(r"^rabbitmqctl ((?:.*\\\n)*.*)$", README, re.MULTILINE)
    assert len(told) == 3
    for line in told:
        words = shlex.split(line.replace("\\\n", " "))
        broker.rabbitmqctl(*[new.get(word, word) for word in words])
    place = urlsplit(broker.uri)
    yield f"amqp://{user}:PASSWORD@{place.hostname}:{place.port}/{host}"
    broker.rabbitmqctl("delete_vhost", host)
    broker.rabbitmqctl("delete_user", user)


@pytest.fixture
def owned(postgres):
    """The URI of an empty database, by a role that owns it and is nothing else."""
    name = unique("jexevents_owned")
    assert "createdb --owner=jexevents jexevents" in README
    administer(postgres, f"CREATE ROLE {name} LOGIN PASSWORD 'PASSWORD'")
    administer(postgres, f"CREATE DATABASE {name} OWNER {name}")
    yield name
    administer(postgres, f"DROP DATABASE {name} WITH (FORCE)")
    administer(postgres, f"DROP ROLE {name}")


def test_they_are_enough(start, limited, owned, postgres, tmp_path):
    # The server of the tests lets in whoever comes by its socket as one user alone.
    uri = database_uri(postgres, owned)
    uri += ("&" if "?" in uri else "?") + f"options=-c%20role%3D{owned}"
    servers = {"AMQPURI": limited, "DBURI": uri}
    config = write_config(tmp_path, servers)
    done = run("migrate", "--config", config)
    assert done.code == 0, done.err
    owners = rows(database_uri(postgres, owned), "select distinct tableowner from pg_tables "
                  "where schemaname = 'jex'")  # fmt: skip
    assert owners == [(owned,)]
    daemon = start(**servers).wait_ready()
    publish(limited, [message(submission(7))])
    daemon.wait_job("7")
    assert daemon.stop() == 0
    done = run("check", "--config", config)
    assert done.code == 0, done.err
    assert "exchange and queue are as configured" in done.out


def test_they_are_enough_to_wake_others(limited):
    heard = []
    services = [Wake(limited, exchange_of("jexevents"), heard.append) for _ in range(2)]
    try:
        for service in services:
            service.start()
            wait_until(lambda service=service: service.connected, 20, "the connection")
        services[0].ring("queue")
        wait_until(lambda: heard == ["queue"], 20, "the other to be woken")
    finally:
        for service in services:
            service.stop()
            assert service.join(20)
