"""Messages that nobody thought of: good ones, changed at random, with odd company."""

from __future__ import annotations

import json
import random
import struct
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import pika
from hypothesis import strategies as st

from tests.ledger import (
    aborted,
    executing,
    held,
    message,
    named,
    released,
    submitted,
    terminated,
    text,
)
from tests.pipeline import Crafted, Sent

_AD = {"EventTypeNumber": 1, "EventTime": "2026-03-01T12:00:01", "Cluster": 222, "Proc": 0}
_XML = (
    '<c><a n="EventTypeNumber"><i>12</i></a><a n="EventTime"><s>2026-03-01T12:00:01</s></a>'
    '<a n="Cluster"><i>222</i></a><a n="Proc"><i>0</i></a>'
    '<a n="HoldReason"><s>x</s></a><a n="L"><l><i>1</i><r>1.5E0</r><b v="t"/></l></a></c>'
)
_INVOCATION = "0d1c7a9e-5a0f-44e5-9cf1-1b0a7d3f5c11"

_EVENTS = [
    submitted(),
    executing(second=5),
    held(second=8),
    released(second=9),
    aborted(second=11),
    terminated(second=20),
    named(_INVOCATION),
    text(6, "Image size of job updated: 44472\n\t3  -  MemoryUsage of job (MB)", second=3),
    text(4, "Job was evicted.\n\t(0) Job was not checkpointed.", second=4),
    text(40, "Started transferring input files\n\tTransferring to host: <h>", second=4),
    text(999, "Something new", second=4),
    json.dumps(_AD),
    _XML,
]
_ENVELOPES = [
    {"Event": event, "Hash": "0" * 64, "Source": "pool", "Occurrence": 1, "Log": "l", "Offset": 7}
    for event in _EVENTS
]

_BITS = [
    b"\x00", b"\xff", b"\xed\xa0\x80", b"\xc3", b"\xef\xbb\xbf", b"\\u0000", b"\\ud800",
    b"\\udc00\\ud800", b"\r\n", b"\n...\n", b'"', b"{", b"}", b"[" * 70, b'{"a":' * 70, b"1e999",
    b"NaN", b"-Infinity", b"9" * 30, b"9" * 5000, b"-0", b"1.5e-400", b"</c>", b"<c>", b"&#x0;",
    b"&#xffffffff;", b"\xf0\x9f\x92\xa9", b"\xe2\x80\xa8", b"(", b"000 (1.2.3) ", b"\x1b[2J", b"''",
]  # fmt: skip
_ODD: st.SearchStrategy[Any] = st.sampled_from([
    None, True, False, 0, -1, 1.0, 1.5, 2**31, 2**63 - 1, 2**63, -(2**63) - 1, 10**400, 1e300,
    float("nan"), float("inf"), "", "0", "\0", "\ud800", "\udcff", "x" * 300, "é" * 300, "a\nb",
    [], [None], {}, {"a": {"b": [1]}}, "2026-03-01", "222.0", _EVENTS[0], _EVENTS[1] * 2,
])  # fmt: skip
_NAMES = st.sampled_from(["Event", "event", "Hash", "Source", "Occurrence", "Log", "Offset", "X"])
_PLACES = st.integers(0, 2**16)


def _flip(body: bytes, place: int, length: int) -> bytes:
    changed = bytearray(body)
    changed[place] ^= 1 << (length % 8)
    return bytes(changed)


_CHANGES = {
    "flip": _flip,
    "cut the end": lambda body, place, _: body[:place],
    "cut the beginning": lambda body, place, _: body[place:],
    "leave out": lambda body, place, length: body[:place] + body[place + length :],
    "twice": lambda body, place, length: body[: place + length] + body[place:],
    "swap": lambda body, place, length: (
        body[:place] + body[place + length :] + body[place : place + length]
    ),
    "insert": lambda body, place, length: body[:place] + _BITS[length % len(_BITS)] + body[place:],
    "replace": lambda body, place, length: (
        body[:place] + _BITS[length % len(_BITS)] + body[place + length % 7 :]
    ),
}


@st.composite
def _bytes_changed(draw: st.DrawFn, bodies: st.SearchStrategy[bytes]) -> bytes:
    body = draw(bodies)
    for _ in range(draw(st.integers(1, 3))):
        if not body:
            return body
        change = _CHANGES[draw(st.sampled_from(sorted(_CHANGES)))]
        body = change(body, draw(_PLACES) % len(body), draw(st.integers(1, 255)))
    return body


@st.composite
def _document_changed(draw: st.DrawFn) -> bytes:
    document = dict(draw(st.sampled_from(_ENVELOPES)))
    for _ in range(draw(st.integers(1, 3))):
        name = draw(_NAMES)
        kind = draw(st.sampled_from(["set", "remove", "rename"]))
        if kind == "set":
            document[name] = draw(_ODD)
        elif name in document:
            value = document.pop(name)
            if kind == "rename":
                document[draw(_NAMES)] = value
    return json.dumps(document).encode()


@st.composite
def _ad_changed(draw: st.DrawFn) -> bytes:
    ad = dict(_AD)
    names = st.sampled_from([*_AD, "Reason", "MyType", "TerminatedNormally", "X\0"])
    for _ in range(draw(st.integers(1, 3))):
        ad[draw(names)] = draw(_ODD | st.integers(0, 60))
    event = json.dumps(ad)
    return message(event) if draw(st.booleans()) else event.encode()


_CLOUD_EVENT = {"specversion": "1.0", "id": "222", "source": "/a", "type": "t"}
_WHOLE = st.sampled_from([
    json.dumps(_CLOUD_EVENT).encode(),
    *(message(event) for event in _EVENTS),
    *(event.encode() for event in _EVENTS),
    *(json.dumps(document).encode() for document in _ENVELOPES),
])  # fmt: skip
_BODIES = st.one_of(
    _bytes_changed(_WHOLE),
    _bytes_changed(_WHOLE),
    _document_changed(),
    _ad_changed(),
    _WHOLE,
    st.binary(max_size=40),
    st.text(max_size=20).map(str.encode),
)

_WORDS = st.sampled_from(
    ["", "a", "\0", "x" * 255, "é" * 127, b"\xff\xfe", "json", "\n", "token", "\u2028", b"\x00"]
)
_VALUES = st.recursive(
    st.sampled_from([
        None, True, 0, -(2**63), 2**63 - 1, "", "\0", "é", b"\xff", b"", "x" * 2000,
        Decimal("-1.5"), datetime(2026, 1, 2, tzinfo=timezone.utc),
    ]),
    lambda inner: st.lists(inner, max_size=2)
    | st.dictionaries(st.sampled_from(["a", "b", "password", "é"]), inner, max_size=2),
    max_leaves=4,
)  # fmt: skip


_STRUCTURED = "application/cloudevents+json"
_BATCH = "application/cloudevents-batch+json"
_BINARY = {f"cloudEvents:{name}": value for name, value in _CLOUD_EVENT.items()}
_ATTRIBUTES = st.sampled_from([*_BINARY, "ce-id", "ce-time", "ce-x", "ce-A b", "ce-data"])

# What pika does not write. RabbitMQ refuses NaN and infinity, so those never get here.
_TABLES = [
    b"\x01af" + struct.pack(">f", 1e30),
    b"\x01ad" + struct.pack(">d", 1.5),
    b"\x01aT" + struct.pack(">Q", 2**63),
    b"\x01ax" + struct.pack(">I", 3) + b"\xff\x00a",
]


def _crafted(headers: dict | None, **others: Any) -> Crafted:
    which = len(headers or ()) + len(others["message_id"] or "")
    return Crafted(_TABLES[which % len(_TABLES)], **others)


@st.composite
def _properties(draw: st.DrawFn) -> pika.BasicProperties:
    """Half of the messages have none, as most senders send none."""
    if draw(st.booleans()):
        return pika.BasicProperties()
    types = st.sampled_from(
        [
            *["application/json", "text/plain"] * 5,
            "image/png",
            "a/b;c=d",
            b"\xff",
            _STRUCTURED,
            _BATCH,
        ]
    )
    encodings = st.sampled_from([*["utf-8", "UTF-8 "] * 4, "gzip", b"\xff"])
    headers = st.one_of(
        st.none(),
        st.dictionaries(st.sampled_from(["a", "é", "token"]), _VALUES, max_size=2),
        st.dictionaries(_ATTRIBUTES, _VALUES, max_size=4).map(_BINARY.__or__),
    )
    make = draw(st.sampled_from([pika.BasicProperties] * 4 + [_crafted]))
    return make(
        content_type=draw(st.none() | types),
        content_encoding=draw(st.none() | encodings),
        headers=draw(headers),
        type=draw(st.none() | _WORDS),
        message_id=draw(st.none() | _WORDS),
        app_id=draw(st.none() | _WORDS),
        timestamp=draw(st.none() | st.sampled_from([0, 1, 2**63, 2**64 - 1])),
    )


messages = st.builds(Sent, _BODIES, _properties())


def variants(sent: Sent, seed: int, count: int) -> list[Sent]:
    """Give a message and others made of it at random: drawing each would take much longer.

    They are of other jobs, and every second one is changed in no other way.
    """
    draw = random.Random(seed)
    family = [sent]
    for number in range(1, count):
        body = draw.choice(family).body.replace(b"222", b"%03d" % draw.randrange(1, 999))
        if body and number % 2:
            change = _CHANGES[draw.choice(sorted(_CHANGES))]
            body = change(body, draw.randrange(len(body)), draw.randint(1, 255))
        family.append(Sent(body, draw.choice([sent.properties, pika.BasicProperties()])))
    return family
