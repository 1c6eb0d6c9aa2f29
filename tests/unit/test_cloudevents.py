"""CloudEvents 1.0 read: three modes, three prefixes, and all that senders get wrong."""

from __future__ import annotations

import base64
import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from cloudevents.core.bindings import http, rabbitmq
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given, settings
from hypothesis import strategies as st

from jexevents import wiring
from jexevents.config import from_mapping
from jexevents.errors import Invalid, Malformed, Unacceptable
from jexevents.ingest import read_all
from jexevents.model import UNREADABLE_HEADERS, Arrival, Event, Reason, Reject
from jexevents.redaction import is_secret_name
from jexevents.sources.cloudevents import message
from jexevents.sources.cloudevents.words import BATCH, DOOR, STRUCTURED, identity

NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
EVENT = {"specversion": "1.0", "id": "7", "source": "/jobs", "type": "org.example.done"}
DOORS = wiring.doors(from_mapping({"LogTimeZone": "UTC"}))
HEADERS = {f"ce-{name}": value for name, value in EVENT.items()}


def over_http(body: Any, content_type: str | None = None, **headers: str) -> Arrival:
    return _arrival(DOOR, body, content_type, {n.replace("_", "-"): v for n, v in headers.items()})


def over_amqp(body: Any, content_type: str | None = None, headers: Any = None, **more) -> Arrival:
    return _arrival("amqp:q", body, content_type, headers, **more)


def _arrival(origin: str, body: Any, content_type: str | None, headers: Any, **more) -> Arrival:
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    properties = {"content_type": content_type, "headers": headers, **more}
    kept = {name: value for name, value in properties.items() if value is not None}
    return Arrival(body, NOON, origin, properties=kept)


def faults(error: Unacceptable) -> dict[str, str]:
    return {fault.pointer: fault.got for fault in error.faults}


def refused(read, arrival: Arrival) -> Unacceptable:
    with pytest.raises(Unacceptable) as caught:
        read(arrival)
    assert caught.value.faults
    return caught.value


# --- what an event becomes


def test_a_structured_event() -> None:
    document = {**EVENT, "time": "2026-02-03T04:05:06+07:00", "data": {"a": [1]}, "run": 5}
    arrival = over_http(document, STRUCTURED)
    event = message.read_http(arrival)
    assert (event.kind, event.job, event.format) == (None, None, "cloudevents")
    assert (event.name, event.source) == ("org.example.done", "/jobs")
    assert event.occurred_at == datetime(2026, 2, 2, 21, 5, 6, tzinfo=timezone.utc)
    assert (event.occurred_offset, event.received_at) == ("+07:00", NOON)
    assert (event.data, event.raw) == (document, arrival.body)
    assert event.checksum == identity("/jobs", "7")


def test_without_a_time_it_is_that_of_the_arrival() -> None:
    event = message.read_http(over_http(EVENT, STRUCTURED))
    assert (event.occurred_at, event.occurred_offset) == (NOON, None)


def test_a_binary_event_is_kept_in_the_json_format() -> None:
    event = message.read_http(over_http({"a": 1}, "application/json", **HEADERS))
    assert event.data == {**EVENT, "datacontenttype": "application/json", "data": {"a": 1}}
    assert json.loads(event.raw) == event.data


def test_the_identity_is_source_and_id_whatever_else_it_says() -> None:
    first = message.read_http(over_http({**EVENT, "data": 1}, STRUCTURED))
    again = message.read(over_amqp(b"x", "text/plain", {**HEADERS, "ce-type": "other"}))
    assert first.checksum == again.checksum
    for name in ("id", "source"):
        other = message.read_http(over_http({**EVENT, name: "8"}, STRUCTURED))
        assert other.checksum != first.checksum
    assert identity("a", "bc") != identity("ab", "c")


@pytest.mark.parametrize("mode", ["structured", "binary", "batch", "with a mark", "secret"])
def test_the_identity_can_be_told_from_the_text(mode: str) -> None:
    if mode == "binary":
        event = message.read_http(over_http(b"x", "text/plain", **HEADERS))
    elif mode == "batch":
        (event,) = message.read_batch(over_http([EVENT], BATCH))
    else:
        document = {**EVENT, "apitoken": "s"} if mode == "secret" else EVENT
        mark = b"\xef\xbb\xbf" if mode == "with a mark" else b""
        event = message.read_http(over_http(mark + json.dumps(document).encode(), STRUCTURED))
    told = (event.name, event.checksum, event.source, event.raw)
    assert wiring.recognise(None, *told)
    for wrong in (bytes(32), identity("/jobs", "8")):
        assert not wiring.recognise(None, told[0], wrong, *told[2:])
    for checksum in (event.checksum, identity("/other", "7")):
        assert not wiring.recognise(None, event.name, checksum, "/other", event.raw)


def test_null_is_absent_save_for_the_data() -> None:
    document = {**EVENT, "subject": None, "run": None, "data_base64": None, "data": None}
    event = message.read_http(over_http(document, STRUCTURED))
    assert event.data == {**EVENT, "data": None}


# --- the data of binary mode


@pytest.mark.parametrize(
    ("body", "content_type", "members"),
    [
        (b'{"a": 1}', "application/json", {"data": {"a": 1}}),
        (b'"x"', "application/vnd.x+json; charset=UTF-8", {"data": "x"}),
        (b'"x"', "APPLICATION/JSON;Charset=\"utf-8\"", {"data": "x"}),
        (b"", "application/json", {}),
        (b"", None, {}),
        ("grün".encode(), "text/plain", {"data": "grün"}),
        (b"<a/>", "application/xml", {"data": "<a/>"}),
        (b"gr\xfcn", "text/plain; charset=latin-1", {"data_base64": "Z3L8bg=="}),
        (b"gr\xfcn", "text/plain", {"data_base64": "Z3L8bg=="}),
        (b"a\0b", "text/plain", {"data_base64": "YQBi"}),
        (b"\0\1", "application/octet-stream", {"data_base64": "AAE="}),
        (b"{}", "application/octet-stream", {"data_base64": "e30="}),
        (b"{}", "nonsense", {"data_base64": "e30="}),
        (b"a=1", "application/x-www-form-urlencoded", {"data": "a=1"}),
        (
            b'{"a": 1}',
            "application/x-www-form-urlencoded",
            {"data": {"a": 1}, "datacontenttype": "application/json"},
        ),
        (b'{"a": 1}', None, {"data": {"a": 1}, "datacontenttype": "application/json"}),
        (b"plain", None, {"data_base64": "cGxhaW4="}),
    ],
)  # fmt: skip
def test_data_by_its_media_type(body: bytes, content_type: str | None, members: dict) -> None:
    typed = {} if content_type is None else {"datacontenttype": content_type}
    for event in (
        message.read_http(over_http(body, content_type, **HEADERS)),
        message.read(over_amqp(body, content_type, HEADERS)),
    ):
        assert event.data == {**EVENT, **typed, **members}


def test_data_that_is_not_the_json_it_is_said_to_be() -> None:
    error = refused(
        message.read_http, over_http(b"{", "application/json", **{**HEADERS, "ce-id": ""})
    )
    assert isinstance(error, Malformed)
    assert set(faults(error)) == {"", "ce-id"}
    error = refused(message.read_http, over_http(b"[" * 70, "text/json", **HEADERS))
    assert error.reason is Reason.NOT_JSON
    error = refused(message.read_http, over_http(b"{}", "text/json; charset=utf-16", **HEADERS))
    assert error.reason is Reason.CONTENT_TYPE


# --- headers


@pytest.mark.parametrize(
    ("sent", "value"),
    [
        ("Euro%20%E2%82%AC%20%f0%9f%98%80", "Euro € 😀"),
        ('"older \\"quoted\\" 100%25"', 'older "quoted" 100%'),
        ("50% of", "50% of"),
        ("grün".encode().decode("latin-1"), "grün"),
        ("%2525", "%25"),
    ],
)
def test_values_of_http_headers(sent: str, value: str) -> None:
    event = message.read_http(over_http(b"", **{**HEADERS, "ce-subject": sent}))
    assert event.data["subject"] == value


@pytest.mark.parametrize("sent", ["%C0%A0", "\xff", "%ff"])
def test_http_headers_that_are_no_utf_8(sent: str) -> None:
    arrival = over_http(b"", **{**HEADERS, "ce-id": sent, "ce-run": sent})
    told = [fault.pointer for fault in refused(message.read_http, arrival).faults]
    assert sorted(told) == ["ce-id", "ce-run"]


def test_amqp_headers_are_taken_as_they_are() -> None:
    event = message.read(over_amqp(b"", None, {**HEADERS, "ce-subject": "50%25"}))
    assert event.data["subject"] == "50%25"


@pytest.mark.parametrize("prefix", ["ce-", "cloudEvents_", "cloudEvents:", "CE-", "cloudevents_"])
def test_prefixes_of_amqp(prefix: str) -> None:
    headers = {prefix + name: value for name, value in EVENT.items()} | {"x-other": 1}
    arrival = over_amqp(b"x", "text/plain", headers)
    assert message.is_one(arrival)
    assert message.read(arrival).data == {**EVENT, "datacontenttype": "text/plain", "data": "x"}


def test_values_of_amqp_headers() -> None:
    values = {"n": 5, "yes": True, "none": None, "raw": b"\xff\x00", "word": b"w"}
    headers = {**HEADERS, **{f"ce-{name}": value for name, value in values.items()}}
    headers["ce-time"] = datetime(2026, 2, 3, 4, 5, 6)
    event = message.read(over_amqp(b"", None, headers))
    read = {"n": 5, "yes": True, "raw": "/wA=", "word": "w", "time": "2026-02-03T04:05:06Z"}
    assert event.data == {**EVENT, **read}


@pytest.mark.parametrize(
    "time", [1770091506000, datetime(2026, 2, 3, 4, 5, 6, tzinfo=timezone.utc)]
)
def test_times_of_amqp(time: Any) -> None:
    event = message.read(over_amqp(b"", None, {**HEADERS, "ce-time": time}))
    assert event.occurred_at == datetime(2026, 2, 3, 4, 5, 6, tzinfo=timezone.utc)
    for wrong in (2**62, -(2**62), True):
        arrival = over_amqp(b"", None, {**HEADERS, "ce-time": wrong})
        assert set(faults(refused(message.read, arrival))) == {"ce-time"}


def test_amqp_headers_of_no_attribute() -> None:
    odd = {"ce-a": [1], "ce-b": {}, "ce-c": 1.5, "ce-id": b"\xff", "ce-my-own": "x", "ce-data": "x"}
    error = refused(message.read, over_amqp(b"", None, {**HEADERS, **odd}))
    assert set(faults(error)) == set(odd)


def test_one_attribute_by_two_prefixes() -> None:
    headers = {**HEADERS, "cloudEvents:id": "7"}
    assert message.read(over_amqp(b"", None, headers)).data["id"] == "7"
    headers["cloudEvents:id"] = "8"
    assert set(faults(refused(message.read, over_amqp(b"", None, headers)))) == {"cloudEvents:id"}


def test_the_media_type_stands_in_one_place() -> None:
    headers = {**HEADERS, "ce-datacontenttype": "text/plain"}
    assert message.read(over_amqp(b"x", None, headers)).data["data"] == "x"
    assert message.read_http(over_http(b"x", None, **headers)).data["data"] == "x"
    error = refused(message.read_http, over_http(b"x", "text/html", **headers))
    assert set(faults(error)) == {"ce-datacontenttype"}


# --- what is one


@pytest.mark.parametrize(
    ("content_type", "headers", "one"),
    [
        (None, None, False),
        ("application/json", None, False),
        ("application/json", {"a": 1, 5: 2}, False),
        ("application/json", {"ce-id": "1"}, False),
        ("application/json", {"ce-id": "1", "ce-type": "t"}, True),
        (STRUCTURED, None, True),
        ("Application/CloudEvents+JSON ; charset=utf-8", None, True),
        (BATCH, None, True),
        ("application/cloudevents+avro", None, True),
        (7, None, False),
        ("application/json", {UNREADABLE_HEADERS: b"ce-id"}, False),
    ],
)
def test_what_a_queue_brings(content_type: Any, headers: Any, one: bool) -> None:
    for body in (b"", b'{"Event": "000 (1.0.0) x"}', b'{"uuid": "x", "name": "y"}'):
        assert message.is_one(over_amqp(body, content_type, headers)) is one


def test_what_says_that_it_is_one_goes_before_what_looks_like_another() -> None:
    alike = {"uuid": "1073f4ff-c2b9-5190-bd9a-e6a406d9796a", "name": "run", "token": "f" * 16}
    for body in (alike, {"Event": "000 (1.0.0) x"}):
        (event,) = read_all(DOORS, [over_amqp(body, "application/json", HEADERS)])
        assert isinstance(event, Event)
        assert event.data["data"] == body
    (event,) = read_all(DOORS, [over_amqp({**EVENT, "uuid": "u", "name": "n"}, STRUCTURED)])
    assert event.name == EVENT["type"]


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/x-www-form-urlencoded", None]
)
def test_json_with_the_attributes_is_one_whatever_it_is_said_to_be(content_type) -> None:
    assert message.read_http(over_http(EVENT, content_type)).data == EVENT
    batch = over_http([EVENT], content_type)
    assert message.is_batch(batch)
    assert [event.data for event in message.read_batch(batch)] == [EVENT]


def read_one(arrival: Arrival) -> Event | Reject:
    (read,) = read_all(DOORS, [arrival])
    return read


@pytest.mark.parametrize(
    "content_type", [None, "application/json", "text/plain", "application/octet-stream"]
)
def test_json_with_the_attributes_is_one_off_a_queue_too(content_type: str | None) -> None:
    # Not one of the others, whatever extensions it has or its data says.
    for more in (
        {},
        {"name": "n", "action": "a", "token": "t"},
        {"uuid": "u", "data": {"eventTypeId": "x", "Event": "y"}},
    ):
        for indent in (None, 2):
            body = json.dumps({**EVENT, **more}, indent=indent).encode()
            event = read_one(over_amqp(body, content_type))
            assert isinstance(event, Event), event
            assert (event.kind, event.name) == (None, EVENT["type"])
            assert event.checksum == identity(EVENT["source"], EVENT["id"])
            alike = message.read_http(over_http(body, content_type))
            assert (event.data, event.checksum) == (alike.data, alike.checksum)


def test_of_json_with_some_of_the_attributes_the_fault_is_told() -> None:
    reject = read_one(over_amqp({**EVENT, "id": "", "apitoken": "s3cret"}))
    assert [fault.pointer for fault in reject.faults] == ["/id"]
    assert json.loads(reject.arrival.body) == {**EVENT, "id": "", "apitoken": "***"}
    reject = read_one(over_amqp({"specversion": "1.0", "type": "t"}))
    assert [fault.pointer for fault in reject.faults] == ["/id", "/source"]
    reject = read_one(over_amqp(EVENT, None, {UNREADABLE_HEADERS: b"x"}))
    assert reject.reason is Reason.HEADERS


@pytest.mark.parametrize(
    "body",
    [
        {"specversion": "1.0"},
        {"id": "7", "source": "/jobs", "type": "t"},
        {**EVENT, "Event": "x"},
        {"Cluster": 1, "EventTypeNumber": 0, **EVENT},
        [EVENT],
        {"data": EVENT},
        b'{"specversion": "1.0", "id": "7"',
        {**EVENT, "data": "x" * message.MAX_BYTES},
    ],
    ids=str,
)
def test_what_is_none_by_its_body_is_for_those_of_condor(body: Any) -> None:
    assert not message.is_shaped(over_amqp(body))
    assert isinstance(read_one(over_amqp(body)), Reject)


def test_a_message_about_a_pipelinejob_may_have_one_for_its_data() -> None:
    headers = {"uuid": "1073f4ff-c2b9-5190-bd9a-e6a406d9796a", "token": "f" * 16, "event": "run"}
    event = read_one(over_amqp(EVENT, None, headers))
    assert event.job is not None
    assert event.name == "run"


def test_what_does_not_say_what_it_is() -> None:
    for body, content_type in (
        (b"x", "text/plain"),
        (b"", None),
        (b"x", "application/cloudevents+xml"),
    ):
        error = refused(message.read_http, over_http(body, content_type))
        assert error.reason is Reason.CONTENT_TYPE
        assert set(faults(error)) == {"Content-Type"}
        assert "ce-specversion" in error.remedy
    error = refused(message.read_http, over_http({"a": 1}, "application/json"))
    assert set(faults(error)) == {"/specversion", "/id", "/source", "/type"}
    assert "ce-specversion" in error.remedy
    error = refused(message.read_http, over_http(EVENT, f"{STRUCTURED}; charset=latin-1"))
    assert error.reason is Reason.CONTENT_TYPE


# --- what is wrong


@pytest.mark.parametrize(
    ("members", "pointers"),
    [
        ({"id": ""}, {"/id"}),
        ({"id": None}, {"/id"}),
        ({"id": 7}, {"/id"}),
        ({"id": "x" * 65537}, {"/id"}),
        ({"id": "a\nb"}, {"/id"}),
        ({"type": ""}, {"/type"}),
        ({"type": "t" * 513}, {"/type"}),
        ({"source": ""}, {"/source"}),
        ({"source": "a b"}, {"/source"}),
        ({"source": "grün"}, {"/source"}),
        ({"source": "7:a"}, {"/source"}),
        ({"source": "a#b#c"}, {"/source"}),
        ({"source": "%zz"}, {"/source"}),
        ({"source": "/" + "x" * 2048}, {"/source"}),
        ({"specversion": "0.3"}, {"/specversion"}),
        ({"specversion": 1.0}, {"/specversion"}),
        ({"time": "2026-02-30T00:00:00Z"}, {"/time"}),
        ({"time": "yesterday"}, {"/time"}),
        ({"subject": ""}, {"/subject"}),
        ({"dataschema": "a b"}, {"/dataschema"}),
        ({"dataContentType": "x"}, {"/dataContentType"}),
        ({"my-own": 1, "": 2, "ü": 3}, {"/my-own", "/", "/ü"}),
        ({"run": {"a": 1}, "other": [], "real": 1.5}, {"/run", "/other", "/real"}),
        ({"data": 1, "data_base64": "eA=="}, {"/data_base64"}),
        ({"data_base64": "x"}, {"/data_base64"}),
        ({"data_base64": "e A=="}, {"/data_base64"}),
        ({"data_base64": 7}, {"/data_base64"}),
        ({"id": "", "source": "", "type": 1, "time": "x", "A": 1},
         {"/id", "/source", "/type", "/time", "/A"}),
    ],
)  # fmt: skip
def test_every_fault_is_told(members: dict, pointers: set[str]) -> None:
    error = refused(message.read_http, over_http({**EVENT, **members}, STRUCTURED))
    assert isinstance(error, Invalid)
    assert set(faults(error)) == pointers


def test_faults_of_binary_mode_are_told_by_the_header() -> None:
    wrong = {"ce-specversion": "0.3", "ce-time": "x", "ce-my-own": "1", "ce-datacontenttype": "a/b"}
    error = refused(message.read_http, over_http(b"x", "text/plain", **wrong))
    assert set(faults(error)) == {*wrong, "ce-id", "ce-source", "ce-type"}
    assert faults(error)["ce-id"] == "nothing"


@pytest.mark.parametrize("document", [[], [EVENT], "x", 7, None])
def test_a_structured_event_is_an_object(document: Any) -> None:
    for read, over in ((message.read_http, over_http), (message.read, over_amqp)):
        error = refused(read, over(document, STRUCTURED))
        assert (error.reason, set(faults(error))) == (Reason.SCHEMA, {""})


@pytest.mark.parametrize(
    "body",
    [
        b'{"id": "\\u0000"}',
        b'{"id": "\\ud800"}',
        b'{"id": "a", "id": "b"}',
        b'{"data": ' + b"[" * 100_000,
        b'{"data": NaN}',
        b'{"data": 1e999}',
        b'{"id": "\xff"}',
        b'{"a": 99999999999999999999}',
        b"{",
        b"",
        b" ",
    ],
    ids=range(11),
)
def test_text_that_cannot_be_kept(body: bytes) -> None:
    for read, over in ((message.read_http, over_http), (message.read, over_amqp)):
        assert refused(read, over(body, STRUCTURED)).reason is Reason.NOT_JSON
    assert refused(message.read_batch, over_http(b"[" + body, BATCH)).reason is Reason.NOT_JSON


def test_ten_thousand_extensions() -> None:
    many = {f"x{number}": "v" for number in range(10_000)}
    assert message.read_http(over_http({**EVENT, **many}, STRUCTURED)).data == {**EVENT, **many}
    wrong = {f"X{number}": "v" for number in range(10_000)}
    assert len(refused(message.read_http, over_http({**EVENT, **wrong}, STRUCTURED)).faults) == 50


def test_a_batch_is_refused_with_the_faults_of_all() -> None:
    batch = [EVENT, {**EVENT, "id": ""}, 7, {**EVENT, "type": None, "a/b": 1}]
    error = refused(message.read_batch, over_http(batch, BATCH))
    assert list(faults(error)) == ["/1/id", "/2", "/3/type", "/3/a~1b"]
    assert message.read_batch(over_http([], BATCH)) == []
    assert set(faults(refused(message.read_batch, over_http(EVENT, BATCH)))) == {""}
    assert len(refused(message.read_batch, over_http([7] * 1000, BATCH)).faults) == 50


def test_what_amqp_does_not_take() -> None:
    cases = {
        Reason.SEVERAL_EVENTS: over_amqp([EVENT], BATCH),
        Reason.CONTENT_TYPE: over_amqp(b"x", "application/cloudevents+protobuf"),
        Reason.ENCODING: over_amqp(EVENT, STRUCTURED, content_encoding="gzip"),
        Reason.HEADERS: over_amqp(EVENT, STRUCTURED, {UNREADABLE_HEADERS: b"x"}),
        Reason.TOO_LARGE: over_amqp({**EVENT, "data": "x" * message.MAX_BYTES}, STRUCTURED),
    }
    for reason, arrival in cases.items():
        assert refused(message.read, arrival).reason is reason
    assert message.read(over_amqp(EVENT, STRUCTURED, content_encoding="UTF-8")).data == EVENT


# --- secrets


def test_attributes_that_are_secret_by_their_names_are_masked() -> None:
    document = {**EVENT, "apitoken": "s3cret", "data": {"token": "the sender's own"}}
    masked = {**document, "apitoken": "***"}
    event = message.read_http(over_http(document, STRUCTURED))
    assert (event.data, json.loads(event.raw)) == (masked, masked)
    headers = {**HEADERS, "ce-apitoken": "s3cret"}
    event = message.read(over_amqp(b"x", "text/plain", headers))
    assert event.data["apitoken"] == "***"
    assert b"s3cret" not in event.raw


def test_a_refused_event_is_kept_without_them_and_with_its_data() -> None:
    document = {**EVENT, "id": "", "apitoken": "s3cret", "data": {"token": "the sender's own"}}
    error = refused(message.read, over_amqp(document, STRUCTURED))
    assert json.loads(error.kept) == {**document, "apitoken": "***"}
    body = b'{"token": "the sender\'s own"}'
    error = refused(message.read, over_amqp(body, "text/json", {**HEADERS, "ce-id": ""}))
    assert error.kept == body
    assert "s3cret" not in str(
        faults(refused(message.read, over_amqp({"apitoken": ["s3cret"]}, STRUCTURED)))
    )


# --- events made by a library that is not ours

_TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs", "Cn"]), min_size=1, max_size=20)
_EXTENSIONS = st.dictionaries(
    st.from_regex("[a-z0-9]{1,20}", fullmatch=True).filter(
        lambda name: not is_secret_name(name) and name not in {*EVENT, "data", "subject", "time"}
    ),
    _TEXT,
    max_size=4,
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | _TEXT
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
_DATA = st.one_of(
    st.tuples(st.just("application/json"), st.dictionaries(_TEXT, _JSON, max_size=3)),
    st.tuples(st.just("text/plain"), _TEXT),
    st.tuples(st.just("application/octet-stream"), st.binary(min_size=1, max_size=40)),
)
_TIMES = st.datetimes(
    datetime(1, 1, 3), datetime(9999, 12, 29),
    timezones=st.integers(-23 * 60, 23 * 60).map(lambda m: timezone(timedelta(minutes=m))),
)  # fmt: skip


@st.composite
def events(draw: st.DrawFn) -> CloudEvent:
    content_type, data = draw(_DATA)
    attributes = {
        "id": draw(_TEXT), "type": draw(_TEXT), "subject": draw(_TEXT), "time": draw(_TIMES),
        "source": draw(st.sampled_from(["/jobs", "urn:a:b", "https://h/p?q=%20#f", "a/b:c"])),
        "datacontenttype": content_type, **draw(_EXTENSIONS),
    }  # fmt: skip
    return CloudEvent(attributes, data)


def assert_same(event: Event, made: CloudEvent) -> None:
    """Assert that the library reads what we keep as the event that it made."""
    read = JSONFormat().read(None, json.dumps(event.data).encode())
    assert read.get_attributes() == made.get_attributes()
    data = read.get_data()
    assert data == made.get_data()
    assert event.occurred_at == made.get_time()
    assert event.checksum == identity(made.get_source(), made.get_id())
    assert wiring.recognise(None, event.name, event.checksum, event.source, event.raw)


@settings(max_examples=150, deadline=None)
@given(events())
def test_events_of_the_library_come_back_as_they_were(made: CloudEvent) -> None:
    sent = http.to_structured_event(made)
    assert_same(message.read_http(over_http(sent.body, sent.headers["content-type"])), made)
    (event,) = message.read_batch(over_http(b"[" + sent.body + b"]", BATCH))
    assert_same(event, made)
    sent = http.to_binary_event(made)
    headers = {name: value for name, value in sent.headers.items() if name.startswith("ce-")}
    assert_same(
        message.read_http(over_http(sent.body, sent.headers["content-type"], **headers)), made
    )
    for make in (rabbitmq.to_structured_event, rabbitmq.to_binary_event):
        sent = make(made)
        arrival = over_amqp(sent.body, sent.content_type, sent.headers)
        assert message.is_one(arrival)
        assert_same(message.read(arrival), made)


_ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.binary(max_size=5) | st.datetimes(),
    lambda inner: st.lists(inner, max_size=2)
    | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)  # fmt: skip
_HEADERS = st.dictionaries(
    st.sampled_from([*HEADERS, "ce-time", "cloudEvents:id", "ce-", "ce-data", "ce-x\0", "y", 5]),
    _ODD,
)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=30), st.none() | st.text(max_size=10) | st.just(STRUCTURED), _HEADERS)
def test_whatever_comes_is_an_event_or_refused_with_reasons(body, content_type, headers) -> None:
    arrival = over_amqp(body, content_type, {**HEADERS, **headers})
    (read,) = read_all(DOORS, [arrival])
    if isinstance(read, Reject):
        assert read.faults
        assert read.reason is not Reason.INTERNAL
        return
    assert wiring.recognise(None, read.name, read.checksum, read.source, read.raw)
    base64.b64decode(read.data.get("data_base64", ""), validate=True)
