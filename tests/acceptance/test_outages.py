"""While PostgreSQL or RabbitMQ is away the daemon stays, says so, and catches up by itself."""

import os
import signal
import time

import pytest

from jexevents.embedded import EmbeddedPostgres
from jexevents.errors import JexError
from jexevents.tryout import packages
from jexevents.tryout.private import PrivateBroker
from tests.acceptance.support import message, publish, rows, submission
from tests.support import fill_template, missing, wait_until

MANY = 1200


@pytest.fixture
def own_postgres(tmp_path):
    """A PostgreSQL of the test's own, to be killed: its server object, and its URI."""
    server = EmbeddedPostgres(tmp_path / "postgres")
    uri = server.start()
    fill_template(uri)
    yield server, uri
    server.start()
    server.stop()


@pytest.fixture
def own_broker(tmp_path, package_cache):
    """A RabbitMQ of the test's own, to be killed."""
    with PrivateBroker(tmp_path / "rabbitmq", rabbitmq_programs(package_cache)) as broker:
        yield broker
        broker.kill()


def rabbitmq_programs(cache):
    try:
        return packages.installed()
    except JexError:
        pass
    try:
        return packages.fetched(cache, lambda line: None)
    except JexError as exc:
        missing("RabbitMQ", exc)


def kill_postgres(server):
    """Kill it with all its backends, as a power cut would."""
    pid = int((server.folder.data / "postmaster.pid").read_text().split()[0])
    os.kill(pid, signal.SIGKILL)


def stored(uri):
    return rows(uri, "select count(*), count(distinct checksum) from jex.events")[0]


def assert_says_away(daemon):
    """Assert the answers of a daemon whose database is away."""
    for path in ("/ledger/jobs", "/last-events/5d2a0f04-9f1e-4a86-8b9f-5d6c0e0f7a11"):
        answer = daemon.get(path)
        assert answer.status == 503, answer
        assert int(answer.headers["Retry-After"]) > 0
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["status"] == 503
    assert daemon.get("/healthz").status == 200
    ready = daemon.get("/readyz")
    assert ready.status == 503
    assert not ready.json()["checks"]["database"]["ok"]


def test_postgresql_away_in_mid_run(start, vhost, own_postgres):
    server, uri = own_postgres
    daemon = start(AMQPURI=vhost, DBURI=uri).wait_ready()
    publish(vhost, [message(submission(1))])
    daemon.wait_job("1")
    kill_postgres(server)
    wait_until(lambda: daemon.get("/readyz").status == 503, 20, "/readyz to notice")
    assert_says_away(daemon)
    publish(vhost, [message(submission(number)) for number in range(1, MANY)])
    daemon.wait_logged("store_away")
    assert daemon.metric("database_up") == 0
    wait_until(
        lambda: daemon.metric("batch_failures_total", kind="away"), 20, "the failure to count"
    )
    # What may be taken ahead is in hand, the rest waits in the queue; the first is stored.
    daemon.wait_metric(1000, "in_hand_messages")
    daemon.wait_metric(MANY - 1 - 1000, "queue_messages")
    server.start()
    daemon.wait_ready().wait_job(str(MANY - 1))
    wait_until(lambda: stored(uri)[0] == MANY - 1, 30, "all events")
    assert stored(uri) == (MANY - 1, MANY - 1)
    daemon.wait_metric(MANY - 1, "events_total", door="amqp", outcome="accepted")
    assert daemon.metric("events_total", door="amqp", outcome="duplicate") == 1
    assert daemon.metric("database_up") == 1
    daemon.wait_metric(0, "in_hand_messages")
    assert daemon.stop() == 0


def test_postgresql_away_at_start(start, vhost, own_postgres):
    server, uri = own_postgres
    kill_postgres(server)
    daemon = start(AMQPURI=vhost, DBURI=uri)
    daemon.wait_logged("store_away")
    assert_says_away(daemon)
    publish(vhost, [message(submission(1))])
    server.start()
    daemon.wait_ready()
    wait_until(lambda: daemon.get("/ledger/jobs").status == 200, 5, "look-ups")
    daemon.wait_job("1")
    assert daemon.stop() == 0


def test_ends_in_time_while_postgresql_is_away(start, vhost, own_postgres):
    server, uri = own_postgres
    daemon = start(AMQPURI=vhost, DBURI=uri).wait_ready()
    kill_postgres(server)
    publish(vhost, [message(submission(1))])
    daemon.wait_logged("store_away")
    assert daemon.stop() == 0


def test_rabbitmq_away(start, database, own_broker):
    broker = own_broker
    broker.rabbitmqctl("stop_app")
    daemon = start(AMQPURI=broker.uri, DBURI=database)
    daemon.wait_logged("broker_away")
    assert daemon.get("/ledger/jobs").status == 200
    assert daemon.get("/readyz").status == 503
    broker.rabbitmqctl("start_app")
    daemon.wait_ready()
    publish(broker.uri, [message(submission(1))])
    daemon.wait_job("1")
    broker.kill()
    wait_until(lambda: daemon.get("/readyz").status == 503, 20, "/readyz to notice")
    assert daemon.metric("consumer_connected") == 0
    assert daemon.metric("consumer_reconnects_total") == 0
    job = daemon.job("1")
    assert job["state"] == "Submitted"
    assert daemon.get(f"/ledger/jobs/{job['id']}/events").status == 200
    broker.start()
    daemon.wait_ready()
    publish(broker.uri, [message(submission(number)) for number in (1, 2)])
    daemon.wait_job("2")
    assert stored(database) == (2, 2)
    assert daemon.metric("consumer_connected") == 1
    assert daemon.metric("consumer_reconnects_total") == 1
    # It is looked at over a connection of its own, which is back too.
    began = time.time()
    wait_until(
        lambda: daemon.metric("queue_seen_timestamp_seconds") > began, 30, "the queue to be seen"
    )
    assert daemon.metric("queue_consumers") == 1
    assert daemon.stop() == 0


def started_again(daemon):
    return daemon.text.count("embedded_postgresql_started_again")


def test_the_embedded_server_is_started_again_when_it_dies(start, vhost, tmp_path):
    """Once and again, also where its socket has a folder elsewhere, since PATH is long."""
    path = tmp_path / ("long" * 40) / "postgres"
    path.parent.mkdir()
    with EmbeddedPostgres(path) as server:
        fill_template(server.start())
    daemon = start(AMQPURI=vhost, DBURI=f"embedded:{path}")
    daemon.wait_ready()
    for times in (1, 2):
        kill_postgres(server)
        wait_until(lambda wanted=times: started_again(daemon) == wanted, 60, "a start")
        daemon.wait_ready()
    daemon.stop()
    assert not server.is_running()
