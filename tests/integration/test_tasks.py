"""Tasks over HTTP and over PostgreSQL: registered, imported by workers, run."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import pytest

from jexevents import wiring
from jexevents.executions.queue import Offer
from jexevents.model import Kind
from jexevents.store.prune import Prune
from jexevents.store.verify import Scope, Verification
from tests.integration.web import assert_problem
from tests.support import wait_until
from tests.tasks import IMAGE, OFFER, TaskPlace

KEY = {"HTTP_IDEMPOTENCY_KEY": "order-1"}


@pytest.fixture
def place(database: str) -> Iterator[TaskPlace]:
    made = TaskPlace(database, TaskMountFolders=["/srv/data"])
    yield made
    made.close()


# --- registering


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_task_is_registered(place: TaskPlace, slash: str) -> None:
    document = {"repository": "lab/tool:1", "status": "READY"}
    answer = place.call("POST", f"/task{slash}", document)
    task = answer.json()
    assert answer.status == 202
    assert answer.headers["Location"] == f"/task/{task['task_id']}/"
    assert (task["id"], task["name"]) == (task["task_id"], "lab/tool:1")
    assert (task["status"], task["pull"], task["by"]) == ("SUBMITTED", "missing", "run")
    assert isinstance(task["registered_at"], float)
    assert place.get(f"/task/{task['task_id']}{slash}") == task
    assert place.get(f"/task{slash}") == [task]


def test_a_form_does_as_well(place: TaskPlace) -> None:
    answer = place.form("/task/", [("repository", "tool"), ("name", "mine")])
    assert (answer.status, answer.json()["name"]) == (202, "mine")
    assert_problem(place.form("/task/", [("repository", "tool"), ("nam", "x")]), 422)
    assert_problem(place.form("/task/", [("name", "x")]), 422)
    assert_problem(place.form("/task/", [("repository", "a"), ("repository", "b")]), 422)
    assert_problem(place.form("/task/", [("repository", "a\0")]), 400)


@pytest.mark.parametrize(
    "document",
    [
        {}, {"repository": ""}, {"repository": "UPPER"}, {"repository": "a b"},
        {"repository": "a:b:c"}, {"repository": "a@sha256:1"}, {"repository": 7},
        {"repository": "a", "name": ""}, {"repository": "a", "name": "x\ny"},
        {"repository": "a", "name": "é" * 128}, {"repository": "a", "pull": "never"},
        {"repository": "a", "colour": "red"},
    ],
)  # fmt: skip
def test_what_is_no_task(place: TaskPlace, document: dict) -> None:
    assert_problem(place.call("POST", "/task/", document), 422)
    assert place.get("/task/") == []


def test_a_name_is_one_tasks(place: TaskPlace) -> None:
    first = place.registered("tool", name="mine")
    answer = place.call("POST", "/task/", {"repository": "other", "name": "mine"})
    document = assert_problem(answer, 409)
    assert (document["task_id"], document["repository"]) == (first, "tool")
    assert document["status"] == 409, "a word for the task would say nothing of the answer"
    assert document["task"] == place.get(f"/task/{first}/")
    assert answer.headers["Location"] == f"/task/{first}/"
    assert place.registered("tool", name="other") != first, "one image has several names"
    assert_problem(place.call("POST", "/task/", {"repository": "other", "name": " mine "}), 409)
    assert place.call("DELETE", f"/task/{first}/").status == 204
    second = place.registered("other", name="mine")
    assert second > first
    answer = place.call("POST", "/task/", {"repository": "third", "name": "mine"})
    assert assert_problem(answer, 409)["task_id"] == second


def test_who_registers_may_wait_for_the_image(place: TaskPlace) -> None:
    answer = place.call("POST", "/task/?wait=0", {"repository": "tool"})
    assert (answer.status, answer.json()["status"]) == (202, "SUBMITTED")
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(place.call, "POST", "/task/?wait=60", {"repository": "other"})
        wait_until(lambda: place.get("/task/")[0]["name"] == "other", 10, "its row")
        assert not asked.done()
        place.sql("update tasks set status = 'ERROR', error = 'none' where name = 'other'")
        assert asked.result(10).json()["status"] == "ERROR"
    assert_problem(place.call("POST", "/task/?wait=soon", {"repository": "third"}), 400)
    assert len(place.get("/task/")) == 2


def test_what_a_run_waits_for_is_said(place: TaskPlace) -> None:
    result = place.run(place.ready(), labels=["gpu", "big"])
    waits = place.detail(result, 1)["waits_for"]
    assert (waits["what"], waits["since"]) == ("node", None)
    assert "gpu, big" in waits["reason"] or "big, gpu" in waits["reason"]
    place.node("two")
    assert place.detail(result, 1)["waits_for"]["reason"] is not None
    place.sql("update nodes set labels = '{gpu,big,fast}' where name = 'two'")
    assert place.detail(result, 1)["waits_for"]["reason"] is None
    place.node("two", seconds_ago=100)
    assert place.detail(result, 1)["waits_for"]["reason"] is not None
    place.sql("update execution_queue set due_at = now() + interval '1 h'")
    assert place.detail(result, 1)["waits_for"]["what"] == "time"
    place.sql("update execution_queue set refused_at = now(), refusal = 'no such image'")
    waits = place.detail(result, 1)["waits_for"]
    assert (waits["what"], waits["reason"]) == ("image", "no such image")
    assert waits["since"] > 1e9
    place.sql("update execution_queue set labels = '{}', due_at = now(), refused_at = null")
    place.begin()
    assert place.detail(result, 1)["waits_for"] is None


def test_of_many_that_register_one_name_one_does(place: TaskPlace) -> None:
    with ThreadPoolExecutor(6) as pool:
        answers = list(
            pool.map(lambda _: place.call("POST", "/task/", {"repository": "a"}), range(12))
        )
    assert sorted(one.status for one in answers) == [202, *[409] * 11]
    assert len({one.json()["task_id"] for one in answers}) == 1


def test_the_same_request_registers_once(place: TaskPlace) -> None:
    asked = {"repository": "tool", "name": "mine"}
    first = place.post("/task/", asked, **KEY)
    assert place.post("/task/", asked, 200, **KEY) == first
    assert_problem(place.call("POST", "/task/", {"repository": "tool"}, **KEY), 409)
    with ThreadPoolExecutor(6) as pool:
        key = {"HTTP_IDEMPOTENCY_KEY": "k2"}
        answers = list(
            pool.map(lambda _: place.call("POST", "/task/", {"repository": "b"}, **key), range(12))
        )
    assert sorted(one.status for one in answers) == [*[200] * 11, 202]


def test_a_late_repetition_brings_no_deleted_task_back(place: TaskPlace) -> None:
    asked = {"repository": "tool", "name": "mine"}
    task_id = place.post("/task/", asked, **KEY)["task_id"]
    assert place.call("DELETE", f"/task/{task_id}").status == 204
    late = place.call("POST", "/task/", asked, **KEY)
    assert_problem(late, 409)
    assert f"the task {task_id} that it registered was deleted" in late.json()["detail"]
    assert place.get("/task/") == []


def test_pages_and_filters(place: TaskPlace) -> None:
    made = [place.registered(f"t{number}") for number in range(5)]
    answer = place.call("GET", "/task/?limit=2")
    assert [one["id"] for one in answer.json()] == [made[4], made[3]]
    assert answer.headers["Link"] == f'</task?limit=2&before={made[3]}>; rel="next"'
    assert [one["id"] for one in place.get(f"/task/?before={made[1]}")] == [made[0]]
    assert [one["name"] for one in place.get("/task/?name=t2")] == ["t2"]
    place.imports.take("one")
    assert [one["name"] for one in place.get("/task/?status=IMPORTING")] == ["t0"]
    assert_problem(place.call("GET", "/task/?status=BROKEN"), 400)


@pytest.mark.parametrize("path", ["/task/7", "/task/x", "/task/-1", f"/task/{10**20}"])
def test_tasks_that_are_not_there(place: TaskPlace, path: str) -> None:
    assert_problem(place.call("GET", path), 404)
    assert_problem(place.call("POST", path, {"operation": "RUN"}), 404)
    assert_problem(place.call("POST", path, {"operation": "IMPORT"}), 404)
    assert_problem(place.call("DELETE", path), 404)


def test_roles(place: TaskPlace) -> None:
    task = place.ready()
    result = place.run(task)
    for method, path in (
        ("POST", "/task/"), ("POST", f"/task/{task}"), ("DELETE", f"/task/{task}"),
        ("POST", f"/result/{result}"), ("DELETE", f"/result/{result}"),
        ("POST", f"/result/{result}/detail/1"), ("DELETE", f"/result/{result}/detail/1"),
    ):  # fmt: skip
        assert_problem(place.call(method, path, {"operation": "CANCEL"}, token="read"), 403)
    assert place.result(result)["status"] == "QUEUED"


# --- importing


def test_an_import_goes_its_way(place: TaskPlace) -> None:
    task = place.registered("tool:1", pull="always")
    taken = place.imports.take("one")
    assert (taken.task_id, taken.name, taken.repository) == (task, "tool:1", "tool:1")
    assert taken.pull == "always"
    assert place.imports.take("two") is None, "one worker at a time"
    told = {"layers": {"a": {"status": "Downloading", "current": 1, "total": 2}}}
    assert place.imports.progress(task, "one", told)
    assert not place.imports.progress(task, "two", told)
    shown = place.get(f"/task/{task}")
    assert (shown["status"], shown["progress"], shown["worker"]) == ("IMPORTING", told, "one")
    facts = {"image": IMAGE, "image_id": "sha256:1", "only_local": True, "size_bytes": 7}
    assert not place.imports.ready(task, "two", **facts)
    assert place.imports.ready(task, "one", **facts)
    shown = place.get(f"/task/{task}")
    assert (shown["status"], shown["image"], shown["size"]) == ("READY", IMAGE, 7)
    assert (shown["only_local"], shown["progress"], shown["error"]) == (True, None, None)
    assert not place.imports.progress(task, "one", told), "it is over"


def test_of_many_that_take_each_gets_another(place: TaskPlace) -> None:
    made = [place.registered(f"t{number}") for number in range(30)]
    taken: list[int] = []

    def take(node: str) -> None:
        while (found := place.imports.take(node)) is not None:
            taken.append(found.task_id)

    threads = [threading.Thread(target=take, args=(f"n{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(taken) == made


def test_a_failed_import_is_tried_by_another_that_lives(place: TaskPlace) -> None:
    place.node("one")
    place.node("two")
    place.node("silent", seconds_ago=100)
    place.node("engineless", engine=False)
    place.node("leaving", draining=True)
    task = place.registered()
    place.imports.take("one")
    assert not place.imports.failed(task, "two", "not mine")
    assert place.imports.failed(task, "one", "no such host\0")
    shown = place.get(f"/task/{task}")
    assert (shown["status"], shown["error"]) == (
        "SUBMITTED",
        "no such host\N{REPLACEMENT CHARACTER}",
    )
    assert place.imports.take("one") is None, "who has tried it does not again"
    assert place.imports.take("two").task_id == task
    assert place.imports.failed(task, "two", "manifest unknown")
    shown = place.get(f"/task/{task}")
    assert (shown["status"], shown["error"]) == ("ERROR", "manifest unknown")
    refused = assert_problem(place.call("POST", f"/task/{task}", {"times": 1}), 409)
    assert "manifest unknown" in refused["detail"]
    assert "IMPORT" in refused["detail"]


def test_an_error_is_imported_again(place: TaskPlace) -> None:
    task = place.registered()
    place.imports.take("one")
    place.imports.failed(task, "one", "away")
    assert place.get(f"/task/{task}")["status"] == "ERROR"
    again = place.post(f"/task/{task}/", {"operation": "IMPORT", "task_id": str(task)})
    assert (again["status"], again["error"]) == ("SUBMITTED", None)
    assert place.imports.take("one").task_id == task
    assert place.post(f"/task/{task}/", {"operation": "IMPORT"})["status"] == "IMPORTING"
    assert place.imports.progress(task, "one", None), "who imports it goes on"
    assert_problem(place.call("POST", f"/task/{task}", {"operation": "IMPORT", "times": 2}), 422)


def test_an_import_outlives_its_worker(place: TaskPlace) -> None:
    task = place.registered()
    assert place.imports.take("one", lease_seconds=0.3).task_id == task
    assert place.imports.take("two") is None
    wait_until(lambda: place.imports.take("two"), 20, "the lease to end")
    assert not place.imports.progress(task, "one", None)
    assert not place.imports.failed(task, "one", "late")
    assert place.get(f"/task/{task}")["worker"] == "two"


def test_what_is_noted_keeps_the_lease(place: TaskPlace) -> None:
    task = place.registered()
    place.imports.take("one", lease_seconds=0.3)
    assert place.imports.progress(task, "one", None, lease_seconds=60)
    until = time.monotonic() + 0.5
    wait_until(lambda: time.monotonic() > until, 20, "the first lease to be over")
    assert place.imports.take("two") is None


def test_an_import_is_given_back(place: TaskPlace) -> None:
    tasks = [place.registered("a"), place.registered("b")]
    for _ in tasks:
        place.imports.take("one")
    place.imports.give_back("two")
    place.imports.give_back("one", but=[tasks[0]])
    assert place.imports.take("two").task_id == tasks[1]
    place.imports.give_back("one")
    assert place.imports.take("two").task_id == tasks[0]


def test_who_waits_for_a_worker_that_is_gone_waits_no_more(place: TaskPlace) -> None:
    place.node("one")
    place.node("two")
    fresh, tried, begun = place.registered("a"), place.registered("b"), place.registered("c")
    assert [place.imports.take("one").task_id for _ in range(3)] == [fresh, tried, begun]
    place.imports.failed(tried, "one", "no route")
    place.imports.failed(begun, "one", "no route either")
    place.imports.give_back("one")
    assert place.imports.take("two", lease_seconds=0.1).task_id == fresh
    place.imports.give_back("two")
    place.sql("update tasks set status = 'IMPORTING', node = 'two', lease_until = now()"
              " where id = %s", begun)  # fmt: skip
    place.imports.judge()
    assert place.get(f"/task/{tried}")["status"] == "SUBMITTED", "it may come yet"
    place.node("one", seconds_ago=100)
    place.node("two", seconds_ago=100)
    place.imports.judge()
    told = {task: place.get(f"/task/{task}") for task in (fresh, tried, begun)}
    assert [one["status"] for one in told.values()] == ["SUBMITTED", "ERROR", "ERROR"]
    assert [one["error"] for one in told.values()] == [None, "no route", "no route either"]


def test_nobody_imports_what_is_deleted(place: TaskPlace) -> None:
    first, second = place.registered("a"), place.registered("b")
    assert place.imports.take("one").task_id == first
    for task in (first, second):
        assert place.call("DELETE", f"/task/{task}").status == 204
        assert_problem(place.call("GET", f"/task/{task}"), 404)
    assert not place.imports.progress(first, "one", None)
    assert not place.imports.failed(first, "one", "late")
    assert place.imports.take("one") is None
    assert_problem(place.call("DELETE", f"/task/{first}"), 404)


def test_who_asks_can_wait_for_an_import(place: TaskPlace) -> None:
    task = place.registered()
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(place.get, f"/task/{task}?wait=60")
        place.imports.take("one")
        facts = {"image": IMAGE, "image_id": "i", "only_local": False, "size_bytes": None}
        place.imports.ready(task, "one", **facts)
        assert asked.result(30)["status"] == "READY"
    assert_problem(place.call("GET", f"/task/{task}?wait=x"), 400)


# --- running


def test_a_run(place: TaskPlace) -> None:
    task = place.ready("tool", name="mine")
    answer = place.call("POST", f"/task/{task}/", {"operation": "RUN", "times": 3, "task_id": task})
    result = answer.json()
    assert answer.status == 202
    assert answer.headers["Location"] == f"/result/{result['result_id']}/"
    assert (result["status"], result["times"], result["task"]) == ("QUEUED", 3, "mine")
    assert result["counts"]["QUEUED"] == 3
    assert (result["start"], result["end"], result["duration"]) == (None, None, None)
    found = place.queue().claim(10, OFFER)
    assert [one.named.detail for one in found] == [f"{result['id']}/{n}" for n in (1, 2, 3)]
    assert {one.named.definition for one in found} == {"mine"}
    assert {(one.run.image, one.run.repository, one.run.pull) for one in found} == {
        (IMAGE, "tool", True)
    }


def test_what_a_run_says_in_the_ledger(place: TaskPlace) -> None:
    task = place.ready()
    parameters = {"command": "echo hi", "secrets": ["TOKEN"]}
    result = place.run(task, **parameters)
    detail = place.detail(result, 1)
    assert (detail["uuid"], detail["key"]) == (detail["uuid"], f"{result}/1")
    job = place.get(f"/ledger/jobs/{detail['uuid']}")
    assert (job["kind"], job["key"], job["source"]) == ("container", f"{result}/1", "tool")
    assert job["container"]["result_id"] == result
    assert (job["container"]["detail_id"], job["container"]["task"]) == (1, "tool")
    assert "commit" not in job["container"]
    (event,) = place.get(f"/ledger/jobs/{detail['uuid']}/events")["items"]
    said = event["data"]
    assert (said["task"], said["image"], said["result"], said["detail"]) == (
        "tool", IMAGE, result, 1,
    )  # fmt: skip
    assert (said["parameters"], said["by"], said["trigger"]) == (parameters, "run", "request")
    (row,) = place.sql("select detail from audit where action = 'task run'")
    assert row[0] == {"task_id": task, "task": "tool", "result": result, "times": 1}


def test_an_image_that_is_only_local_is_never_pulled(place: TaskPlace) -> None:
    place.run(place.ready(only_local=True))
    (claimed,) = place.queue().claim(1, OFFER)
    assert claimed.run.pull is False


def test_parameters_of_a_form(place: TaskPlace) -> None:
    task = place.ready()
    answer = place.form(
        f"/task/{task}/",
        [
            ("operation", "RUN"), ("times", "2"), ("command", "echo 'a b'"),
            ("environment", "A=1"), ("environment", "B=2"), ("memory", "64m"), ("cpus", "0.5"),
            ("mounts", '[{"source": "/srv/data", "target": "/in"}]'), ("retries", '{"count": 1}'),
        ],
    )  # fmt: skip
    assert answer.status == 202, answer.body
    one, _ = place.queue().claim(5, OFFER)
    assert (one.run.command, one.run.environment) == (["echo", "a b"], {"A": "1", "B": "2"})
    assert (one.run.memory_bytes, one.run.cpus, one.run.retries.count) == (64 << 20, 0.5, 1)
    assert one.run.mounts[0].source == "/srv/data"


def test_json_whatever_the_content_type_says(place: TaskPlace) -> None:
    task = place.ready()
    body = json.dumps({"times": 2}).encode()
    for kind in ("application/x-www-form-urlencoded", "text/plain", ""):
        answer = place.call("POST", f"/task/{task}/", body, CONTENT_TYPE=kind)
        assert (answer.status, answer.json()["times"]) == (202, 2)
    assert place.post(f"/task/{task}/")["times"] == 1, "no body is a run, too"
    assert_problem(place.call("POST", f"/task/{task}/", b"x", CONTENT_TYPE="text/plain"), 415)


@pytest.mark.parametrize(
    "document",
    [
        {"times": 0}, {"times": -1}, {"times": 10_001}, {"times": "x"}, {"times": 1.5},
        {"operation": "run"}, {"operation": "FLY"}, {"task_id": 10**6}, {"task_id": "x"},
        {"colour": "red"}, {"network": "host"}, {"mounts": [{"source": "/etc", "target": "/x"}]},
        {"mounts": [{"source": "/srv/data/../x", "target": "/x"}]}, {"mounts": [{}]},
        {"retries": {"count": 1, "often": True}}, {"memory": "1k"}, {"command": {"a": 1}},
    ],
)  # fmt: skip
def test_runs_that_are_refused(place: TaskPlace, document: dict) -> None:
    task = place.ready()
    assert_problem(place.call("POST", f"/task/{task}/", document), 422)
    assert place.get("/result/") == []
    assert place.queue().next_due(OFFER) is None


def test_a_task_that_is_not_ready_does_not_run(place: TaskPlace) -> None:
    task = place.registered()
    assert "SUBMITTED" in assert_problem(place.call("POST", f"/task/{task}/"), 409)["detail"]
    place.imports.take("one")
    assert "IMPORTING" in assert_problem(place.call("POST", f"/task/{task}/"), 409)["detail"]


def test_the_same_request_runs_once(place: TaskPlace) -> None:
    task, other = place.ready("a"), place.ready("b")
    asked = {"times": 2, "command": ["echo"]}
    first = place.post(f"/task/{task}/", asked, **KEY)
    assert place.post(f"/task/{task}/", asked, 200, **KEY)["id"] == first["id"]
    assert_problem(place.call("POST", f"/task/{task}/", {"times": 3}, **KEY), 409)
    assert place.post(f"/task/{other}/", asked, **KEY)["id"] != first["id"], "one over the task"
    place.post(f"/task/{task}/", {"operation": "IMPORT"})
    assert place.post(f"/task/{task}/", asked, 200, **KEY)["id"] == first["id"]
    with ThreadPoolExecutor(6) as pool:
        key = {"HTTP_IDEMPOTENCY_KEY": "k2"}
        calls = pool.map(lambda _: place.call("POST", f"/task/{other}/", asked, **key), range(12))
        assert sorted(one.status for one in calls) == [*[200] * 11, 202]
    assert len(place.queue().claim(100, OFFER)) == 6


def test_what_was_asked_for_goes_on_without_its_task(place: TaskPlace) -> None:
    task = place.ready()
    result = place.run(task, times=2)
    place.call("DELETE", f"/task/{task}/")
    assert_problem(place.call("POST", f"/task/{task}/"), 404)
    place.end(*place.begin(2))
    assert place.result(result)["status"] == "COMPLETE"
    assert place.get(f"/result/?task_id={task}")[0]["id"] == result
    assert_problem(
        place.call("POST", f"/result/{result}/", {"operation": "REPEAT", "only": "all"}), 409
    )


def test_runs_of_several_tasks_and_their_order(place: TaskPlace) -> None:
    task = place.ready()
    first, second = place.run(task, times=2), place.run(task, times=1, priority=5)
    place.run(task, labels=["gpu", "large"])
    found = place.queue().claim(10, OFFER)
    assert [one.named.detail for one in found] == [f"{second}/1", f"{first}/1", f"{first}/2"]
    offer = Offer((Kind.CONTAINER,), labels=("gpu",))
    assert place.queue().claim(10, offer) == []
    offer = Offer((Kind.CONTAINER,), labels=("gpu", "large", "x"))
    assert len(place.queue().claim(10, offer)) == 1
    assert place.queue().claim(10) == [], "those who run commands take none"


def test_ten_thousand_runs_at_once(place: TaskPlace) -> None:
    task = place.ready()
    begun = time.monotonic()
    result = place.run(task, times=10_000, command="echo hi")
    assert time.monotonic() - begun < 20
    assert place.result(result)["counts"]["QUEUED"] == 10_000
    page = place.get(f"/result/{result}/detail/?limit=100&after=9900")
    assert [one["detail_id"] for one in page] == list(range(9901, 10_001))
    begun = time.monotonic()
    done = place.post(f"/result/{result}/", {"operation": "CANCEL"}, 200)
    assert time.monotonic() - begun < 20
    assert (done["status"], done["counts"]["CANCELLED"]) == ("CANCELLED", 10_000)
    (events,) = place.sql("select count(*) from events where name = 'cancelled'")
    assert events == (10_000,)
    assert place.queue().next_due(OFFER) is None


def test_results_made_at_the_same_time_are_told_apart(place: TaskPlace) -> None:
    task = place.ready()
    with ThreadPoolExecutor(6) as pool:
        made = list(pool.map(lambda _: place.run(task, times=50), range(12)))
    assert len(set(made)) == 12
    found = place.queue().claim(1000, OFFER)
    assert len({one.named.detail for one in found}) == 600


# --- the ledger's own commands


def lived(place: TaskPlace) -> int:
    """Make a result with runs of all kinds of ends."""
    result = place.run(place.ready(), times=5, retries={"count": 1, "backoff": 0})
    good, bad, killed = place.begin(3)
    place.end(good)
    place.end(bad, code=1)
    place.end(killed, code=143, reason="killed")
    place.call("DELETE", f"/result/{result}/detail/4")
    (again,) = [one for one in place.begin(5) if one.attempt == 2]
    place.end(again, code=2)
    return result


def test_verify_finds_nothing_and_what_is_wrong(place: TaskPlace) -> None:
    result = lived(place)

    def differences() -> list[str]:
        verification = Verification(place.database, Scope(kind=Kind.CONTAINER), wiring.recognise)
        return [one.column for page in verification.pages() for one in page.differences]

    assert differences() == []
    place.sql("update executions set result_id = 99 where result_id = %s and number = 2", result)
    place.sql("update executions set image = 'other' where result_id = %s and number = 3", result)
    assert differences() == ["executions.result_id", "executions.image"]


def test_prune_leaves_results_as_they_are(place: TaskPlace) -> None:
    result = lived(place)
    before = [place.get(f"/result/{result}/detail/"), place.result(result)]
    steps = Prune(
        place.database, datetime.now(timezone.utc) + timedelta(days=400), wiring.recognise
    ).steps()
    done = [step for step in steps if step.thing == "jobs"]
    assert sum(step.done for step in done) == 4
    assert not any(step.differences for step in done)
    assert [place.get(f"/result/{result}/detail/"), place.result(result)] == before
    verification = Verification(place.database, Scope(), wiring.recognise)
    assert not [one for page in verification.pages() for one in page.differences]
