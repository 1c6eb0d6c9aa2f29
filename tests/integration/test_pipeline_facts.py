"""What is known of the original PipelineJobs Manager, row by row, over HTTP.

The tables here are written out, for a test that reads them from the code would agree with it
whatever it says.
"""

from __future__ import annotations

import re
import uuid

import pytest

from jexevents.model import Role
from tests.integration.test_pipelines import (
    JOB,
    MESSAGES,
    NOBODY,
    PIPELINE,
    Jobs,
    another,
    at,
    call_back,
    jobs,
)
from tests.unit.test_pipeline_messages import AGAVE

__all__ = ["jobs"]  # the fixture

# From where each event leads where; "stays" where it leads nowhere.
EDGES = {
    "run": ("CREATED RUNNING", "RUNNING"),
    "update": ("CREATED RUNNING INDEXING VALIDATING", "stays"),
    "resource": ("CREATED RUNNING", "stays"),
    "fail": ("CREATED RUNNING INDEXING VALIDATING", "FAILED"),
    "finish": ("RUNNING FINISHED", "FINISHED"),
    "index": ("FINISHED INDEXING", "INDEXING"),
    "indexed": ("FINISHED INDEXING", "FINISHED"),
    "validate": ("FINISHED VALIDATED", "VALIDATING"),
    "validated": ("VALIDATING VALIDATED", "VALIDATED"),
    "reject": ("VALIDATING", "REJECTED"),
    "finalize": ("VALIDATED", "FINALIZED"),
    "retire": ("FAILED FINISHED VALIDATING VALIDATED REJECTED FINALIZED", "RETIRED"),
    "reset": (
        "CREATED RUNNING FAILED FINISHED INDEXING VALIDATING VALIDATED REJECTED FINALIZED"
        " RETIRED RESET",
        "RESET",
    ),
    "ready": ("RESET", "CREATED"),
}
WAYS = {
    "CREATED": "",
    "RUNNING": "run",
    "FAILED": "run fail",
    "FINISHED": "run finish",
    "INDEXING": "run finish index",
    "VALIDATING": "run finish validate",
    "VALIDATED": "run finish validate validated",
    "REJECTED": "run finish validate reject",
    "FINALIZED": "run finish validate validated finalize",
    "RETIRED": "run finish retire",
    "RESET": "reset",
}
PHASES = {
    "QUEUED": "CREATED RESET",
    "RUNNING": "RUNNING INDEXING VALIDATING",
    "COMPLETE": "FINISHED VALIDATED FINALIZED RETIRED",
    "ERROR": "FAILED REJECTED",
}
AGAVE_STATUSES = {
    "resource": "CREATED PENDING PROCESSING_INPUTS STAGING_INPUTS STAGED STAGING_JOB SUBMITTING"
    " QUEUED PAUSED CLEANING_UP ARCHIVING ARCHIVING_FINISHED PERMISSION_GRANT PERMISSION_REVOKE"
    " ACCEPTED BLOCKED",
    "update": "UPDATED HEARTBEAT NOBODY_KNOWS",
    "run": "RUNNING",
    "finish": "FINISHED",
    "fail": "KILLED STOPPED FAILED DELETED ARCHIVING_FAILED",
}
TAPIS_STATUSES = {
    "resource": "PENDING PROCESSING_INPUTS STAGING_INPUTS STAGING_JOB SUBMITTING_JOB QUEUED"
    " ARCHIVING BLOCKED PAUSED",
    "run": "RUNNING",
    "finish": "FINISHED",
    "fail": "CANCELLED FAILED",
}


def lead(jobs: Jobs, way: str) -> dict[str, str]:
    """Create a job and send it along a way; give what names it in a message."""
    url = another(jobs)
    for name in way.split():
        answer = jobs.call("POST", MESSAGES, {**url, "name": name}, who=jobs.admin)
        assert answer.status == 200, answer.body
    return url


def record(jobs: Jobs, url: dict[str, str]) -> dict:
    return jobs.ledger.get(f"/pipelinejobs/{url['uuid']}", **jobs.writer)


# --- states, edges, phases


@pytest.mark.parametrize("state", WAYS)
def test_each_edge_and_no_other(jobs: Jobs, state: str) -> None:
    allowed = {name for name, (sources, _) in EDGES.items() if state in sources.split()}
    for name, (_, target) in EDGES.items():
        follow(jobs, state, name, allowed, state if target == "stays" else target)
    assert len(jobs.rejects()) == len(EDGES) - len(allowed)


def follow(jobs: Jobs, state: str, name: str, allowed: set[str], target: str) -> None:
    url = lead(jobs, WAYS[state])
    assert record(jobs, url)["state"] == state
    # With data of its own, for else it may only say again what was said last.
    document = {**url, "name": name, "data": {"new": True}}
    answer = jobs.call("POST", MESSAGES, document, who=jobs.admin)
    if name in allowed:
        told = answer.json()
        assert (answer.status, told["result"], told["state"]) == (200, "accepted", target), name
        return
    assert answer.status == 409, name
    (fault,) = answer.json()["errors"]
    assert set(fault["expected"].removeprefix("one of ").split(", ")) == allowed
    assert state in answer.json()["detail"]


def test_create_is_refused_from_outside(jobs: Jobs) -> None:
    for way in WAYS.values():
        document = {**lead(jobs, way), "name": "create"}
        answer = jobs.call("POST", MESSAGES, document, who=jobs.admin)
        assert answer.status == 422
        assert answer.json()["errors"][0]["pointer"] == "/name"


def test_event_names_are_taken_in_any_case(jobs: Jobs) -> None:
    for name, (sources, _) in EDGES.items():
        url = lead(jobs, WAYS[sources.split()[0]])
        document = {**url, "name": name.upper(), "data": {"new": True}}
        answer = jobs.call("POST", MESSAGES, document, who=jobs.admin)
        assert (answer.status, answer.json()["event"]) == (200, name)


@pytest.mark.parametrize("phase", PHASES)
def test_each_state_has_its_phase(jobs: Jobs, phase: str) -> None:
    for state in PHASES[phase].split():
        assert record(jobs, lead(jobs, WAYS[state]))["phase"] == phase


@pytest.mark.parametrize("way", ["fail retire", "run finish validate reject retire"])
def test_what_is_retired_after_an_error_is_cancelled(jobs: Jobs, way: str) -> None:
    assert record(jobs, lead(jobs, way))["phase"] == "CANCELLED"


@pytest.mark.parametrize("name", ["reset", "ready"])
def test_reset_and_ready_are_for_administrators(jobs: Jobs, name: str) -> None:
    url = lead(jobs, "" if name == "reset" else "reset")
    assert jobs.call("POST", MESSAGES, {**url, "name": name}).status == 403


def test_delete_is_no_event(jobs: Jobs) -> None:
    assert jobs.send("delete", who=jobs.admin).status == 422


# --- what is shown


def test_a_job_shows_what_the_original_showed(jobs: Jobs) -> None:
    optional = {"archive_system": "a", "agent": "b", "task": "c", "session": "d"}
    made = jobs.create(archive_path="/products/2", **optional).json()
    job = record(jobs, {"uuid": made["uuid"]})
    assert {name: job[name] for name in optional} == optional
    assert (job["pipeline_uuid"], job["archive_path"], job["data"]) == (
        PIPELINE,
        "/products/2",
        JOB["data"],
    )
    assert (job["state"], job["last_event"]) == ("CREATED", "create")
    assert job["created"] == job["updated"]
    assert not optional.keys() & jobs.job().keys()


def test_an_entry_of_the_history_has_an_id_a_name_a_date_and_data(jobs: Jobs) -> None:
    jobs.send("run", data={"cores": 8})
    entry = jobs.job()["history"][-1]
    assert uuid.UUID(entry["uuid"])
    assert (entry["name"], entry["data"]) == ("run", {"cores": 8})
    assert entry["date"].endswith("Z")


# --- tokens


def test_a_token_has_sixteen_lower_case_digits_and_is_taken_in_any_case(jobs: Jobs) -> None:
    assert re.fullmatch("[0-9a-f]{16}", jobs.token)
    jobs.token = jobs.token.upper()
    assert jobs.send("run").status == 200


@pytest.mark.parametrize(("length", "status"), [(15, 422), (16, 403), (17, 403), (18, 422)])
def test_a_token_in_a_document_has_sixteen_or_seventeen_characters(
    jobs: Jobs, length: int, status: int
) -> None:
    jobs.token = "f" * length
    assert jobs.send("run").status == status


# --- Agave and Tapis


@pytest.mark.parametrize(
    ("sender", "name", "statuses"),
    [
        *(("agave", *row) for row in AGAVE_STATUSES.items()),
        *(("tapis", *row) for row in TAPIS_STATUSES.items()),
    ],
)
def test_each_status_is_an_event(jobs: Jobs, sender: str, name: str, statuses: str) -> None:
    for status in statuses.split():
        url = another(jobs)
        call_back(jobs, url, (sender, status, 1, 1))
        steps = record(jobs, url)["history"]
        assert [step["name"] for step in steps if step["status"] == status][-1] == name


@pytest.mark.parametrize(
    "name",
    [
        "appId",
        "executionSystem",
        "owner",
        "archivePath",
        "archiveSystem",
        "status",
        "inputs",
        "parameters",
        "_links",
    ],
)
def test_what_a_job_of_agave_must_have(jobs: Jobs, name: str) -> None:
    document = {key: value for key, value in AGAVE.items() if key != name}
    answer = jobs.call("POST", MESSAGES, document, {**jobs.url, "status": "RUNNING"})
    assert answer.status == 422
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [f"/{name}"]


def test_what_a_job_of_agave_loses(jobs: Jobs) -> None:
    jobs.agave("RUNNING", 1, retries=3, localId="4711.pbs")
    kept = jobs.job()["history"][-1]["data"]
    assert not {"_links", "retries", "localId"} & kept.keys()
    assert kept["id"] == AGAVE["id"]


def test_a_callback_is_known_by_its_job_its_status_and_its_last_update(jobs: Jobs) -> None:
    assert jobs.agave("RUNNING", 1).json()["result"] == "accepted"
    assert jobs.agave("RUNNING", 1, owner="somebody else").json()["result"] == "duplicate"
    assert jobs.agave("RUNNING", 2).json()["result"] == "accepted"
    assert jobs.agave("QUEUED", 2).json()["result"] == "accepted"


def test_the_status_of_the_body_counts_where_the_url_has_none(jobs: Jobs) -> None:
    document = {**AGAVE, **at(1), "status": "FINISHED"}
    assert jobs.call("POST", MESSAGES, document, jobs.url).json()["state"] == "FINISHED"


# --- behaviours to keep


def test_an_unknown_job_is_refused(jobs: Jobs) -> None:
    jobs.uuid = NOBODY
    assert jobs.send("run").status == 403


def test_a_bad_token_is_refused(jobs: Jobs) -> None:
    jobs.token = "0123456789abcdef"
    assert jobs.send("run").status == 403


def test_a_token_in_the_document_wins_over_one_beside_it(jobs: Jobs) -> None:
    document = {"uuid": jobs.uuid, "token": jobs.token, "name": "run"}
    assert jobs.call("POST", MESSAGES, document, {"token": "f" * 16}).status == 200
    document = {"uuid": jobs.uuid, "token": "f" * 16, "name": "update"}
    assert jobs.call("POST", MESSAGES, document, {"token": jobs.token}).status == 403


def test_an_administrators_token_opens_any_job(jobs: Jobs) -> None:
    jobs.token = jobs.ledger.token(Role.ADMIN, short=True)
    assert jobs.send("run").status == 200
    jobs.uuid = another(jobs)["uuid"]
    assert jobs.send("run").status == 200


def test_creation_is_itself_the_first_entry_of_the_history(jobs: Jobs) -> None:
    jobs.send("run")
    assert [step["name"] for step in jobs.job()["history"]] == ["create", "run"]


def test_fail_from_created_is_allowed(jobs: Jobs) -> None:
    assert jobs.send("fail").json()["state"] == "FAILED"


@pytest.mark.parametrize("body", [b"[]", b'"run"', b"17", b"null", b"", b"{", b"\xff"])
def test_a_body_that_is_no_json_object_is_refused(jobs: Jobs, body: bytes) -> None:
    assert jobs.call("POST", MESSAGES, body).status in (400, 422)
    assert jobs.call("POST", MESSAGES, body, {**jobs.url, "status": "RUNNING"}).status in (400, 422)
    if body:
        asked = {**jobs.url, "event": "run"}
        assert jobs.call("POST", MESSAGES, body, asked).status in (400, 422)
    assert jobs.ledger.count("events") == 1


@pytest.mark.parametrize("name", ["nosuch", "", "runs", "run ", "agave.RUNNING", "sealed"])
def test_an_unknown_event_name_is_refused(jobs: Jobs, name: str) -> None:
    answer = jobs.send(name)
    assert answer.status == 422
    assert answer.json()["errors"][0]["pointer"] == "/name"
