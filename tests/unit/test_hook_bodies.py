"""What is sent: each format as its readers want it, the same at each try."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest
from cloudevents.v1.http import CloudEvent, from_http
from hypothesis import given
from hypothesis import strategies as st

from jexevents.hooks import bodies
from jexevents.hooks.bodies import Gone, NothingToSay
from jexevents.rfc3339 import parse
from jexevents.store.outbox import Delivery
from jexevents.validation import SCHEMAS
from tests.unit.deliveries import (
    EVENT,
    EXECUTION,
    INVOCATION,
    JOB,
    JOB_ID,
    NOON,
    delivery,
    of_execution,
    of_no_job,
)

PUBLIC = "https://jex.example.org"
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


def read(sent: Delivery, public_url: str = "") -> CloudEvent:
    """Read a body with the library of the CloudEvents project."""
    body = bodies.make("cloudevents", sent, public_url)
    return from_http({"content-type": body.content_type}, body.content)


def test_a_cloudevent_names_event_and_job() -> None:
    event = read(delivery(), PUBLIC)
    assert event["specversion"] == "1.0"
    assert event["source"] == f"{PUBLIC}/condor/cluster1"
    assert event["type"] == "jexevents.condor.JOB_TERMINATED"
    assert event["subject"] == JOB["key"]
    assert parse(event["time"]).at == NOON
    assert event["datacontenttype"] == "application/json"
    assert event.data["job"] == JOB
    assert event.data["event"] == {
        "seq": 86,
        "name": "JOB_TERMINATED",
        "source": "cluster1",
        "occurred_at": "2026-03-01T12:00:00Z",
        "received_at": "2026-03-01T12:00:00Z",
        "data": {"ReturnValue": 1},
    }


def test_the_id_is_one_of_the_event_whatever_other_jobs_have() -> None:
    """The same checksum in two jobs, and in jobs of two kinds, is two events."""
    other = {**JOB, "key": "cluster1#223.0"}
    sent = [delivery(), delivery(job=other), delivery(job={**JOB, "kind": "pipeline"})]
    assert len({read(one)["id"] for one in sent}) == 3
    over = b"condor\0" + JOB["key"].encode() + b"\0" + EVENT.checksum
    assert read(sent[0])["id"] == sha256(over).hexdigest()
    of_itself = delivery(event=EVENT._replace(is_identified=True))
    assert read(of_itself)["id"] == EVENT.checksum.hex()
    assert read(of_no_job({}, "smrtlink"))["id"] == EVENT.checksum.hex()


def test_without_a_public_url_the_source_is_a_urn() -> None:
    assert read(delivery())["source"] == "urn:jexevents:condor:cluster1"
    nameless = delivery(event=EVENT._replace(source=""))
    assert read(nameless)["source"] == "urn:jexevents:condor"


def test_an_event_of_no_job_has_no_subject() -> None:
    event = read(of_no_job({"a": 1}, "smrtlink", "eula_signed"))
    assert event["type"] == "jexevents.smrtlink.eula_signed"
    assert "subject" not in event.get_attributes()
    assert event.data["job"] is None


def test_what_came_as_a_cloudevent_goes_on_as_that() -> None:
    came = {
        "specversion": "1.0", "id": "7", "source": "/lab/3", "type": "org.example.done",
        "subject": "run 5", "traceparent": "00-1-2-03", "data": {"x": [1, None]},
    }  # fmt: skip
    body = bodies.make("cloudevents", of_no_job(came), PUBLIC)
    assert json.loads(body.content) == came
    assert read(of_no_job(came), PUBLIC)["source"] == "/lab/3"


@given(source=TEXTS, name=TEXTS.filter(bool), key=TEXTS.filter(bool), value=TEXTS)
def test_whatever_the_names_are_it_is_a_cloudevent(
    source: str, name: str, key: str, value: str
) -> None:
    event = EVENT._replace(source=source, name=name, data={"v": value})
    found = read(delivery(event=event, job=JOB | {"key": key}), PUBLIC)
    assert found.data["event"]["data"] == {"v": value}
    assert found["subject"] == key
    # A URI reference has ASCII without blanks.
    assert found["source"].isascii()
    assert not set(found["source"]) & set(' <>"{}|\\^`')


def test_the_state_document_is_the_one_that_is_asked_for() -> None:
    body = bodies.make("jex", delivery())
    document = json.loads(body.content)
    assert body.content_type == "application/json"
    assert SCHEMAS.check("last_events", document) == []
    assert document == {
        "state": {"status": "Failed", "uuid": INVOCATION, "completion_date": "1772366400000"}
    }


def test_without_an_invocation_id_the_jobs_own_stands() -> None:
    job = {name: value for name, value in JOB.items() if name != "invocation_id"}
    running = job | {"phase": "RUNNING", "finished_at": None}
    assert bodies.jex(delivery(job=running)) == {"state": {"status": "Running", "uuid": JOB_ID}}


def test_a_system_event_goes_on_as_it_came() -> None:
    event = {"uuid": INVOCATION, "smrtLinkId": JOB_ID, "message": {"state": "FAILED"}}
    body = bodies.make("smrtlink", of_no_job(event, "smrtlink", "smrtlink_job_change_state"))
    assert json.loads(body.content) == event
    with pytest.raises(NothingToSay, match="condor"):
        bodies.make("smrtlink", delivery())


def test_overseers_document() -> None:
    assert bodies.overseer(delivery(), PUBLIC) == {
        "job": "cluster1#222.0",
        "execution": 1772362800.25,
        "status": "failed",
        "metadata": f"{PUBLIC}/ledger/jobs/{JOB_ID}",
    }
    unknown = delivery(job=JOB | {"submitted_at": None})
    assert bodies.overseer(unknown, "")["execution"] is None
    assert bodies.overseer(unknown, "")["metadata"] == f"/ledger/jobs/{JOB_ID}"


def test_overseers_document_of_a_containers_run() -> None:
    run = delivery(job=JOB | {"kind": "container", "key": "12/3", "state": "COMPLETE"})
    told = bodies.overseer(run, PUBLIC)
    assert (told["job"], told["status"]) == ("12/3", "complete")
    assert told["metadata"] == f"{PUBLIC}/result/12/detail/3"


def test_overseers_document_of_an_execution_is_the_seeds() -> None:
    """The status is the name of the event that triggered it, not how the job stands."""
    assert bodies.overseer(of_execution("data-ready"), PUBLIC) == {
        "job": "example-job",
        "execution": 1489895624.840211,
        "status": "data-ready",
        "metadata": f"{PUBLIC}/jobs/example-job/1489895624.840211",
    }
    assert b'"execution":1489895624.840211,' in bodies.make("overseer", of_execution()).content
    whole = of_execution(job=EXECUTION | {"key": "1489888092.0"})
    assert b'"execution":1489888092.0,' in bodies.make("overseer", whole).content


def test_the_status_of_an_execution_cannot_be_told_when_the_event_was_pruned() -> None:
    with pytest.raises(Gone):
        bodies.make("overseer", delivery(job=EXECUTION, event=None))


def test_a_mail_about_an_execution_names_it() -> None:
    mail = of_execution("time-out")
    assert bodies.mail_subject(mail) == "[jexevents] example-job 1489895624.840211: time-out"
    text = bodies.mail_text(mail, PUBLIC)
    assert text.startswith("The execution 1489895624.840211 of example-job\n")
    assert f"more: {PUBLIC}/jobs/example-job/1489895624.840211" in text
    pruned = delivery(job=EXECUTION, event=None)
    assert bodies.mail_subject(pruned) == "[jexevents] example-job 1489895624.840211: COMPLETE"


def test_the_words_of_an_event_for_a_job_that_it_starts() -> None:
    assert bodies.words(of_execution("complete", {"exit_code": 0})) == {
        "event": "complete",
        "source": "example-job",
        "kind": "command",
        "occurred_at": "2026-03-01T12:00:00Z",
        "data": {"exit_code": 0},
        "job": "1489895624.840211",
        "job_id": JOB_ID,
        "state": "COMPLETE",
        "phase": "COMPLETE",
    }
    loose = bodies.words(of_no_job({"a": 1}, "smrtlink", "eula_signed"))
    assert (loose["event"], loose["kind"]) == ("eula_signed", "smrtlink")
    assert not {"job", "job_id", "state", "phase"} & set(loose)
    with pytest.raises(Gone):
        bodies.words(delivery(event=None))


@pytest.mark.parametrize("name", ["jex", "overseer"])
def test_formats_of_jobs_have_nothing_to_say_of_others(name: str) -> None:
    with pytest.raises(NothingToSay, match="no job"):
        bodies.make(name, of_no_job({}))


@pytest.mark.parametrize("name", ["cloudevents", "smrtlink"])
def test_what_was_pruned_cannot_be_told(name: str) -> None:
    with pytest.raises(Gone):
        bodies.make(name, delivery(event=None))


@pytest.mark.parametrize("name", ["jex", "overseer"])
def test_the_state_can_be_told_when_the_event_was_pruned(name: str) -> None:
    assert bodies.make(name, delivery(event=None)) == bodies.make(name, delivery())


def test_where_a_job_is_stopped() -> None:
    assert bodies.stop_path(delivery()) == f"/stop/{INVOCATION}"
    hostile = delivery(job=JOB | {"invocation_id": "../jobs?x=1#y"})
    assert bodies.stop_path(hostile) == "/stop/..%2Fjobs%3Fx%3D1%23y"
    with pytest.raises(NothingToSay, match="invocation"):
        bodies.stop_path(delivery(job=JOB | {"invocation_id": None}))


def test_a_mail_says_in_its_subject_what_happened() -> None:
    assert bodies.mail_subject(delivery()) == "[jexevents] condor job 222.0: Failed"
    signed = of_no_job({}, "smrtlink", "eula_signed")
    assert bodies.mail_subject(signed) == "[jexevents] eula_signed from cluster1"


def test_a_subject_is_one_line_whatever_is_in_it() -> None:
    hostile = delivery(job=JOB | {"state": "x\r\nBcc: all@example.org\0" + "y" * 1000})
    subject = bodies.mail_subject(hostile)
    assert subject.isprintable()
    assert len(subject) < 250


def test_a_mail_has_the_job_and_the_event_and_where_to_look() -> None:
    text = bodies.mail_text(delivery(), PUBLIC)
    for line in ("state: Failed", "exit_code: 1", "name: JOB_TERMINATED", '"ReturnValue": 1'):
        assert line in text
    assert f"{PUBLIC}/ledger/jobs/{JOB_ID}" in text
    assert "was pruned" in bodies.mail_text(delivery(event=None))


@pytest.mark.parametrize("name", bodies.FORMATS)
def test_a_body_is_the_same_at_each_try(name: str) -> None:
    event = EVENT._replace(kind="smrtlink")
    first = bodies.make(name, delivery(event=event), PUBLIC)
    again = bodies.make(name, delivery(event=event, attempts=7, tried_first_at=NOON), PUBLIC)
    assert first == again
