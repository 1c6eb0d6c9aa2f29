"""An Idempotency-Key over HTTP: what is asked again is done once."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.acceptance.jobs import SECONDS, WAITS_FOR, Jobs
from tests.acceptance.test_jobs_survive import begun
from tests.support import wait_until

FILES = {
    "waits.yml": WAITS_FOR,
    "say.yml": "command: echo {{ word }}\nvars: [{name: word}]\n",
    "in_a_row.yml": WAITS_FOR + "concurrency: queue\n",
}


@pytest.fixture
def place(jobs) -> Jobs:
    return jobs(FILES)


def names(place: Jobs, execution: dict) -> Counter:
    return Counter(event["event"] for event in place.at(execution)["events"])


def put(place: Jobs, execution: dict, key: str, event: str, **more: str):
    path = f"/jobs/{execution['job']}/{execution['id']}"
    return place.ask("PUT", path, {"event": event, **more}, Idempotency_Key=key)


def test_runs_and_repetitions(place):
    first, again = (
        place.ask("POST", "/jobs/say", {"word": "a"}, Idempotency_Key="k") for _ in range(2)
    )
    assert first.json()["id"] == again.json()["id"]
    assert place.ask("POST", "/jobs/say", {"word": "b"}, Idempotency_Key="k").status == 409
    path = f"/jobs/say/{first.json()['id']}"
    one, two = (place.ask("POST", path, Idempotency_Key="r") for _ in range(2))
    assert one.json()["id"] == two.json()["id"] != first.json()["id"]
    # Not the same request: it is to run on another commit.
    assert place.ask("POST", f"{path}?commit=newest", Idempotency_Key="r").status == 409
    new, newer = (place.ask("POST", f"{path}?commit=newest", Idempotency_Key="n") for _ in range(2))
    assert new.json()["id"] == newer.json()["id"]
    assert place.rows("select count(*) from jex.executions") == [(3,)]


@pytest.mark.parametrize(
    "then",
    [
        "command: echo {{ word }}\nvars: [{name: word, default: later}]\n",
        "command: echo {{ word }} {{ n }}\nvars: [{name: word}, {name: n, required: yes}]\n",
        None,
    ],
    ids=["another default", "one variable more", "no such job"],
)
def test_a_request_stays_the_same_though_its_definition_does_not(place, then):
    """One that is sent again may meet a newer commit, or a node that has one."""
    place.origin.commit(say__yml="command: echo {{ word }}\nvars: [{name: word, default: first}]\n")
    place.refresh()
    first = place.ask("POST", "/jobs/say", {}, Idempotency_Key="k").json()
    path = f"/jobs/say/{first['id']}?commit=newest"
    newest = place.ask("POST", path, Idempotency_Key="n").json()
    place.origin.commit(say__yml=then)
    place.refresh()
    again = place.ask("POST", "/jobs/say", {}, Idempotency_Key="k")
    assert (again.status, again.json().get("id")) == (202, first["id"]), again.body
    again = place.ask("POST", path, Idempotency_Key="n")
    assert (again.status, again.json().get("id")) == (202, newest["id"]), again.body
    assert place.ask("POST", "/jobs/say", {"word": "b"}, Idempotency_Key="k").status == 409
    other = place.ask("POST", "/jobs/say", {"wort": "b"}, Idempotency_Key="k")
    assert other.status == 422


def test_events_of_what_runs(place, tmp_path):
    going = begun(place, "waits", tmp_path / "never")
    for _ in range(2):
        assert put(place, going, "s", "stop").status == 200
        assert put(place, going, "w", "a-word", cause="so").status == 200
    assert put(place, going, "w", "a-word", cause="or so").status == 409
    assert put(place, going, "w", "another").status == 409
    found = names(place, going)
    assert (found["stop"], found["a-word"], found["another"]) == (1, 1, 0)
    assert put(place, going, "k", "kill").status == 200
    place.wait_over(going)
    # Asked again behind the end, it is what it was.
    assert put(place, going, "k", "kill").status == 200
    assert put(place, going, "w", "a-word", cause="so").status == 200
    assert put(place, going, "other", "kill").status == 409
    assert names(place, going)["a-word"] == 1


def test_events_of_what_waits_and_of_what_is_over(place, tmp_path):
    first = begun(place, "in-a-row", tmp_path / "first")
    flag = tmp_path / "second"
    waiting = place.run("in-a-row", file=str(flag))
    for _ in range(2):
        assert put(place, waiting, "b", "before", cause="so").status == 200
    (tmp_path / "first").touch()
    place.wait_over(first)
    place.wait_state(waiting, "RUNNING")
    assert put(place, waiting, "b", "before", cause="so").status == 200
    flag.touch()
    place.wait_over(waiting)
    for _ in range(2):
        assert put(place, waiting, "b", "before", cause="so").status == 200
        assert put(place, waiting, "a", "after").status == 200
    wait_until(lambda: names(place, waiting)["after"] == 1, SECONDS, "the event")
    assert names(place, waiting)["before"] == 1
