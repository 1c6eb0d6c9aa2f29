"""Definitions, tasks, rejects, workers, webhooks and uploads as a user clicks through them."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
import requests
from playwright.sync_api import expect

from tests.acceptance.jobs import Jobs
from tests.acceptance.support import make_token, publish
from tests.archives import bundle
from tests.browser.conftest import JOBS, Place
from tests.browser.test_dashboard import HOSTILE, insert
from tests.support import wait_until
from tests.tasks import TaskPlace

SECONDS = 30
FORM = """
description: Says a word several times.
command: for n in $(seq {{ times }}); do echo {{ word }} $n; done; echo with
vars:
- {name: word, required: yes, description: What is said.}
- {name: times, type: int, default: 2}
- {name: how, type: enum, values: [loud, low]}
- {name: loud, type: bool, default: no}
- {name: more, type: seq}
"""
NIGHTLY = "command: 'true'\nschedule: {frequency: '0 3 * * *', timezone: Europe/Berlin}\n"
SYSTEM = "2319db24-f46e-11e6-a35c-3c15c2cc8f88"
# Nothing answers there, so that deliveries wait.
HOOK = {"Name": "portal", "URL": "http://127.0.0.1:9/in"}


@pytest.fixture(scope="module")
def place(shared_jobs: Callable[..., Jobs]) -> Place:
    """The daemon that these tests visit; it sends for a webhook, too."""
    jobs = shared_jobs({**JOBS, "say.yml": FORM, "nightly.yml": NIGHTLY}, Hooks=[HOOK])
    reader = make_token(jobs.daemon.config, "read")[1]
    return Place(jobs, reader, jobs.token, jobs.admin)


@pytest.fixture(scope="module")
def tasks(place: Place) -> Iterator[TaskPlace]:
    """A worker for containers, which the tests play."""
    with closing(TaskPlace(place.jobs.options["DBURI"])) as made:
        yield made


def imported(tasks: TaskPlace, name: str) -> int:
    """Have the image of a task that was registered be imported; give the task's id."""
    ((task_id,),) = tasks.sql("select id from tasks where name = %s", name)
    tasks.sql(
        "update tasks set status = 'READY', image = 'tool@sha256:' || repeat('0', 64),"
        " image_id = 'sha256:' || repeat('1', 64), only_local = false, progress = null,"
        " size_bytes = 5, changed_at = now() where id = %s",
        task_id,
    )
    return task_id


def reject(place: Place, tasks: TaskPlace, *bodies: bytes) -> list[int]:
    """Publish what is no event; give the numbers of the rejects."""
    ((last,),) = tasks.sql("select coalesce(max(id), 0) from rejects")
    publish(place.jobs.options["AMQPURI"], bodies)

    def found() -> list[int]:
        rows = tasks.sql("select id from rejects where id > %s order by id", last)
        return [number for (number,) in rows]

    wait_until(lambda: len(found()) == len(bodies), SECONDS, "the rejects")
    return found()


def test_a_job_is_run_by_its_form(visit: Callable, place: Place) -> None:
    visitor = visit()
    visitor.sign_in(place.runner)
    page = visitor.page
    page.get_by_role("link", name="Definitions", exact=True).click()
    page.get_by_label("Name or description").fill("several TIMES")
    visitor.press("Find")
    page.get_by_role("link", name="say", exact=True).click()
    word = page.get_by_label("word")
    visitor.press("Run")
    # The browser itself asks for what is required.
    assert word.evaluate("field => field.validity.valueMissing")
    word.fill(HOSTILE)
    page.get_by_label("times").fill("often")
    page.get_by_label("how").select_option("low")
    visitor.expect_status(422)
    visitor.press("Run")
    times = page.get_by_label("times")
    expect(times).to_have_attribute("aria-invalid", "true")
    expect(times).to_have_accessible_description(re.compile("whole number.*often"))
    expect(page.get_by_label("word")).to_have_value(HOSTILE)
    expect(page.get_by_label("how")).to_have_value("low")
    times.fill("3")
    visitor.press("Run")
    expect(page.get_by_text("this is the execution")).to_be_visible()
    expect(page.locator("#output")).to_contain_text(f"{HOSTILE} 3")
    page.get_by_role("link", name="say", exact=True).click()
    expect(page.locator("#executions-card")).to_contain_text("COMPLETE")
    assert "broken" not in page.title()


def test_executions_of_a_job_change_by_themselves(visit: Callable, place: Place) -> None:
    visitor = visit()
    visitor.sign_in(place.runner, "/ui/definitions/fail")
    expect(visitor.page.locator("#live-note")).to_have_text("Live")
    place.jobs.run("fail")
    expect(visitor.page.locator("#executions-card")).to_contain_text("FAILED")


def test_what_came_before_the_stream_was_open_is_shown(visit: Callable, place: Place) -> None:
    visitor = visit()
    # Nobody listens yet.
    visitor.sign_in(place.reader, "/ui/uploads")

    def late(route: Any) -> None:
        insert(place, 9001)
        route.continue_()

    visitor.page.route("**/ledger/stream**", late)
    visitor.go("/ui/jobs")
    expect(visitor.page.get_by_role("link", name="9001")).to_be_visible()


def test_definitions_are_fetched(visit: Callable, place: Place) -> None:
    visitor = visit()
    visitor.sign_in(place.runner, "/ui/definitions")
    page = visitor.page
    place.jobs.origin.commit(brand_new__yml="command: 'true'\n")
    visitor.press("Fetch now")
    expect(page.get_by_role("link", name="brand-new")).to_be_visible()
    place.jobs.origin.commit(broken__yml="command: {{ x }}\nvar: [1]\n")
    visitor.press("Fetch now")
    expect(page.get_by_text("broken.yml").first).to_be_visible()
    expect(page.get_by_role("link", name="brand-new")).to_be_visible()
    place.jobs.origin.commit(broken__yml=None)
    visitor.press("Fetch now")
    expect(page.get_by_text("broken.yml")).to_have_count(0)


def test_the_active_list(visit: Callable, place: Place) -> None:
    visitor = visit()
    visitor.sign_in(place.runner, "/ui/definitions/greet")
    visitor.press("Take off the active list")
    visitor.expect_status(409)
    visitor.press("Run")
    expect(visitor.page.get_by_role("alert")).to_contain_text("taken off the active list")
    visitor.press("Put back on the active list")
    visitor.press("Run")
    expect(visitor.page.locator("#output")).to_contain_text("hello you")


def test_what_is_ahead(visit: Callable, place: Place) -> None:
    visitor = visit()
    visitor.sign_in(place.reader)
    page = visitor.page
    page.get_by_role("link", name="Schedules", exact=True).click()
    expect(page.locator("#ahead li")).to_have_count(30)
    page.locator("#ahead a").first.click()
    expect(page.locator("#schedules-card")).to_contain_text("03:00:00 Europe/Berlin")


def test_a_task_from_its_registration_to_its_runs(
    visit: Callable, place: Place, tasks: TaskPlace
) -> None:
    visitor = visit()
    visitor.sign_in(place.runner)
    page = visitor.page
    page.get_by_role("link", name="Tasks", exact=True).click()
    page.get_by_label("Image").fill("Not An Image")
    visitor.expect_status(422)
    visitor.press("Register")
    expect(page.get_by_label("Image")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Image").fill("lab/tool")
    page.get_by_role("textbox", name=re.compile("^Name")).last.fill("mine")
    visitor.press("Register")
    expect(page.get_by_role("heading", level=1)).to_have_text("mine")
    # How far the import is changes by itself.
    for current in (1024, 3072):
        layer = {"status": "Downloading", "current": current, "total": 4096}
        tasks.sql(
            "update tasks set status = 'IMPORTING', progress = %s where name = 'mine'",
            json.dumps({"layers": {"a1b2": layer}, "current": current, "total": 4096}),
        )
        bar = page.get_by_role("progressbar", name="Layer a1b2")
        expect(bar).to_have_attribute("value", str(current))
    imported(tasks, "mine")
    expect(page.locator("#state")).to_contain_text("READY")
    page.get_by_label("Command").fill("echo hello")
    page.get_by_label("Times").fill("4")
    page.get_by_text("More", exact=True).click()
    page.get_by_label("Priority").fill("7")
    visitor.press("Run")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Result")
    bar = page.locator("#state svg")
    expect(bar).to_have_attribute("aria-label", "4 QUEUED")
    expect(page.locator("#live-note")).to_have_text("Live")
    begun = tasks.begin(3)
    expect(bar).to_have_attribute("aria-label", "3 RUNNING, 1 QUEUED")
    tasks.end(begun[0])
    tasks.end(begun[1], code=3)
    expect(bar).to_have_attribute("aria-label", "1 COMPLETE, 1 ERROR, 1 RUNNING, 1 QUEUED")
    page.get_by_role("link", name="ERROR").first.click()
    expect(page.locator("#runs-card tbody tr")).to_have_count(1)
    tasks.end(begun[2])
    tasks.end(*tasks.begin(1))
    visitor.press("Repeat the failed ones")
    expect(page.get_by_text("these are the runs")).to_be_visible()
    expect(page.locator("#state svg")).to_have_attribute("aria-label", "1 QUEUED")
    visitor.press("Cancel")
    expect(page.locator("#state svg")).to_have_attribute("aria-label", "1 CANCELLED")


def test_rejects_are_tried_again_and_dropped(
    visit: Callable, place: Place, tasks: TaskPlace
) -> None:
    first, second, third = reject(place, tasks, b"no event 1", b"no event 2", HOSTILE.encode())
    visitor = visit()
    visitor.sign_in(place.admin)
    page = visitor.page
    page.get_by_role("link", name="Rejects", exact=True).click()
    page.get_by_role("link", name=f"Reject {third}", exact=True).click()
    expect(page.get_by_label("The body")).to_have_text(HOSTILE)
    visitor.press("Try again")
    expect(page.get_by_text("refused again")).to_be_visible()
    page.get_by_text("Drop it").click()
    visitor.press("Drop for good")
    page.get_by_label("Reason").select_option("unreadable-event")
    visitor.press("Find")
    expect(page).to_have_url(re.compile("reason=unreadable-event"))
    page.get_by_label(f"Choose reject {first}").check()
    page.get_by_label(f"Choose reject {second}").check()
    page.get_by_text("Drop the chosen").click()
    visitor.press("Drop for good")
    expect(page.get_by_text("What was chosen is dropped.")).to_be_visible()
    expect(page.get_by_role("link", name=f"Reject {first}", exact=True)).to_have_count(0)
    left = tasks.sql("select from rejects where id = any(%s)", [first, second, third])
    assert left == []


def test_a_worker_is_drained(visit: Callable, place: Place) -> None:
    execution = place.jobs.run("grow")
    visitor = visit()
    visitor.sign_in(place.admin)
    page = visitor.page
    page.get_by_role("link", name="Workers", exact=True).click()
    expect(page.get_by_role("table")).to_contain_text("grow")
    visitor.press("Drain")
    expect(page.get_by_text("draining")).to_be_visible()
    visitor.press("Resume")
    expect(page.get_by_text("draining")).to_have_count(0)
    page.get_by_role("table").get_by_role("link", name="grow").click()
    visitor.press("Kill")
    place.jobs.wait_over(execution)


def test_a_delivery_is_sent_again(visit: Callable, place: Place, tasks: TaskPlace) -> None:
    place.jobs.run("greet", wait=30)
    tasks.sql(
        "update hook_deliveries set state = 'dead', finished_at = now(), claimed_by = null,"
        " claimed_until = null where id = (select max(id) from hook_deliveries)"
    )
    ((number,),) = tasks.sql("select max(id) from hook_deliveries where state = 'dead'")
    visitor = visit()
    visitor.sign_in(place.admin)
    page = visitor.page
    page.get_by_role("link", name="Webhooks", exact=True).click()
    page.get_by_role("link", name="portal").click()
    page.get_by_label("State").select_option("dead")
    visitor.press("Find")
    row = page.get_by_role("row").filter(has_text=f"Delivery {number}")
    row.get_by_role("button", name="Send again").click()
    expect(page.get_by_text("It is sent again at once.")).to_be_visible()
    (state,) = tasks.sql(f"select state from hook_deliveries where id = {number}")[0]
    assert state == "pending"


def upload(place: Place) -> str:
    """Upload a bundle; give its id."""
    answer = requests.post(
        f"{place.address}/api/v1/files",
        files={"techsupport_tgz": ("example.tgz", bundle())},
        headers={"Authorization": f"Bearer {place.admin}"},
        timeout=30,
    )
    assert answer.status_code == 201, answer.text
    return answer.json()["uuid"]


def test_an_upload_is_downloaded(visit: Callable, place: Place) -> None:
    own = upload(place)
    visitor = visit()
    visitor.sign_in(place.reader)
    page = visitor.page
    page.get_by_role("link", name="Uploads", exact=True).click()
    page.locator(f"a[href='/ui/uploads/{own}']").click()
    expect(page.get_by_label("The manifest")).to_contain_text("Created by a test")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.path().read_bytes() == bundle()
    assert download.value.suggested_filename == "example.tgz"


@pytest.fixture(scope="module")
def paths(place: Place, tasks: TaskPlace) -> list[str]:
    """All pages, with something on each."""
    place.jobs.run("fail", wait=30)
    (number,) = reject(place, tasks, b"no event of a page")
    task_id = tasks.registered("page/tool")
    tasks.sql(
        "update tasks set status = 'IMPORTING', progress = %s where id = %s",
        json.dumps({"layers": {"a": {"status": "Downloading", "current": 1, "total": 2}},
                    "current": 1, "total": 2}), task_id,
    )  # fmt: skip
    other = tasks.registered("page/other")
    imported(tasks, "page/other")
    result = tasks.run(other, times=3, command="x")
    tasks.end(*tasks.begin(1), code=1)
    own = upload(place)
    return [
        "/ui/definitions", "/ui/definitions/say", "/ui/definitions/nightly", "/ui/schedules",
        "/ui/tasks", f"/ui/tasks/{task_id}", f"/ui/tasks/{other}", "/ui/results",
        f"/ui/results/{result}", "/ui/workers", "/ui/webhooks", "/ui/webhooks/portal",
        "/ui/rejects", f"/ui/rejects/{number}", "/ui/uploads", f"/ui/uploads/{own}",
        *jobs_of_others(place),
    ]  # fmt: skip


def jobs_of_others(place: Place) -> list[str]:
    """The pages of a job of each kind that other systems tell of, and of a run of a container."""
    pipeline = {
        "pipeline_uuid": "10650844-1baa-55c5-a481-5e945b19c065", "data": {"a": 1},
        "archive_path": "/products/v2/a", "archive_system": "data-sd2e-community",
    }  # fmt: skip
    event = {
        "smrtlinkId": SYSTEM, "uuid": str(uuid.uuid4()), "createdAt": "2026-01-02T03:04:05Z",
        "eventTypeId": "smrtlink_job_change_state", "eventTypeVersion": 1,
        "message": {"jobId": 7, "jobTypeId": "pbsmrtpipe", "state": "RUNNING"},
    }  # fmt: skip
    for path, body in (("/pipelinejobs", pipeline), ("/api/v1/events", event)):
        answer = place.jobs.daemon.ask("POST", path, body, token=place.admin)
        assert answer.status == 201, answer.body
    found = []
    for kind in ("pipeline", "smrtlink", "container"):
        page = place.jobs.daemon.ask("GET", f"/ledger/jobs?kind={kind}&limit=1", token=place.admin)
        found.append(f"/ui/jobs/{page.json()['items'][0]['id']}")
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_can_be_used_by_anybody(
    visit: Callable, place: Place, axe: str, paths: list[str], scheme: str
) -> None:
    visitor = visit(color_scheme=scheme)
    visitor.sign_in(place.admin)
    for path in paths:
        visitor.go(path)
        assert (path, visitor.faults_of_access(axe)) == (path, [])


def test_a_form_that_was_refused_can_be_used_by_anybody(
    visit: Callable, place: Place, axe: str
) -> None:
    visitor = visit()
    visitor.sign_in(place.admin, "/ui/definitions/say")
    visitor.page.get_by_label("word").fill("x")
    visitor.page.get_by_label("times").fill("x")
    visitor.expect_status(422)
    visitor.press("Run")
    expect(visitor.page.get_by_role("alert")).to_be_visible()
    assert visitor.faults_of_access(axe) == []


def test_every_page_fits_on_a_phone(visit: Callable, place: Place, paths: list[str]) -> None:
    visitor = visit(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    visitor.sign_in(place.admin)
    for path in paths:
        visitor.go(path)
        assert (path, visitor.is_wider_than_its_window) == (path, False)


def test_by_keyboard_alone(visit: Callable, place: Place) -> None:
    visitor = visit()
    visitor.sign_in(place.runner, "/ui/definitions/say")
    page: Any = visitor.page
    page.get_by_label("word").focus()
    page.keyboard.type("hey")
    page.keyboard.press("Enter")
    expect(page.locator("#output")).to_contain_text("hey 2")


def test_without_javascript(visit: Callable, place: Place, tasks: TaskPlace) -> None:
    (number,) = reject(place, tasks, b"no event without scripts")
    visitor = visit(java_script_enabled=False)
    page = visitor.page
    visitor.go("/login?next=/ui/rejects")
    page.get_by_label("Token").fill(place.admin)
    visitor.press("Sign in")
    page.get_by_label(f"Choose reject {number}").check()
    visitor.press("Try the chosen again")
    expect(page.get_by_text("refused again")).to_be_visible()
    page.get_by_text("Drop it").click()
    visitor.press("Drop for good")
    assert tasks.sql(f"select from rejects where id = {number}") == []
    visitor.go("/ui/definitions/say")
    page.get_by_label("word").fill("quiet")
    visitor.press("Run")
    expect(page.get_by_text("this is the execution")).to_be_visible()
