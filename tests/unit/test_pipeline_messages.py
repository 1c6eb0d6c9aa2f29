"""Messages about PipelineJobs: which are, what they say, what of them is kept."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from jexevents.errors import Invalid, Unacceptable
from jexevents.lifecycle import pipeline
from jexevents.model import Arrival, Event, Kind, Position, Proof, Right, Secret
from jexevents.sources.pipelinejobs import events, message
from jexevents.sources.pipelinejobs.secret import hashed
from tests.support import ROOT

SAMPLES = ROOT / "tests" / "samples" / "pipelinejobs"
NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
JOB, TOKEN = "1073f4ff-c2b9-5190-bd9a-e6a406d9796a", "0dc73dc3ff39b49a"
EVENT = {"uuid": JOB, "name": "finish", "token": TOKEN}
URL = {"uuid": JOB, "token": TOKEN}
AGAVE = {
    "id": "6874237679603805720-242ac11b-0001-007",
    "name": "fresh-yak",
    "owner": "sd2eadm",
    "appId": "fcs-etl-0.3.6u12",
    "executionSystem": "hpc-tacc-jetstream",
    "archivePath": "/biofab/fresh-yak",
    "archiveSystem": "data-sd2e-community",
    "status": "RUNNING",
    "lastUpdated": "2026-03-01T06:46:02.000-05:00",
    "retries": 0,
    "localId": "1264",
    "inputs": {"inputData": ["agave://data/x"]},
    "parameters": {},
    "_links": {"self": {"href": "https://api.example.org/jobs/v2/1"}},
}
TAPIS = {
    "uuid": "5693bf0c-53bb-4564-bcb5-cea40399a7ef",
    "tenant": "designsafe",
    "event": {
        "source": "https://tapis.io/jobs",
        "type": "jobs.JOB_NEW_STATUS.FINISHED",
        "subject": "6d4eb881-da3d-4350-9b05-4dee29750b3f-007",
        "data": json.dumps({"newJobStatus": "FINISHED", "remoteSubmitted": "2023-01-01T00:00:00Z"}),
        "seriesId": "6d4eb881-007",
        "seriesSeqCount": 9,
        "timestamp": "2026-03-01T11:59:34.182630973Z",
        "uuid": "fb1e41fb-00c2-4d2e-8d4a-cadeaf94d975",
    },
}


def sent(document: Any, query: dict | None = None, **more: Any) -> Arrival:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    properties = {"query": {} if query is None else query, **more}
    return Arrival(body, NOON, "http:pipelinejobs", properties=properties)


def queued(document: Any, headers: dict | None = None, **properties: Any) -> Arrival:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    if headers:
        properties["headers"] = headers
    return Arrival(body, NOON, "amqp:q", properties=properties)


def read(document: Any, query: dict | None = None, **more: Any) -> Event:
    return message.read(sent(document, query, **more))


def faults(document: Any, query: dict | None = None) -> dict[str, str]:
    with pytest.raises(Unacceptable) as raised:
        read(document, query)
    return {fault.pointer: fault.expected for fault in raised.value.faults}


# --- JSON events


def test_a_json_event() -> None:
    found = read({**EVENT, "data": {"a": 1}})
    assert (found.kind, found.job.key, found.name) == (Kind.PIPELINE, JOB, "finish")
    assert (found.data, found.occurred_at, found.unless_latest) == ({"a": 1}, NOON, True)
    assert found.proof == Secret(hashlib.sha256(TOKEN.encode()).digest())


def test_names_ids_and_tokens_are_taken_in_any_case() -> None:
    found = read({"uuid": JOB.upper(), "name": "Finish", "token": TOKEN.upper()})
    assert (found.job.key, found.name) == (JOB, "finish")
    assert found.proof == Secret(hashed(TOKEN))


@pytest.mark.parametrize("name", ["event--tacobot-run", "event--tacobot-fail"])
def test_events_of_the_original(name: str) -> None:
    document = json.loads((SAMPLES / f"{name}.json").read_text())
    assert read(document).data == document["data"]


def test_what_a_document_leaves_out_the_url_may_say() -> None:
    found = read({"name": "run"}, URL)
    assert (found.job.key, found.proof) == (JOB, Secret(hashed(TOKEN)))


def test_a_token_in_the_document_wins_over_one_beside_it() -> None:
    other = {"uuid": JOB, "token": "f" * 16}
    assert read(EVENT, other).proof == Secret(hashed(TOKEN))


def test_without_a_token_nothing_is_proven() -> None:
    assert read({"uuid": JOB, "name": "run"}).proof == Secret(hashed(""))


def test_a_key_makes_the_identity() -> None:
    first, again = (read(EVENT, idempotency_key="k") for _ in range(2))
    assert first.checksum == again.checksum
    assert not first.unless_latest
    assert message.read(queued(EVENT, message_id="k")).checksum == first.checksum
    assert read(EVENT).checksum != read(EVENT).checksum


@pytest.mark.parametrize(
    ("document", "pointer", "expected"),
    [
        ({"name": "run"}, "/uuid", "required"),
        ({"uuid": JOB}, "/name", "required"),
        ({**EVENT, "uuid": "1"}, "/uuid", "a UUID"),
        ({**EVENT, "name": "nosuch"}, "/name", "one of"),
        ({**EVENT, "name": "create"}, "/name", "one of"),
        ({**EVENT, "name": 7}, "/name", "string"),
        ({**EVENT, "data": [1]}, "/data", "object"),
        ({**EVENT, "token": "short"}, "/token", "at least 16"),
        ({**EVENT, "more": 1}, "/more", "no such member"),
        ([EVENT], "", "object"),
        (b"7", "", "object"),
        (b"{", "", "JSON"),
        (b"", "", "JSON"),
    ],
)
def test_each_fault_is_named(document: Any, pointer: str, expected: str) -> None:
    assert expected in faults(document)[pointer]


# --- URL parameters


def test_url_parameters_with_the_body_as_data() -> None:
    found = read({"arbitrary": "key value data"}, {**URL, "event": "finish"})
    assert (found.job.key, found.name) == (JOB, "finish")
    assert found.data == {"arbitrary": "key value data"}
    assert found.proof == Secret(hashed(TOKEN))


def test_url_parameters_without_a_body() -> None:
    assert read(b"", {**URL, "event": "run"}).data == {}


def test_the_body_of_a_url_event_is_data_and_nothing_else() -> None:
    found = read({"uuid": "x", "token": "y" * 16}, {**URL, "event": "RUN"})
    assert (found.job.key, found.proof) == (JOB, Secret(hashed(TOKEN)))
    assert found.data == {"uuid": "x", "token": "y" * 16}


def test_faults_of_url_parameters() -> None:
    assert "required" in faults(b"", {"event": "run", "token": TOKEN})["uuid"]
    assert "one of" in faults(b"", {**URL, "event": "create"})["event"]
    assert "17" in faults(b"", {**URL, "event": "run", "token": "f" * 18})["token"]
    assert "object" in faults(b"[]", {**URL, "event": "run"})[""]


# --- callbacks of Agave


def test_a_callback_of_agave() -> None:
    found = read(AGAVE, {**URL, "status": "FINISHED"})
    assert (found.job.key, found.name, found.source) == (JOB, "agave.FINISHED", "agave")
    assert found.occurred_at == datetime(2026, 3, 1, 11, 46, 2, tzinfo=timezone.utc)
    assert (found.occurred_offset, found.format) == ("-05:00", "agave")
    assert not {"_links", "retries", "localId"} & found.data.keys()
    assert found.data["inputs"] == AGAVE["inputs"]
    assert found.proof == Secret(hashed(TOKEN))


def test_the_status_of_the_body_counts_where_the_url_has_none() -> None:
    assert read(AGAVE, URL).name == "agave.RUNNING"
    assert read(AGAVE, {**URL, "status": "no_such"}).name == "agave.NO_SUCH"


def test_id_status_and_last_update_are_the_identity() -> None:
    first = read(AGAVE, URL)
    assert read({**AGAVE, "name": "other"}, URL).checksum == first.checksum
    for name in ("id", "lastUpdated"):
        assert read({**AGAVE, name: AGAVE[name] + "1"}, URL).checksum != first.checksum
    assert read(AGAVE, {**URL, "status": "PAUSED"}).checksum != first.checksum


def test_without_an_id_the_whole_is_the_identity_within_its_job() -> None:
    bare = {name: value for name, value in AGAVE.items() if name != "id"}
    first = read(bare, URL)
    assert first.format is None
    assert read(bare, URL).checksum == first.checksum
    assert read({**bare, "name": "other"}, URL).checksum != first.checksum


@pytest.mark.parametrize(
    ("times", "at"),
    [
        ({"lastUpdated": None, "endTime": "2026-03-01T11:00:00Z"}, NOON - timedelta(hours=1)),
        ({"lastUpdated": "yesterday"}, NOON),
        ({"lastUpdated": None}, NOON),
        ({"lastUpdated": "2026-03-01T06:00:00.000-0500"}, NOON - timedelta(hours=1)),
        ({"lastUpdated": "2026-03-01T06:00:00.000"}, NOON),
        ({"lastUpdated": "2026-03-02T11:00:00Z"}, NOON + timedelta(hours=23)),
        ({"lastUpdated": "2027-01-01T00:00:00Z"}, NOON),
    ],
)
def test_the_time_of_a_callback(times: dict, at: datetime) -> None:
    assert read({**AGAVE, **times}, URL).occurred_at == at


def test_faults_of_a_callback_are_all_named() -> None:
    bare = {name: value for name, value in AGAVE.items() if name not in ("appId", "_links")}
    found = faults(bare, {"status": "a b", "token": TOKEN})
    assert set(found) == {"/appId", "/_links", "uuid", "status"}


def test_five_megabytes_of_inputs_are_fine() -> None:
    large = {**AGAVE, "inputs": {"x": ["y" * 1000] * 5000}}
    assert len(read(large, URL).data["inputs"]["x"]) == 5000


# --- notifications of Tapis


def test_a_notification_of_tapis() -> None:
    found = read(TAPIS, URL)
    assert (found.name, found.source, found.format) == ("tapis.FINISHED", "tapis", "tapis")
    assert found.position == Position("tapis:6d4eb881-007", 9)
    assert found.occurred_at == datetime(2026, 3, 1, 11, 59, 34, 182630, tzinfo=timezone.utc)
    assert found.data["data"] == {"newJobStatus": "FINISHED"}


def test_a_notification_whose_type_says_the_status() -> None:
    bare = {**TAPIS, "event": {"type": "jobs.JOB_NEW_STATUS.STAGING_INPUTS", "data": "{"}}
    found = read({**bare, "timestamp": "2026-03-01T11:00:00Z", "eventUuid": "e"}, URL)
    assert (found.name, found.position) == ("tapis.STAGING_INPUTS", None)
    assert (found.occurred_at, found.format) == (NOON - timedelta(hours=1), "tapis")


@pytest.mark.parametrize("told", ["notifications.test.begin", "jobs.JOB_USER_EVENT.FAILED"])
def test_a_notification_of_something_else_is_an_update(told: str) -> None:
    other = {**TAPIS, "event": {**TAPIS["event"], "type": told, "data": None}}
    assert pipeline.edge_of(read(other, URL).name) == "update"


def test_a_placeholder_that_was_not_replaced_is_named_as_one() -> None:
    found = faults(AGAVE, {**URL, "status": "${JOB_STATUS}"})
    assert "placeholder" in found["status"]


def test_a_notification_without_its_job_is_refused() -> None:
    assert "beside the body" in faults(TAPIS, {"token": TOKEN})["uuid"]


# --- off a queue


@pytest.mark.parametrize(
    ("arrival", "name"),
    [
        (queued(EVENT), "finish"),
        (queued(EVENT, type="pipelinejob_manager_event"), "finish"),
        (queued({}, {**URL, "event": "run"}), "run"),
        (queued(b"", {**URL, "event": "run"}), "run"),
        (queued(AGAVE, {**URL, "status": "FINISHED"}), "agave.FINISHED"),
        (queued(AGAVE, {**URL, "type": "agave_job_callback"}), "agave.RUNNING"),
        (queued(AGAVE, URL, type="agave_job_callback"), "agave.RUNNING"),
        (queued(TAPIS, URL), "tapis.FINISHED"),
    ],
)
def test_the_same_come_off_a_queue(arrival: Arrival, name: str) -> None:
    assert message.is_one(arrival)
    assert message.read(arrival).name == name


@pytest.mark.parametrize(
    ("arrival", "pointer"),
    [
        (queued({"uuid": JOB, "token": TOKEN, "nam": "run"}), "/name"),
        (queued({"token": TOKEN, "name": "run"}), "/uuid"),
        (queued({"uuid": JOB, "action": "delete", "token": TOKEN}), "/action"),
        (queued(b"hello", {**URL, "event": "update"}), ""),
    ],
)
def test_what_has_a_fault_is_told_so_off_a_queue_too(arrival: Arrival, pointer: str) -> None:
    assert message.is_one(arrival)
    with pytest.raises(Unacceptable) as raised:
        message.read(arrival)
    assert pointer in [fault.pointer for fault in raised.value.faults]
    assert TOKEN.encode() not in raised.value.kept


@pytest.mark.parametrize(
    "body",
    [
        b'{"Event": "000 (1.0.0) ... uuid name\\n...\\n", "Hash": ""}',
        b'{"Source": "\\"uuid\\"", "Event": "000 ..."}',
        b'{"EventTypeNumber": 28, "uuid": "x", "name": "y"}',
        b"000 (001.000.000) 2026-03-01 12:00:00 Job submitted\n...\n",
        b'<c><a n="uuid"/></c>',
        b"",
        b'{"uuid"',
        b'{"uuid": 1}',
    ],
)
def test_what_a_log_monitor_sends_is_no_message_about_a_pipelinejob(body: bytes) -> None:
    assert not message.is_one(queued(body))


# --- secrets


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({**EVENT, "data": {"note": f"sent with {TOKEN}"}}),
        json.dumps({**EVENT, "data": {TOKEN: [TOKEN]}}),
        json.dumps({**EVENT, "data": {"path": "C:\\x"}}),
        json.dumps(EVENT).replace("0dc7", "\\u0030dc7"),
        json.dumps({**EVENT, "token": "1234567890123456", "data": {"n": 1234567890123456}}),
    ],
)
def test_the_token_is_kept_nowhere(body: str) -> None:
    token = json.loads(body)["token"]
    found = read(body.encode())
    kept = found.raw.decode() + json.dumps(found.data)
    assert f'"{token}"' not in kept
    assert token not in json.dumps(json.loads(found.raw)["token"])
    assert "\\u0030" not in kept
    assert json.loads(found.raw)["uuid"] == JOB


def test_a_callback_that_repeats_the_token_loses_it() -> None:
    found = read({**AGAVE, "notifications": [f"https://x/?token={TOKEN}"]}, URL)
    assert TOKEN not in found.raw.decode() + json.dumps(found.data)


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({**EVENT, "name": "nosuch"}).encode(),
        json.dumps(EVENT).encode()[:-1],
        json.dumps({**EVENT, "name": "x"}).replace("0dc7", "\\u0030dc7").encode(),
        b'{"data": "' + TOKEN.encode() + b'\xff"}',
    ],
)
def test_of_what_is_refused_the_token_is_not_kept(body: bytes) -> None:
    with pytest.raises(Unacceptable) as raised:
        read(body, URL)
    assert b"dc73dc3ff39b49a" not in raised.value.kept
    assert b"***" in raised.value.kept


def test_who_passed_before_needs_no_token() -> None:
    again = sent({**EVENT, "token": "***"})._replace(credential="job token")
    with pytest.raises(Invalid):
        message.read(sent({**EVENT, "token": "***"}))
    assert message.read(again).proof == Proof(Right.JOB_TOKEN)


# --- identities, and creations


@pytest.mark.parametrize("found", [read(AGAVE, URL), read(TAPIS, URL), read(EVENT)])
def test_an_identity_can_be_made_again(found: Event) -> None:
    assert message.is_identity(found.name, found.checksum, found.raw)


def test_another_identity_is_noticed() -> None:
    for document in (AGAVE, TAPIS):
        found = read(document, URL)
        assert not message.is_identity(found.name, bytes(32), found.raw)
    assert not message.is_identity("agave.RUNNING", bytes(32), b"{")


def test_the_uuid_of_a_job_is_made_of_what_it_is() -> None:
    document = {"pipeline_uuid": JOB, "archive_path": "/a", "data": {"x": 1, "y": 2}}
    made, event = events.creation(document, received_at=NOON, raw=b"{}")
    assert made[14] == "5"
    assert (event.job.key, event.name, event.data) == (made, "create", document)
    turned = {**document, "data": {"y": 2, "x": 1}, "session": "s"}
    assert events.creation(turned, received_at=NOON, raw=b"")[0] == made
    for name in document:
        other = {**document, name: {"z": 1} if name == "data" else "/b"}
        assert events.creation(other, received_at=NOON, raw=b"")[0] != made
