"""The dashboard's pages of container tasks and their results, and what their forms do."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from jexevents.model import Role
from tests.integration.dashboard import HOSTILE, Browser, Page, Shown, assert_is_text
from tests.tasks import TaskPlace

RUNNER = (Role.READ, Role.RUN)
PROGRESS = {
    "layers": {
        "a1": {"status": "Downloading", "current": 1024, "total": 4096},
        "b2": {"status": "Pull complete", "current": 2048, "total": 2048},
        "c3": {"status": "Waiting", "current": 0, "total": 0},
    },
    "current": 3072,
    "total": 6144,
}


@pytest.fixture
def place(database: str) -> Iterator[TaskPlace]:
    made = TaskPlace(database)
    yield made
    made.close()


@pytest.fixture
def shown(database: str) -> Iterator[Shown]:
    made = Shown(database)
    yield made
    made.database.close()


@pytest.fixture
def browser(shown: Shown) -> Browser:
    return shown.browser(*RUNNER)


def faults_of(page: Page) -> dict[str, str]:
    """Give what is said beside the fields of a form, by their names."""
    spans = [one for one in page.all("span") if one.attributes.get("id", "").endswith("-fault")]
    return {one.attributes["id"][2:-6]: one.text for one in spans}


# --- tasks


def test_registering_a_task(shown: Shown, browser: Browser) -> None:
    page = browser.page("/ui/tasks")
    assert "No task was found." in page.text
    answers = [browser.click(page, "Register", repository="lab/tool:1", name="mine")
               for _ in range(2)]  # fmt: skip
    assert {answer.status for answer in answers} == {303}
    (location,) = {answer.headers["Location"] for answer in answers}
    told = browser.page(location).text
    for words in ("mine", "lab/tool:1", "SUBMITTED", "waits for a worker", "missing", "ann"):
        assert words in told
    assert shown.audit() == [("ann", "task registered")]
    assert "mine" in browser.page("/ui/tasks", "status=SUBMITTED").text
    assert "No task was found." in browser.page("/ui/tasks", "name=other").text


def test_what_is_no_task_is_said_beside_its_field(browser: Browser, place: TaskPlace) -> None:
    page = browser.page("/ui/tasks")
    answer = browser.click(page, "Register", repository=f"UPPER {HOSTILE}", name="x")
    assert answer.status == 422
    again = assert_is_text(answer)
    assert list(faults_of(again)) == ["repository"]
    assert again.one("input", id="i-name").attributes["value"] == "x"
    assert faults_of(Page(browser.click(page, "Register", repository="").body)).keys() == {
        "repository"}  # fmt: skip
    pull = browser.click(page, "Register", repository="a", pull="never")
    assert faults_of(Page(pull.body)).keys() == {"pull"}
    other = browser.click(page, "Register", repository="a", colour="red")
    assert other.status == 422
    place.registered("tool", name="mine")
    taken = browser.click(browser.page("/ui/tasks"), "Register", repository="b", name="mine")
    assert taken.status == 409
    assert "a name that no task has" in faults_of(Page(taken.body))["name"]
    assert len(place.get("/task/")) == 1


def test_an_import_by_its_layers(place: TaskPlace, browser: Browser) -> None:
    task_id = place.registered()
    place.imports.take("one")
    place.sql("update tasks set progress = %s", json.dumps(PROGRESS))
    page = browser.page(f"/ui/tasks/{task_id}")
    bars = [(one.attributes["aria-label"], one.attributes["value"], one.attributes["max"])
            for one in page.all("progress")]  # fmt: skip
    assert bars == [
        ("Import of the image", "3072", "6144"),
        ("Layer a1", "1024", "4096"),
        ("Layer b2", "2048", "2048"),
    ]
    assert "3.0 KiB of 6.0 KiB" in page.text
    assert page.one("main").attributes["data-every"] == "2"
    listed = browser.page("/ui/tasks")
    assert listed.one("progress").attributes["value"] == "3072"
    assert listed.one("main").attributes["data-every"] == "2"
    place.sql("update tasks set status = 'ERROR', error = 'no such image', progress = null")
    settled = browser.page(f"/ui/tasks/{task_id}")
    assert "no such image" in settled.text
    assert settled.one("main").attributes["data-every"] == ""
    answer = browser.click(settled, "Import again")
    assert answer.status == 303
    assert "SUBMITTED" in browser.page(answer.headers["Location"]).text


def test_running_a_task(shown: Shown, place: TaskPlace, browser: Browser) -> None:
    task_id = place.ready()
    page = browser.page(f"/ui/tasks/{task_id}")
    fields = {"command": "echo 'a b'", "times": "3", "environment": "A=1\r\nB=2",
              "labels": "big, gpu", "retries": '{"count": 1}'}  # fmt: skip
    answers = [browser.click(page, "Run", **fields) for _ in range(2)]
    assert {answer.status for answer in answers} == {303}, answers[0].body
    (location,) = {answer.headers["Location"] for answer in answers}
    told = browser.page(location).text
    for words in ("Result", "QUEUED", "echo 'a b'", "No worker that lives runs containers"):
        assert words in told
    ((run,),) = shown.sql("select run from results")
    assert (run["command"], run["environment"]) == (["echo", "a b"], {"A": "1", "B": "2"})
    assert sorted(run["labels"]) == ["big", "gpu"]
    assert ("ann", "task run") in shown.audit()


def test_what_cannot_be_run_is_said_beside_its_field(place: TaskPlace, browser: Browser) -> None:
    task_id = place.ready()
    page = browser.page(f"/ui/tasks/{task_id}")
    fields = {"times": "0", "command": "'", "environment": "A", "memory": "1", "mounts": "[",
              "network": HOSTILE}  # fmt: skip
    answer = browser.click(page, "Run", **fields)
    assert answer.status == 422
    assert list(faults_of(assert_is_text(answer))) == ["mounts"]
    again = assert_is_text(browser.click(page, "Run", **{**fields, "mounts": ""}))
    assert set(faults_of(again)) == {"times", "command", "environment", "memory", "network"}
    assert again.one("input", id="i-network").attributes["value"] == HOSTILE
    # What is wrong is not hidden behind "More".
    assert "open" in again.one("details").attributes
    for times in ("x", "1000000000000", "10001"):
        assert faults_of(Page(browser.click(page, "Run", times=times).body)).keys() == {"times"}
    assert place.get("/result/") == []
    place.sql("update tasks set status = 'ERROR', error = 'gone'")
    refused = browser.click(page, "Run")
    assert refused.status == 409
    assert "gone" in Page(refused.body).one("div", role="alert").text


def test_taking_a_task_away(shown: Shown, place: TaskPlace, browser: Browser) -> None:
    task_id = place.ready()
    page = browser.page(f"/ui/tasks/{task_id}")
    answer = browser.click(page, "Take away")
    assert (answer.status, answer.headers["Location"]) == (303, "/ui/tasks?told=deleted")
    assert browser.click(page, "Take away").status == 404
    for path in (f"/ui/tasks/{task_id}", "/ui/tasks/x", f"/ui/tasks/{'9' * 30}", "/ui/results/9"):
        browser.page(path, status=404)
    assert ("ann", "task deleted") in shown.audit()


def test_pages_of_tasks(place: TaskPlace, browser: Browser) -> None:
    for number in range(70):
        place.registered("tool", name=f"task{number:02}")
    page = browser.page("/ui/tasks")
    first = [one.text for one in page.all("th", scope="row")]
    following = page.one("a", rel="next").attributes["href"]
    second = [one.text for one in browser.page(following).all("th", scope="row")]
    assert first + second == [f"task{number:02}" for number in reversed(range(70))]
    for query in ("status=x", "before=x", "none=1"):
        assert browser.get("/ui/tasks", query).status == 400


# --- results


def test_a_result_with_its_counts(place: TaskPlace, browser: Browser) -> None:
    result = place.run(place.ready(), times=5, command="x")
    begun = place.begin(4)
    place.end(begun[0])
    place.end(begun[1], code=3)
    page = browser.page(f"/ui/results/{result}")
    (bar,) = [one for one in page.all("svg") if one.attributes.get("class") == "bar"]
    assert bar.attributes["aria-label"] == "1 COMPLETE, 1 ERROR, 2 RUNNING, 1 QUEUED"
    widths = {one.attributes["class"]: float(one.attributes["width"]) for one in page.all("rect")}
    assert widths["fill-running"] == 40
    rows = [one.text for one in page.all("th", scope="row")]
    assert rows == [f"Run {number}" for number in range(1, 6)]
    only = browser.page(f"/ui/results/{result}", "status=ERROR")
    assert [one.text for one in only.all("th", scope="row")] == ["Run 2"]
    (led,) = [one.attributes["href"] for one in only.all("a") if one.text == "Run 2"]
    job = browser.page(led)
    assert f"/result/{result}/detail/2/output" in [
        one.attributes.get("data-output") for one in job.all("pre")]  # fmt: skip
    assert [one.attributes["href"] for one in only.all("a") if one.text == "output"] == [
        f"/result/{result}/detail/2/output?tail=1000&gaps=text"]  # fmt: skip
    listed = browser.page("/ui/results")
    assert "1 COMPLETE, 1 ERROR, 2 RUNNING, 1 QUEUED" in listed.text
    assert browser.page("/ui/results", "task_id=99").text.endswith("No result was found.")


def test_cancelling_and_repeating(shown: Shown, place: TaskPlace, browser: Browser) -> None:
    result = place.run(place.ready(), times=3)
    begun = place.begin(2)
    place.end(begun[0], code=1)
    place.end(begun[1])
    page = browser.page(f"/ui/results/{result}")
    assert [one for one in page.buttons() if one != "Sign out"] == ["Cancel"]
    answer = browser.click(page, "Cancel")
    assert (answer.status, answer.headers["Location"]) == (
        303, f"/ui/results/{result}?told=cancelled")  # fmt: skip
    after = browser.page(f"/ui/results/{result}")
    assert [one for one in after.buttons() if one != "Sign out"] == [
        "Repeat the failed ones", "Repeat all"]  # fmt: skip
    answers = [browser.click(after, "Repeat the failed ones") for _ in range(2)]
    (location,) = {one.headers["Location"] for one in answers}
    again = browser.page(location)
    assert "1 QUEUED" in again.one("svg", role="img").attributes["aria-label"]
    assert f"Result {result}" in again.text
    whole = browser.click(after, "Repeat all")
    assert "3 QUEUED" in browser.page(whole.headers["Location"]).one(
        "svg", role="img").attributes["aria-label"]  # fmt: skip
    word = page.all("input", name="word")[0].attributes["value"]
    path = f"/ui/results/{result}"
    assert browser.send(f"{path}/repeat", {"word": word, "only": "none"}).status == 400
    assert browser.send("/ui/results/999/cancel", {"word": word}).status == 404
    assert browser.send("/ui/results/999/repeat", {"word": word}).status == 404
    assert {action for _, action in shown.audit()} >= {"result cancelled", "result repeated"}
    # What is not over is not repeated, what has ended otherwise not cancelled.
    assert browser.send(f"{location.partition('?')[0]}/repeat", {"word": word}).status == 409
    assert browser.click(page, "Cancel").status == 409


def test_pages_of_runs(place: TaskPlace, browser: Browser) -> None:
    result = place.run(place.ready(), times=230)
    path, seen = f"/ui/results/{result}", []
    while path:
        page = browser.page(path.partition("#")[0])
        seen.append(len(page.all("th", scope="row")))
        following = page.all("a", rel="next")
        path = following[0].attributes["href"] if following else ""
    assert seen == [100, 100, 30]
    for query in ("status=x", "after=x", "none=1"):
        assert browser.get(f"/ui/results/{result}", query).status == 400


def test_who_only_reads_does_nothing(shown: Shown, place: TaskPlace) -> None:
    task_id = place.ready()
    result = place.run(task_id)
    reader = shown.browser(Role.READ)
    for path in ("/ui/tasks", f"/ui/tasks/{task_id}", "/ui/results", f"/ui/results/{result}"):
        assert set(reader.page(path).buttons()) <= {"Sign out", "Find"}


# --- hostile text


def test_hostile_text_is_text(shown: Shown, place: TaskPlace) -> None:
    task_id = place.ready()
    result = place.run(task_id, command=[HOSTILE], environment={"A": HOSTILE})
    other = place.registered("tool", name="other")
    place.end(*place.begin(), code=3)
    place.sql("update jobs set reason = %s, submitter = %s", HOSTILE, HOSTILE)
    place.sql("update executions set node = %s, task = %s, image = %s", HOSTILE, HOSTILE, HOSTILE)
    place.sql("update results set credential = %s", HOSTILE)
    progress = {**PROGRESS, "layers": {HOSTILE: {**PROGRESS["layers"]["a1"], "status": HOSTILE}}}
    place.sql(
        "update tasks set name = %s || id, repository = %s, error = %s, node = %s, credential = %s,"
        " image = %s, image_id = %s, status = 'ERROR'", *[HOSTILE] * 7,
    )  # fmt: skip
    place.sql(
        "update tasks set status = 'IMPORTING', progress = %s where id = %s",
        json.dumps(progress), other,
    )  # fmt: skip
    browser = shown.browser(Role.ADMIN, name=HOSTILE)
    for path in ("/ui/tasks", f"/ui/tasks/{task_id}", f"/ui/tasks/{other}", "/ui/results",
                 f"/ui/results/{result}", "/ui/tasks?name=%3Cscript%3Ealert"):  # fmt: skip
        assert "alert(" in assert_is_text(browser.get(path)).text or "name=" in path
