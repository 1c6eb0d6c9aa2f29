"""CloudEvents over real HTTP and a real broker, made by a library that is not ours."""

from __future__ import annotations

import json
import random
import string
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from typing import Any

import pytest
import requests
from cloudevents.core.bindings import amqp, http, rabbitmq
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from pika import BasicProperties

from jexevents import wiring
from jexevents.config import from_mapping
from jexevents.model import Arrival, Outcome, Reason, Role
from jexevents.retry import Tally
from jexevents.sidecar.bind import Binding
from jexevents.sidecar.server import Server
from jexevents.sources.cloudevents.words import BATCH, STRUCTURED
from jexevents.store.reject_list import Choice
from jexevents.store.verify import Scope, Verification
from tests.integration.web import Answer, assert_problem, bearer, call
from tests.ledger import NOON, TestLedger, message, submitted
from tests.pipeline import Sent, running

EVENT = {"specversion": "1.0", "id": "7", "source": "/jobs", "type": "org.example.done"}
TIME = datetime(2026, 2, 3, 4, 5, 6, tzinfo=timezone.utc)
MAX_BYTES = 4 << 20


def post(ledger: TestLedger, body: Any, content_type: str = STRUCTURED, **headers: str) -> Answer:
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
    return call(ledger.app, "POST", "/events", body, CONTENT_TYPE=content_type, **fields)


def stored(ledger: TestLedger) -> list[dict]:
    """The events of the ledger, the first stored first."""
    return list(reversed(ledger.get("/ledger/events")["items"]))


def made(own_id: str, data: Any = None, content_type: str = "application/json") -> CloudEvent:
    attributes = {
        "id": own_id, "source": "/jobs", "type": "org.example.done", "time": TIME,
        "datacontenttype": content_type, "subject": "Euro € 😀", "run": "5",
    }  # fmt: skip
    return CloudEvent(attributes, {"a": [1]} if data is None else data)


def assert_kept(row: dict, event: CloudEvent) -> None:
    """Assert that a row of the ledger is this event, as the library itself reads it."""
    assert (row["name"], row["source"]) == (event.get_type(), event.get_source())
    assert (row["job_id"], row["occurred_at"]) == (None, "2026-02-03T04:05:06Z")
    for text in (json.dumps(row["data"]), row["raw"]):
        read = JSONFormat().read(None, text.encode())
        assert read.get_attributes() == event.get_attributes()
        assert read.get_data() == event.get_data()


def assert_verified(ledger: TestLedger) -> None:
    pages = Verification(ledger.database, Scope(), wiring.recognise).pages()
    assert [found for page in pages for found in page.differences] == []


@pytest.fixture
def url(ledger: TestLedger) -> Iterator[str]:
    server = Server(ledger.app, Binding(("127.0.0.1",), 0), max_body_bytes=MAX_BYTES)
    server.start()
    yield "http://{}:{}/events".format(*server.address)
    server.stop()
    assert server.join(10)


# --- over HTTP


def test_the_three_modes_over_http(ledger: TestLedger, url: str) -> None:
    sent = [
        (made("1"), http.to_binary_event),
        (made("2", "grün", "text/plain"), http.to_binary_event),
        (made("3", b"\x00\xff", "application/octet-stream"), http.to_binary_event),
        (made("4"), http.to_structured_event),
        (made("5", b"\x00\xff", "application/octet-stream"), http.to_structured_event),
    ]
    for event, make in sent:
        message = make(event)
        for status, result in ((201, "accepted"), (200, "duplicate")):
            answer = requests.post(url, message.body, headers=message.headers, timeout=20)
            told = {"id": event.get_id(), "source": "/jobs", "type": "org.example.done"}
            assert (answer.status_code, answer.json()) == (status, {"result": result, **told})
    batch = [made("1"), made("6"), made("7"), made("6")]
    body = b"[" + b",".join(http.to_structured_event(event).body for event in batch) + b"]"
    answer = requests.post(url, body, headers={"Content-Type": BATCH}, timeout=20)
    assert answer.status_code == 200
    assert [(one["id"], one["result"]) for one in answer.json()["items"]] == [
        ("1", "duplicate"), ("6", "accepted"), ("7", "accepted"), ("6", "duplicate"),
    ]  # fmt: skip
    rows = stored(ledger)
    events = [event for event, _ in sent] + batch[1:3]
    assert len(rows) == len(events)
    for row, event in zip(rows, events, strict=True):
        assert_kept(row, event)
    assert_verified(ledger)


def test_curl_without_headers(ledger: TestLedger) -> None:
    form = "application/x-www-form-urlencoded"
    assert post(ledger, EVENT, form).status == 201
    assert post(ledger, [EVENT, {**EVENT, "id": "8"}], form).json()["items"][1]["id"] == "8"
    assert post(ledger, [], BATCH).json() == {"items": []}
    assert ledger.count("events") == 2


def test_the_same_source_and_id_is_a_duplicate_whatever_it_says(ledger: TestLedger) -> None:
    assert post(ledger, EVENT).status == 201
    assert post(ledger, {**EVENT, "type": "other", "data": 1}).json()["result"] == "duplicate"
    for name in ("id", "source"):
        assert post(ledger, {**EVENT, name: "8"}).status == 201
    first = ledger.get("/ledger/events", "source=/jobs&name=org.example.done")["items"][-1]
    assert "data" not in first["data"]


def test_at_the_same_moment_one_is_stored(ledger: TestLedger) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: post(ledger, [EVENT, EVENT], BATCH), range(16)))
    results = [one["result"] for answer in answers for one in answer.json()["items"]]
    assert sorted(results) == ["accepted", *["duplicate"] * 31]
    assert ledger.count("events") == ledger.count("event_identities") == 1


def test_a_malformed_one_is_answered_and_not_kept(ledger: TestLedger) -> None:
    cases = [
        (post(ledger, {**EVENT, "id": "", "time": "x"}), 422, ["/id", "/time"]),
        (post(ledger, {"a": 1}, "application/json"), 422,
         ["/id", "/source", "/specversion", "/type"]),
        (post(ledger, {**EVENT, "specversion": "0.3"}), 422, ["/specversion"]),
        (post(ledger, b"{"), 400, [""]),
        (post(ledger, b'{"id": "\\u0000"}'), 400, ["/id"]),
        (post(ledger, b'{"data":' + b"[" * 500_000), 400, [""]),
        (post(ledger, b"x", "text/plain"), 415, ["Content-Type"]),
        (post(ledger, b"x", "application/cloudevents+avro"), 415, ["Content-Type"]),
        (post(ledger, EVENT, f"{STRUCTURED}; charset=utf-16"), 415, ["Content-Type"]),
        (post(ledger, b"", ""), 415, ["Content-Type"]),
        (post(ledger, b"x", "text/plain", **{"ce-id": "%ff"}), 422,
         ["ce-id", "ce-source", "ce-specversion", "ce-type"]),
        (post(ledger, [EVENT, {**EVENT, "id": None}, 7], BATCH), 422, ["/1/id", "/2"]),
        (post(ledger, EVENT, BATCH), 422, [""]),
        (post(ledger, [EVENT], STRUCTURED), 422, [""]),
        (post(ledger, b" " * (MAX_BYTES + 1)), 413, [""]),
        (post(ledger, EVENT, **{"content-encoding": "gzip"}), 415, ["Content-Encoding"]),
    ]  # fmt: skip
    for number, (answer, status, pointers) in enumerate(cases):
        problem = assert_problem(answer, status)
        assert sorted(fault["pointer"] for fault in problem["errors"]) == pointers, number
    assert "1.0" in cases[2][0].json()["errors"][0]["expected"]
    assert "ce-specversion" in cases[1][0].json()["detail"]
    assert ledger.count("events") == ledger.count("rejects") == 0


def test_a_batch_is_one_transaction(ledger: TestLedger) -> None:
    _check(ledger, "add check (name <> 'refused')")
    events = [{**EVENT, "id": str(number)} for number in range(50)]
    answer = post(ledger, [*events, {**EVENT, "id": "x", "type": "refused"}], BATCH)
    assert_problem(answer, 422)
    assert ledger.count("events") == ledger.count("event_identities") == 0
    assert post(ledger, events, BATCH).status == 200
    assert ledger.count("events") == 50


def test_the_longest_that_is_taken_can_be_kept(ledger: TestLedger) -> None:
    # At random, for what repeats itself PostgreSQL would make shorter.
    draw = random.Random(7)
    longest = {
        **EVENT, "id": "i" * 65536, "source": "".join(draw.choices(string.ascii_letters, k=2048)),
        "type": "".join(chr(draw.randrange(0x10000, 0x20000)) for _ in range(512)),
        "subject": "x" * 65536,
        **{f"x{number}": "v" for number in range(10_000)}, "data": "x" * 1_000_000,
    }  # fmt: skip
    answer = post(ledger, longest)
    assert answer.status == 201, answer.body[:300]
    assert stored(ledger)[0]["data"] == longest
    assert_verified(ledger)


def test_a_sender_may_ask_first(ledger: TestLedger) -> None:
    ledger.token(Role.WRITE)
    asks = {"HTTP_WEBHOOK_REQUEST_ORIGIN": "events.example.org"}
    answer = call(ledger.app, "OPTIONS", "/events", **asks)
    allowed = {name: answer.headers.get(f"WebHook-Allowed-{name}") for name in ("Origin", "Rate")}
    assert (answer.status, answer.headers["Allow"]) == (204, "OPTIONS, POST")
    assert allowed == {"Origin": "*", "Rate": "*"}
    for path, fields in (("/events", {}), ("/jobs", asks), ("/ledger/events", asks)):
        answer = call(ledger.app, "OPTIONS", path, **fields)
        assert answer.status == 204
        assert not any(name.lower().startswith("webhook") for name in answer.headers)


def test_roles(ledger: TestLedger) -> None:
    reader, writer = bearer(ledger.token(Role.READ)), bearer(ledger.token(Role.WRITE))
    body = json.dumps(EVENT).encode()
    for who, status in (({}, 401), (reader, 403), (writer, 201)):
        assert call(ledger.app, "POST", "/events", body, **who).status == status


def test_what_another_ledger_sends_drives_no_job(ledger: TestLedger) -> None:
    ledger.send(message(submitted()))
    before = ledger.job("222")
    data = {"kind": "condor", "key": "222", "state": "Completed", "name": "JOB_TERMINATED"}
    event = {**EVENT, "type": "jexevents.condor.JOB_TERMINATED", "subject": "222", "data": data}
    assert post(ledger, event).status == 201
    assert ledger.job("222") == before
    assert ledger.count("jobs") == 1
    assert_verified(ledger)


def test_an_event_that_was_changed_is_found(ledger: TestLedger) -> None:
    post(ledger, EVENT)
    post(ledger, {**EVENT, "id": "8"})
    with ledger.database.transaction() as connection, connection.cursor() as cursor:
        cursor.execute("update events set raw = %s where seq = 1", (b'{"specversion": "1.0"}',))
    pages = Verification(ledger.database, Scope(), wiring.recognise).pages()
    (found,) = [found for page in pages for found in page.differences]
    assert (found.column, found.seq) == ("events.checksum", 1)


# --- over AMQP


def test_all_forms_through_a_real_broker_beside_those_of_condor(
    ledger: TestLedger, vhost: str
) -> None:
    events = [made(str(number)) for number in range(4)]
    knative = rabbitmq.to_binary_event(events[0])
    structured = rabbitmq.to_structured_event(events[1])
    of_amqp = amqp.to_binary_event(events[2])
    colons = {
        name.replace("cloudEvents_", "cloudEvents:"): value
        for name, value in amqp.to_binary_event(events[3]).application_properties.items()
    }
    sent = [
        Sent(knative.body, _properties(knative.content_type, knative.headers)),
        Sent(structured.body, _properties(structured.content_type)),
        message(submitted()),
        Sent(
            of_amqp.application_data,
            _properties("application/json", of_amqp.application_properties),
        ),
        Sent(of_amqp.application_data, _properties("application/json", colons)),
        Sent(structured.body, _properties(structured.content_type.upper() + "; charset=UTF-8")),
        Sent(structured.body, _properties(None)),
        Sent(b"[" + structured.body + b"]", _properties(BATCH)),
        Sent(b"x", _properties("application/cloudevents+avro")),
        Sent(b"x", _properties("text/plain", {"ce-id": "1", "ce-type": "t"})),
    ]
    with running(vhost, ledger) as pipeline:
        outcomes = [pipeline.send(one)[0][1] for one in sent]
    rejected = [Outcome.REJECTED] * 3
    assert outcomes == [*[Outcome.ACCEPTED] * 5, *[Outcome.DUPLICATE] * 2, *rejected]
    rows = [row for row in stored(ledger) if row["job_id"] is None]
    for row, event in zip(rows, events, strict=True):
        assert_kept(row, event)
    assert ledger.job("222")["state"] == "Submitted"
    reasons = [row["reason"] for row in ledger.reading.rejects(limit=10)]
    assert reasons == [Reason.SCHEMA.value, Reason.CONTENT_TYPE.value, Reason.SEVERAL_EVENTS.value]
    assert_verified(ledger)


def _properties(content_type: str | None, headers: dict | None = None) -> BasicProperties:
    return BasicProperties(content_type=content_type, headers=headers)


def test_both_doors_know_each_other_s(ledger: TestLedger) -> None:
    arrival = Arrival(
        json.dumps(EVENT).encode(), NOON, "amqp:q", properties={"content_type": STRUCTURED}
    )
    assert ledger.ingest.handle([arrival, arrival]) == [Outcome.ACCEPTED, Outcome.DUPLICATE]
    assert post(ledger, EVENT).json()["result"] == "duplicate"
    plain = arrival._replace(properties={})
    assert ledger.ingest.handle([plain]) == [Outcome.DUPLICATE]
    document = {**EVENT, "id": "8"}
    assert post(ledger, document, "application/json").json()["result"] == "accepted"
    again = plain._replace(body=json.dumps(document).encode())
    assert ledger.ingest.handle([again]) == [Outcome.DUPLICATE]


def test_a_reject_can_be_tried_again(ledger: TestLedger, vhost: str) -> None:
    """As after a change of the database, which refused it."""
    said = {**EVENT, "type": "refused", "time": TIME, "apitoken": "s3cret", "count": 5}
    headers = {f"cloudEvents:{name}": value for name, value in said.items()}
    _check(ledger, "add constraint no check (name <> 'refused')")
    with running(vhost, ledger) as pipeline:
        sent = Sent(b'{"token": "data"}', _properties("application/json", headers))
        assert pipeline.send(sent)[0][1] is Outcome.REJECTED
        document = {**said, "id": "8", "time": None, "data": {"token": "data"}}
        sent = Sent(json.dumps(document).encode(), _properties(STRUCTURED))
        assert pipeline.send(sent)[0][1] is Outcome.REJECTED
        sent = Sent(json.dumps({**document, "id": "9"}).encode(), _properties(None))
        assert pipeline.send(sent)[0][1] is Outcome.REJECTED
    rejects = ledger.get("/ledger/rejects")["items"]
    assert {one["reason"] for one in rejects} == {Reason.REFUSED_BY_DATABASE.value}
    assert "s3cret" not in json.dumps(rejects)
    assert _retry(ledger) == Tally(refused=3)
    _check(ledger, "drop constraint no")
    assert _retry(ledger) == Tally(stored=3)
    kept = {**EVENT, "type": "refused", "apitoken": "***", "count": 5, "data": {"token": "data"}}
    typed = {"time": "2026-02-03T04:05:06Z", "datacontenttype": "application/json"}
    assert [row["data"] for row in stored(ledger)] == [
        {**kept, **typed},
        {**kept, "id": "8"},
        {**kept, "id": "9"},
    ]
    assert_verified(ledger)


def _check(ledger: TestLedger, change: str) -> None:
    with ledger.database.transaction() as connection, connection.cursor() as cursor:
        cursor.execute(f"alter table events {change}")


def _retry(ledger: TestLedger) -> Tally:
    config = from_mapping({"LogTimeZone": "UTC"})
    *_, tally = wiring.retry(config, ledger.database).run(Choice(), 1000)
    return tally
