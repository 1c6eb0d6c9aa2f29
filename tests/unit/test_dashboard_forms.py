"""Forms made of variables and parameters: what they show, and what is made of what comes back."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jexevents.definitions.variables import Variable, as_json, read_texts
from jexevents.errors import Invalid
from jexevents.model import Fault
from jexevents.sidecar.dashboard import taskform
from jexevents.sidecar.dashboard.asking import link, pager
from jexevents.sidecar.dashboard.bars import bar
from jexevents.sidecar.dashboard.forms import Form
from jexevents.sidecar.dashboard.inputs import Input, refused_inputs
from jexevents.sidecar.dashboard.runform import inputs_of, texts_of
from jexevents.tasks.status import WORDS
from jexevents.validation import SCHEMAS

# Texts as browsers send them: no NUL, and each end of a line is one line feed.
TEXTS = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\x00\r"))
INNER = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | TEXTS,
    lambda below: st.lists(below, max_size=4) | st.dictionaries(TEXTS, below, max_size=4),
    max_leaves=8,
)
SCALARS = st.booleans() | st.integers(-(2**31), 2**31) | TEXTS
DEFAULTS = {
    "str": TEXTS,
    "int": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(allow_nan=False, allow_infinity=False),
    "bool": st.booleans(),
    "seq": st.lists(INNER, max_size=5),
    "map": st.dictionaries(TEXTS, INNER, max_size=5),
    "set": st.lists(SCALARS, max_size=5),
    "binary": st.binary(max_size=20),
}


def sent(variables: list[Variable], **fields: str) -> dict[str, list[str]]:
    """Give the texts of the form as it is shown, with these fields filled in."""
    shown = {one.name: [one.value] for one in inputs_of(variables)}
    return texts_of(variables, Form(shown | {f"v.{name}": [text] for name, text in fields.items()}))


@pytest.mark.parametrize("kind", DEFAULTS)
@given(data=st.data())
def test_a_default_that_is_shown_comes_back_as_it_was(kind: str, data: Any) -> None:
    value = Variable("x", kind).read(data.draw(DEFAULTS[kind]))
    variable = Variable("x", kind, has_default=True, default=value)
    assert read_texts([variable], sent([variable])) == {"x": value}


@given(st.lists(SCALARS, min_size=1, max_size=5), st.data())
def test_every_choice_can_be_made(choices: list[Any], data: Any) -> None:
    variable = Variable("x", "enum", choices=tuple(choices))
    (field,) = inputs_of([variable])
    wanted = data.draw(st.sampled_from([value for value, _ in field.choices]))
    values = read_texts([variable], sent([variable], x=wanted))
    plain = as_json([variable], values).get("x")
    assert plain in choices if values else wanted == ""


@pytest.mark.parametrize(
    ("variable", "text", "texts"),
    [
        (Variable("x"), "", None),
        (Variable("x", required=True), "", None),
        (Variable("x", has_default=True, default="y"), "", [""]),
        (Variable("x", has_default=True, default=""), "", None),
        (Variable("x"), "  y ", ["  y "]),
        (Variable("x", "int"), " 7 ", ["7"]),
        (Variable("x", "int", has_default=True, default=7), "", None),
        (Variable("x", "seq"), "a\n\n b \n", ["a", " b "]),
        (Variable("x", "seq"), " \n ", None),
        (Variable("x", "seq"), "[1, 2]", ["[1, 2]"]),
        (Variable("x", "enum", choices=("", "a")), "", [""]),
        (Variable("x", "enum", choices=("a",)), "", None),
        (Variable("x", "null"), "", None),
    ],
)
def test_what_a_field_gives(variable: Variable, text: str, texts: list[str] | None) -> None:
    given = texts_of([variable], Form({"v.x": [text], "other": ["z"]}))
    assert given == ({} if texts is None else {"x": texts})


def test_a_field_that_was_not_sent_gives_nothing_and_one_too_many_is_kept() -> None:
    assert texts_of([Variable("x")], Form({"v.y": ["1", "2"]})) == {"y": ["1", "2"]}


def test_secrets_are_not_shown_again() -> None:
    variables = [Variable("password"), Variable("who")]
    fields = inputs_of(variables, Form({"v.password": ["hidden"], "v.who": ["ann"]}))
    assert [(one.kind, one.value) for one in fields] == [("secret", ""), ("text", "ann")]


def test_faults_find_their_fields() -> None:
    inputs = [Input("a", "A", "/a"), Input("ab", "B", "/ab")]
    faults = [Fault("/a/0", "x", "y"), Fault("/ab", "x", "y"), Fault("/abc", "x", "y"),
              Fault("", "x", "y")]  # fmt: skip
    shown, refused = refused_inputs(inputs, Invalid("No.", faults))
    assert [one.faults for one in shown] == [(faults[0],), (faults[1],)]
    assert (refused.message, refused.faults) == ("No.", tuple(faults[2:]))


# --- tasks


def test_a_form_of_a_run_is_what_the_schema_takes() -> None:
    first, more = taskform.run_inputs()
    names = {one.name for one in (*first, *more)}
    taken = set(SCHEMAS.document("task_operation")["properties"])
    assert names == taken - {"operation", "task_id"}
    form = Form({
        "command": [" echo 'a b' "], "times": ["3"], "environment": ["A=1\n\nB= 2 "],
        "labels": ["gpu, big"], "secrets": ["TOKEN"],
        "mounts": ['[{"source": "/a", "target": "/b"}]'],
        "retries": ['{"count": 2}'], "user": [""],
    })  # fmt: skip
    document = taskform.run_document(form)
    assert document == {
        "command": "echo 'a b'", "times": "3", "environment": ["A=1", "B= 2"],
        "labels": ["gpu", "big"], "secrets": ["TOKEN"],
        "mounts": [{"source": "/a", "target": "/b"}], "retries": {"count": 2},
    }  # fmt: skip
    assert SCHEMAS.check("task_operation", document) == []


@pytest.mark.parametrize("name", ["environment", "mounts", "retries"])
def test_what_is_no_json_is_said_of_its_field(name: str) -> None:
    with pytest.raises(Invalid) as caught:
        taskform.run_document(Form({name: ["{"]}))
    assert [fault.pointer for fault in caught.value.faults] == [f"/{name}"]


def test_a_form_of_a_registration_is_what_the_schema_takes() -> None:
    form = Form({"repository": [" tool "], "name": [" "], "pull": ["always"]})
    document = taskform.registration_document(form)
    assert document == {"repository": "tool", "pull": "always"}
    assert SCHEMAS.check("task_registration", document) == []


# --- bars and pagers


@given(st.dictionaries(st.sampled_from(WORDS), st.integers(0, 10**9)))
def test_parts_of_a_bar_fill_it(counts: dict[str, int]) -> None:
    parts = bar(counts)["parts"]
    assert len(parts) == sum(count > 0 for count in counts.values())
    if parts:
        assert abs(sum(one["width"] for one in parts) - 100) < 0.01
        assert all(abs(a["x"] + a["width"] - b["x"]) < 0.01
                   for a, b in pairwise(parts))  # fmt: skip


def test_a_bar_in_words() -> None:
    assert bar({"RUNNING": 1, "COMPLETE": 2, "ERROR": 0})["label"] == "2 COMPLETE, 1 RUNNING"
    assert bar({})["label"] == "no runs"


def test_pagers() -> None:
    rows = [{"id": number} for number in (9, 8, 7)]
    query = {"kind": "a&b", "text": "", "before": ""}
    first = pager("/ui/x", query, rows, 2, "id")
    assert (first.first, first.further) == (None, "/ui/x?kind=a%26b&before=8")
    last = pager("/ui/x", {**query, "before": "8"}, rows[:2], 2, "id", fragment="runs")
    assert (last.first, last.further) == ("/ui/x?kind=a%26b#runs", None)
    assert link("/ui/x", {"a": None}) == "/ui/x"
