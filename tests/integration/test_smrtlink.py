"""System events of SMRT Link over a real ledger: taken by both doors, given, and folded to jobs."""

from __future__ import annotations

import json
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pika import BasicProperties

from jexevents import smrthmac, wiring
from jexevents.config import from_mapping
from jexevents.model import Arrival, Outcome, Role
from jexevents.retry import Tally
from jexevents.sidecar.app import build_app
from jexevents.sidecar.auth import Gate, Signer
from jexevents.sidecar.smrtlink import in_words
from jexevents.sidecar.tokens import Tokens
from jexevents.store.prune import Prune
from jexevents.store.reject_list import Choice
from jexevents.store.verify import Scope, Verification
from tests.integration.web import Answer, bearer, call
from tests.ledger import NOON, TestLedger, message, now, open_ledger, submitted
from tests.pipeline import Sent, running
from tests.support import ROOT

EVENTS = "/api/v1/events"
SAMPLES = ROOT / "tests/samples/smrtlink"
SYSTEM = "972c5bbe-f94a-11e6-b5cd-3c15c2cc8f88"
OTHER = "2319db24-f46e-11e6-a35c-3c15c2cc8f88"
KEY = f"{SYSTEM}#1234"


def sample(name: str) -> Any:
    return json.loads((SAMPLES / name).read_text("utf-8"))


def event(state: str = "RUNNING", **members: Any) -> dict[str, Any]:
    told = {"jobId": 1234, "jobTypeId": "pbsmrtpipe", "state": state}
    return {
        "smrtLinkId": SYSTEM,
        "uuid": str(uuid.uuid4()),
        "createdAt": "2026-02-16T08:36:21.082-08:00",
        "eventTypeId": "smrtlink_job_change_state",
        "eventTypeVersion": 1,
        "message": told,
        **members,
    }


def signed(**members: Any) -> dict[str, Any]:
    return event(eventTypeId="eula_signed", message={"user": "ann"}, **members)


def post(ledger: TestLedger, document: Any, **fields: str) -> Answer:
    return ledger.post(EVENTS, document, **fields)


def deliver(ledger: TestLedger, *documents: Any) -> list[Outcome]:
    return ledger.send(*(json.dumps(one).encode() for one in documents))


def assert_verified(ledger: TestLedger) -> None:
    pages = Verification(ledger.database, Scope(), wiring.recognise).pages()
    assert [found for page in pages for found in page.differences] == []


# --- taken and given


def test_the_sample_is_stored_and_drives_its_job(ledger: TestLedger) -> None:
    sent = sample("SmrtLinkSystemEvent--swagger-01.json")
    answer = post(ledger, sent)
    assert answer.status == 201
    stored = answer.json()
    assert stored == {**sent, "smrtlinkId": SYSTEM, "createdAt": "2017-02-16T16:36:21.082Z"}
    assert answer.headers["Location"] == f"{EVENTS}/{sent['uuid']}"
    assert ledger.get(answer.headers["Location"]) == stored
    assert ledger.get(EVENTS) == ledger.get(f"{EVENTS}/smrt-link/{SYSTEM}") == [stored]
    (job,) = ledger.jobs()
    assert (job["kind"], job["key"], job["source"]) == ("smrtlink", KEY, SYSTEM)
    assert (job["state"], job["phase"]) == ("SUCCESSFUL", "COMPLETE")
    shown = ledger.get(f"/ledger/jobs/{job['id']}")
    assert shown["smrtlink"] == {"system": SYSTEM, "number": 1234, "job_type": "pbsmrtpipe"}
    assert ledger.get(f"/last-events/{job['id']}")["state"]["status"] == "Completed"
    assert_verified(ledger)


def test_the_example_of_the_seed_works_as_it_is(ledger: TestLedger) -> None:
    told = {**sample("SmrtLinkEvent--swagger-01.json"), "smrtlinkId": OTHER}
    answer = post(ledger, told, CONTENT_TYPE="application/x-www-form-urlencoded")
    assert (answer.status, answer.json()["smrtLinkId"]) == (201, OTHER)


def test_the_same_again_is_answered_as_the_first_time(ledger: TestLedger) -> None:
    first = event(dnsName=None)
    again = {**first, "smrtlinkId": first["smrtLinkId"].upper(), "uuid": first["uuid"].upper()}
    del again["smrtLinkId"], again["dnsName"], again["eventTypeVersion"]
    again["createdAt"] = "2026-02-16T16:36:21.082Z"
    answers = [post(ledger, first), post(ledger, again), post(ledger, first)]
    assert [one.status for one in answers] == [201] * 3
    assert len({one.body for one in answers}) == 1
    assert ledger.count("events") == 1


def test_the_text_stays_as_it_came_and_the_other_spelling_is_other_content(
    ledger: TestLedger,
) -> None:
    first = event("SUCCCESSFUL")
    assert post(ledger, first).json()["message"]["state"] == "SUCCCESSFUL"
    (job,) = ledger.jobs()
    assert (job["state"], job["closed"]) == ("SUCCESSFUL", True)
    other = {**first, "message": {**first["message"], "state": "SUCCESSFUL"}}
    assert post(ledger, other).status == 409


@pytest.mark.parametrize(
    "change",
    [
        {"message": {"jobId": 1234, "jobTypeId": "pbsmrtpipe", "state": "FAILED"}},
        {"message": {"jobId": 99, "jobTypeId": "pbsmrtpipe", "state": "RUNNING"}},
        {"message": {"jobId": 1234, "jobTypeId": "pbsmrtpipe", "state": "RUNNING", "x": True}},
        {"eventTypeId": "eula_signed", "message": {"user": "ann"}},
        {"createdAt": "2026-02-16T08:36:21.083-08:00"},
        {"dnsName": "elsewhere"},
    ],
    ids=["state", "job", "member", "type", "time", "name"],
)
def test_other_content_under_a_known_uuid_is_a_conflict(
    ledger: TestLedger, change: dict[str, Any]
) -> None:
    first = event()
    stored = post(ledger, first).json()
    answer = post(ledger, {**first, **change})
    assert answer.status == 409
    assert deliver(ledger, {**first, **change}) == [Outcome.REJECTED]
    assert ledger.get(f"{EVENTS}/{first['uuid']}") == stored
    assert [job["key"] for job in ledger.jobs()] == [KEY]
    assert [row["reason"] for row in ledger.reading.rejects(limit=10)] == ["state"] * 2
    assert_verified(ledger)


def test_in_one_batch_the_first_stands(ledger: TestLedger) -> None:
    known, new = event(), event()
    assert deliver(ledger, known) == [Outcome.ACCEPTED]
    other_job = {"message": {**known["message"], "jobId": 7}}
    outcomes = deliver(
        ledger,
        {**known, **other_job},
        new,
        {**new, "dnsName": "x"},
        {**new, **other_job},
        new,
        signed(uuid=new["uuid"]),
        known,
    )
    assert outcomes == [
        Outcome.REJECTED,
        Outcome.ACCEPTED,
        Outcome.REJECTED,
        Outcome.REJECTED,
        Outcome.DUPLICATE,
        Outcome.REJECTED,
        Outcome.DUPLICATE,
    ]
    assert [job["key"] for job in ledger.jobs()] == [KEY]
    assert ledger.count("events") == ledger.count("event_identities") == 2
    assert_verified(ledger)


def test_numbers_that_say_the_same_are_the_same(ledger: TestLedger) -> None:
    first = event(eventTypeId="site_event", message={"a": 1000, "b": [1.5, True]})
    assert deliver(ledger, first) == [Outcome.ACCEPTED]
    body = json.dumps(first).replace("1000", "1e3").replace("1.5", "1.50").encode()
    assert ledger.send(body) == [Outcome.DUPLICATE]
    assert ledger.send(body.replace(b"true", b"1")) == [Outcome.REJECTED]


def test_two_systems_may_give_the_same_uuid(ledger: TestLedger) -> None:
    first = event()
    second = {**first, "smrtLinkId": OTHER}
    assert [post(ledger, one).status for one in (first, second)] == [201, 201]
    assert ledger.get(f"{EVENTS}/{first['uuid']}")["smrtLinkId"] == SYSTEM
    assert len(ledger.get(f"{EVENTS}/smrt-link/{OTHER}")) == 1


def test_many_at_once_store_one(ledger: TestLedger) -> None:
    base = event()
    states = ["RUNNING", "FAILED"] * 8
    documents = [{**base, "message": {**base["message"], "state": one}} for one in states]
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda one: post(ledger, one).status, documents))
    assert sorted(statuses) == [201] * 8 + [409] * 8
    assert ledger.count("events") == 1
    assert_verified(ledger)


def test_over_amqp_it_ends_the_same(ledger: TestLedger, vhost: str) -> None:
    first, last = event(), event("SUCCESSFUL", createdAt="2026-02-16T16:40:00Z")
    typed = {**signed(), "eventTypeId": "site.event"}
    with running(vhost, ledger) as pipeline:
        outcomes = [
            pipeline.send(Sent(body, properties))[0][1]
            for body, properties in [
                (message(submitted()), BasicProperties()),
                (json.dumps(first).encode(), BasicProperties()),
                (json.dumps(last).encode(), BasicProperties(content_type="application/json")),
                (json.dumps(typed).encode(), BasicProperties(type="smrtlink_event")),
                (json.dumps(first).encode(), BasicProperties(message_id="9")),
                (b'{"eventTypeId": "x", "uuid": 1}', BasicProperties()),
                (b"{}", BasicProperties(type="smrtlink_event")),
            ]
        ]
    assert outcomes == [Outcome.ACCEPTED] * 4 + [Outcome.DUPLICATE] + [Outcome.REJECTED] * 2
    assert [job["state"] for job in ledger.jobs(kind="smrtlink")] == ["SUCCESSFUL"]
    assert post(ledger, first).status == 201
    assert len(ledger.get(EVENTS)) == 3
    reasons = [row["reasons"][0]["pointer"] for row in ledger.reading.rejects(limit=10)]
    assert reasons == ["/createdAt", "/createdAt"]
    assert_verified(ledger)


def test_text_of_condor_that_speaks_of_smrt_link_is_condors(ledger: TestLedger) -> None:
    text = submitted().replace("...", '\tLog notes: {"eventTypeId": "uuid"}\n...')
    for body in (message(text), text.encode()):
        ledger.send(body)
    assert ledger.count("rejects") == 0


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    states=st.lists(
        st.sampled_from(["CREATED", "SUBMITTED", "RUNNING", "FAILED", "SUCCESSFUL", "UNKNOWN"]),
        min_size=2,
        max_size=6,
    ),
    random=st.randoms(),
    cut=st.integers(0, 6),
)
def test_the_order_of_arrival_does_not_matter(ledger: TestLedger, states, random, cut) -> None:
    system = str(uuid.uuid4())
    story = [
        event(state, smrtLinkId=system, createdAt=f"2026-02-16T16:36:{second:02}Z")
        for second, state in enumerate(states)
    ]
    deliver(ledger, *story)
    shuffled = [
        {**one, "smrtLinkId": str(uuid.UUID(int=uuid.UUID(system).int ^ 1))} for one in story
    ]
    random.shuffle(shuffled)
    deliver(ledger, *shuffled[:cut])
    deliver(ledger, *shuffled[cut:])
    told = [
        {name: job[name] for name in ("state", "phase", "started_at", "finished_at")}
        for source in (system, shuffled[0]["smrtLinkId"])
        for job in ledger.jobs(source=source)
    ]
    assert len(told) == 2
    assert told[0] == told[1]
    assert_verified(ledger)


# --- what is refused


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"smrtLinkId": "x"}, "/smrtLinkId"),
        ({"smrtLinkId": None}, "/smrtLinkId"),
        ({"smrtlinkId": OTHER}, "/smrtlinkId"),
        ({"uuid": "{" + SYSTEM + "}"}, "/uuid"),
        ({"createdAt": "yesterday"}, "/createdAt"),
        ({"eventTypeVersion": 0}, "/eventTypeVersion"),
        ({"eventTypeId": "../x"}, "/eventTypeId"),
        ({"dnsName": 7}, "/dnsName"),
        ({"message": "hello"}, "/message"),
        ({"message": {"jobId": "a", "jobTypeId": "b", "state": "RUNNING"}}, "/message/jobId"),
        ({"message": {"jobId": 1, "jobTypeId": "b", "state": "FLYING"}}, "/message/state"),
        ({"eventTypeId": "eula_signed", "message": {}}, "/message/user"),
    ],
)
def test_faults_are_named(ledger: TestLedger, change: dict[str, Any], pointer: str) -> None:
    answer = post(ledger, {**event(), **change})
    told = answer.json()
    assert answer.status == 422
    assert [fault["pointer"] for fault in told["errors"]] == [pointer]
    assert (told["httpCode"], told["errorType"]) == (422, "Unprocessable Entity")
    assert told["message"] == told["detail"]
    assert ledger.count("rejects") == ledger.count("events") == 0


def test_all_errors_have_the_members_of_the_surface(ledger: TestLedger) -> None:
    wanted = sample("SmrtServerError--swagger-01.json").keys()
    answers = [
        post(ledger, (SAMPLES / "invalid--docs-04.json").read_bytes()),
        post(ledger, b"hello", CONTENT_TYPE="text/plain"),
        post(ledger, [event()]),
        post(ledger, event(), HTTP_AUTHORIZATION="Bearer nobody"),
        call(ledger.app, "GET", f"{EVENTS}/{SYSTEM}"),
        call(ledger.app, "GET", f"{EVENTS}/nothing"),
        call(ledger.app, "GET", EVENTS, query="limit=0"),
        call(ledger.app, "GET", "/api/v1/nothing"),
        call(ledger.app, "DELETE", EVENTS),
        call(ledger.app, "DELETE", "/status"),
        call(ledger.app, "GET", f"{EVENTS}/%zz", REQUEST_URI=f"{EVENTS}/%zz"),
    ]
    statuses = [400, 415, 400, 401, 404, 404, 400, 404, 405, 405, 400]
    assert [one.status for one in answers] == statuses
    for answer in answers:
        assert wanted < answer.json().keys()
        assert answer.json()["httpCode"] == answer.status
        assert answer.headers["Content-Type"] == "application/problem+json"
    assert not wanted & call(ledger.app, "GET", "/nothing").json().keys()


def test_unknown_types_are_stored_or_refused_as_configured(ledger: TestLedger) -> None:
    strange = event(eventTypeId="site_event", message={"a": {"b": [1]}})
    newer = event(eventTypeVersion=2, message={"anything": 1})
    assert [post(ledger, one).status for one in (strange, newer)] == [201, 201]
    assert ledger.jobs() == []
    config = from_mapping({"SMRTLinkUnknownTypes": "refuse", "LogTimeZone": "UTC"})
    ingest = wiring.ingest(config, ledger.database)
    body = json.dumps({**strange, "uuid": OTHER}).encode()
    assert ingest.handle([Arrival(body, NOON, "amqp:q")]) == [Outcome.REJECTED]
    (reject,) = ledger.reading.rejects(limit=10)
    assert reject["reasons"][0]["pointer"] == "/eventTypeId"
    assert "eula_signed.1" in reject["reasons"][0]["expected"]


# --- lists


def test_filters_and_pages(ledger: TestLedger) -> None:
    sent = [event(createdAt=f"2026-02-16T16:36:0{second}Z") for second in range(3)]
    sent += [signed(), event(smrtLinkId=OTHER), event(eventTypeVersion=2)]
    assert deliver(ledger, *sent) == [Outcome.ACCEPTED] * 6
    ids = [one["uuid"] for one in reversed(sent)]

    def found(query: str = "", path: str = EVENTS) -> list[str]:
        return [one["uuid"] for one in ledger.get(path, query)]

    assert found() == ids
    assert found("eventTypeId=eula_signed") == [sent[3]["uuid"]]
    assert found("eventTypeVersion=2") == [sent[5]["uuid"]]
    assert found("until=2026-02-16T16:36:02Z") == ids[4:]
    assert found("since=2026-02-16T16:36:02Z", f"{EVENTS}/smrt-link/{SYSTEM}") == [
        ids[0],
        ids[2],
        ids[3],
    ]
    assert found(path=f"{EVENTS}/smrt-link/{OTHER.upper()}") == [sent[4]["uuid"]]
    assert found(path=f"{EVENTS}/smrt-link/{uuid.uuid4()}") == []
    pages, link = [], f"{EVENTS}?limit=4&eventTypeId=smrtlink_job_change_state"
    while link:
        path, _, query = link.partition("?")
        answer = call(ledger.app, "GET", path, query=query)
        pages.append([one["uuid"] for one in answer.json()])
        target, _, relation = answer.headers.get("Link", "").partition("; ")
        assert relation in ("", 'rel="next"')
        link = target.strip("<>")
    assert [len(page) for page in pages] == [4, 1]
    assert [one for page in pages for one in page] == [one for one in ids if one != sent[3]["uuid"]]


def test_a_pruned_job_leaves_no_events_and_takes_none(ledger: TestLedger) -> None:
    ended = event("FAILED")
    loose = signed()
    deliver(ledger, ended, loose)
    later = now() + timedelta(days=1)
    list(Prune(ledger.database, later, wiring.recognise).steps())
    assert ledger.get(EVENTS) == []
    assert deliver(ledger, ended, event("RUNNING")) == [Outcome.DUPLICATE] * 2
    assert [job["state"] for job in ledger.jobs()] == ["FAILED"]
    assert_verified(ledger)


def test_a_retry_is_told_the_same(ledger: TestLedger) -> None:
    first = event()
    post(ledger, first)
    assert post(ledger, {**first, "dnsName": "x"}).status == 409
    config = from_mapping({"LogTimeZone": "UTC"})
    *_, tally = wiring.retry(config, ledger.database).run(Choice(), 1000)
    assert tally == Tally(refused=1)
    with ledger.database.transaction() as connection, connection.cursor() as cursor:
        cursor.execute("delete from event_identities; delete from events")
    *_, tally = wiring.retry(config, ledger.database).run(Choice(), 1000)
    assert tally == Tally(stored=1)
    assert [one["dnsName"] for one in ledger.get(EVENTS)] == ["x"]


# --- who may


def test_a_token_of_one_system_adds_its_id_and_is_good_for_nothing_else(
    ledger: TestLedger,
) -> None:
    own = bearer(ledger.token(Role.READ, Role.WRITE, system=SYSTEM))
    told = event()
    del told["smrtLinkId"]
    answer = post(ledger, told, **own)
    assert (answer.status, answer.json()["smrtLinkId"]) == (201, SYSTEM)
    assert post(ledger, {**told, "smrtlinkId": SYSTEM.upper()}, **own).status == 201
    assert post(ledger, event(smrtLinkId=OTHER), **own).status == 403
    every = bearer(ledger.token(Role.READ, Role.WRITE))
    nameless = post(ledger, {**told, "uuid": OTHER}, **every)
    assert nameless.status == 422
    (fault,) = nameless.json()["errors"]
    assert fault["pointer"] == "/smrtLinkId"
    assert fault["expected"].startswith("the id of the system; required unless")
    theirs = post(ledger, event(smrtLinkId=OTHER), **every).json()
    assert call(ledger.app, "GET", f"{EVENTS}/{theirs['uuid']}", **own).status == 404
    assert call(ledger.app, "GET", f"{EVENTS}/smrt-link/{OTHER}", **own).status == 404
    assert [one["smrtLinkId"] for one in ledger.get(EVENTS, **own)] == [SYSTEM]
    assert len(ledger.get(EVENTS, **every)) == 2
    for method, path in [
        ("GET", "/ledger/jobs"),
        ("POST", "/jobs"),
        ("POST", "/actors/v2/pipelinejobs/messages"),
        ("GET", "/pipelinejobs"),
    ]:
        assert call(ledger.app, method, path, **own).status == 403, path


def test_a_reject_keeps_who_sent_it_and_for_which_system(ledger: TestLedger) -> None:
    own = bearer(ledger.token(Role.WRITE, system=SYSTEM))
    told = event()
    del told["smrtLinkId"]
    post(ledger, told, **own)
    assert post(ledger, {**told, "dnsName": "x"}, **own).status == 409
    (reject,) = ledger.reading.rejects(limit=10)
    assert (reject["credential"], reject["properties"]) == ("test", {"system": SYSTEM})


SIGNERS = [Signer("uid", "example-secret"), Signer("bound", "sécret-日本", SYSTEM)]


def signing(ledger: TestLedger, *, anonymous: frozenset[Role] = frozenset()) -> Any:
    """Give a caller of an app that knows the signers, and that holds no token."""
    config = from_mapping({"LogTimeZone": "UTC"})
    routes = wiring.Surfaces(config, ledger.database).smrtlink().routes()
    gate = Gate(Tokens(ledger.tokens.in_force), signers=SIGNERS, anonymous_roles=anonymous)
    app = build_app(routes, gate, check_answers=True)

    def send(document: Any, header: str | None, path: str = EVENTS, method: str = "POST") -> Answer:
        fields = {} if header is None else {"HTTP_AUTHENTICATION": header}
        body = b"" if document is None else json.dumps(document).encode()
        return call(app, method, path, body, REQUEST_URI=path, REMOTE_ADDR="192.0.2.1", **fields)

    return send


def header(
    uid: str = "uid", secret: str = "example-secret", path: str = EVENTS, ago: float = 0
) -> str:
    return smrthmac.header(uid, secret, "POST", path, time.time() - ago)


def test_who_signs_is_let_in_and_nobody_else(ledger: TestLedger) -> None:
    send = signing(ledger)
    assert send(event(), header()).status == 201
    assert send(event(), header(ago=100)).status == 201
    refused = [
        None,
        "",
        "hmac uid:",
        header(ago=300),
        header(ago=-200),
        header(secret="other"),
        header(uid="nobody"),
        header(path="/api/v1/files"),
        header().replace("hmac", "basic"),
        header(uid="bound"),
    ]
    for wrong in refused:
        answer = send(event(), wrong)
        assert answer.status == 401, wrong
        assert answer.json()["httpCode"] == 401
    assert ledger.count("events") == 2
    assert ledger.count("rejects") == 0


def test_a_signature_that_is_wrong_is_refused_where_all_are_let_in(ledger: TestLedger) -> None:
    send = signing(ledger, anonymous=frozenset({Role.WRITE}))
    assert send(event(), None).status == 201
    assert send(event(), header(secret="other")).status == 401


def test_a_signer_of_one_system_speaks_for_it_alone(ledger: TestLedger) -> None:
    send, secret = signing(ledger), SIGNERS[1].secret
    told = event()
    del told["smrtLinkId"]
    # WSGI has header fields as Latin-1.
    own = header("bound", secret)
    assert send(told, own).json()["smrtLinkId"] == SYSTEM
    assert send(event(smrtLinkId=OTHER), own).status == 403
    assert send(told, header()).status == 422


def test_a_signer_may_read(ledger: TestLedger) -> None:
    send = signing(ledger)
    made = smrthmac.header("uid", "example-secret", "GET", EVENTS, time.time())
    assert send(None, made, method="GET").status == 200


def test_nothing_of_a_signature_comes_to_rest(ledger: TestLedger) -> None:
    send, first = signing(ledger), event()
    send(first, header())
    assert send({**first, "dnsName": "x"}, header()).status == 409
    (reject,) = ledger.reading.rejects(limit=10)
    made = header().rpartition(":")[2]
    assert made not in json.dumps(reject["properties"]) + bytes(reject["body"]).decode()
    assert reject["credential"] == "hmac uid"


# --- the status


def test_the_status_says_who_answers_and_needs_no_token(ledger: TestLedger) -> None:
    ledger.token(Role.READ)
    told = ledger.get("/status", HTTP_HOST="elsewhere.example.org", REMOTE_ADDR="192.0.2.1")
    for name in ("swagger-01", "doc-01", "doc-03"):
        assert told.keys() == sample(f"SmrtServerStatus--{name}.json").keys()
    assert told["id"] == "smrt-eve"
    assert told["message"] == f"Services have been up for {in_words(told['uptime'])}."
    again = ledger.get("/status")
    assert again["uuid"] == told["uuid"]
    assert again["uptime"] >= told["uptime"]


@pytest.mark.parametrize("told", sample("facts.json")["status_uptime"], ids=str)
def test_uptime_is_worded_as_the_original_has_it(told: dict[str, Any]) -> None:
    assert told["message"] == f"Services have been up for {in_words(told['uptime_ms'])}."


# --- hooks


def test_hooks_hear_of_each_step_of_a_job_in_one_batch(database: str) -> None:
    hooks = [
        {"Name": "ended", "URL": "http://localhost:1/", "States": ["SUCCESSFUL", "ERROR"]},
        {"Name": "signed", "URL": "http://localhost:1/", "Events": ["eula_signed"]},
        {
            "Name": "forward",
            "URL": "http://localhost:1/",
            "Kinds": ["smrtlink"],
            "Format": "smrtlink",
        },
    ]
    with open_ledger(database, Hooks=hooks) as ledger:
        story = [
            event(state, createdAt=f"2026-02-16T16:36:0{second}Z")
            for second, state in enumerate(["CREATED", "RUNNING", "SUCCESSFUL", "FAILED"])
        ]
        deliver(ledger, *story, signed())
        deliver(ledger, *story)
        with ledger.database.transaction() as connection, connection.cursor() as cursor:
            cursor.execute("select hook, job->>'state' from hook_deliveries order by id")
            rows = cursor.fetchall()
    by_hook = {name: [state for hook, state in rows if hook == name] for name, _ in rows}
    assert by_hook["ended"] == ["SUCCESSFUL"]
    assert by_hook["signed"] == [None]
    states = ["CREATED", "RUNNING", "SUCCESSFUL", "SUCCESSFUL", None]
    assert sorted(by_hook["forward"], key=str) == sorted(states, key=str)
