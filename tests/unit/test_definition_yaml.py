"""YAML and JSON as definitions are written in them: values, lines, and what is refused."""

from __future__ import annotations

import json
import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from jexevents.definitions import yamltext
from jexevents.definitions.located import NotReadable, json_lines, line_of
from tests.unit.definition_texts import lines


def value(text: str):
    found, _, faults = yamltext.loads(text)
    assert faults == []
    return found


def faults(text: str) -> list[str]:
    return [f"{one.line} {one.fault}" for one in yamltext.loads(text)[2]]


def refusal(text: str) -> str:
    with pytest.raises(NotReadable) as caught:
        yamltext.loads(text)
    (one,) = caught.value.located
    return f"{one.line} {one.fault}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("yes", "yes"), ("no", "no"), ("on", "on"), ("NO", "NO"), ("y", "y"),
        ("1_000", "1_000"), ("12:30", "12:30"), ("12:30:45", "12:30:45"), ("1:20.5", "1:20.5"),
        ("2026-01-02", "2026-01-02"), ("2026-01-02 03:04:05", "2026-01-02 03:04:05"),
        ("0b101", "0b101"), ("0o17", 15), ("0x1F", 31), ("=", "="), ("0", 0), ("-0", 0),
        ("+12", 12), ("1e3", 1000.0), ("1.10", 1.1), (".5", 0.5), ("5.", 5.0), ("1.2.3", "1.2.3"),
        ("true", True), ("TRUE", True), ("False", False), ("~", None), ("null", None),
        ("Null", None),
        ("'true'", "true"), ('"1"', "1"), ("!!str 1", "1"), ("! 1", "1"), ("!!int 7", 7),
        ("!!float 7", 7.0), ("!!null ''", None), ("!!bool true", True), ("!!binary aGk=", "aGk="),
        ("!!timestamp 2026-01-02", "2026-01-02"), ("!!set {a, b}", ["a", "b"]),
        ("!!omap [a: 1, b: 2]", [{"a": 1}, {"b": 2}]),
        ("!!pairs [a: 1, a: 2]", [{"a": 1}, {"a": 2}]),
        ("{on: 1, 2: x, no: y}", {"on": 1, "2": "x", "no": "y"}), ("a:\n", {"a": None}),
        ("[a, [b, {c: d}]]", ["a", ["b", {"c": "d"}]]), ("\ufeffa", "a"), ("|\n x\n y\n", "x\ny\n"),
    ],
)  # fmt: skip
def test_values(text: str, expected: object) -> None:
    found = value(text.removeprefix("\ufeff"))
    assert found == expected
    assert type(found) is type(expected)


def test_members_are_merged_and_explicit_ones_win() -> None:
    text = "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: {<<: [{x: 5}, *a]}\n"
    assert value(text) == {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}, "c": {"x": 5, "y": 2}}


def test_aliases_are_copies() -> None:
    assert value("a: &a [1]\nb: *a\n") == {"a": [1], "b": [1]}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1\nb: 0777\n", "2 /b"), ("a: 007", "octal"), ("a: -01", "leading"),
        ("a: .inf", "finite"),
        ("a: -.INF", "finite"), ("a: .nan", "finite"), ("a: 1e999", "double"),
        ("a: 9223372036854775808", "64 bits"), ("a: " + "9" * 5000, "64 bits"),
        ("a: 1\nb: 2\na: 3\n", '3 /a: expected each name once, got "a" once more'),
        ("a: {b: 1,\n b: 2}", "2 /a/b"), ("? [a]\n: 1", "a text as name"),
        ("a: !!python/object/apply:os.system [x]", "no tag here"), ("a: !x 1", "no tag here"),
        ("a: !!int x", "what !!int says"), ("a: !!int true", "what !!int says"),
        ("a: {<<: 1}", "a mapping behind"), ('a: "x\\0"', "without NUL"), ('"x\\0": 1',
        "without NUL"), ("a: {<<: [1]}", "a mapping behind"),
    ],
)  # fmt: skip
def test_values_that_are_told_and_not_taken(text: str, told: str) -> None:
    (fault,) = faults(text)
    assert told in fault


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "1 (document): expected a definition, or a list of them, got nothing"),
        ("# only a comment\n", "nothing"), ("---\n...\n", "nothing"),
        ("a: 1\n---\nb: 2\n", "2 (document): expected one document"),
        ("a: [1\nb: 2", "2 (document): expected YAML"),
        ("- a\n  ...\n  b: c\n", "at the beginning of a line only"),
        ("a:\n\t- b\n", "not by tabs"), ("a: *b", "alias"),
        ("a: &a [*a]", "alias of something whole"),
        ("\x07", "YAML"), ("[" * 200, "nested at most 32"), ("[" * 100_000, "nest"),
        ("{a: " * 40, "nested at most 32"), ("- " * 50 + "a", "nested at most 32"),
    ],
)  # fmt: skip
def test_texts_that_are_refused(text: str, told: str) -> None:
    assert told in refusal(text)


def laughs(levels: int, leaf: str) -> str:
    text = [f"a0: &a0 {leaf}"]
    text += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(text)


def merges(levels: int) -> str:
    text = ["a0: &a0 {}"]
    text += [f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}" for n in range(1, levels)]
    return "\n".join(text)


@pytest.mark.parametrize("text", [laughs(12, "[x, x]"), merges(40), merges(3000)])
def test_what_grows_with_aliases_is_refused(text: str) -> None:
    assert "at most" in refusal(text)


def test_lines_are_those_of_names_and_items() -> None:
    _, found, _ = yamltext.loads("---\n- a: 1\n  b:\n    - c\n    -\n      d: |\n        x\n")
    assert {path: found[path] for path in found if path} == {
        (0,): 2, (0, "a"): 2, (0, "b"): 3, (0, "b", 0): 4, (0, "b", 1): 6, (0, "b", 1, "d"): 6,
    }  # fmt: skip


TEXTS = st.text(st.characters(blacklist_characters="\0", blacklist_categories=("Cs",)))
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


@given(JSON_VALUES, st.sampled_from([None, 1]))
def test_lines_of_json_are_those_of_its_tokens(document: object, indent: int | None) -> None:
    text = json.dumps(document, indent=indent)
    found = json_lines(text)
    assert set(found) == set(paths(document))
    if indent is None:
        assert set(found.values()) == {1}
    elif isinstance(document, list):
        for index in range(len(document)):
            before = json.dumps(document[: index + 1], indent=1).count("\n")
            last = json.dumps(document[index], indent=1).count("\n")
            assert found[(index,)] == before - last


def paths(document, path=()):
    yield path
    if isinstance(document, dict):
        for name, inner in document.items():
            yield from paths(inner, (*path, name))
    elif isinstance(document, list):
        for index, inner in enumerate(document):
            yield from paths(inner, (*path, index))


@given(JSON_VALUES)
def test_json_is_read_as_yaml_reads_it(document: object) -> None:
    """What PyYAML itself writes in the style of JSON comes back as it was, save texts that are
    numbers since YAML 1.2: it writes these without quotation marks."""
    text = yaml.safe_dump(document, default_flow_style=True, allow_unicode=False)
    depth = text.count("[") + text.count("{")
    is_newer = "0o" in text or re.search(r"[0-9.][eE][0-9+-]", text)
    if depth < yamltext.MAX_DEPTH and not is_newer:
        assert value(text) == document


def test_a_pointer_has_the_line_of_what_is_nearest() -> None:
    found = {(): 1, ("a",): 2, ("a", 0): 3, ("a", 0, "0"): 4, ("x/y~z",): 5}
    assert [line_of(found, p) for p in ("", "/a", "/a/0", "/a/0/0", "/a/7", "/b", "/x~1y~0z")] == [
        1, 2, 3, 4, 2, 1, 5,
    ]  # fmt: skip
    assert line_of({}, "/a") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"command": "a",\n "command": "b"}', [(1, "")]),
        ('{"command": "a",\n oops}', [(2, "")]),
        ('{\n "timeout": 1e999}', [(2, "/timeout")]),
        ('{"a": 1}\n{}', [(2, "")]),
        ('\n\n{"timeot": 1}', [(3, "/timeot")]),
        ("", [(None, "")]),
        ("[1,\n 2]", [(1, "/0"), (2, "/1")]),
        (b"{\n\xff}", [(2, "")]),
    ],
)
def test_faults_of_json_have_their_lines(text: str, expected: list) -> None:
    assert lines(text, "job.json") == expected


def test_bytes_that_are_no_text_have_their_line() -> None:
    assert lines(b"a: 1\nb: \xe9\n") == [(2, "")]
