"""An Idempotency-Key over HTTP: what is asked again is done once."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

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


def test_what_waits_is_cancelled_once_and_the_repetition_is_answered_so(place, tmp_path):
    begun(place, "in-a-row", tmp_path / "never")
    first, second = (place.run("in-a-row", file="/") for _ in range(2))
    for _ in range(2):
        answer = put(place, first, "t", "terminate")
        assert (answer.status, answer.json()["state"]) == (200, "CANCELLED")
        answer = put(place, second, "t", "kill", cause="no more")
        assert (answer.status, answer.json()["reason"]) == (200, "no more")
    assert names(place, first)["cancelled"] == names(place, second)["cancelled"] == 1
    for key, event, more in (
        ("other", "terminate", {}),
        ("t", "kill", {}),
        ("t", "terminate", {"cause": "another"}),
        ("t", "cancelled", {}),
    ):
        assert put(place, first, key, event, **more).status == 409, (key, event, more)
    assert place.put(first, "terminate").status == 409
    noted = "select count(*) from jex.audit where action in ('execution terminate', %s)"
    assert place.rows(noted % "'execution kill'") == [(2,)]


def test_one_key_at_once_is_one_answer(place, tmp_path):
    begun(place, "in-a-row", tmp_path / "never")
    for number in range(5):
        waiting = place.run("in-a-row", file="/")
        with ThreadPoolExecutor(6) as pool:
            asked = [pool.submit(put, place, waiting, f"k{number}", "kill") for _ in range(6)]
        assert [one.result().status for one in asked] == [200] * 6
        assert names(place, waiting)["cancelled"] == 1


def test_what_is_given_up_is_so_once(place, tmp_path):
    def give_up(key: str, cause: str = "burned down"):
        order = {"event": "kill", "give_up": True, "cause": cause}
        path = f"/jobs/waits/{going['id']}"
        headers = {"Idempotency-Key": key}
        return place.daemon.ask("PUT", path, order, token=place.admin, **headers)

    going = begun(place, "waits", tmp_path / "never")
    for _ in range(2):
        answer = give_up("g")
        assert (answer.status, answer.json()["state"]) == (200, "LOST")
        assert answer.json()["reason"] == "burned down"
    assert names(place, going)["lost"] == 1
    assert give_up("other").status == give_up("g", "another").status == 409
    assert put(place, going, "g", "kill", cause="burned down").status == 409
    wait_until(lambda: not place.processes(), SECONDS, "what was given up to be ended")
