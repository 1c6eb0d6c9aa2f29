"""Headers that no daemon of ours would send: a message with such is a message like others."""

from __future__ import annotations

import struct
from contextlib import closing

import pika
import pytest

from jexevents.broker.connect import connect
from jexevents.model import UNREADABLE_HEADERS, Arrival, Outcome
from tests.ledger import NOON, TestLedger
from tests.support import unique

WAIT_SECONDS = 20


def table(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content


def nested(depth: int) -> bytes:
    content = b""
    for _ in range(depth):
        content = b"\x01aF" + table(content)
    return content


class Crafted(pika.BasicProperties):
    """Properties with headers given as bytes, between other properties."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content_type="text/plain", message_id="m1")
        self._content = content

    def encode(self) -> list[bytes]:
        flags = self.FLAG_CONTENT_TYPE | self.FLAG_HEADERS | self.FLAG_MESSAGE_ID
        return [struct.pack(">H", flags), b"\x0atext/plain", table(self._content), b"\x02m1"]


@pytest.mark.parametrize(
    "content",
    [b"\x01aT" + struct.pack(">Q", 2**62), nested(5000)],
    ids=["time stamp of the far future", "tables in tables"],
)
def test_a_message_with_headers_that_pika_fails_on_is_received(vhost: str, content: bytes) -> None:
    name = unique("headers")
    with closing(connect(vhost, heartbeat_seconds=10)) as connection:
        channel = connection.channel()
        channel.queue_declare(name, auto_delete=True)
        channel.basic_publish("", name, b"body", Crafted(content))
        _, properties, body = next(channel.consume(name, inactivity_timeout=WAIT_SECONDS))
        assert body == b"body"
        assert (properties.content_type, properties.message_id) == ("text/plain", "m1")
        assert properties.headers[UNREADABLE_HEADERS].startswith(table(content)[:100])


@pytest.mark.parametrize("depth", [100, 400, 900])
def test_a_reject_keeps_headers_that_nest_deep(ledger: TestLedger, depth: int) -> None:
    headers: dict = {}
    for _ in range(depth):
        headers = {"a": headers, "b": [1]}
    arrival = Arrival(b"no event", NOON, "amqp:test", properties={"headers": headers})
    assert ledger.ingest.handle([arrival]) == [Outcome.REJECTED]
    (reject,) = ledger.get("/ledger/rejects")["items"]
    assert reject["properties"]["headers"]["b"] == [1]


def test_a_reject_keeps_no_secret_of_a_header(ledger: TestLedger) -> None:
    headers = {"X-Auth-Token": "s3cret", "inner": [{"password": b"s3cret"}], "kept": 7}
    arrival = Arrival(b"no event", NOON, "amqp:test", properties={"headers": headers})
    ledger.ingest.handle([arrival])
    (reject,) = ledger.get("/ledger/rejects")["items"]
    assert reject["properties"]["headers"] == {
        "X-Auth-Token": "***",
        "inner": [{"password": "***"}],
        "kept": 7,
    }
