"""The reader of a parameter and what the OpenAPI document says of it are of one mind."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jexevents.lifecycle.executionid import microseconds
from jexevents.sidecar import parameters as made
from jexevents.sidecar.parameters import IDEMPOTENCY_KEY, IN_PATHS, Parameter
from jexevents.validation import FORMATS
from tests.docs.test_coverage import ROUTES

KNOWN = {
    (place, one.name, str(one.schema)): one
    for route in ROUTES
    for place, found in (
        ("path", route.in_path), ("query", route.in_query), ("header", route.headers)
    )
    for one in found
}  # fmt: skip
TEXTS = st.one_of(
    st.sampled_from([
        "", "0", "1", "007", "-1", "1.5", "1e3", "true", "TRUE", "false", "null", "text", "skip",
        "stdout", "newest", "command", "RUNNING", "QUEUED", "1795675500.123456", "1795675500.0",
        "9999999999",
        "2026-01-02T03:04:05Z", "2026-01-02T03:04:05+01:00", "2026-01-02", "9" * 18, "9" * 19,
        "ebbff967-b467-48a3-b3bf-d73f7cde8ed1", "EBBFF967-B467-48A3-B3BF-D73F7CDE8ED1", "\u0661",
        "\u00b2",
    ]),
    st.integers(-10, 10**19).map(str),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=10),
)  # fmt: skip


def described(parameter: Parameter, text: str) -> bool:
    """Whether a text is one that the document takes, read as OpenAPI says: by the schema's type."""
    kind = parameter.schema.get("type")
    value: Any = text
    if kind == "integer":
        if not (text.isascii() and text.isdigit()):
            return False
        value = int(text)
    if kind == "boolean":
        if text not in ("true", "false"):
            return False
        value = text == "true"
    checker = jsonschema.FormatChecker(formats=())
    for name, (check, _) in FORMATS.items():
        checker.checks(name)(check)
    return jsonschema.Draft202012Validator(parameter.schema, format_checker=checker).is_valid(value)


def is_read(parameter: Parameter, text: str) -> bool:
    try:
        parameter.read(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("parameter", KNOWN.values(), ids=lambda one: one.name)
@given(text=TEXTS)
def test_what_is_described_is_read_and_nothing_else_is(parameter: Parameter, text: str) -> None:
    if parameter.name in ("Range", "Last-Event-ID"):
        return  # Read with what they are compared with.
    if described(parameter, text):
        assert is_read(parameter, text)
    elif is_read(parameter, text):
        # More than the document says is read only where the same is written in other ways.
        assert text.lower() in ("true", "false") or text.lstrip("0").isdigit() or _is_id(text)


def _is_id(text: str) -> bool:
    return microseconds(text) is not None


@pytest.mark.parametrize("parameter", KNOWN.values(), ids=lambda one: one.name)
def test_each_says_what_it_is_for_and_gives_its_own_default(parameter: Parameter) -> None:
    assert parameter.summary
    if "default" in parameter.schema:
        assert parameter.read(_text(parameter.schema["default"])) == parameter.default


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_values() -> None:
    assert made.whole("n", "", 1, 10).read("7") == 7
    assert made.switch("s", "").read("True") is True
    assert made.flag("f", "").read("1") is True
    assert made.uuid("u", "").read("EBBFF967-B467-48A3-B3BF-D73F7CDE8ED1").startswith("ebbff967")
    assert made.execution("e", "").read("1795675500.5") == 1795675500500000
    assert made.instant("i", "").read("2026-01-02T03:04:05Z").year == 2026
    assert made.text("t").read("\u00e4") == "\u00e4"
    assert IDEMPOTENCY_KEY.read("k") == "k"
    assert IN_PATHS["uuid"].schema["format"] == "uuid"
