"""Values of variables: every type, from JSON and from forms, and back to JSON."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jexevents.definitions.kinds import TYPES
from jexevents.definitions.variables import (
    MAX_VALUES_BYTES,
    Variable,
    as_json,
    read_texts,
    read_values,
)
from jexevents.errors import Invalid
from tests.unit.definition_texts import wrong

NOON = datetime(2026, 1, 2, 12, tzinfo=timezone.utc)


def read(kind: str, value: Any, choices: tuple = ()) -> Any:
    return read_values([Variable("v", kind, choices=choices)], {"v": value})["v"]


def faults(
    variables: list[Variable], given: dict, reader=read_values
) -> list[tuple[str, str, str]]:
    with pytest.raises(Invalid) as caught:
        reader(variables, given)
    return [(fault.pointer, fault.expected, fault.got) for fault in caught.value.faults]


GOOD: list[tuple[str, Any, Any]] = [
    ("null", None, None), ("null", "", None), ("null", "~", None), ("null", "NULL", None),
    ("bool", True, True), ("bool", "yes", True), ("bool", "Off", False), ("bool", "0", False),
    ("int", 5, 5), ("int", "-5", -5), ("int", "+7", 7), ("int", 2.0, 2), ("int", -(2**63),
    -(2**63)),
    ("float", 1.5, 1.5), ("float", 2, 2.0), ("float", "1e3", 1000.0), ("float", ".5", 0.5),
    ("binary", "aGk=", b"hi"), ("binary", "aG\n k=", b"hi"), ("binary", "", b""),
    ("timestamp", "2026-01-02T12:00:00Z", NOON), ("timestamp", "2026-01-02 13:00:00 +01:00", NOON),
    ("timestamp", "2026-01-02 12:00:00", NOON), ("timestamp", "2026-01-02T14:00:00.0+02", NOON),
    ("timestamp", "2026-01-02", NOON - timedelta(hours=12)),
    ("pairs", [["a", 1], ["a", 2]], [("a", 1), ("a", 2)]), ("pairs", [{"a": 1}], [("a", 1)]),
    ("pairs", {"a": 1}, [("a", 1)]), ("pairs", '[["a", 1]]', [("a", 1)]),
    ("omap", [["b", 1], ["a", 2]], {"b": 1, "a": 2}), ("omap", [{"b": 1}], {"b": 1}),
    ("omap", '{"b": 1}', {"b": 1}), ("set", ["b", "a", "b", 1, True], ("b", "a", 1, True)),
    ("set", {"a": None, "b": None}, ("a", "b")), ("set", "[1, 2, 1]", (1, 2)),
    ("str", "", ""), ("str", "5", "5"), ("str", "\u00e9\n", "\u00e9\n"),
    ("seq", [1, [2]], [1, [2]]), ("seq", "[1, 2]", [1, 2]), ("map", {"a": [1]}, {"a": [1]}),
    ("map", '{"a": 1}', {"a": 1}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "given_value", "expected"), GOOD)
def test_values_of_each_type(kind: str, given_value: Any, expected: Any) -> None:
    found = read(kind, given_value)
    assert found == expected
    assert type(found) is type(expected)
    if kind in ("omap", "map"):
        assert list(found) == list(expected)


def test_every_type_is_tried() -> None:
    assert {kind for kind, _, _ in GOOD} | {"enum"} == set(TYPES)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("null", 0), ("null", False), ("null", "x"), ("bool", 1), ("bool", None), ("bool", "maybe"),
        ("int", True), ("int", 1.5), ("int", "1.0"), ("int", "1_000"), ("int", "0x1"), ("int",
        2**63),
        ("int", "\u0661"), ("int", ""), ("int", "9" * 5000), ("int", None), ("int", " 5"),
        ("float", True), ("float", "nan"), ("float", "inf"), ("float", "1e999"), ("float", "x"),
        ("float", float("inf")), ("float", "9" * 400), ("binary", "a"), ("binary", "a?=="),
        ("binary", 5), ("timestamp", "2026-02-30"), ("timestamp", "12:00"), ("timestamp", 5),
        ("timestamp", "2026-01-02T25:00:00Z"), ("timestamp", "now"), ("timestamp", "0000-01-01"),
        ("pairs", [["a"]], ), ("pairs", [["a", 1, 2]]), ("pairs", "x"), ("pairs", 5), ("pairs",
        [{}]),
        ("pairs", [{"a": 1, "b": 2}]), ("omap", [["a", 1], ["a", 2]]), ("omap", [[1, 2]]),
        ("set", [[1]]), ("set", {"a": 1}), ("set", [[]]), ("set", [{}]), ("set", "x"), ("str", 5),
        ("str", None), ("str", True), ("str", ["x"]), ("str", "a\0"), ("str", "\ud800"), ("seq", 5),
        ("seq", {"a": 1}), ("seq", "[1"), ("seq", ["\0"]), ("map", [1]), ("map", "x"),
        ("map", {"a\0": 1}), ("map", '{"a": 1, "a": 2}'), ("map", '{"a": NaN}'),
    ],
)  # fmt: skip
def test_values_of_a_wrong_type(kind: str, value: Any) -> None:
    ((place, expected, got),) = faults([Variable("v", kind)], {"v": value})
    assert place == "/v"
    assert expected
    assert got
    assert len(got) < 100


def nested(depth: int) -> list:
    value: list = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("kind", ["seq", "map", "pairs", "set", "omap"])
def test_what_nests_too_deep_is_refused(kind: str) -> None:
    deep = nested(200)
    for value in (deep, {"a": deep}, [["a", deep]], json.dumps(deep), "[" * 100_000):
        assert faults([Variable("v", kind)], {"v": value})


@pytest.mark.parametrize(
    ("choices", "value", "expected"),
    [
        (("a", "b"), "a", "a"), ((1, 2), 2, 2), ((1, 2), "2", 2), (("1", 1), 1, 1), (("1", 1),
        "1", "1"),
        ((True, False), True, True), ((True, False), "true", True), ((1.5,), "1.5", 1.5),
        (("yes", "no"), "no", "no"), (("1",), 1, "1"),
    ],
)  # fmt: skip
def test_choices(choices: tuple, value: Any, expected: Any) -> None:
    found = read("enum", value, choices)
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize("value", ["c", "A", None, ["a"], {}, "", True])
def test_what_is_no_choice(value: Any) -> None:
    ((_, expected, _),) = faults([Variable("v", "enum", choices=("a", "b", 1))], {"v": value})
    assert expected == 'one of "a", "b", 1'


def test_each_fault_is_told_at_once() -> None:
    variables = [
        Variable("a", "int"), Variable("b", required=True), Variable("c", "enum", choices=("x",)),
        Variable("password", "int"),
    ]  # fmt: skip
    found = faults(variables, {"a": "x", "c": "y", "d": 1, "password": "hunter2"})
    assert [place for place, _, _ in found] == ["/d", "/a", "/b", "/c", "/password"]
    assert found[0][1] == "a variable of the job (a, b, c, password)"
    assert found[2] == ("/b", "a text; it is required", "nothing")
    assert "hunter2" not in str(found)


def test_a_job_without_variables_says_so() -> None:
    ((place, expected, _),) = faults([], {"a/b": 1})
    assert place == "/a~1b"
    assert "takes no values" in expected


def test_defaults() -> None:
    variables = [Variable("a", has_default=True, default="x"), Variable("b"), Variable("c", "null")]
    assert read_values(variables, {}) == {"a": "x"}
    assert read_values(variables, {"a": "y", "c": None}) == {"a": "y", "c": None}


@pytest.mark.parametrize(
    ("kind", "texts", "expected"),
    [
        ("str", ["x"], "x"), ("int", ["5"], 5), ("bool", ["on"], True), ("seq", ["a"], ["a"]),
        ("seq", ["a", "b"], ["a", "b"]), ("seq", ['["a", 1]'], ["a", 1]), ("seq", [""], [""]),
        ("seq", ["[a", "b"], ["[a", "b"]), ("map", ['{"a": 1}'], {"a": 1}), ("null", [""], None),
        ("set", ["[1, 1]"], (1,)), ("binary", ["aGk="], b"hi"),
    ],
)  # fmt: skip
def test_texts_of_forms(kind: str, texts: list[str], expected: Any) -> None:
    assert read_texts([Variable("v", kind)], {"v": texts}) == {"v": expected}


def test_texts_that_are_wrong() -> None:
    variables = [Variable("v", "int"), Variable("w")]
    found = faults(variables, {"v": ["1", "2"], "w": ["\ud800"], "x": ["1"]}, read_texts)
    assert [(place, got) for place, _, got in found] == [
        ("/x", "another name"), ("/v", "2"), ("/w", "a character that no text may have"),
    ]  # fmt: skip


def test_a_value_is_shown_as_it_was_sent() -> None:
    """A list with one item is a list; a text that came by a form is that text."""
    variables = [Variable("i", "int"), Variable("s"), Variable("password", "int")]
    found = faults(variables, {"i": [3], "s": 3, "password": ["hunter2"]})
    assert found == [
        ("/i", "a whole number of at most 64 bits", "[3]"),
        ("/s", "a text", "3"),
        ("/password", "a whole number of at most 64 bits", "array (***)"),
    ]
    found = faults(variables, {"i": ["x"]}, read_texts)
    assert found == [("/i", "a whole number of at most 64 bits", '"x"')]


def test_who_writes_yaml_is_told_of_quotation_marks() -> None:
    (problem,) = wrong("vars: [{name: a, default: 3}]\n")
    assert "quotation marks" in problem.fault.expected


def test_values_are_no_bigger_than_a_command() -> None:
    assert read("str", "x" * (MAX_VALUES_BYTES - 20))
    ((place, expected, got),) = faults([Variable("v")], {"v": "x" * MAX_VALUES_BYTES})
    assert (place, got) == ("", f"{MAX_VALUES_BYTES + 9} bytes")
    assert "131072 bytes" in expected


TEXT = st.text(st.characters(blacklist_characters="\0", blacklist_categories=("Cs",)), max_size=8)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | TEXT
    | st.floats(allow_nan=False, allow_infinity=False)
)
INNER = st.recursive(
    SCALARS, lambda i: st.lists(i, max_size=3) | st.dictionaries(TEXT, i, max_size=3), max_leaves=5
)
BY_TYPE: dict[str, st.SearchStrategy] = {
    "null": st.none(), "bool": st.booleans(), "int": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(allow_nan=False, allow_infinity=False), "binary": st.binary(max_size=9),
    "timestamp": st.datetimes(
        min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30),
        timezones=st.just(timezone.utc),
    ).map(lambda at: at.replace(fold=0)),
    "pairs": st.lists(st.tuples(INNER, INNER), max_size=3), "str": TEXT,
    "omap": st.dictionaries(TEXT, INNER, max_size=3), "seq": st.lists(INNER, max_size=3),
    "set": st.lists(SCALARS, max_size=4, unique_by=lambda one: (type(one), one)).map(tuple),
    "map": st.dictionaries(TEXT, INNER, max_size=3), "enum": st.sampled_from(["a", 1, True, "1"]),
}  # fmt: skip


@given(st.data())
def test_values_come_back_from_their_json(data: st.DataObject) -> None:
    variables = [Variable(kind, kind, choices=("a", 1, True, "1")) for kind in TYPES]
    values = {kind: data.draw(BY_TYPE[kind]) for kind in TYPES}
    document = json.loads(json.dumps(as_json(variables, values), allow_nan=False))
    assert read_values(variables, document) == values
    again = read_values(variables, document)
    assert repr(again) == repr(values)


@given(st.sampled_from(TYPES), INNER | st.binary(max_size=3).map(str))
def test_any_json_is_a_value_or_a_fault(kind: str, value: Any) -> None:
    variable = Variable("v", kind, choices=("a", 1))
    try:
        found = read_values([variable], {"v": value})
    except Invalid as invalid:
        found = {fault.pointer: fault for fault in invalid.faults}
    assert found
