"""Signatures as SMRT Link's clients make them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jexevents import smrthmac
from tests.support import ROOT

VECTORS = json.loads((ROOT / "tests/samples/smrtlink/hmac-vectors.json").read_text("utf-8"))
EXAMPLE = "wzTe73Nyp7Q+jY282Ra2rXKw+fE7uX5KTuUyUUH9qMk="


def test_the_worked_example() -> None:
    made = smrthmac.signature("example-secret", "POST", "/api/v1/events", 17953200)
    assert made == EXAMPLE


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda one: one["string_to_sign"])
def test_vectors(vector: dict[str, Any]) -> None:
    secret, method, path = vector["secret"], vector["method"], vector["path"]
    seconds = vector["time_ms"] / 1000
    made = smrthmac.header("uid", secret, method, path, seconds)
    assert f"{smrthmac.HEADER}: {made}" == vector["header"]
    assert smrthmac.split(made) == ("uid", vector["signature"])
    accepted = vector["accepted_at_ms"]
    for at, good in [
        (accepted["first"], True),
        (accepted["last"], True),
        (accepted["first"] - 1, False),
        (accepted["last"] + 1, False),
    ]:
        found = smrthmac.is_signature(vector["signature"], secret, method, path, at / 1000)
        assert found == good, at
    other = vector["signature_of_path_only_form"]
    assert not smrthmac.is_signature(other, secret, method, path, seconds)


@pytest.mark.parametrize(
    ("method", "path", "secret"),
    [("GET", "/a", "s"), ("POST", "/b", "s"), ("POST", "/a", "t"), ("POST", "/a/", "s")],
)
def test_another_request_has_another_signature(method: str, path: str, secret: str) -> None:
    made = smrthmac.signature("s", "POST", "/a", 1)
    assert not smrthmac.is_signature(made, secret, method, path, 100)


@pytest.mark.parametrize(
    "value", ["", "hmac", "hmac x", "hmac :a", "hmac a:", "Basic a:b", "hmac a b:c"]
)
def test_other_forms_are_none(value: str) -> None:
    assert smrthmac.split(value) is None


@given(st.text(), st.text(), st.text())
def test_whatever_comes_is_no_signature_and_no_error(value: str, method: str, path: str) -> None:
    told = smrthmac.split(f"hmac {value}")
    assert told is None or len(told) == 2
    assert not smrthmac.is_signature(value, "s", method, path, 0)
