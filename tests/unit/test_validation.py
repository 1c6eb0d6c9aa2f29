"""The bundled schemas, and that the two libraries that read them agree."""

from __future__ import annotations

import json
import threading

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jexevents.errors import ConfigError
from jexevents.schemafiles import with_folder
from jexevents.sources.smrtlink.types import is_name
from jexevents.validation import Schemas, UnknownSchema, explain
from tests.unit.schema_examples import (
    DEFINITION_EXAMPLES,
    EXECUTION_EXAMPLES,
    HOOK_EXAMPLES,
    PIPELINE_EXAMPLES,
    SCHEDULE_EXAMPLES,
    SMRTLINK_EXAMPLES,
    TASK_EXAMPLES,
    WORKER_EXAMPLES,
)

SCHEMAS = Schemas()

# What means the same in draft 7 (fastjsonschema) and 2020-12 (jsonschema, OpenAPI 3.1), and is
# done alike by both libraries. `$ref` is not among them: its siblings count in one draft only.
SAME_IN_BOTH = {
    "$schema", "$id", "title", "description", "examples", "type", "enum", "format", "pattern",
    "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "items", "properties",
    "required", "additionalProperties",
}  # fmt: skip

JOB = {
    "Submitter": "wregglej",
    "AppID": "c7f05682-23c8-4182-b9a2-e09650a5f49b",
    "CommandLine": "/bin/true",
    "CondorID": "222",
}
FULL_JOB = {
    **JOB,
    "BatchID": "8d7b6ae5-4c4e-4e2e-9a3d-6a3c5b1f6d6e",
    "DateSubmitted": "2006-01-02T15:04:05+07:00",
    "DateStarted": "2006-01-02T15:04:05Z",
    "DateCompleted": "2016-12-31T23:59:60z",
    "EnvVariables": "HOME=/",
    "ExitCode": -1,
    "FailureCount": 0,
    "FailureThreshold": 3,
    "InvocationID": "EBBFF967-B467-48A3-B3BF-D73F7CDE8ED1",
    "Source": "condor-1",
}
NOON = "2026-01-02T12:00:00Z"
LEDGER_JOB = {
    "id": JOB["AppID"], "kind": "condor", "key": "1", "source": "", "state": "Completed",
    "phase": "COMPLETE", "closed": True, "submitter": None, "submitted_at": NOON,
    "started_at": None, "finished_at": NOON, "exit_code": 0, "reason": None,
    "sealed": False, "created_at": NOON, "updated_at": NOON,
}  # fmt: skip
LEDGER_EVENT = {
    "seq": 1, "name": "SUBMIT", "job_id": JOB["AppID"], "source": "", "occurred_at": NOON,
    "occurred_offset": None, "occurred_alt": None, "received_at": NOON, "checksum": "00",
    "log": None, "offset": None, "data": {}, "raw": "000 ...",
}  # fmt: skip
STREAM_EVENT = {
    "seq": 1, "name": "SUBMIT", "source": "", "occurred_at": NOON, "received_at": NOON, "data": {},
    "job": {"id": JOB["AppID"], "kind": "condor", "key": "1", "state": "Submitted",
            "phase": "QUEUED"},
}  # fmt: skip
LEDGER_REJECT = {
    "id": 1, "received_at": NOON, "last_at": NOON, "times": 1, "tried_at": None,
    "origin": "amqp:q", "source": "", "credential": None, "reason": "schema",
    "reasons": [{"pointer": "", "expected": "e", "got": "g"}], "properties": {}, "body": "x",
    "size": 1, "sha256": "00", "cut": False,
}  # fmt: skip
GOOD = {
    "job_insertion": FULL_JOB,
    "condor_message": {
        "Event": "000 (1.0.0) x", "Hash": "", "Source": "s", "Occurrence": 0, "Log": "/l",
        "Offset": 2**63 - 1,
    },
    "job_record": {
        "UUID": JOB["AppID"], "InvocationID": JOB["AppID"], "CondorID": "1", "Source": "",
        "Status": "Submitted", "Submitter": None, "DateCompleted": "2016-12-31T23:59:60z",
        "FailureCount": 0, "Held": False, "Result": "inserted",
    },
    "ledger_job": LEDGER_JOB,
    "ledger_jobs": {"items": [LEDGER_JOB], "next": "/ledger/jobs?before=x"},
    "ledger_event": LEDGER_EVENT,
    "ledger_events": {"items": [LEDGER_EVENT], "next": None},
    "ledger_stream_event": STREAM_EVENT,
    "ledger_reject": LEDGER_REJECT,
    "ledger_rejects": {"items": [LEDGER_REJECT], "next": None},
    "last_events": {
        "state": {"status": "Failed", "completion_date": "1415988131640", "uuid": JOB["AppID"]}
    },
    "problem": {
        "title": "t", "status": 422, "detail": "d", "type": "about:blank", "instance": "/x",
        "request_id": "r", "errors": [{"pointer": "/a", "expected": "e", "got": "g"}],
    },
    "health": {"status": "ok"},
    "readiness": {
        "status": "unready", "checks": {"database": {"ok": False, "detail": "x", "seconds": 1.5}}
    },
    **DEFINITION_EXAMPLES,
    **EXECUTION_EXAMPLES,
    **HOOK_EXAMPLES,
    **PIPELINE_EXAMPLES,
    **SCHEDULE_EXAMPLES,
    **SMRTLINK_EXAMPLES,
    **TASK_EXAMPLES,
    **WORKER_EXAMPLES,
}  # fmt: skip

ODD_VALUES = st.sampled_from([
    None, True, False, 0, 1, -1, 1.0, 0.5, -0.0, 1e300, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1,
    2**63 - 1, -(2**63), float(2**31 - 1), "", "0", "222", "222.3", "222\n", "222.", ".3", "0222",
    "2147483647.2147483647", "2147483648", "9999999999", "\u0662\u0662", "\uff12\uff12", "a\nb",
    "\x7f", "é" * 255,
    "é" * 256, "x" * 65537, "2006-01-02T15:04:05Z", "2006-01-02T15:04:05Z\n",
    "2015-02-29T00:00:00Z", "2016-12-31T23:59:60Z", "2016-12-31T22:59:60Z", "0001-01-01T00:00:00Z",
    JOB["AppID"],
    JOB["AppID"].upper(), JOB["AppID"] + "\n", JOB["AppID"].replace("-", ""),
    "{" + JOB["AppID"] + "}",
    "Submitted", "submitted", "Completed", "ready", "ok", [], [None], {}, {"a": 1},
])  # fmt: skip
VALUES = ODD_VALUES | st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def places(document, path=()):
    """Give every path in a document, the top included."""
    yield path
    if isinstance(document, dict):
        for name, value in document.items():
            yield from places(value, (*path, name))
    elif isinstance(document, list):
        for index, value in enumerate(document):
            yield from places(value, (*path, index))


def changed(document, path, value):
    if not path:
        return value
    copy = json.loads(json.dumps(document))
    parent = copy
    for step in path[:-1]:
        parent = parent[step]
    if value is ...:
        del parent[path[-1]]
    else:
        parent[path[-1]] = value
    return copy


@st.composite
def documents(draw, name):
    document = GOOD[name]
    for _ in range(draw(st.integers(0, 3))):
        path = draw(st.sampled_from(list(places(document))))
        value = draw(VALUES | st.just(...)) if path else draw(VALUES)
        document = changed(document, path, value)
    return document


def test_every_schema_has_a_good_example():
    assert set(SCHEMAS.names()) == set(GOOD)


@pytest.mark.parametrize("name", SCHEMAS.names())
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_both_libraries_agree(name, data):
    document = data.draw(documents(name))
    found = explain(SCHEMAS.document(name), document)
    assert SCHEMAS.accepts(name, document) == (found == [])
    assert SCHEMAS.check(name, document) == found


@pytest.mark.parametrize("name", SCHEMAS.names())
def test_schemas_are_valid_named_and_told(name):
    schema = SCHEMAS.document(name)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == f"urn:jexevents:schemas:{name}"
    assert SCHEMAS.check(name, GOOD[name]) == []
    for inner in subschemas(schema):
        assert set(inner) <= SAME_IN_BOTH
        assert inner["title"]
        assert inner["description"]
        assert all(isinstance(choice, str) for choice in inner.get("enum", []))
        for example in inner.get("examples", []):
            assert explain(inner, example) == []


def subschemas(schema):
    yield schema
    inner = [*schema.get("properties", {}).values(), schema.get("items")]
    for child in [*inner, schema.get("additionalProperties")]:
        if isinstance(child, dict):
            yield from subschemas(child)


@pytest.mark.parametrize("name", sorted(set(FULL_JOB) - set(JOB)))
def test_null_is_absent_for_optional_members(name):
    assert SCHEMAS.check("job_insertion", {**JOB, name: None}) == []


@pytest.mark.parametrize("name", sorted(JOB))
def test_required_members_are_required(name):
    for document in (changed(JOB, (name,), ...), {**JOB, name: None}):
        (fault,) = SCHEMAS.check("job_insertion", document)
        assert fault.pointer == f"/{name}"


@pytest.mark.parametrize("value", ["", "0001-01-01", "2006-01-02 15:04:05Z", 0, "never"])
def test_dates_are_strict(value):
    (fault,) = SCHEMAS.check("job_insertion", {**JOB, "DateStarted": value})
    assert fault.pointer == "/DateStarted"


def test_unknown_members_are_ignored():
    assert SCHEMAS.check("job_insertion", {**JOB, "Colour": {"a": [1]}}) == []


def test_a_name_in_another_case_is_pointed_out():
    document = {"submitter": "x", **changed(JOB, ("Submitter",), ...)}
    (fault,) = SCHEMAS.check("job_insertion", document)
    assert 'there is "submitter"' in fault.got


def test_every_fault_is_told_with_pointer_expected_and_got():
    document = {**JOB, "AppID": "zz", "ExitCode": 2**31, "FailureCount": True, "Source": "a\nb"}
    faults = SCHEMAS.check("job_insertion", document)
    assert [fault.pointer for fault in faults] == [
        "/AppID",
        "/ExitCode",
        "/FailureCount",
        "/Source",
    ]
    assert [fault.got for fault in faults] == ['"zz"', "2147483648", "true", '"a\\nb"']
    assert "2147483647 or less" in faults[1].expected


def test_patterns_are_told_in_words():
    """All those of the bundled schemas; one that a site has added, with its description."""

    def patterns(value):
        if isinstance(value, dict):
            yield from [value["pattern"]] if isinstance(value.get("pattern"), str) else []
            value = list(value.values())
        if isinstance(value, list):
            for inner in value:
                yield from patterns(inner)

    for name in SCHEMAS.names():
        for pattern in set(patterns(SCHEMAS.document(name))):
            for document in ("\n/ ", "-"):
                for fault in explain({"pattern": pattern}, document):
                    assert "text that matches" not in fault.expected, (name, pattern)
                    assert "^" not in fault.expected
    (fault,) = explain({"pattern": "^x$", "description": "The letter."}, "y")
    assert fault.expected == "text that matches ^x$ (The letter.)"


def test_what_came_is_shortened_and_secrets_are_not_shown():
    faults = SCHEMAS.check(
        "job_insertion", {**JOB, "AppID": "x" * 10_000, "EnvVariables": {"PASSWORD": "hunter2"}}
    )
    assert all(len(fault.got) <= 80 for fault in faults)
    assert "hunter2" not in str(faults)


def test_the_wrong_type_altogether():
    (fault,) = SCHEMAS.check("job_insertion", [JOB])
    assert (fault.pointer, fault.expected, fault.got) == ("", "object", "array of 1")


def test_an_unknown_schema_names_the_known_ones():
    with pytest.raises(UnknownSchema, match="job_insertion"):
        SCHEMAS.check("nonsense", {})


def test_threads_share_one_registry():
    schemas, results = Schemas(), []
    barrier = threading.Barrier(8)

    def check() -> None:
        barrier.wait()
        results.extend(schemas.check(name, GOOD[name]) for name in schemas.names())

    threads = [threading.Thread(target=check) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [[]] * (8 * len(GOOD))


def test_a_folder_adds_schemas_and_replaces_ours(tmp_path):
    strict = {"type": "object", "required": ["seen"], "properties": {"seen": {"format": "uuid"}}}
    (tmp_path / "site_event.2.json").write_text(json.dumps(strict))
    (tmp_path / "eula_signed.1.json").write_text(json.dumps({"type": "object"}))
    for left_alone in ("README", ".site_event.2.json", "notes.JSON"):
        (tmp_path / left_alone).write_text("no schema")
    wider = with_folder(SCHEMAS, tmp_path, "smrtlink", is_name)
    assert wider.added == ("eula_signed.1", "site_event.2")
    assert set(wider.names()) == {*SCHEMAS.names(), "smrtlink/site_event.2"}
    assert wider.files["smrtlink/site_event.2.json"] == "smrtlink/site_event.2"
    (fault,) = wider.check("smrtlink/site_event.2", {"seen": "x"})
    assert fault.pointer == "/seen"
    assert wider.accepts("smrtlink/eula_signed.1", {})
    assert not SCHEMAS.accepts("smrtlink/eula_signed.1", {})
    assert json.loads(wider.text("smrtlink/site_event.2")) == strict


UNFIT = {
    "": "expected JSON, got a fault at line 1, column 1: Expecting value",
    '{"type": "object"\n "a": 7}': "expected JSON, got a fault at line 2, column 2: ",
    "[]": "expected a JSON object, got array of 0",
    '{"type": 7}': '/type: expected a type such as "object", or a list of types, got 7',
    '{"properties": {"a": {"type": "strin"}}}': "/properties/a/type: expected a type such as",
    '{"pattern": "("}': '/pattern: expected a regular expression, got "("',
    '{"required": ["a", "a"]}': "/required: expected no entry twice, got array of 2",
    '{"$ref": "#/nowhere"}': "it cannot be used: Unresolvable ref: nowhere",
    '{"properties": {"a": {"$ref": "http://127.0.0.1:1/"}}}': "expected $ref to begin with #",
    "[" * 100_000: "nesting too deep",
    "\ud800": "expected UTF-8, got another byte at offset 0",
}


@pytest.mark.parametrize("text", UNFIT, ids=UNFIT.values())
def test_what_is_no_schema_is_told_in_a_line(tmp_path, text):
    (tmp_path / "a.1.json").write_text(text, errors="surrogatepass")
    (line,) = faults_in(tmp_path)
    assert line.startswith("a.1.json: ")
    assert UNFIT[text] in line
    assert "\\u00" not in line
    assert len(line) < 400


@pytest.mark.parametrize("name", ["lab", "lab.", "lab.0", "lab.01", "lab.1000001", "l b.1", ".1x"])
def test_a_file_without_a_type_and_a_version_in_its_name_is_a_fault(tmp_path, name):
    for good in ("lab.1.json", "lab.x-y_z.1000000.json"):
        (tmp_path / good).write_text("{}")
    assert set(with_folder(SCHEMAS, tmp_path, "smrtlink", is_name).added) == {
        "lab.1",
        "lab.x-y_z.1000000",
    }
    (tmp_path / f"x{name}.json").write_text("{}")
    (line,) = faults_in(tmp_path)
    assert line.startswith(f"x{name}.json: expected a name with a version, such as TYPE.1.json")


def test_every_file_that_cannot_be_used_is_named(tmp_path):
    for name in ("lab.json", "a.1.json", "b.1.json"):
        (tmp_path / name).write_text("[]")
    assert [line.partition(":")[0] for line in faults_in(tmp_path)] == [
        "a.1.json",
        "b.1.json",
        "lab.json",
    ]


def faults_in(folder):
    """Give the lines of the error that tells of a folder's files."""
    with pytest.raises(ConfigError) as caught:
        with_folder(SCHEMAS, folder, "smrtlink", is_name)
    head, *lines = str(caught.value).splitlines()
    assert str(folder) in head
    assert str(caught.value).endswith("what a schema may hold.")
    return [line.strip() for line in lines]


@pytest.mark.parametrize("made", [False, True], ids=["missing", "file"])
def test_a_folder_that_is_none_cannot_be_used(tmp_path, made):
    folder = tmp_path / "a"
    if made:
        folder.write_text("")
    with pytest.raises(ConfigError, match="SMRTLinkSchemas"):
        with_folder(SCHEMAS, folder, "smrtlink", is_name)
