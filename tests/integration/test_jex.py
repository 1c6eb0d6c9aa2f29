"""The JEX interface over a real ledger: insert, ask, and the facts of both doors as one story."""

from __future__ import annotations

import itertools
import json
import uuid
from typing import Any

import pytest

from jexevents.documents import STATUS_BY_PHASE
from tests.integration.web import JOB, call
from tests.ledger import (
    TestLedger,
    executing,
    held,
    message,
    named,
    released,
    submitted,
    terminated,
)

INVOCATION = "0d1c7a9e-5a0f-44e5-9cf1-1b0a7d3f5c11"
OTHER = "11111111-2222-4333-8444-555555555555"


def insert(ledger: TestLedger, status: int = 201, **members: Any) -> dict:
    answer = ledger.post("/jobs", JOB | members)
    assert answer.status == status, answer.body
    return answer.json()


def state(ledger: TestLedger, asked: str) -> dict:
    return ledger.get(f"/last-events/{asked}")["state"]


def test_an_insertion_is_answered_with_the_record(ledger: TestLedger) -> None:
    answer = ledger.post("/jobs", JOB)
    assert answer.status == 201
    record = answer.json()
    assert record | JOB == record
    assert record["Result"] == "inserted"
    assert record["InvocationID"] == record["UUID"]
    assert answer.headers["Location"] == f"/jobs/{record['UUID']}"
    shown = ledger.get(answer.headers["Location"])
    assert shown == {name: value for name, value in record.items() if name != "Result"}
    assert ledger.get(f"/invocations/{record['InvocationID']}") == shown


def test_a_job_without_events_is_submitted(ledger: TestLedger) -> None:
    record = insert(ledger, ExitCode=0, DateCompleted="2026-01-01T00:00:00Z")
    assert state(ledger, record["UUID"]) == {"status": "Submitted", "uuid": record["UUID"]}


def test_all_fields_come_back(ledger: TestLedger) -> None:
    fields = {
        "BatchID": str(uuid.uuid4()),
        "DateSubmitted": "2006-01-02T15:04:05+07:00",
        "DateStarted": "2006-01-02T15:04:06.25Z",
        "DateCompleted": "2006-01-02T15:04:07-00:00",
        "EnvVariables": "HOME=/",
        "ExitCode": -3,
        "FailureCount": 2,
        "FailureThreshold": 5,
        "InvocationID": OTHER,
    }
    record = insert(ledger, **fields)
    assert record | fields == record
    assert ledger.get(f"/invocations/{OTHER}") | fields == ledger.get(f"/invocations/{OTHER}")
    assert state(ledger, OTHER) == {"status": "Submitted", "uuid": OTHER}


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("2006-01-02T15:04:05+07:00", "2006-01-02T15:04:05+07:00"),
        ("2006-01-02t15:04:05z", "2006-01-02T15:04:05Z"),
        ("2006-01-02T15:04:05.123456789Z", "2006-01-02T15:04:05.123456Z"),
        ("1990-12-31T15:59:60-08:00", "1990-12-31T16:00:00-08:00"),
        ("2006-01-02T15:04:05+23:59", "2006-01-02T15:04:05+23:59"),
    ],
)
def test_the_offset_is_kept_as_sent(ledger: TestLedger, sent: str, shown: str) -> None:
    record = insert(ledger, DateSubmitted=sent)
    assert record["DateSubmitted"] == shown
    (event,) = ledger.get(f"/ledger/jobs/{record['UUID']}/events")["items"]
    assert event["data"]["DateSubmitted"] == sent


@pytest.mark.parametrize(
    "sent",
    ["2006-01-02T25:00:00Z", "2006-01-02T15:04:05", "2006-W01-1", "20060102T150405Z", ""]
    + ["2006-02-29T00:00:00Z", "2006-01-02T15:04:60Z", "2006-01-02 15:04:05Z", 5],
)
def test_what_is_no_time_stamp_is_refused(ledger: TestLedger, sent: Any) -> None:
    answer = ledger.post("/jobs", JOB | {"DateStarted": sent})
    assert answer.status == 422
    assert answer.json()["errors"][0]["pointer"] == "/DateStarted"
    assert ledger.count("jobs") == 0


def test_222_0_means_222(ledger: TestLedger) -> None:
    first = insert(ledger, CondorID="222.0")
    assert first["CondorID"] == "222"
    again = insert(ledger, 200, CondorID="0222", Submitter="other")
    assert (again["UUID"], again["Result"]) == (first["UUID"], "updated")
    assert insert(ledger, CondorID="222.3")["CondorID"] == "222.3"


def test_inserting_again_updates_the_fields_that_came(ledger: TestLedger) -> None:
    insert(ledger, BatchID=OTHER, ExitCode=3)
    record = insert(ledger, 200, CommandLine="/bin/false", ExitCode=None)
    assert (record["CommandLine"], record["BatchID"]) == ("/bin/false", OTHER)
    assert record["ExitCode"] == 3


def test_the_same_again_changes_nothing(ledger: TestLedger) -> None:
    insert(ledger)
    assert insert(ledger, 200)["Result"] == "unchanged"
    assert ledger.count("events") == 1
    insert(ledger, 200, Submitter="b")
    assert insert(ledger, 200)["Result"] == "updated"
    assert ledger.count("events") == 3


def test_an_idempotency_key_makes_a_repeat_one(ledger: TestLedger) -> None:
    key = {"HTTP_IDEMPOTENCY_KEY": "k-1"}
    assert ledger.post("/jobs", JOB, **key).status == 201
    insert(ledger, 200, Submitter="b")
    again = ledger.post("/jobs", JOB, **key)
    assert (again.status, again.json()["Result"]) == (200, "unchanged")
    assert ledger.count("events") == 2
    assert ledger.post("/jobs", JOB | {"Submitter": "c"}, **key).status == 409
    assert ledger.post("/jobs", JOB, HTTP_IDEMPOTENCY_KEY="a b").status == 422


def test_events_and_insertion_end_the_same_in_any_order(ledger: TestLedger) -> None:
    said = {"DateSubmitted": "2020-01-01T00:00:00Z", "ExitCode": 9, "InvocationID": OTHER}
    steps = [
        lambda job: ledger.post("/jobs", JOB | said | {"CondorID": job}),
        lambda job: ledger.send(message(submitted(job=f"{job}.000.000"))),
        lambda job: ledger.send(message(named(INVOCATION, job=f"{job}.000.000", second=1))),
        lambda job: ledger.send(message(terminated(0, job=f"{job}.000.000", second=20))),
    ]
    records = []
    for number, order in enumerate(itertools.permutations(steps), 500):
        for step in order:
            step(str(number))
        (row,) = ledger.jobs(key=str(number))
        record = ledger.get(f"/jobs/{row['id']}")
        records.append({k: v for k, v in record.items() if k not in ("UUID", "CondorID")})
    assert all(record == records[0] for record in records)
    assert (records[0]["Status"], records[0]["ExitCode"]) == ("Completed", 0)
    assert records[0]["DateSubmitted"] == "2026-03-01T12:00:00Z"
    assert records[0]["Submitter"] == JOB["Submitter"]
    assert records[0]["InvocationID"] == INVOCATION


def test_both_invocation_ids_find_a_job_that_was_given_two(ledger: TestLedger) -> None:
    insert(ledger, InvocationID=OTHER)
    ledger.send(message(named(INVOCATION.upper())))
    assert state(ledger, OTHER)["uuid"] == OTHER
    assert state(ledger, INVOCATION.upper())["status"] == "Submitted"


def test_last_events_over_a_life(ledger: TestLedger) -> None:
    ledger.send(message(submitted()), message(named(INVOCATION)))
    assert state(ledger, INVOCATION) == {"status": "Submitted", "uuid": INVOCATION}
    ledger.send(message(executing(second=5)))
    assert state(ledger, INVOCATION) == {"status": "Running", "uuid": INVOCATION}
    ledger.send(message(held(second=6)))
    failed = {"status": "Failed", "completion_date": "1772366406000", "uuid": INVOCATION}
    assert state(ledger, INVOCATION) == failed
    ledger.send(message(released(second=7)))
    assert state(ledger, INVOCATION) == {"status": "Submitted", "uuid": INVOCATION}
    ledger.send(message(terminated(second=8)))
    done = {"status": "Completed", "completion_date": "1772366408000", "uuid": INVOCATION}
    assert state(ledger, INVOCATION) == done


def test_of_several_procs_the_one_submitted_last_answers(ledger: TestLedger) -> None:
    for proc, second in ((0, 9), (1, 10), (2, 8)):
        job = f"222.{proc:03}.000"
        ledger.send(message(submitted(job=job, second=second)))
        ledger.send(message(named(INVOCATION, job=job, second=second)))
    ledger.send(message(executing(job="222.001.000", second=20)))
    assert state(ledger, INVOCATION)["status"] == "Running"
    assert ledger.get(f"/invocations/{INVOCATION}")["CondorID"] == "222.1"


def test_the_source_is_part_of_the_key(ledger: TestLedger) -> None:
    first = insert(ledger)
    second = insert(ledger, Source="submit-1")
    assert first["UUID"] != second["UUID"]
    assert (second["Source"], second["CondorID"]) == ("submit-1", "222")
    ledger.send(message(executing(), Source="submit-1"))
    assert state(ledger, first["UUID"])["status"] == "Submitted"
    assert state(ledger, second["UUID"])["status"] == "Running"


@pytest.mark.parametrize("path", ["/last-events", "/jobs", "/invocations", "/ledger/jobs"])
@pytest.mark.parametrize("asked", [OTHER, "222", "not-an-id", OTHER + "x"])
def test_what_is_unknown_is_404(ledger: TestLedger, path: str, asked: str) -> None:
    answer = call(ledger.app, "GET", f"{path}/{asked}")
    assert answer.status == 404
    assert answer.headers["Content-Type"] == "application/problem+json"


BAD_BODIES = [
    (b"", 400),
    (b"{", 400),
    (b"[]", 422),
    (b'"text"', 415),
    (b"Submitter=x", 415),
    (json.dumps(JOB).encode()[:-1] + b', "Submitter": "twice"}', 400),
    (json.dumps(JOB | {"CommandLine": "a\0b"}).encode(), 400),
    (json.dumps(JOB | {"CommandLine": "\ud800"}).encode(), 400),
    (json.dumps(JOB).encode().replace(b"wregglej", b"\xff"), 400),
    (json.dumps(JOB | {"x": 10**400}).encode(), 400),
    (json.dumps(JOB).encode()[:-1] + b', "x": 1e999}', 400),
    (json.dumps(JOB).encode()[:-1] + b', "x": ' + b"[" * 5000 + b"]" * 5000 + b"}", 400),
    (json.dumps(JOB | {"CommandLine": "x" * (1 << 20)}).encode(), 413),
    (json.dumps(JOB | {"CondorID": 222}).encode(), 422),
    (json.dumps(JOB | {"CondorID": "abc"}).encode(), 422),
    (json.dumps(JOB | {"CondorID": "99999999999"}).encode(), 422),
    (json.dumps(JOB | {"AppID": "x"}).encode(), 422),
    (json.dumps(JOB | {"ExitCode": 1.5}).encode(), 422),
    (json.dumps(JOB | {"FailureCount": -1}).encode(), 422),
    (json.dumps({"Submitter": "x"}).encode(), 422),
]


@pytest.mark.parametrize(("body", "status"), BAD_BODIES)
def test_a_bad_body_is_answered_and_nothing_is_stored(
    ledger: TestLedger, body: bytes, status: int
) -> None:
    form = "application/x-www-form-urlencoded"
    answer = ledger.post("/jobs", body, CONTENT_TYPE=form)
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["errors"]
    assert (ledger.count("events"), ledger.count("rejects")) == (0, 0)


def test_the_ledger_pages_and_filters(ledger: TestLedger) -> None:
    for cluster in range(300, 307):
        ledger.send(message(submitted(job=f"{cluster}.000.000", second=cluster)))
    ledger.send(message(executing(job="303.000.000", second=400)))
    first = ledger.get("/ledger/jobs", "limit=3")
    assert [job["key"] for job in first["items"]] == ["306", "305", "304"]
    second = ledger.get(*first["next"].split("?"))
    third = ledger.get(*second["next"].split("?"))
    assert [job["key"] for job in third["items"]] == ["300"]
    assert third["next"] is None
    keys = [
        [job["key"] for job in ledger.get("/ledger/jobs", query)["items"]]
        for query in (
            "phase=RUNNING",
            "state=Running&kind=condor",
            "key=301",
            "since=2026-03-01T12:05:05Z",
            "until=2026-03-01T14:05:01%2B02:00",
            "submitter=nobody",
        )
    ]
    assert keys == [["303"], ["303"], ["301"], ["306", "305"], ["300"], []]
    (job,) = ledger.get("/ledger/jobs", "key=303")["items"]
    whole = ledger.get(f"/ledger/jobs/{job['id']}")
    assert whole["condor"]["execute_host"].startswith("<10.0.0.2")
    events = ledger.get(f"/ledger/jobs/{job['id']}/events", "limit=1")
    assert [event["name"] for event in events["items"]] == ["EXECUTE"]
    rest = ledger.get(*events["next"].split("?"))
    assert [event["name"] for event in rest["items"]] == ["SUBMIT"]


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=1001", "limit=x", "phase=ended", "kind=x", "since=yesterday"]
    + ["before=x", "colour=red", "limit=1&limit=2"],
)
def test_a_query_that_means_nothing_is_400(ledger: TestLedger, query: str) -> None:
    answer = call(ledger.app, "GET", "/ledger/jobs", query=query)
    assert answer.status == 400
    assert answer.json()["errors"]


def test_every_phase_has_a_word() -> None:
    from jexevents.model import Phase

    assert set(STATUS_BY_PHASE) == {phase.value for phase in Phase}


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_of_procs_submitted_together_the_last_is_meant_in_any_order(
    ledger: TestLedger, order: tuple[int, ...]
) -> None:
    for proc in order:
        job = f"222.{proc:03}.000"
        ledger.send(message(submitted(job=job)), message(named(INVOCATION, job=job)))
    assert ledger.get(f"/invocations/{INVOCATION}")["CondorID"] == "222.2"
