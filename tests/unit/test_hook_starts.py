"""Hooks that start jobs: what is made of an event, how long a chain may be, what is tried again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from jexevents.errors import Conflict, Invalid, RepositoryUnavailable, StoreUnavailable, Unknown
from jexevents.executions.chaining import MOST_DEPTH, Chain, values_of
from jexevents.executions.requests import Asked
from jexevents.hooks.carrier import Carrier, Ways
from jexevents.hooks.hook import Hook
from jexevents.hooks.transport import tls_context
from jexevents.hooks.trying import attempt
from jexevents.hooks.verdicts import Patience
from jexevents.hookwords import is_of_definition, name_of_url, shown_options
from jexevents.store.outbox import DEAD, DELIVERED, PENDING, Delivery, Result
from tests.unit.deliveries import JOB_ID, MESSAGE_ID, delivery, of_execution

EVENT = {
    "event": "complete", "source": "nightly", "kind": "command", "job": "1489895624.840211",
    "job_id": JOB_ID, "state": "COMPLETE", "phase": "COMPLETE",
    "occurred_at": "2026-03-01T12:00:00Z", "data": {"exit_code": 0, "state": "odd", "no": None},
}  # fmt: skip


@pytest.mark.parametrize(
    ("names", "values"),
    [
        ([], {}),
        (["exit_code"], {"exit_code": 0}),
        # What the event was told with comes before what it is.
        (["state", "phase"], {"state": "odd", "phase": "COMPLETE"}),
        (["data"], {"data": EVENT["data"]}),
        (["job", "event", "kind"], {"job": EVENT["job"], "event": "complete", "kind": "command"}),
        (["missing", "seq"], {}),
        # A null is no value.
        (["no"], {}),
    ],
)
def test_what_the_values_are(names: list[str], values: dict[str, Any]) -> None:
    assert values_of(EVENT, names) == values


@pytest.mark.parametrize("data", [None, [], "text", 3])
def test_data_that_is_no_object_has_no_members(data: Any) -> None:
    assert values_of({"event": "x", "data": data}, ["event", "length"]) == {"event": "x"}


def test_a_null_member_does_not_fall_back() -> None:
    assert values_of(EVENT | {"data": {"state": None}}, ["state"]) == {}


class Asking:
    """Stands in for what takes requests: the chain's length is all that is asked here."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []

    def definition(self, name: str) -> Any:
        raise Unknown(f"There is no job {name!r}.")


@pytest.mark.parametrize(
    ("event", "depth", "is_followed"),
    [
        (EVENT, 0, True),
        (EVENT, MOST_DEPTH - 1, True),
        (EVENT, MOST_DEPTH, False),
        # Of other kinds no chain is known.
        (EVENT | {"kind": "condor"}, MOST_DEPTH, True),
        ({"event": "eula_signed", "kind": "smrtlink", "data": {}}, MOST_DEPTH, True),
    ],
)
def test_how_long_a_chain_may_be(event: Mapping[str, Any], depth: int, is_followed: bool) -> None:
    chain = Chain(Asking(), lambda _job_id: depth)
    with pytest.raises(Unknown if is_followed else Invalid):
        chain("nightly", event, key=MESSAGE_ID, by="hook x")


def tried(error: Exception | None = None, given: Delivery | None = None, **ways: Any) -> Result:
    """Try a delivery whose job, when it is started, raises an error."""

    def run(name: str, event: Mapping[str, Any], *, key: str, by: str) -> str:
        assert (name, event["event"], key, by) == ("report", "complete", MESSAGE_ID, "hook mine")
        if error is not None:
            raise error
        return "1772366400.5"

    made = Ways(tls_context(), **({"run_job": run} | ways))
    carrier = Carrier(Hook("mine", "job:report"), made)
    return attempt(carrier, Patience(60.0), lambda: 0.5, given or of_execution(), 0.0)


def test_a_job_is_started() -> None:
    result = tried()
    assert (result.state, result.status) == (DELIVERED, 202)
    assert result.answer == "execution 1772366400.5"


@pytest.mark.parametrize(
    ("error", "state", "status"),
    [
        (Unknown("There is no job."), DEAD, 404),
        (Invalid("The values are wrong."), DEAD, 422),
        (Conflict("It runs already."), PENDING, 409),
        (StoreUnavailable(), PENDING, 503),
        (RepositoryUnavailable("Nothing is in force.", reason="x"), PENDING, 503),
        (ValueError("a fault"), PENDING, None),
    ],
)
def test_what_is_tried_again_and_what_is_not(
    error: Exception, state: str, status: int | None
) -> None:
    result = tried(error)
    assert (result.state, result.status) == (state, status)
    assert str(error) in result.error or type(error).__name__ in result.error


def test_where_no_jobs_are_started_it_waits_for_a_process_that_does() -> None:
    result = tried(run_job=None)
    assert (result.state, result.status) == (PENDING, None)
    assert "starts no jobs" in result.error


def test_a_pruned_event_starts_nothing() -> None:
    assert tried(given=delivery(event=None)).state == DEAD


def test_names_are_made_of_urls_and_show_nothing_of_them() -> None:
    name = name_of_url("https://example.org/hook/secret")
    assert is_of_definition(name)
    assert name == name_of_url("https://example.org/hook/secret")
    assert name != name_of_url("https://example.org/hook/secret2")
    assert "secret" not in name
    assert not any(map(is_of_definition, ("mine", "job-1", "event-url", f"{name}0", f"x{name}")))
    shown = shown_options("https://u:hidden@example.org/hidden?x=hidden")
    assert shown == {"URL": "https://example.org/***", "Format": "overseer"}
