"""Definitions of a folder: names, members, faults with file and line, all or nothing."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jexevents.definitions import loading
from jexevents.definitions.building import definitions_of
from jexevents.definitions.definition import Definition, DefinitionsRefused, Retries
from jexevents.definitions.loading import load
from jexevents.definitions.members import Reader
from jexevents.validation import SCHEMAS
from tests.unit.definition_texts import SEED, lines, one, refused, rendered, wrong


def put(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


def script(folder: Path, name: str, mode: int = 0o755) -> Path:
    path = folder / "scripts" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(mode)
    return path


def test_the_example_of_the_original() -> None:
    found = one(SEED, "example_job.yml")
    assert (found.name, found.line, found.priority) == ("example-job", 2, 0)
    assert [(v.name, v.type, v.option, v.choices) for v in found.variables] == [
        ("positional_var", "str", False, ()), ("some_opt", "enum", True, ("a", "b", "c")),
    ]  # fmt: skip
    assert found.schedules == ({"time": None, "priority": "0", "frequency": 3600},)
    assert found.concurrency == "allow"
    assert found.retries.count == 0
    assert not found.does_nothing


def test_the_example_with_its_end_indented_says_what_is_wrong() -> None:
    (problem,) = wrong(SEED.replace("\n...\n", "\n  ...\n"))
    assert "`...` ends a document at the beginning of a line only" in str(problem)
    assert problem.line in (15, 16)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("example_job.yml", "example-job"), ("a.b.yaml", "a.b"), ("A-1.json", "A-1"),
        ("__x.yml", None), ("123.yml", None), ("1489895624.840211.yml", None), ("1e5.yml", None),
        ("my job.yml", None), ("a\nb.yml", None), ("-.yml", None), ("_.yml", None), ("\u00e9.yml",
        None),
        ("1073f4ff_c2b9_5190_bd9a_e6a406d9796a.yml", None), ("x" * 101 + ".yml", None),
        (".yml.yml", None),
        ("1.2.3.yml", "1.2.3"), ("1a.yml", "1a"),
    ],
)  # fmt: skip
def test_names_of_files(file: str, name: str | None) -> None:
    text = '{"command": "x"}'
    if name is not None:
        assert one(text, file).name == name
    else:
        (problem,) = wrong(text, file)
        assert "give the job a `name`" in problem.fault.got
        assert "\n" not in str(problem)


@pytest.mark.parametrize("name", ["123", "1.5", "-", "a b", "a/b", "", "x" * 101, "_a", "a\nb"])
def test_given_names_that_are_none(name: str) -> None:
    assert set(lines(json.dumps([{"name": name, "command": "x"}]), "j.json")) == {(1, "/0/name")}


def test_a_given_name_wins_over_that_of_the_file() -> None:
    assert one("name: other_name", "1234.yml").name == "other-name"
    assert one("- name: other", "1234.yml").name == "other"


def test_several_jobs_of_a_file_have_names_of_their_own() -> None:
    assert lines("- name: a\n- command: x\n- name: b\n") == [(2, "/1/name")]


def test_a_job_may_do_nothing() -> None:
    for text in ("{}", "command:", "command: ''", "description: idle", "- {}"):
        assert one(text).does_nothing
        assert rendered(one(text)).command is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("command: x\nscript: y\n", [(2, "/script")]), ("5", [(1, "")]), ("- a\n- b", [(1, "/0"),
        (2, "/1")]),
        ("[]", []), ("comand: x", [(1, "/comand")]), ("command: 5", [(1, "/command")]),
        ("command: [a, b]", [(1, "/command")]), ("timeout: 0", [(1, "/timeout")]),
        ("timeout: -1", [(1, "/timeout")]), ("timeout: soon", [(1, "/timeout")]),
        ("timeout: true", [(1, "/timeout")]), ("timeout: '1_000'", [(1, "/timeout")]),
        ("timeout: 1:30", [(1, "/timeout")]), ("timeout: 4000000000", [(1, "/timeout")]),
        ("priority: 1.5", [(1, "/priority")]), ("priority: high", [(1, "/priority")]),
        ("concurrency: never", [(1, "/concurrency")]), ("user: 'a b'", [(1, "/user")]),
        ("user: -x", [(1, "/user")]), ("workdir: ../x", [(1, "/workdir")]), ("workdir: ''", [(1,
        "/workdir")]),
        ("max_output: 1.5M", [(1, "/max_output")]), ("max_output: 10 MB!", [(1, "/max_output")]),
        ("max_output: -5", [(1, "/max_output")]), ("retries: -1", [(1, "/retries")]),
        ("retries: {backoff: 1}", [(1, "/retries/count")]), ("retries: 1001", [(1, "/retries")]),
        ("retries:\n  count: 1\n  factor: 0.5", [(3, "/retries/factor")]),
        ("retries: {count: 1, on: [kill]}", [(1, "/retries/on/0")]),
        ("retries: {count: 1, on: kill}", [(1, "/retries/on")]),
        ("retries: {count: 1, after: 3}", [(1, "/retries/after")]),
        ("env:\n  A: 1\n  'B C': x", [(3, "/env/B C")]), ("env: {A: [1]}", [(1, "/env/A")]),
        ("env: {A: 1.5}", [(1, "/env/A")]), ("env: {A: true}", [(1, "/env/A")]),
        ("env: {JEXEVENTS_X: a}", [(1, "/env/JEXEVENTS_X")]), ("env: {A: ~}", [(1, "/env/A")]),
        ("env: {A: b}\nsecrets: [A]", [(2, "/secrets/0")]), ("secrets: [a-b]", [(1, "/secrets/0")]),
        ("secrets: [JEXEVENTS_A]", [(1, "/secrets/0")]),
        ("hooks: {complete: ftp://x}", [(1, "/hooks/complete")]),
        ("hooks:\n  fail:\n    - http://x\n    - mail", [(4, "/hooks/fail/1")]),
        ("hooks: {stdout: http://x}", [(1, "/hooks/stdout")]), ("hooks: {'a b': http://x}", [(1,
        "/hooks/a b")]),
        ("hooks: {x: 'http://'}", [(1, "/hooks/x")]), ("hooks: {x: 'http://h:port/'}", [(1,
        "/hooks/x")]),
        ("hooks: {x: 'http://h/ x'}", [(1, "/hooks/x")]), ("hooks: {x: 'job:'}", [(1, "/hooks/x")]),
        ("hooks: {x: 'mailto:a@b?bcc=c@d'}", [(1, "/hooks/x")]),
        ("hooks: {x: 'mailto:<a@b>'}", [(1, "/hooks/x")]),
        ("hooks: {x: 'http://[::1/'}", [(1, "/hooks/x")]), ("hooks: {x: 5}", [(1, "/hooks/x")]),
        ("vars: [{name: a, type: number}]", [(1, "/vars/0/type")]), ("vars: [{type: str}]", [(1,
        "/vars/0/name")]),
        ("vars: [{name: 1a}]", [(1, "/vars/0/name")]), ("vars: [{name: for}]", [(1,
        "/vars/0/name")]),
        ("vars:\n- {name: a}\n- {name: a, type: int}", [(3, "/vars/1/name")]),
        ("vars: [{name: a, type: enum}]", [(1, "/vars/0/values")]),
        ("vars: [{name: a, values: [x]}]", [(1, "/vars/0/values")]),
        ("vars: [{name: a, type: enum, values: [x, x]}]", [(1, "/vars/0/values")]),
        ("vars: [{name: a, type: enum, values: []}]", [(1, "/vars/0/values")]),
        ("vars: [{name: a, default: 5}]", [(1, "/vars/0/default")]),
        ("vars: [{name: a, type: enum, values: [x], default: y}]", [(1, "/vars/0/default")]),
        ("vars: [{name: a, required: true}]\nschedule: {frequency: 60}", [(2, "/schedule")]),
        ("vars: [{name: a, required: true, default: x}]", [(1, "/vars/0/default")]),
        ("vars: [{name: a, option: maybe}]", [(1, "/vars/0/option")]),
        ("vars: [{name: a, optoin: yes}]", [(1, "/vars/0/optoin")]),
        ("command: 'x; '\nvars: [{name: a}]", [(1, "/command")]),
        ("command: x {{ b }}\nvars: [{name: a}]", [(1, "/command")]),
        ("command: |\n  x\n  {{ b|nope }}\n", [(1, "/command")]), ("script: '{{ a }}'", [(1,
        "/script")] * 2),
        ("script: a {{ b }}", [(1, "/script")]), ("schedule:\n- frequency: 60\n- frequency: 0",
        [(3, "/schedule/1/frequency")]),
        ("schedule: {frequency: 0 0 30 2 *}", [(1, "/schedule/frequency")]),
        ("schedule:\n  timezone: Nowhere/X", [(2, "/schedule/timezone")]),
        ("schedule: {every: 5}", [(1, "/schedule/every")]), ("schedule: 5", [(1, "/schedule")]),
        ("schedule: {time: 0900}", [(1, "/schedule/time")]),
    ],
)  # fmt: skip
def test_faults_have_their_place(text: str, expected: list) -> None:
    assert lines(text) == expected


def test_a_near_name_is_told() -> None:
    told = [
        str(p)
        for p in wrong("comand: x {{ a }}\nvars: [{name: aa, optoin: yes}]\nschedule: {tmie: 1}")
    ]
    assert "no such member (command?)" in told[0]
    assert "no such member (option?)" in told[1]
    assert "no such member (time?)" in told[2]
    (near,) = wrong("command: x {{ filname }}\nvars: [{name: filename}]")
    assert near.fault.got == "`filname` (filename?)"


def test_all_faults_of_a_file_are_told_at_once() -> None:
    text = "- name: a\n  timeout: x\n  env: {A: ~}\n- name: b\n  comand: y\n  hooks: {c: z}\n- 5\n"
    assert lines(text) == [
        (2, "/0/timeout"), (3, "/0/env/A"), (5, "/1/comand"), (6, "/1/hooks/c"), (7, "/2"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("vars: [{name: a, type: x}, {name: b, default: 7}]", ["/vars/0/type", "/vars/1/default"]),
        ("vars: [{name: a, option: [1], default: 7}]", ["/vars/0/option", "/vars/0/default"]),
        ("vars: [5, {name: b, default: 7}]\ncommand: x {{ a }}", ["/vars/0", "/vars/1/default"]),
        ("vars: [{name: a, type: nope}]\ncommand: x {{ a }} {{ z }}", ["/vars/0/type", "/command"]),
        ("vars: [{name: a, type: nope}]\ncommand: 'x;'", ["/vars/0/type", "/command"]),
        ("env: {A: [1], 'B C': x}", ["/env/A", "/env/B C"]),
        ("env: [1]\nsecrets: [{}, JEXEVENTS_X]", ["/env", "/secrets/0", "/secrets/1"]),
        ("hooks: {a: 5, b: ftp://x}", ["/hooks/a", "/hooks/b"]),
        ("hooks: {a: [5, ftp://x]}", ["/hooks/a/0", "/hooks/a/1"]),
        ("retries: {count: -1, factor: [x], on: [y]}",
         ["/retries/factor", "/retries/on/0", "/retries/count"]),
        ("schedule: {frequency: [1], timezone: Nowhere/X}",
         ["/schedule/frequency", "/schedule/timezone"]),
        ("schedule: [{tmie: 1, frequency: 0}, 5, {dst: {skipped: 1, repeated: x}}]",
         ["/schedule/0/tmie", "/schedule/1", "/schedule/2/dst/skipped", "/schedule/0/frequency",
          "/schedule/2/dst/repeated"]),
        ("command: echo \"{{ a }}\" '{{ b }}' {{ c }};\nvars: [{name: a}, {name: b}, {name: d}]",
         ["/command"] * 4),
        ("command: \"{% if 1 %}'{% endif %} {{ z }}\"", ["/command"] * 2),
        ("timeout: 0777\nenv: {A: 0777, B: [1]}", ["/timeout", "/env/A", "/env/B"]),
        ("- 0777\n- timeout: x", ["/0", "/1/name", "/1/timeout"]),
        ("- name: a\n- timeout: x\n" + "- {}\n" * 8 + "- 0777\n- timeout: y",
         ["/1/name", "/1/timeout", *(f"/{number}/name" for number in range(2, 10)), "/10",
          "/11/name", "/11/timeout"]),
        ("env: !x {A: 0777}\ntimeout: x", ["/env/A", "/env", "/timeout"]),
    ],
)  # fmt: skip
def test_no_fault_hides_another(text: str, expected: list[str]) -> None:
    assert sorted(pointer for _, pointer in lines(text)) == sorted(expected)


def test_faults_of_json_hide_no_others() -> None:
    text = '{"timeout": "x",\n "env": {"A": 1, "A": 2},\n "hooks": {"a": "z"}, "priority": 1e999}'
    told = [(1, "/timeout"), (2, "/env"), (3, "/hooks/a"), (3, "/priority")]
    assert sorted(lines(text, "a.json")) == told


def test_more_faults_than_are_told_of_other_documents() -> None:
    text = "env: {" + ", ".join(f"A{number}: [1]" for number in range(60)) + "}\nhooks: 5\n"
    assert len(lines(text)) == 61
    assert len(wrong("\n".join(f"- {{name: n{number}, x: 0777}}" for number in range(60)))) == 120


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("vars: [{name: a, tpye: int, default: 5}]", ["/vars/0/tpye"]),
        ("vars: [{name: a, type: enum, valuse: [x], default: x}]", ["/vars/0/valuse"]),
        ("vars: [{name: a, type: enum, values: [[x]], default: x}]", ["/vars/0/values/0"]),
        ('vars: [{name: a, type: itn}]\ncommand: echo "{{ a }}"', ["/vars/0/type"]),
        ("varz: [{name: a}]\ncommand: x {{ a }}", ["/varz"]),
        ("vars: [{nam: a}]\ncommand: x {{ a }}", ["/vars/0/nam", "/vars/0/name"]),
        ("retries: {cuont: 1}", ["/retries/cuont"]),
        ("name: 5", ["/name"]),
    ],
)
def test_a_fault_brings_no_others(text: str, expected: list[str]) -> None:
    assert sorted(pointer for _, pointer in lines(text)) == expected


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 70_000) | st.floats() | st.sampled_from(
        ["", "a", "x {{ a }}", "'{{ b }}", "{% if", "enum", "int", "job:x", "http://h/", "\ud800",
         "\0", "5", "10M", "fail", "* * * * *"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from([
            "name", "type", "values", "default", "required", "option", "count", "on", "time", "dst",
            "frequency", "skipped", "a/b", "a~", "x" * 90, "fail", "JEXEVENTS_A", "odd",
        ]), inner, max_size=5),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@example({"description": "\ud800"})
@given(st.dictionaries(
    st.sampled_from([*SCHEMAS.document("job_definition")["properties"], "odd"]), VALUES,
    max_size=6))  # fmt: skip
def test_whatever_it_says_it_is_read_or_has_a_fault(entry: dict) -> None:
    found = definitions_of("a.json", json.dumps([entry]).encode())
    assert len(found.definitions) == (0 if found.problems else 1)
    assert len(found.faulty) <= 1


def test_every_member() -> None:
    found = one(
        """
name: full
description: all of it
script: "run.sh --x {{ x }}"
timeout: '30'
vars:
  - {name: x, type: int, default: '5', description: how many}
  - {name: y, type: set, option: yes, default: [b, a, b]}
schedule: {frequency: 0 2 * * *, timezone: Europe/Berlin, dst: {skipped: skip}, priority: 3}
hooks:
  complete: job:other_job
  fail: [http://h/, 'mailto:a@b', http://h/]
env: {A: b, N: 5}
secrets: [TOKEN, TOKEN]
user: nobody
concurrency: queue
retries: {count: '3', backoff: 5, factor: 3, max_backoff: 40, on: fail}
priority: '-7'
workdir: data/in
max_output: 10 MiB
"""
    )
    assert isinstance(found, Definition)
    assert (found.timeout_seconds, found.priority, found.max_output_bytes) == (30.0, -7, 10 * 2**20)
    assert (found.user, found.workdir, found.concurrency) == ("nobody", "data/in", "queue")
    assert found.hooks == {"complete": ("job:other-job",), "fail": ("http://h/", "mailto:a@b")}
    assert found.env == {"A": "b", "N": "5"}
    assert found.secrets == ("TOKEN",)
    assert found.retries == Retries(3, 5.0, 3.0, 40.0, ("fail",))
    assert [v.default for v in found.variables] == [5, ("b", "a")]
    made = rendered(found)
    assert made.argv(Path("/c")) == ["/c/scripts/run.sh", "--x", "5", "--y", "b", "--y", "a"]
    assert set(found.document) == set(SCHEMAS.document("job_definition")["properties"]) - {
        "command"
    }


@pytest.mark.parametrize(
    ("given", "expected"),
    [(5, 5), ("5", 5), ("2K", 2048), ("1 M", 2**20), ("1GB", 2**30), ("3KiB", 3072), (2.0, None)],
)
def test_sizes(given: object, expected: int | None) -> None:
    reader = Reader({"max_output": given})
    assert reader.max_output_bytes() == expected


def test_the_wait_grows_up_to_its_most() -> None:
    retries = Retries(5, 10.0, 2.0, 60.0)
    assert [retries.delay_seconds(n) for n in range(1, 7)] == [10, 20, 40, 60, 60, 60]
    assert Retries(1000, 0.0, 100.0, 1e9).delay_seconds(1000) == 0
    assert Retries(1000, 1.0, 100.0, 1e300).delay_seconds(1000) == 1e300
    assert Retries(3, 90.0, 2.0, 60.0).delay_seconds(1) == 60


# --- folders


def test_a_folder_is_loaded_by_its_files(tmp_path: Path) -> None:
    put(tmp_path, a__yml="command: x", b__yaml="- name: c\n- name: b", d__json="{}", e__txt="[")
    put(tmp_path, __hidden__yml="[")
    (tmp_path / "sub").mkdir()
    put(tmp_path / "sub", f__yml="[")
    found = load(tmp_path)
    assert list(found) == ["a", "b", "c", "d"]
    assert found["c"].file == "b.yaml"
    with pytest.raises(KeyError):
        found["e"]


def test_one_fault_refuses_all(tmp_path: Path) -> None:
    put(tmp_path, a__yml="command: x", b__yml="comand: x", c__json="{")
    assert [told[:8] for told in refused(tmp_path)] == ["b.yml:1:", "c.json:1"]
    with pytest.raises(DefinitionsRefused, match="definitions check"):
        load(tmp_path)


def test_names_are_unique_over_files(tmp_path: Path) -> None:
    put(tmp_path, a_b__yml="{}", c__yml="- name: x\n- name: a-b\n")
    (told,) = refused(tmp_path)
    assert (
        told
        == "c.yml:2: a-b: /1/name: expected a name that no other job has, got a-b, as in a_b.yml:1"
    )


def test_a_fault_in_a_file_hides_none_of_another(tmp_path: Path) -> None:
    """Nor of the same one: names, hooks and scripts are looked at beside all else."""
    put(tmp_path,
        a__yml="[",
        b__yml="name: x\ntimeout: 0\nscript: gone.sh\nhooks: {fail: 'job:nobody'}",
        c__yml="- name: x\n  odd: 1\n- name: y\n  hooks: {fail: ['job:x', 'job:a', 'job:other']}",
        d__yml="{name: 'other', x: ",
    )  # fmt: skip
    assert [told.split(" expected")[0] for told in refused(tmp_path)] == [
        "a.yml:1: (document):", "b.yml:2: /timeout:", "b.yml:3: /script:", "b.yml:4: /hooks/fail:",
        "c.yml:1: x: /0/name:", "c.yml:2: x: /0/odd:", "d.yml:1: (document):",
    ]  # fmt: skip


def test_a_folder_without_a_job_is_refused(tmp_path: Path) -> None:
    put(tmp_path, README__md="x", a__yml="[]")
    (told,) = refused(tmp_path)
    assert "at least one job" in told
    (gone,) = refused(tmp_path / "nowhere")
    assert "a folder that can be read" in gone


def test_jobs_that_hooks_start_are_there(tmp_path: Path) -> None:
    put(tmp_path, a__yml="hooks: {complete: [job:b_c, job:gone]}", b_c__yml="{}")
    (told,) = refused(tmp_path)
    assert told.startswith("a.yml:1: /hooks/complete/1: expected job: and the name of a job")
    assert told.endswith("job:gone")
    assert list(load(tmp_path, names=["a.yml"])) == ["a"]


def test_a_fault_leads_to_its_line_and_its_job(tmp_path: Path) -> None:
    """Also where it is one of the folder as a whole, and in whichever form the file is."""
    text = "command: x\nhooks:\n  done:\n    - job:a\n    - job:gone\n  fail: job:gone\n"
    several = "- name: one\n  script: gone.sh\n- name: two\n  command: x {{ y }}\n- command: x\n"
    lines_json = '{"hooks": {\n"done":\n"job:gone"}}'
    put(tmp_path, a__yml=text, b__yml=several, c__json=lines_json)
    assert [told.split(" expected")[0] for told in refused(tmp_path)] == [
        "a.yml:5: /hooks/done/1:", "a.yml:6: /hooks/fail:",
        "b.yml:2: one: /0/script:", "b.yml:4: two: /1/command:", "b.yml:5: /2/name:",
        "c.json:2: /hooks/done:",
    ]  # fmt: skip


def test_names_of_secrets_are_shown() -> None:
    told = [str(one) for one in wrong("secrets: [A-B, 5]\nenv: {PASSWORD: [hunter2]}")]
    assert any(one.endswith('got "A-B"') for one in told), told
    assert any(one.endswith("got 5") for one in told), told
    assert "hunter2" not in "".join(told)


def test_a_schedule_of_a_job_that_needs_values_is_told_so() -> None:
    (problem,) = wrong("vars: [{name: a, required: yes}]\nschedule: {frequency: 60}\n")
    assert str(problem) == (
        "job.yml:2: /schedule: expected a job that needs no value where it has a schedule,"
        " for a schedule gives none, got one that requires a"
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("script: ok.sh {{ x }}\nvars: [{name: x}]", None), ("script: in.sh", None),
        ("script: sub/deep.sh", None),
        ("script: ../bin/x", "without .."), ("script: sub/../ok.sh", "without .."),
        ("script: /bin/sh", "without .."),
        ("script: gone.sh", "not there"), ("script: out.sh", "a link that leads out"),
        ("script: away/sh", "a link that leads out"), ("script: dangling.sh",
        "a link that leads out"),
        ("script: sub", "is a file"), ("script: plain.sh", "executable"), ("script: round.sh",
        "a link"),
    ],
)  # fmt: skip
def test_scripts_do_not_leave_the_checkout(tmp_path: Path, text: str, told: str | None) -> None:
    top = tmp_path / "top"
    inner = script(top, "ok.sh").parent
    script(top, "sub/deep.sh")
    script(top, "plain.sh", 0o644)
    (top / "bin").mkdir()
    script(top / "bin", "x.sh")
    (inner / "in.sh").symlink_to("../bin/scripts/x.sh")
    (inner / "out.sh").symlink_to("/bin/sh")
    (inner / "away").symlink_to("/bin")
    (inner / "dangling.sh").symlink_to("nowhere")
    (inner / "round.sh").symlink_to("round.sh")
    put(top, a__yml=text)
    if told is None:
        assert list(load(top)) == ["a"]
    else:
        (problem,) = refused(top)
        assert told in problem
        assert problem.startswith("a.yml:1: /script: ")


def test_files_do_not_lead_out_of_the_checkout(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("command: x")
    top = tmp_path / "top"
    (top / "sub").mkdir(parents=True)
    (top / "shared.yml").write_text("command: x")
    (top / "sub" / "a.yml").symlink_to("../shared.yml")
    assert list(load(top / "sub", top)) == ["a"]
    assert "a link that leads out" in refused(top / "sub")[0]
    (top / "sub" / "b.yml").symlink_to("../../secret")
    (top / "sub" / "bin").symlink_to("/bin")
    told = refused(top / "sub", top=top)
    assert [one.split(":")[0] for one in told] == ["b.yml", "bin"]


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.yml")
    (tmp_path / "b.yml").mkdir()
    (tmp_path / "c.yml").symlink_to("/dev/zero")
    (tmp_path / "d.yml").write_bytes(b"#" * (loading.MAX_FILE_BYTES + 1))
    assert [one.partition(": got")[0].split(":")[0] for one in refused(tmp_path)] == [
        "a.yml", "b.yml", "c.yml", "d.yml",
    ]  # fmt: skip


def test_names_of_files_that_are_no_text(tmp_path: Path) -> None:
    for name in (b"a\nb.yml", b"\xff.yml", b"\x1b[2J.json"):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_text("{}")
    told = refused(tmp_path)
    assert len(told) == 3
    assert all(one.isprintable() for one in told)
    json.dumps(told).encode()


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "MAX_FILES", 3)
    monkeypatch.setattr(loading, "MAX_DEFINITIONS", 4)
    put(tmp_path, a__yml="- {name: a1}\n- {name: a2}\n- {name: a3}\n- {name: a4}\n- {name: a5}")
    assert "at most 4 jobs" in refused(tmp_path)[0]
    put(tmp_path, b__yml="{}", c__yml="{}", d__yml="{}")
    assert "at most 3 files" in refused(tmp_path)[0]


def test_thousands_of_definitions_are_loaded_in_seconds(tmp_path: Path) -> None:
    for number in range(1000):
        (tmp_path / f"job{number}.yml").write_text(SEED)
    before = time.process_time()
    assert len(load(tmp_path)) == 1000
    assert time.process_time() - before < 30


def test_many_problems_are_not_all_told(tmp_path: Path) -> None:
    for number in range(300):
        (tmp_path / f"job{number}.yml").write_text("nope: 1")
    told = refused(tmp_path)
    assert 200 <= len(told) <= 203
    assert "at most 200 faults, got more" in told[0]


def test_what_retries_leave_out_has_its_default(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text("command: 'true'\nretries: {count: 2}\n")
    assert load(tmp_path, tmp_path)["a"].retries == Retries(2)
