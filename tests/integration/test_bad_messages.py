"""Each kind of bad message, by way of a real broker: kept with every reason, in nobody's way."""

from __future__ import annotations

import gzip
import hashlib
import json
import struct

import pika
import pytest

from jexevents.model import Outcome, Reason
from tests.ledger import TestLedger, executing, message, submitted, terminated, text
from tests.pipeline import Crafted, Sent, running

MEBIBYTE = 1 << 20
GOOD = message(executing(second=5))
JSON_EVENT = json.dumps(
    {"EventTypeNumber": 1, "EventTime": "2026-03-01T12:00:01", "Cluster": 222, "Proc": 0}
).encode()
XML_EVENT = (
    b'<c><a n="EventTypeNumber"><i>1</i></a><a n="EventTime"><s>2026-03-01T12:00:01</s></a>'
    b'<a n="Cluster"><i>222</i></a><a n="Proc"><i>0</i></a></c>'
)


def nested(depth: int) -> bytes:
    content = b""
    for _ in range(depth):
        content = b"\x01aF" + struct.pack(">I", len(content)) + content
    return content


def typed(content_type: str | bytes, body: bytes = GOOD, **others: str) -> Sent:
    return Sent(body, pika.BasicProperties(content_type=content_type, **others))


def encoded(encoding: str, body: bytes) -> Sent:
    return Sent(body, pika.BasicProperties(content_encoding=encoding))


NESTED = nested(3000)
MANY = b"".join(b"\x05%05dV" % number for number in range(12_000))
FAR = b"\x01aT" + struct.pack(">Q", 2**62)

# What it is, the message, the one word, and what the faults point at.
KINDS = [
    ("empty", b"", Reason.EMPTY, [""]),
    ("white space", b" \r\n", Reason.EMPTY, [""]),
    ("not JSON", b"{'Event': 'x'}", Reason.NOT_JSON, [""]),
    ("cut JSON", message(submitted())[:-9], Reason.NOT_JSON, [""]),
    ("a number too big", b'{"Event": "x", "Offset": 1%s}' % (b"0" * 400), Reason.NOT_JSON,
     ["/Offset"]),
    ("a name twice", b'{"Event": "x", "Event": "y"}', Reason.NOT_JSON, [""]),
    ("no text at all", b"hello", Reason.UNREADABLE_EVENT, [""]),
    ("another shape", b'[{"Event": "x"}]', Reason.UNREADABLE_EVENT, [""]),
    ("wrong shape", b'{"Event": 5, "Offset": -1, "Source": "a\\nb"}', Reason.SCHEMA,
     ["/Event", "/Offset", "/Source"]),
    ("wrong shape and event", b'{"Event": "hello", "Offset": -1}', Reason.SCHEMA,
     ["/Offset", "/Event"]),
    ("truncated text", message(terminated()[:-5]), Reason.TRUNCATED_EVENT, [""]),
    ("truncated bare text", terminated()[:-20].encode(), Reason.TRUNCATED_EVENT, [""]),
    ("truncated JSON event", message(JSON_EVENT[:-1].decode()), Reason.TRUNCATED_EVENT, [""]),
    ("truncated in a text", message(JSON_EVENT[:30].decode()), Reason.TRUNCATED_EVENT, [""]),
    ("truncated XML event", XML_EVENT[:-4], Reason.TRUNCATED_EVENT, [""]),
    ("truncated in a tag", XML_EVENT[:-30], Reason.TRUNCATED_EVENT, [""]),
    ("two events", message(submitted() + executing()), Reason.SEVERAL_EVENTS, [""]),
    ("two JSON events", message(JSON_EVENT.decode() * 2), Reason.SEVERAL_EVENTS, [""]),
    ("two XML events", XML_EVENT * 2, Reason.SEVERAL_EVENTS, [""]),
    ("impossible date", message(text(0, "x").replace("12:00:00", "25:00:00")),
     Reason.UNREADABLE_EVENT, [""]),
    ("binary", bytes(range(256)) * 40, Reason.UNREADABLE_EVENT, [""]),
    ("binary behind a brace", b"{" + bytes(range(256)), Reason.NOT_JSON, [""]),
    ("20 MB", message(text(8, "x" * (20 * MEBIBYTE))), Reason.TOO_LARGE, [""]),
    ("wrong content type", typed("image/png"), Reason.CONTENT_TYPE, ["content_type"]),
    ("no content type", typed("whatever"), Reason.CONTENT_TYPE, ["content_type"]),
    ("content type of bytes", typed(b"\xff\xfe"), Reason.CONTENT_TYPE, ["content_type"]),
    ("wrong content type and body", typed("image/png", b"\x89PNG"), Reason.CONTENT_TYPE,
     ["content_type", ""]),
    ("wrong encoding", encoded("gzip", gzip.compress(GOOD)), Reason.ENCODING,
     ["content_encoding"]),
    ("both wrong", typed("image/png", content_encoding="br"), Reason.ENCODING,
     ["content_encoding", "content_type"]),
    ("headers that nest deep", Sent(GOOD, Crafted(NESTED)), Reason.HEADERS, ["headers"]),
    ("a flood of headers", Sent(GOOD, Crafted(MANY)), Reason.HEADERS, ["headers"]),
    ("a time beyond all", Sent(GOOD, Crafted(FAR)), Reason.HEADERS, ["headers"]),
    ("all at once", Sent(b"x", Crafted(NESTED, content_type="image/png")), Reason.HEADERS,
     ["headers", "content_type", ""]),
]  # fmt: skip


def test_every_kind_is_kept_with_every_reason_and_its_neighbours_are_stored(
    vhost: str, ledger: TestLedger
) -> None:
    bad = [named(kind[1], kind[0]) for kind in KINDS]
    numbers = range(1000, 1001 + len(bad))
    good = [message(submitted(job=f"{number}.000.000")) for number in numbers]
    between = [one for pair in zip(good, bad, strict=False) for one in pair] + good[-1:]
    with running(vhost, ledger, batch_size=200, batch_max_seconds=2.0) as pipeline:
        handled = pipeline.send(*between)
    assert max(pipeline.batches) > 20, "they shared a batch"
    assert [outcome for _, outcome in handled] == [
        Outcome.REJECTED if number % 2 else Outcome.ACCEPTED for number in range(len(between))
    ]
    assert {job["key"] for job in ledger.jobs()} == {str(number) for number in numbers}
    rejects = {row["properties"]["message_id"]: row for row in all_rejects(ledger)}
    assert ledger.count("rejects") == len(rejects) == len(KINDS)
    for (what, _, reason, pointers), sent in zip(KINDS, bad, strict=True):
        row = rejects[what]
        told = [fault["pointer"] for fault in row["reasons"]]
        assert (what, row["reason"], told) == (what, reason.value, pointers)
        assert all(fault["expected"] and fault["got"] for fault in row["reasons"])
        assert row["size"] == len(sent.body)
        assert bytes(row["sha256"]) == hashlib.sha256(sent.body).digest()
        assert bytes(row["body"]) == sent.body[:MEBIBYTE]
        assert row["cut"] == (len(sent.body) > MEBIBYTE)


def named(sent: Sent | bytes, what: str) -> Sent:
    one = sent if isinstance(sent, Sent) else Sent(sent)
    one.properties.message_id = what
    return one


def all_rejects(ledger: TestLedger) -> list:
    rows: list = []
    while page := ledger.reading.rejects(limit=1000, before=rows[-1]["id"] if rows else None):
        rows += page
    return rows


@pytest.mark.parametrize(
    "content_type",
    [
        None, "", "application/json", "Application/JSON; charset=utf-8", "text/plain",
        "text/plain;charset=UTF-8", "text/json", "text/xml", "application/octet-stream",
        "application/xml", "application/vnd.condor+json", "application/vnd.condor.event+json",
    ],
)  # fmt: skip
def test_the_usual_content_types_are_taken(
    vhost: str, ledger: TestLedger, content_type: str | None
) -> None:
    with running(vhost, ledger) as pipeline:
        ((_, outcome),) = pipeline.send(typed(content_type))
    assert outcome is Outcome.ACCEPTED
