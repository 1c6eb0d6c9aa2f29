"""PipelineJobs over a real ledger: created, driven by three mechanisms, looked up, deleted."""

from __future__ import annotations

import json
import re
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit
from xml.dom import minidom

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pika import BasicProperties

from jexevents import wiring
from jexevents.config import from_mapping
from jexevents.lifecycle import pipeline
from jexevents.lifecycle.pipeline import EDGES, SENDABLE, STATUSES
from jexevents.model import Arrival, Outcome, Role
from jexevents.retry import Tally
from jexevents.store.prune import Prune
from jexevents.store.reject_list import Choice
from jexevents.store.verify import Scope, Verification
from tests.integration.web import Answer, bearer, call
from tests.ledger import NOON, TestLedger, message, submitted
from tests.pipeline import Sent, running
from tests.unit.test_pipeline_messages import AGAVE, TAPIS

MESSAGES = "/actors/v2/pipelinejobs/messages"
PIPELINE = "10650844-1baa-55c5-a481-5e945b19c065"
JOB = {"pipeline_uuid": PIPELINE, "archive_path": "/products/1", "data": {"x": 1}}
NOBODY = "1073f4ff-c2b9-5190-bd9a-e6a406d9796a"


class Jobs:
    """A ledger, tokens for it, and one PipelineJob in it."""

    def __init__(self, ledger: TestLedger) -> None:
        self.ledger = ledger
        self.writer = bearer(ledger.token(Role.WRITE, Role.READ))
        self.admin = bearer(ledger.token(Role.ADMIN))
        made = self.create()
        assert made.status == 201, made.body
        self.uuid, self.token = made.json()["uuid"], made.json()["token"]
        self.callback = made.json()["callback"]

    def create(self, query: str = "", who: dict | None = None, **members: Any) -> Answer:
        return self.call("POST", "/pipelinejobs", {**JOB, **members}, query, who)

    def call(
        self, method: str, path: str, document: Any = b"", query: Any = "", who: dict | None = None
    ) -> Answer:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        query = query if isinstance(query, str) else urlencode(query)
        who = self.writer if who is None else who
        return call(self.ledger.app, method, path, body, query, **who)

    def send(self, name: str, who: dict | None = None, **members: Any) -> Answer:
        document = {"uuid": self.uuid, "token": self.token, "name": name, **members}
        return self.call("POST", MESSAGES, document, who=who)

    def agave(self, status: str, second: int = 0, **members: Any) -> Answer:
        document = {**AGAVE, **at(second), **members}
        return self.call("POST", MESSAGES, document, {**self.url, "status": status})

    @property
    def url(self) -> dict[str, str]:
        return {"uuid": self.uuid, "token": self.token}

    def job(self) -> dict:
        return self.ledger.get(f"/pipelinejobs/{self.uuid}", **self.writer)

    @property
    def state(self) -> str:
        return self.job()["state"]

    def rejects(self) -> list:
        return self.ledger.reading.rejects(limit=100)


# Behind whatever is created here, and not further ahead than a clock may be.
LATER = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(hours=2)


def at(second: int) -> dict[str, str]:
    return {"lastUpdated": (LATER + timedelta(seconds=second)).isoformat()}


@pytest.fixture
def jobs(ledger: TestLedger) -> Jobs:
    return Jobs(ledger)


def assert_verified(ledger: TestLedger) -> None:
    pages = Verification(ledger.database, Scope(), wiring.recognise).pages()
    assert [found for page in pages for found in page.differences] == []


# --- creation


def test_a_creation_is_the_first_entry_of_the_history(jobs: Jobs) -> None:
    assert re.fullmatch("[0-9a-f]{16}", jobs.token)
    job = jobs.job()
    assert (job["state"], job["phase"], job["last_event"]) == ("CREATED", "QUEUED", "create")
    (entry,) = job["history"]
    assert (entry["name"], entry["data"]) == ("create", JOB)
    assert job["created"] == job["updated"] == entry["date"]


def test_the_same_creation_finds_the_first(jobs: Jobs) -> None:
    again = jobs.create()
    assert again.status == 200
    assert again.json()["uuid"] == jobs.uuid
    assert not {"token", "callback"} & again.json().keys()
    assert jobs.create(archive_path="/products/2").status == 201
    assert jobs.ledger.count("pipeline_jobs") == 2


def test_a_second_token_is_for_administrators_and_ends_the_first(jobs: Jobs) -> None:
    assert jobs.create("new_token=true").status == 403
    made = jobs.create("new_token=true", jobs.admin)
    assert made.status == 200
    assert jobs.send("run").status == 403
    jobs.token = made.json()["token"]
    assert jobs.send("run").status == 200
    for callback, status in [(jobs.callback, 401), (made.json()["callback"], 200)]:
        query = dict(parse_qsl(urlsplit(callback).query)) | {"status": "FINISHED"}
        assert jobs.call("POST", MESSAGES, {**AGAVE, **at(1)}, query, {}).status == status


def test_the_callback_that_is_handed_out_works_as_it_is(jobs: Jobs) -> None:
    url = urlsplit(jobs.callback)
    assert (url.scheme, url.netloc, url.path) == ("https", "jex.example.org", MESSAGES)
    assert url.query.endswith("&status=${JOB_STATUS}")
    query = dict(parse_qsl(url.query.replace("${JOB_STATUS}", "FINISHED")))
    for _ in range(3):
        assert jobs.call("POST", MESSAGES, {**AGAVE, **at(1)}, query, {}).status == 200
    assert jobs.state == "FINISHED"


def test_the_nonce_of_a_job_is_good_for_no_other(jobs: Jobs) -> None:
    nonce = dict(parse_qsl(urlsplit(jobs.callback).query))["x-nonce"]
    other = jobs.create(archive_path="/products/2").json()
    document = {"uuid": other["uuid"], "token": other["token"], "name": "run"}
    assert jobs.call("POST", MESSAGES, document, {"x-nonce": nonce}, {}).status == 403


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"pipeline_uuid": "x"}, "/pipeline_uuid"),
        ({"data": []}, "/data"),
        ({"archive_path": ""}, "/archive_path"),
        ({"more": 1}, "/more"),
    ],
)
def test_faults_of_a_creation(jobs: Jobs, change: dict, pointer: str) -> None:
    answer = jobs.create(**change)
    assert answer.status == 422
    assert pointer in [fault["pointer"] for fault in answer.json()["errors"]]
    assert jobs.ledger.count("pipeline_jobs") == 1


def test_what_only_some_jobs_have_is_shown_where_they_have_it(jobs: Jobs) -> None:
    more = {"session": "solid-snake", "archive_system": "data", "agent": "https://a", "task": "t"}
    made = jobs.create(archive_path="/products/3", **more).json()
    assert {name: made[name] for name in more} == more
    assert not more.keys() & jobs.job().keys()


# --- the event doors


def test_a_job_goes_its_way(jobs: Jobs) -> None:
    for name, state in [
        ("run", "RUNNING"),
        ("update", "RUNNING"),
        ("resource", "RUNNING"),
        ("finish", "FINISHED"),
        ("index", "INDEXING"),
        ("indexed", "FINISHED"),
        ("validate", "VALIDATING"),
        ("validated", "VALIDATED"),
        ("finalize", "FINALIZED"),
        ("retire", "RETIRED"),
    ]:
        answer = jobs.send(name)
        assert answer.status == 200, answer.body
        assert (answer.json()["state"], answer.json()["result"]) == (state, "accepted")
    history = jobs.job()["history"]
    assert [entry["name"] for entry in history][:3] == ["create", "run", "update"]
    assert len({entry["uuid"] for entry in history}) == 11
    assert_verified(jobs.ledger)


def test_what_the_state_does_not_allow_is_a_conflict_and_stands_in_rejects(jobs: Jobs) -> None:
    answer = jobs.send("index", data={"why": "early"})
    assert answer.status == 409
    assert "CREATED" in answer.json()["detail"]
    assert "run, update, resource, fail, reset" in answer.json()["detail"]
    (reject,) = jobs.rejects()
    assert (reject["reason"], reject["credential"]) == ("state", "job token")
    kept = json.dumps([reject["properties"], bytes(reject["body"]).decode()])
    assert jobs.token not in kept
    assert "early" in kept
    assert jobs.state == "CREATED"


def test_index_indexed_index_again(jobs: Jobs) -> None:
    for name in ("run", "finish", "index", "indexed", "index"):
        assert jobs.send(name).json()["result"] == "accepted"
    assert jobs.send("index").json()["result"] == "duplicate"
    assert jobs.state == "INDEXING"
    assert len(jobs.job()["history"]) == 6


def test_a_key_tells_a_repetition_from_a_new_event(jobs: Jobs) -> None:
    def send(name: str, key: str) -> str:
        return jobs.send(name, keyed(jobs, key)).json()["result"]

    assert [send("run", "1"), send("update", "2"), send("update", "3")] == ["accepted"] * 3
    assert [send("run", "1"), send("update", "2")] == ["duplicate"] * 2
    assert len(jobs.job()["history"]) == 4


def test_a_key_is_good_for_one_event(jobs: Jobs) -> None:
    who = keyed(jobs, "1")
    numbers = {"n": 1e30, "m": 1.0}
    assert jobs.send("run", who, data=numbers).status == 200
    assert jobs.send("run", who, data=numbers).json()["result"] == "duplicate"
    for name, data in [("run", {}), ("update", numbers)]:
        answer = jobs.send(name, who, data=data)
        assert answer.status == 409
        assert "Idempotency-Key" in answer.json()["detail"]
    assert len(jobs.job()["history"]) == 2
    assert jobs.rejects() == []


def keyed(jobs: Jobs, key: str) -> dict[str, str]:
    return {**jobs.writer, "HTTP_IDEMPOTENCY_KEY": key}


def test_url_parameters_make_an_event_of_the_body(jobs: Jobs) -> None:
    answer = jobs.call("POST", MESSAGES, {"arbitrary": "value"}, {**jobs.url, "event": "run"})
    assert (answer.status, answer.json()["state"]) == (200, "RUNNING")
    assert jobs.job()["history"][-1]["data"] == {"arbitrary": "value"}
    assert jobs.call("POST", MESSAGES, b"", {**jobs.url, "event": "FINISH"}).status == 200


def test_two_at_the_same_moment_are_applied_one_after_the_other(jobs: Jobs) -> None:
    jobs.send("run")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(jobs.send, ["finish", "fail"] * 4))
    results = [answer.json().get("result") for answer in answers]
    assert {answer.status for answer in answers} <= {200, 409}
    moves = [entry["name"] for entry in jobs.job()["history"][2:]]
    assert results.count("accepted") == len(moves)
    # What came first decides what the others could do: finish again, but not fail, or neither.
    assert set(moves) == {moves[0]}
    assert_verified(jobs.ledger)


def test_administrators_reset_and_make_ready(jobs: Jobs) -> None:
    assert jobs.send("reset").status == 403
    short = jobs.ledger.token(
        Role.ADMIN, expires_at=datetime.now(timezone.utc) + timedelta(hours=1), short=True
    )
    assert re.fullmatch("[0-9a-f]{16}", short)
    assert jobs.send("reset", token=short).json()["state"] == "RESET"
    assert jobs.send("run").status == 409
    assert jobs.send("ready", who=jobs.admin).json()["state"] == "CREATED"
    assert jobs.send("run").json()["state"] == "RUNNING"


def test_an_administrators_token_opens_any_job(jobs: Jobs) -> None:
    short = jobs.ledger.token(Role.ADMIN, short=True)
    assert jobs.send("run", token=short.upper()).status == 200
    document = {"uuid": jobs.uuid, "name": "fail"}
    assert jobs.call("POST", MESSAGES, document, who=jobs.admin).status == 200


# --- who may


def test_every_message_needs_a_token_or_a_nonce_on_this_machine_too(jobs: Jobs) -> None:
    answer = jobs.send("run", who={})
    assert answer.status == 401
    assert "x-nonce" in answer.json()["detail"]
    reader = bearer(jobs.ledger.token(Role.READ))
    assert jobs.send("run", who=reader).status == 403
    assert jobs.state == "CREATED"


def test_an_unknown_job_and_a_wrong_token_answer_the_same(jobs: Jobs) -> None:
    answers = [
        jobs.send("run", token="f" * 16),
        jobs.send("run", uuid=NOBODY),
        jobs.send("run", uuid=NOBODY, token=jobs.ledger.token(Role.ADMIN, short=True)),
        jobs.call("POST", MESSAGES, AGAVE, {"uuid": NOBODY, "token": jobs.token}),
    ]
    bodies = [{**answer.json(), "request_id": ""} for answer in answers]
    assert all(body == bodies[0] for body in bodies)
    assert bodies[0]["status"] == 403
    for asked in (jobs.uuid, NOBODY):
        without = jobs.call("POST", MESSAGES, {"uuid": asked, "name": "run"})
        assert (without.status, "No token" in without.json()["detail"]) == (403, True)
    assert jobs.rejects() == []
    assert jobs.ledger.count("events") == 1


def test_a_token_in_the_document_wins_over_one_beside_it(jobs: Jobs) -> None:
    document = {"uuid": jobs.uuid, "name": "run", "token": "f" * 16}
    assert jobs.call("POST", MESSAGES, document, jobs.url).status == 403
    document["token"] = jobs.token
    assert jobs.call("POST", MESSAGES, document, {"token": "f" * 16}).status == 200


def test_guessing_is_slowed(jobs: Jobs) -> None:
    statuses = [jobs.send("run", token=f"{n:016x}").status for n in range(14)]
    assert statuses[:10] == [403] * 10
    assert statuses[-1] == 429
    slowed = jobs.send("run")
    assert slowed.status == 429
    assert int(slowed.headers["Retry-After"]) >= 1
    other = jobs.create(archive_path="/products/2").json()
    document = {"uuid": other["uuid"], "token": other["token"], "name": "run"}
    assert jobs.call("POST", MESSAGES, document).status == 200


def test_a_callback_with_a_wrong_token_takes_nothing_from_the_right_one(jobs: Jobs) -> None:
    wrong = {**jobs.url, "token": "f" * 16, "status": "FINISHED"}
    jobs.call("POST", MESSAGES, {**AGAVE, **at(1)}, wrong)
    assert jobs.state == "CREATED"
    assert jobs.agave("FINISHED", 1).json()["result"] == "accepted"
    assert jobs.state == "FINISHED"


def test_a_nonce_is_used_as_often_as_it_says(jobs: Jobs) -> None:
    made = jobs.call("POST", "/nonces", {"uses": 3, "note": "x"}, who=jobs.admin)
    assert made.status == 201
    nonce = made.json()["nonce"]

    def send(number: int) -> int:
        document = {"uuid": jobs.uuid, "token": jobs.token, "name": "update", "data": {"n": number}}
        return jobs.call("POST", MESSAGES, document, {"x-nonce": nonce}, {}).status

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(send, range(8)))
    assert sorted(statuses) == [200] * 3 + [401] * 5
    (row,) = [one for one in jobs.ledger.get("/nonces", **jobs.admin)["items"] if one["max_uses"]]
    assert (row["uses"], row["note"]) == (3, "x")
    assert nonce not in json.dumps(row)


def test_a_nonce_ends(jobs: Jobs) -> None:
    made = jobs.call("POST", "/nonces", {"ttl_seconds": 3600}, who=jobs.admin).json()
    query = {**jobs.url, "event": "run", "x-nonce": made["nonce"]}
    assert jobs.call("POST", MESSAGES, b"", query, {}).status == 200
    assert jobs.call("DELETE", f"/nonces/{made['id']}", who=jobs.admin).status == 204
    assert jobs.call("DELETE", f"/nonces/{made['id']}", who=jobs.admin).status == 404
    assert jobs.call("POST", MESSAGES, b"", query, {}).status == 401
    with jobs.ledger.database.transaction() as connection, connection.cursor() as cursor:
        cursor.execute("update nonces set revoked_at = null, expires_at = now()")
    assert jobs.call("POST", MESSAGES, b"", query, {}).status == 401


def test_nonces_come_in_pages(jobs: Jobs) -> None:
    for number in range(3):
        jobs.call("POST", "/nonces", {"note": str(number)}, who=jobs.admin)
    path, query, notes = "/nonces", "limit=2", []
    while path is not None:
        page = jobs.ledger.get(path, query, **jobs.admin)
        notes.append([item["note"] for item in page["items"]])
        path, _, query = (page["next"] or "").partition("?")
        path = path or None
    assert notes == [["2", "1"], ["0", "callback"]]


def test_nonces_are_for_administrators(jobs: Jobs) -> None:
    for method, path in [("POST", "/nonces"), ("GET", "/nonces"), ("DELETE", "/nonces/1")]:
        assert jobs.call(method, path).status == 403
    assert jobs.call("POST", "/nonces", {"uses": 0}, who=jobs.admin).status == 422


def test_another_actor_is_not_here(jobs: Jobs) -> None:
    assert jobs.call("POST", "/actors/v2/other/messages", {}).status == 404


# --- callbacks


def test_a_callback_moves_the_job_and_is_always_answered_200(jobs: Jobs) -> None:
    for second, (status, state) in enumerate(
        [("QUEUED", "CREATED"), ("RUNNING", "RUNNING"), ("FINISHED", "FINISHED")]
    ):
        answer = jobs.agave(status, second)
        assert (answer.status, answer.json()["state"]) == (200, state)
    assert jobs.agave("FINISHED", 2).json()["result"] == "duplicate"
    late = jobs.agave("ARCHIVING", 1)
    assert (late.status, late.json()["state"]) == (200, "FINISHED")
    assert_verified(jobs.ledger)


def test_history_shows_what_is_implied_and_what_moved_nothing(jobs: Jobs) -> None:
    jobs.agave("FINISHED", 5)
    jobs.agave("RESUBMITTED", 6)
    told = [(step["name"], step["implied"], step["moved"]) for step in jobs.job()["history"]]
    assert told == [
        ("create", False, True),
        ("run", True, True),
        ("finish", False, True),
        ("update", False, False),
    ]
    (implied,) = [step for step in jobs.job()["history"] if step["implied"]]
    assert (implied["uuid"], implied["data"]) == (None, {})


def test_an_agave_job_drives_one_pipelinejob(jobs: Jobs) -> None:
    assert jobs.agave("RUNNING", 1).json()["result"] == "accepted"
    other = jobs.create(archive_path="/products/2").json()
    query = {"uuid": other["uuid"], "token": other["token"], "status": "RUNNING"}
    answer = jobs.call("POST", MESSAGES, {**AGAVE, **at(1)}, query)
    assert (answer.status, answer.json()["result"]) == (200, "duplicate")
    assert answer.json()["state"] == "CREATED"


def test_a_notification_of_tapis_does_the_same(jobs: Jobs) -> None:
    answer = jobs.call("POST", MESSAGES, TAPIS, jobs.url)
    assert (answer.status, answer.json()["state"]) == (200, "FINISHED")
    assert jobs.call("POST", MESSAGES, TAPIS, jobs.url).json()["result"] == "duplicate"
    assert_verified(jobs.ledger)


def test_a_large_callback_is_fine_up_to_the_bound(jobs: Jobs) -> None:
    large = {**AGAVE, **at(1), "inputs": {"x": ["y" * 1000] * 5000}}
    assert jobs.call("POST", MESSAGES, large, jobs.url).status == 200
    huge = {**AGAVE, "inputs": "y" * (9 << 20)}
    assert jobs.call("POST", MESSAGES, huge, jobs.url).status == 413


def test_bad_callbacks_are_answered_and_not_kept(jobs: Jobs) -> None:
    answer = jobs.call("POST", MESSAGES, {"status": "FINISHED", "appId": 1}, jobs.url)
    assert answer.status == 422
    pointers = {fault["pointer"] for fault in answer.json()["errors"]}
    assert {"/appId", "/owner", "/_links"} <= pointers
    assert jobs.ledger.count("events") == 1
    assert jobs.rejects() == []


STATUS = st.sampled_from([*STATUSES, "NO_SUCH"])
# By whom, which status, at which second, and the how manieth of Tapis's.
CALLBACK = st.tuples(
    st.sampled_from(["agave", "tapis"]), STATUS, st.integers(0, 5), st.integers(0, 9)
)
CALLBACKS = st.lists(CALLBACK, max_size=5, unique=True)
MIXED = st.lists(CALLBACK | st.sampled_from(SENDABLE), max_size=8)


def call_back(jobs: Jobs, url: dict, callback: tuple[str, str, int, int]) -> None:
    """Send a callback; it is always answered 200."""
    sender, status, second, count = callback
    time = (NOON + timedelta(seconds=second)).isoformat()
    if sender == "agave":
        document = {**AGAVE, "id": url["uuid"], "lastUpdated": time}
        url = {**url, "status": status}
    else:
        told = {
            **TAPIS["event"],
            "type": f"jobs.JOB_NEW_STATUS.{status}",
            "data": json.dumps({"newJobStatus": status}),
            "seriesSeqCount": count,
            "timestamp": time,
            "uuid": str(uuid.uuid5(uuid.UUID(url["uuid"]), repr(callback))),
        }
        document = {**TAPIS, "event": told}
    answer = jobs.call("POST", MESSAGES, document, url)
    assert answer.status == 200, answer.body


def another(jobs: Jobs) -> dict[str, str]:
    """Create one more job; give what its callbacks have in their URL."""
    made = jobs.create(archive_path=f"/products/{uuid.uuid4()}").json()
    return {"uuid": made["uuid"], "token": made["token"]}


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(CALLBACKS, st.randoms())
def test_any_order_of_arrival_ends_the_same(jobs: Jobs, sent: list, random: Any) -> None:
    ended, path = [], f"/products/{uuid.uuid4()}"
    for order in (sent, random.sample(sent, len(sent))):
        # The same job each time, for callbacks about another have other identities.
        made = jobs.create(archive_path=path).json()
        for callback in order:
            call_back(jobs, {"uuid": made["uuid"], "token": made["token"]}, callback)
        where = f"/pipelinejobs/{made['uuid']}"
        job = jobs.ledger.get(where, **jobs.writer)
        steps = [(step["name"], step["state"], step["moved"]) for step in job["history"]]
        ended.append((job["state"], job["phase"], job["last_event"], steps))
        assert_verified(jobs.ledger)
        assert jobs.call("DELETE", where, query="force=true", who=jobs.admin).status == 204
    assert ended[0] == ended[1]


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(MIXED)
def test_with_events_and_callbacks_mixed_the_ledger_agrees_with_itself(
    jobs: Jobs, sent: list
) -> None:
    """And what was let in is answered 200, what the state did not allow 409."""
    url = another(jobs)
    path = f"/pipelinejobs/{url['uuid']}"
    for one in sent:
        before = jobs.ledger.get(path, **jobs.writer)["state"]
        if isinstance(one, tuple):
            call_back(jobs, url, one)
            continue
        repeats = jobs.call("POST", MESSAGES, {**url, "name": one}, who=jobs.admin)
        allowed = one in pipeline.allowed(before)
        assert (repeats.status == 409) <= (not allowed)
        if repeats.status == 200 and repeats.json()["result"] == "accepted":
            assert allowed
            assert repeats.json()["state"] == EDGES[one][before]
    assert_verified(jobs.ledger)


# --- over AMQP


def deliver(jobs: Jobs, document: Any, headers: dict | None = None, **more: Any) -> Outcome:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    properties = {"headers": headers, **more} if headers else more
    arrival = Arrival(body, datetime.now(timezone.utc), "amqp:q", properties=properties)
    return jobs.ledger.ingest.handle([arrival])[0]


def test_the_three_mechanisms_over_a_queue(jobs: Jobs) -> None:
    event = {"uuid": jobs.uuid, "token": jobs.token, "name": "run"}
    assert deliver(jobs, event) is Outcome.ACCEPTED
    assert deliver(jobs, event) is Outcome.DUPLICATE
    assert deliver(jobs, {"a": 1}, {**jobs.url, "event": "update"}) is Outcome.ACCEPTED
    callback = {**AGAVE, **at(900)}
    assert deliver(jobs, callback, {**jobs.url, "status": "FINISHED"}) is Outcome.ACCEPTED
    assert jobs.state == "FINISHED"
    assert deliver(jobs, event, type="pipelinejob_manager_event") is Outcome.REJECTED
    assert deliver(jobs, {**event, "name": "reject"}) is Outcome.REJECTED
    assert deliver(jobs, {**event, "token": "f" * 16}) is Outcome.FORBIDDEN
    assert deliver(jobs, {**event, "name": "nosuch"}) is Outcome.REJECTED
    assert_verified(jobs.ledger)


def test_they_come_through_a_real_broker_beside_those_of_condor(jobs: Jobs, vhost: str) -> None:
    event = {"uuid": jobs.uuid, "token": jobs.token, "name": "run"}
    headers = {**jobs.url, "status": "FINISHED"}
    sent = [
        message(submitted()),
        json.dumps(event).encode(),
        Sent(json.dumps({**AGAVE, **at(900)}).encode(), BasicProperties(headers=headers)),
        Sent(b"", BasicProperties(headers={**jobs.url, "event": "index"}, message_id="1")),
        Sent(b"", BasicProperties(headers={**jobs.url, "event": "index"}, message_id="1")),
        Sent(json.dumps(event).encode(), BasicProperties(type="pipelinejob_manager_event")),
    ]
    with running(vhost, jobs.ledger) as pipeline:
        outcomes = [pipeline.send(one)[0][1] for one in sent]
    accepted = [Outcome.ACCEPTED] * 4
    assert outcomes == [*accepted, Outcome.DUPLICATE, Outcome.REJECTED]
    assert jobs.state == "INDEXING"
    assert jobs.ledger.job("222")["state"] == "Submitted"
    (reject,) = jobs.rejects()
    assert jobs.token not in json.dumps(reject["properties"]) + bytes(reject["body"]).decode()


@pytest.mark.parametrize("over", ["http", "amqp"])
def test_a_retry_has_the_right_of_who_sent_it(jobs: Jobs, over: str) -> None:
    if over == "http":
        assert jobs.send("index").status == 409
    else:
        event = {"uuid": jobs.uuid, "token": jobs.token, "name": "index"}
        assert deliver(jobs, event) is Outcome.REJECTED
    assert retry(jobs) == Tally(refused=1)
    (reject,) = jobs.rejects()
    assert (reject["reason"], reject["credential"]) == ("state", "job token")
    jobs.send("run")
    jobs.send("finish")
    assert retry(jobs) == Tally(stored=1)
    assert jobs.state == "INDEXING"
    assert jobs.rejects() == []


def test_a_retry_of_a_job_that_is_gone_stays(jobs: Jobs) -> None:
    jobs.send("index")
    path = f"/pipelinejobs/{jobs.uuid}"
    assert jobs.call("DELETE", path, query="force=true", who=jobs.admin).status == 204
    assert retry(jobs) == Tally(refused=1)
    assert len(jobs.rejects()) == 1


def retry(jobs: Jobs) -> Tally:
    config = from_mapping({"LogTimeZone": "UTC"})
    *_, tally = wiring.retry(config, jobs.ledger.database).run(Choice(), 1000)
    return tally


def test_no_reject_has_the_token(jobs: Jobs) -> None:
    event = {"uuid": jobs.uuid, "token": jobs.token, "name": "reject"}
    deliver(jobs, event)
    deliver(jobs, {**event, "name": "nosuch"})
    deliver(jobs, {"a": []}, {**jobs.url, "event": "nosuch"})
    deliver(jobs, {**event, "token": jobs.token.upper(), "note": jobs.token})
    rows = jobs.rejects()
    assert len(rows) == 4
    for row in rows:
        kept = json.dumps(row["properties"]) + bytes(row["body"]).decode()
        assert jobs.token not in kept.lower()


# --- looking up


def test_filters(jobs: Jobs) -> None:
    jobs.create(archive_path="/products/2", session="s")
    jobs.send("run")

    def found(**query: str) -> int:
        answer = jobs.call("GET", "/pipelinejobs", query=query)
        assert answer.status == 200, answer.body
        return len(answer.json()["items"])

    assert [found(), found(state="RUNNING"), found(session="s"), found(pipeline=PIPELINE)] == [
        2,
        1,
        1,
        2,
    ]
    assert [found(since="2020-01-01T00:00:00Z"), found(until="2020-01-01T00:00:00Z")] == [2, 0]
    first = jobs.call("GET", "/pipelinejobs", query={"limit": "1"}).json()
    rest = jobs.call("GET", "/pipelinejobs", query=first["next"].partition("?")[2]).json()
    assert len(first["items"]) == len(rest["items"]) == 1
    assert rest["next"] is None
    assert jobs.call("GET", "/pipelinejobs", query={"state": "NOSUCH"}).status == 400


def pages(jobs: Jobs, path: str) -> list[list[str]]:
    """Give the names of the steps on each page."""
    found = []
    while path is not None:
        path, _, query = path.partition("?")
        page = jobs.ledger.get(path, query, **jobs.writer)
        assert page["uuid"] == jobs.uuid
        found.append([step["name"] for step in page["items"]])
        path = page["next"]
    return found


def test_a_history_comes_in_pages(jobs: Jobs) -> None:
    jobs.agave("FINISHED", 5)
    jobs.send("index")
    path = f"/pipelinejobs/{jobs.uuid}/history"
    assert pages(jobs, path) == [["create", "run", "finish", "index"]]
    assert pages(jobs, f"{path}?limit=2") == [["create", "run"], ["finish", "index"]]
    # A step that is only implied may stand at the end of a page, without the event behind it.
    assert pages(jobs, f"{path}?limit=3&after=1") == [["run", "finish", "index"]]
    assert pages(jobs, f"{path}?after=9") == [[]]
    assert jobs.call("GET", path, query="after=-1").status == 400
    assert jobs.job()["history_next"] is None


def test_a_page_of_a_history_ends_where_it_is_long(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        jobs.send("run", data={"n": number, "text": "x" * 600})
    monkeypatch.setattr("jexevents.store.pipeline_jobs.PAGE_BYTES", 1000)
    path = f"/pipelinejobs/{jobs.uuid}/history"
    assert pages(jobs, path) == [["create", "run", "run"], ["run"]]


def test_a_job_shows_the_beginning_of_a_long_history(jobs: Jobs) -> None:
    for number in range(100):
        deliver(jobs, {**jobs.url, "name": "update", "data": {"n": number}})
    job = jobs.job()
    assert len(job["history"]) == 100
    path, _, query = job["history_next"].partition("?")
    assert len(jobs.ledger.get(path, query, **jobs.writer)["items"]) == 1


def test_the_ledger_shows_it_as_any_job(jobs: Jobs) -> None:
    jobs.agave("FINISHED", 1)
    (job,) = jobs.ledger.get("/ledger/jobs", "kind=pipeline", **jobs.writer)["items"]
    assert (job["key"], job["state"], job["phase"]) == (jobs.uuid, "FINISHED", "COMPLETE")
    whole = jobs.ledger.get(f"/ledger/jobs/{job['id']}", **jobs.writer)
    assert whole["pipeline"]["archive_path"] == JOB["archive_path"]
    last = jobs.ledger.get(f"/last-events/{job['id']}", **jobs.writer)["state"]
    assert last["status"] == "Completed"


def test_what_is_not_there_is_404(jobs: Jobs) -> None:
    for path in (NOBODY, "x", f"{NOBODY}/history", f"{NOBODY}/diagram.svg"):
        assert jobs.call("GET", f"/pipelinejobs/{path}").status == 404


def test_the_diagram_shows_the_way(jobs: Jobs) -> None:
    plain = jobs.call("GET", "/pipelinejobs/diagram.svg")
    assert plain.headers["Content-Type"].startswith("image/svg+xml")
    jobs.agave("FINISHED", 1)
    drawn = jobs.call("GET", f"/pipelinejobs/{jobs.uuid}/diagram.svg").body.decode()
    for text in (plain.body.decode(), drawn):
        minidom.parseString(text)
        for name in ("CREATED", "RUNNING", "FINISHED", "RETIRED", "RESET", "validate"):
            assert name in text
    assert "1: run" in drawn
    assert "implied" in re.search(r'<path class="edge way[^"]*"', drawn)[0]
    assert 'class="now"' in drawn
    assert "way" not in re.sub(r"(?s)<style>.*</style>", "", plain.body.decode())


# --- deleting


def test_delete_hides_and_a_creation_shows_again(jobs: Jobs) -> None:
    path = f"/pipelinejobs/{jobs.uuid}"
    assert jobs.call("DELETE", path).status == 403
    assert jobs.call("DELETE", path, who=jobs.admin).status == 204
    assert jobs.call("GET", path).status == 404
    assert jobs.ledger.get("/pipelinejobs", **jobs.writer)["items"] == []
    assert jobs.call("GET", path, who=jobs.admin).json()["hidden"] is True
    hidden = jobs.call("GET", "/pipelinejobs", query="hidden=true", who=jobs.admin).json()
    assert len(hidden["items"]) == 1
    assert jobs.call("GET", "/pipelinejobs", query="hidden=true").status == 403
    assert jobs.create().status == 200
    assert jobs.call("GET", path).status == 200
    assert jobs.create().status == 200
    actions = [action for _, action in audited(jobs) if action.startswith("pipelinejob")]
    assert actions == ["pipelinejob.hide", "pipelinejob.show"]


@pytest.mark.parametrize("force", ["1", "yes", "maybe", ""])
def test_only_true_removes_for_good(jobs: Jobs, force: str) -> None:
    path = f"/pipelinejobs/{jobs.uuid}"
    assert jobs.call("DELETE", path, query=f"force={force}", who=jobs.admin).status == 400
    assert jobs.call("GET", path).status == 200


def test_delete_by_force_leaves_nothing(jobs: Jobs) -> None:
    jobs.agave("RUNNING", 1)
    path = f"/pipelinejobs/{jobs.uuid}"
    assert jobs.call("DELETE", path, query="force=true", who=jobs.admin).status == 204
    assert jobs.call("GET", path, who=jobs.admin).status == 404
    tables = ("jobs", "events", "pipeline_jobs", "event_identities", "nonces")
    assert [jobs.ledger.count(table) for table in tables] == [0] * 5
    assert jobs.send("run").status == 403
    assert jobs.create().status == 201
    assert_verified(jobs.ledger)


def test_delete_by_a_message(jobs: Jobs) -> None:
    document = {"uuid": jobs.uuid, "action": "delete", "token": jobs.token}
    assert jobs.call("POST", MESSAGES, document).status == 403
    document["token"] = jobs.ledger.tokens.make("root", [Role.ADMIN], short=True).secret
    answer = jobs.call("POST", MESSAGES, {**document, "force": True})
    assert (answer.status, answer.json()["result"]) == (200, "deleted")
    assert jobs.ledger.count("jobs") == 0
    assert audited(jobs)[-1] == ("root", "pipelinejob.remove")


def test_what_administrators_send_is_in_the_audit(jobs: Jobs) -> None:
    root = jobs.ledger.tokens.make("root", [Role.ADMIN], short=True).secret
    jobs.call("POST", MESSAGES, {"uuid": jobs.uuid, "token": root, "name": "reset"})
    jobs.send("ready", who=jobs.admin)
    deliver(jobs, {"uuid": jobs.uuid, "token": root, "name": "reset"})
    assert jobs.send("ready").status == 403
    reset, ready = "pipelinejob.reset", "pipelinejob.ready"
    sent = [one for one in audited(jobs) if one[1] in (reset, ready)]
    assert sent == [("root", reset), ("test", ready), ("root", reset)]


def audited(jobs: Jobs) -> list[tuple[str, str]]:
    with jobs.ledger.database.transaction() as connection, connection.cursor() as cursor:
        cursor.execute("select credential, action from audit order by id")
        return cursor.fetchall()


# --- keeping it for years


def test_a_closed_job_is_sealed_and_stays_what_it_was(jobs: Jobs) -> None:
    jobs.send("run")
    jobs.send("fail", data={"reason": "no disk"})
    later = datetime.now(timezone.utc) + timedelta(days=1)
    steps = list(Prune(jobs.ledger.database, later, wiring.recognise).steps())
    assert sum(step.done for step in steps if step.thing == "jobs") == 1
    job = jobs.job()
    assert (job["state"], job["reason"], job["sealed"]) == ("FAILED", "no disk", True)
    assert_verified(jobs.ledger)
    assert jobs.agave("RUNNING", 9).json()["result"] == "duplicate"
    assert (jobs.create().status, jobs.rejects()) == (200, [])
    # Whichever door it comes by: it is refused, and kept.
    assert jobs.send("reset", who=jobs.admin).status == 409
    assert deliver(jobs, {**jobs.url, "name": "index"}) is Outcome.REJECTED
    assert [reject["reason"] for reject in jobs.rejects()] == ["state", "state"]


# --- schemas


def test_schemas_are_served_by_both_names(jobs: Jobs) -> None:
    items = jobs.ledger.get("/schemas")["items"]
    files = {item["name"]: item["file"] for item in items}
    assert files["agave_job_callback"] == "agavejobs.jsonschema"
    assert files["pipelinejob_manager_event"] == "event.jsonschema"
    assert files["condor_message"] == "condor_message.json"
    for name, file in files.items():
        by_name = jobs.call("GET", f"/schemas/{name}")
        assert by_name.headers["Content-Type"].startswith("application/schema+json")
        assert by_name.body == jobs.call("GET", f"/schemas/{file}").body
    assert jobs.call("GET", "/schemas/nosuch").status == 404
