"""Exchange and queue remade with other properties under a running daemon: not ready, not gone."""

from contextlib import closing

import pika
import pytest

from tests.acceptance.support import message, publish, submission
from tests.support import wait_until


def remake(uri, what, name, **properties):
    """Delete an exchange or queue and make it anew; who consumed it loses its consumer."""
    with closing(pika.BlockingConnection(pika.URLParameters(uri))) as connection:
        channel = connection.channel()
        getattr(channel, f"{what}_delete")(name)
        getattr(channel, f"{what}_declare")(name, **properties)


def lose_queue(uri):
    """Delete the queue, whereupon the daemon connects and declares anew."""
    with closing(pika.BlockingConnection(pika.URLParameters(uri))) as connection:
        connection.channel().queue_delete("jexevents")


def broker_check(daemon):
    answer = daemon.get("/readyz")
    return answer.status, answer.json()["checks"]["broker"]["detail"]


@pytest.mark.parametrize(
    ("what", "name", "wrong", "right", "word"),
    [
        ("queue", "jexevents", {"durable": False}, {"durable": True}, "QueueDurable"),
        (
            "exchange",
            "condor_events",
            {"exchange_type": "topic", "durable": True},
            {"exchange_type": "fanout", "durable": True},
            "ExchangeType",
        ),
    ],
)
def test_mismatch_after_start_is_waited_out(what, name, wrong, right, word, start, servers):
    uri = servers["AMQPURI"]
    daemon = start(**servers).wait_ready()
    remake(uri, what, name, **wrong)
    if what == "exchange":
        lose_queue(uri)
    status, _ = wait_until(
        lambda: word in (found := broker_check(daemon))[1] and found, 15, f"{word} in /readyz"
    )
    assert status == 503
    assert daemon.get("/healthz").status == daemon.get("/ledger/jobs").status == 200
    remake(uri, what, name, **right)
    daemon.wait_ready()
    publish(uri, [message(submission(1))])
    daemon.wait_job("1")
    assert daemon.stop() == 0


def test_connection_closed_by_the_broker_is_opened_again(start, servers, broker):
    if not hasattr(broker, "rabbitmqctl"):
        pytest.skip("only a broker of our own can be told to close connections")
    daemon = start(**servers).wait_ready()
    vhost = servers["AMQPURI"].rpartition("/")[2]
    broker.rabbitmqctl("close_all_connections", "--vhost", vhost, "test")
    daemon.wait_logged("consuming", times=2)
    publish(servers["AMQPURI"], [message(submission(1))])
    daemon.wait_job("1")
