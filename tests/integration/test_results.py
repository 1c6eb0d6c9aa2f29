"""Results over HTTP: how they stand, with their runs driven through their lives by hand."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from jexevents.executions.orders import Order
from jexevents.store.results import Results
from tests.integration.web import assert_problem
from tests.support import wait_until
from tests.tasks import IMAGE, OFFER, TaskPlace

CANCEL = {"operation": "CANCEL"}
AGAIN = {"count": 1, "backoff": 0}
LATER = {"count": 1, "backoff": 1000}


@pytest.fixture
def place(database: str) -> Iterator[TaskPlace]:
    made = TaskPlace(database)
    yield made
    made.close()


@pytest.fixture
def task(place: TaskPlace) -> int:
    return place.ready()


def orders(place: TaskPlace, node: str = "one") -> list[Order]:
    """Give what a node is ordered to do."""
    rows = place.sql(
        "select o.id, o.job_id, o.attempt, o.event, o.cause, o.credential"
        " from execution_orders o join executions x on x.job_id = o.job_id"
        " where o.node = %s and o.done_at is null order by x.number", node,
    )  # fmt: skip
    return [Order(*row) for row in rows]


# --- how results stand


def test_a_result_from_its_request_to_its_end(place: TaskPlace, task: int) -> None:
    result = place.run(task, times=3, command=["echo", "hi"])
    shown = place.result(result)
    assert (shown["status"], shown["task_id"], shown["image"]) == ("QUEUED", task, IMAGE)
    assert (shown["command"], shown["repeats"]) == (["echo", "hi"], None)
    assert isinstance(shown["submitted_at"], float)
    one, two, three = place.begin(3)
    shown = place.result(result)
    assert (shown["status"], shown["counts"]["RUNNING"]) == ("RUNNING", 3)
    assert (shown["start"], shown["end"], shown["duration"]) == (1_790_000_001, None, None)
    place.end(one, two)
    shown = place.result(result)
    assert (shown["status"], shown["end"], shown["duration"]) == ("RUNNING", None, None)
    place.end(three)
    shown = place.result(result)
    assert (shown["status"], shown["counts"]["COMPLETE"]) == ("COMPLETE", 3)
    assert (shown["start"], shown["end"], shown["duration"]) == (1_790_000_001, 1_790_000_002, 1)
    assert shown["details"] == f"https://jex.example.org/result/{result}/detail/"


def test_one_that_failed_is_an_error_when_all_have_ended(place: TaskPlace, task: int) -> None:
    result = place.run(task, times=2)
    one, two = place.begin(2)
    place.end(one, code=7)
    assert place.result(result)["status"] == "RUNNING"
    place.end(two)
    shown = place.result(result)
    assert (shown["status"], shown["counts"]["ERROR"]) == ("ERROR", 1)


def test_what_is_tried_again_has_begun(place: TaskPlace, task: int) -> None:
    result = place.run(task, times=1, retries=LATER)
    place.end(*place.begin(), code=1)
    shown, detail = place.result(result), place.detail(result, 1)
    assert (shown["status"], shown["counts"]["QUEUED"]) == ("RUNNING", 1)
    assert shown["start"] == pytest.approx(detail["attempts"][0]["begun_at"])
    assert (detail["status"], detail["attempt"], detail["start"]) == ("QUEUED", 2, None)
    assert detail["due_at"] > detail["submitted_at"] + 900
    assert "Attempt 1 of 2" in detail["reason"]


def test_the_start_is_that_of_the_first_attempt(place: TaskPlace, task: int) -> None:
    result = place.run(task, retries=AGAIN)
    place.end(*place.begin(), code=1)
    began = place.result(result)["start"]
    place.end(*place.begin())
    shown, detail = place.result(result), place.detail(result, 1)
    assert (shown["status"], detail["status"], detail["attempt"]) == ("COMPLETE", "COMPLETE", 2)
    assert shown["start"] == began
    assert [one["attempt"] for one in detail["attempts"]] == [1, 2]


def test_what_is_over_keeps_its_sums(place: TaskPlace, task: int) -> None:
    result = place.run(task, times=4)
    one, two = place.begin(2)
    place.end(one)
    place.end(two, code=1)
    assert place.sql("select complete, finished_at from results") == [(None, None)]
    place.call("DELETE", f"/result/{result}/")
    before = place.result(result)
    assert (before["status"], before["counts"]["CANCELLED"]) == ("ERROR", 2)
    assert place.sql("select complete, error, cancelled from results") == [(1, 1, 2)]
    place.sql("update jobs set state = 'QUEUED', phase = 'QUEUED', closed = false")
    assert place.result(result) == before, "nothing is summed up again"


def test_sums_are_not_kept_of_what_is_not_whole(place: TaskPlace, task: int) -> None:
    """As it would be if a restored database had lost rows."""
    result = place.run(task, times=2)
    place.end(*place.begin(2))
    place.sql("delete from jobs where key = %s", f"{result}/2")
    place.result(result)
    assert place.sql("select finished_at from results") == [(None,)]


def test_lists_of_results(place: TaskPlace, task: int) -> None:
    other = place.ready("other")
    made = [place.run(one) for one in (task, other, task)]
    assert [one["id"] for one in place.get("/result/")] == made[::-1]
    assert [one["id"] for one in place.get(f"/result/?task_id={task}")] == [made[2], made[0]]
    answer = place.call("GET", f"/result?task_id={task}&limit=1")
    link = f'</result?task_id={task}&limit=1&before={made[2]}>; rel="next"'
    assert answer.headers["Link"] == link
    (rest,) = place.get(f"/result?task_id={task}&limit=1&before={made[2]}")
    assert rest["id"] == made[0]


@pytest.mark.parametrize("path", ["/result/77", "/result/x", "/result/77/detail",
                                  "/result/77/detail/1", "/result/1/detail/2",
                                  "/result/1/detail/0", "/result/1/detail/x"])  # fmt: skip
def test_what_is_not_there(place: TaskPlace, task: int, path: str) -> None:
    assert place.run(task) == 1
    assert_problem(place.call("GET", path), 404)
    if not path.endswith("detail"):
        assert_problem(place.call("POST", path, CANCEL), 404)
        assert_problem(place.call("DELETE", path), 404)


# --- details


def test_details_in_pages(place: TaskPlace, task: int) -> None:
    result = place.run(task, times=5)
    one, two = place.begin(2)
    place.end(one)
    place.end(two, code=137)
    answer = place.call("GET", f"/result/{result}/detail/?limit=2")
    assert [(row["detail_id"], row["status"]) for row in answer.json()] == [
        (1, "COMPLETE"), (2, "ERROR"),
    ]  # fmt: skip
    assert answer.headers["Link"] == f'</result/{result}/detail?limit=2&after=2>; rel="next"'
    rest = place.get(f"/result/{result}/detail/?after=2")
    assert [row["detail_id"] for row in rest] == [3, 4, 5]
    (failed,) = place.get(f"/result/{result}/detail/?status=ERROR")
    assert (failed["detail_id"], failed["exit_code"], failed["state"]) == (2, 137, "FAILED")
    assert place.get(f"/result/{result}/detail/?status=KILLED") == []
    assert_problem(place.call("GET", f"/result/{result}/detail/?status=LOST"), 400)


def test_a_detail(place: TaskPlace, task: int) -> None:
    result = place.run(task, times=2)
    place.begin(1, "two")
    shown = place.detail(result, 1)
    assert (shown["id"], shown["task_id"], shown["worker"]) == (1, task, "two")
    assert (shown["status"], shown["start"], shown["duration"]) == ("RUNNING", 1_790_000_001, None)
    assert (shown["image"], shown["exit_code"], shown["due_at"]) == (IMAGE, None, None)
    own = f"https://jex.example.org/result/{result}/detail/1"
    assert [shown[name] for name in ("stdout", "stderr", "output")] == [
        f"{own}/stdout", f"{own}/stderr", f"{own}/output",
    ]  # fmt: skip
    (attempt,) = shown["attempts"]
    assert (attempt["worker"], attempt["settled_at"]) == ("two", None)


@pytest.mark.parametrize("path", ["/result/{}?wait=60", "/result/{}/detail/1?wait=60"])
def test_who_asks_can_wait_for_the_end(place: TaskPlace, task: int, path: str) -> None:
    result = place.run(task)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(place.get, path.format(result))
        place.end(*place.begin())
        place.links.bell.ring()
        assert asked.result(30)["status"] == "COMPLETE"
    assert place.get(path.format(result))["status"] == "COMPLETE", "at once"


def test_a_run_that_waits(place: TaskPlace, task: int) -> None:
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(place.call, "POST", f"/task/{task}?wait=60", {"times": 2})
        begun = wait_until(lambda: place.begin(2), 20, "the runs")
        place.end(*begun)
        answer = asked.result(30)
    assert (answer.status, answer.json()["status"]) == (200, "COMPLETE")
    assert place.call("POST", f"/task/{task}?wait=0").status == 202
    assert_problem(place.call("POST", f"/task/{task}?wait=301"), 400)


# --- cancelling


@pytest.mark.parametrize("how", ["POST", "DELETE"])
def test_a_result_is_cancelled(place: TaskPlace, task: int, how: str) -> None:
    result = place.run(task, times=4)
    one, two = place.begin(2)
    place.end(one)
    (claimed,) = place.queue("two").claim(1, OFFER)
    body = {**CANCEL, "cause": "no more"} if how == "POST" else None
    path = f"/result/{result}" + ("" if how == "POST" else "?cause=no+more")
    answer = place.call(how, path, body)
    shown = answer.json()
    assert (answer.status, shown["status"]) == (202, "RUNNING")
    assert shown["counts"] | {"RUNNING": 1, "COMPLETE": 1, "CANCELLED": 2} == shown["counts"]
    assert not place.queue("two").begin(claimed, "boot"), "who claimed it begins nothing"
    (order,) = orders(place)
    assert (order.job_id, order.event, order.cause) == (two.job_id, "kill", "no more")
    assert place.detail(result, 3)["reason"] == "no more"
    assert place.call(how, path, body).status == 202, "once more changes nothing"
    assert len(orders(place)) == 1
    place.end(two, code=137, reason="killed")
    shown = place.result(result)
    assert (shown["status"], shown["counts"]["KILLED"]) == ("KILLED", 1)
    assert place.call(how, path, body).json() == shown
    notes = place.sql("select detail from audit where action = 'result cancelled'")
    assert [note["runs"] for (note,) in notes] == [2]


def test_what_has_ended_is_not_cancelled(place: TaskPlace, task: int) -> None:
    result = place.run(task)
    place.end(*place.begin())
    for path in (f"/result/{result}", f"/result/{result}/detail/1"):
        assert "COMPLETE" in assert_problem(place.call("POST", path, CANCEL), 409)["detail"]
        assert_problem(place.call("DELETE", path), 409)


def test_one_run_is_cancelled(place: TaskPlace, task: int) -> None:
    result = place.run(task, times=3)
    (begun,) = place.begin()
    answer = place.call("POST", f"/result/{result}/detail/2", {**CANCEL, "cause": "twice"})
    assert (answer.status, answer.json()["status"]) == (200, "CANCELLED")
    assert answer.json()["reason"] == "twice"
    assert place.call("DELETE", f"/result/{result}/detail/2").status == 200
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(place.call, "DELETE", f"/result/{result}/detail/1")
        (order,) = wait_until(lambda: orders(place), 20, "the order")
        place.end(begun, code=137, reason="killed")
        place.parts.orders().done([(order, {})])
        place.links.bell.ring()
        answer = asked.result(30)
    assert (answer.status, answer.json()["status"]) == (200, "KILLED")
    assert answer.json()["reason"] == "Killed on request."
    place.end(*place.begin())
    assert place.result(result)["status"] == "KILLED"


def test_what_is_killed_is_not_tried_again(place: TaskPlace, task: int) -> None:
    result = place.run(task, times=2, retries=AGAIN)
    one, _ = place.begin(2)
    place.call("DELETE", f"/result/{result}")
    place.end(one, code=1)
    assert place.queue().next_due(OFFER) is None
    assert place.detail(result, 1)["status"] == "ERROR"


def test_what_waits_for_its_next_attempt_is_cancelled(place: TaskPlace, task: int) -> None:
    result = place.run(task, retries=LATER)
    place.end(*place.begin(), code=1)
    answer = place.call("DELETE", f"/result/{result}")
    assert (answer.status, answer.json()["status"]) == (200, "CANCELLED")


def test_cancelled_while_runs_begin_and_are_tried_again(place: TaskPlace, task: int) -> None:
    """Whoever is first: none is begun behind the answer, and none waits any more."""
    result = place.run(task, times=60, retries=AGAIN)
    gone: list[Any] = []

    def work(node: str) -> None:
        while found := place.begin(2, node):
            gone.extend(found)
            place.end(found[0], code=1, node=node)

    with ThreadPoolExecutor(3) as pool:
        workers = [pool.submit(work, f"n{number}") for number in range(2)]
        wait_until(lambda: len(gone) > 4, 30, "some to begin")
        answer = pool.submit(place.call, "POST", f"/result/{result}", CANCEL).result(60)
        for one in workers:
            one.result(60)
    assert answer.status == 202
    assert place.queue().next_due(OFFER) is None
    shown = place.result(result)
    assert shown["counts"]["QUEUED"] == 0
    assert shown["counts"]["CANCELLED"] > 0
    ordered = {order.job_id for node in ("n0", "n1") for order in orders(place, node)}
    assert ordered >= set(Results(place.database).begun(result))


@pytest.mark.parametrize(
    "document",
    [
        {}, {"operation": "RUN"}, {"operation": "CANCEL", "only": "all"}, {"operation": "REPEAT",
        "only": "some"}, {"operation": "REPEAT", "cause": "x"}, {"operation": "CANCEL", "a": 1},
        {"operation": "CANCEL", "result_id": 99}, {"operation": "CANCEL", "cause": "x" * 4001},
    ],
)  # fmt: skip
def test_operations_on_results_that_are_refused(
    place: TaskPlace, task: int, document: dict[str, Any]
) -> None:
    result = place.run(task)
    assert_problem(place.call("POST", f"/result/{result}", document), 422)
    assert place.result(result)["status"] == "QUEUED"


@pytest.mark.parametrize(
    "document",
    [
        {}, {"operation": "SIGNAL"}, {"operation": "SIGNAL", "event": "hup"},
        {"operation": "CANCEL", "event": "stop"}, {"operation": "CANCEL", "detail_id": 2},
        {"operation": "REPEAT"},
    ],
)  # fmt: skip
def test_operations_on_details_that_are_refused(
    place: TaskPlace, task: int, document: dict[str, Any]
) -> None:
    result = place.run(task)
    assert_problem(place.call("POST", f"/result/{result}/detail/1", document), 422)
    assert place.result(result)["status"] == "QUEUED"


def test_a_signal_is_ordered_and_answered(place: TaskPlace, task: int) -> None:
    result = place.run(task, times=2)
    path = f"/result/{result}/detail/1"
    stop = {"operation": "SIGNAL", "event": "stop", "cause": "lunch"}
    assert_problem(place.call("POST", path, stop), 409)
    place.begin()
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(place.form, path, list(stop.items()))
        (order,) = wait_until(lambda: orders(place), 20, "the order")
        place.parts.orders().done([(order, {})])
        place.links.bell.ring()
        assert asked.result(30).status == 200
    assert (order.event, order.cause, order.credential) == ("stop", "lunch", "run")


def test_an_administrator_gives_up_what_nothing_is_heard_of(place: TaskPlace, task: int) -> None:
    result = place.run(task, times=2, retries=3)
    path, order = f"/result/{result}/detail/1", {"operation": "GIVE_UP", "cause": "gone"}
    assert_problem(place.call("POST", path, order, token="admin"), 409)
    place.begin()
    assert_problem(place.call("POST", path, order), 403)
    answer = place.call("POST", path, order, token="admin")
    assert answer.status == 200
    shown = answer.json()
    assert (shown["status"], shown["state"], shown["reason"]) == ("ERROR", "LOST", "gone")


# --- repeating


def test_what_failed_is_repeated(place: TaskPlace, task: int) -> None:
    result = place.run(task, times=4, command="echo hi", priority=3)
    one, two, three, four = place.begin(4)
    place.end(one, three)
    assert_problem(place.call("POST", f"/result/{result}", {"operation": "REPEAT"}), 409)
    place.end(two, four, code=1)
    # Another image by now: what is repeated is what ran.
    place.sql("update tasks set image = 'other', status = 'ERROR'")
    answer = place.call("POST", f"/result/{result}", {"operation": "REPEAT"})
    again = answer.json()
    assert answer.status == 202
    assert answer.headers["Location"] == f"/result/{again['id']}/"
    assert (again["times"], again["repeats"], again["image"]) == (2, result, IMAGE)
    assert (again["command"], again["task_id"]) == ("echo hi", task)
    found = place.queue().claim(9, OFFER)
    assert [one.named.detail for one in found] == [f"{again['id']}/{n}" for n in (1, 2)]
    assert {(one.run.image, one.run.priority) for one in found} == {(IMAGE, 3)}
    (event,) = place.sql("select data from events where name = 'requested'"
                         " and data->>'repeats' = %s limit 1", str(result))  # fmt: skip
    assert event[0]["trigger"] == "repeat"


def test_nothing_has_failed(place: TaskPlace, task: int) -> None:
    result = place.run(task, times=2)
    place.end(*place.begin(2))
    repeat = {"operation": "REPEAT", "only": "failed"}
    assert_problem(place.call("POST", f"/result/{result}", repeat), 409)
    again = place.post(f"/result/{result}", {**repeat, "only": "all"})
    assert (again["times"], again["repeats"]) == (2, result)


def test_the_same_repetition_is_made_once(place: TaskPlace, task: int) -> None:
    result = place.run(task, times=2)
    place.end(*place.begin(2), code=1)
    key = {"HTTP_IDEMPOTENCY_KEY": "again"}
    again = place.post(f"/result/{result}", {"operation": "REPEAT"}, **key)
    assert place.post(f"/result/{result}", {"operation": "REPEAT"}, 200, **key)["id"] == again["id"]
    other = {"operation": "REPEAT", "only": "all"}
    assert_problem(place.call("POST", f"/result/{result}", other, **key), 409)


def test_what_is_not_allowed_any_more_is_not_repeated(database: str) -> None:
    before, after = TaskPlace(database), TaskPlace(database, TaskNetworks=["none"])
    result = before.run(before.ready(), network="bridge")
    before.end(*before.begin(), code=1)
    refused = assert_problem(after.call("POST", f"/result/{result}", {"operation": "REPEAT"}), 422)
    assert refused["errors"][0]["pointer"] == "/network"
    before.close()
    after.close()
