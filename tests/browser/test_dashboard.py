"""The dashboard as a user clicks: signing in, live lists, acting on what runs, its output."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Place
from tests.support import wait_until

SECONDS = 30
HOSTILE = "<img src=x onerror=\"document.title='broken'\"><script>alert(1)</script>"


def insert(place: Place, number: int, submitter: str = "ann") -> None:
    """Have the ledger hear of a job of HTCondor."""
    answer = place.jobs.daemon.ask(
        "POST",
        "/jobs",
        {"Submitter": submitter, "AppID": "c7f05682-23c8-4182-b9a2-e09650a5f49b",
         "CommandLine": "/bin/true", "CondorID": str(number)},
        token=place.admin,
    )  # fmt: skip
    assert answer.status in (200, 201), answer.body


def path_of(execution: dict[str, Any]) -> str:
    return f"/ui/jobs/{execution['uuid']}"


def test_signing_in_opening_a_job_signing_out(visit: Callable, place: Place) -> None:
    insert(place, 1001)
    visitor = visit()
    visitor.go("/ui/jobs?text=1001")
    visitor.expect_title("Sign in")
    # The answer is 401, of which browsers tell in their console.
    assert [one for one in visitor.complaints if "401" not in one] == []
    visitor.complaints.clear()
    page = visitor.page
    page.get_by_label("Token").fill("wrong")
    visitor.press("Sign in")
    expect(page.get_by_role("alert")).to_have_text("This token is not known, or has ended.")
    visitor.complaints.clear()
    page.get_by_label("Token").fill(place.reader)
    visitor.press("Sign in")
    expect(page).to_have_url(re.compile(r"/ui/jobs\?text=1001$"))
    page.get_by_role("link", name="1001").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("1001")
    expect(page.get_by_role("heading", name="Timeline")).to_be_visible()
    assert page.get_by_role("button", name="Kill").count() == 0
    visitor.press("Sign out")
    visitor.expect_title("Sign in")
    visitor.expect_status(401)
    page.go_back()
    page.reload()
    visitor.expect_title("Sign in")


def test_a_list_changes_by_itself(visit: Callable, place: Place) -> None:
    visitor = visit()
    visitor.sign_in(place.reader, "/ui/jobs")
    page = visitor.page
    expect(page.locator("#live-note")).to_have_text("Live")
    insert(place, 2001)
    expect(page.get_by_role("link", name="2001", exact=False)).to_be_visible()
    page.get_by_label("Kind").select_option("pipeline")
    visitor.press("Find")
    expect(page.get_by_text("No job was found")).to_be_visible()
    expect(page).to_have_url(re.compile("kind=pipeline"))


def test_what_is_read_stays_as_it_is_when_a_page_changes(visit: Callable, place: Place) -> None:
    """What is open, what has the focus, and how far a table was moved on a phone."""
    insert(place, 2101)
    visitor = visit(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    visitor.sign_in(place.reader, "/ui/jobs")
    page = visitor.page
    page.get_by_label("The jobs found").evaluate("table => { table.scrollLeft = 120; }")
    insert(place, 2102)
    expect(page.get_by_role("link", name="2102", exact=False)).to_be_visible()
    assert page.get_by_label("The jobs found").evaluate("table => table.scrollLeft") == 120
    page.get_by_role("link", name="2101", exact=False).click()
    expect(page.locator("#live-note")).to_have_text("Live")
    summary = page.locator("#events-card details[id] > summary")
    summary.click()
    expect(summary).to_be_focused()
    insert(place, 2101, "bob")
    expect(summary).to_have_count(2)
    expect(summary.last).to_be_focused()
    expect(page.locator("#events-card details[open]")).to_have_count(1)


def test_the_way_of_a_pipeline_job_changes_by_itself(visit: Callable, place: Place) -> None:
    asked = {"pipeline_uuid": "10650844-1baa-55c5-a481-5e945b19c065",
             "archive_path": "/products/1", "data": {}}  # fmt: skip
    made = place.jobs.daemon.ask("POST", "/pipelinejobs", asked, token=place.admin).json()
    visitor = visit()
    visitor.sign_in(place.reader, "/ui/jobs?kind=pipeline")
    page = visitor.page
    page.get_by_role("link", name=made["uuid"]).click()
    picture = page.locator("#way img")
    expect(picture).to_have_attribute("alt", re.compile("CREATED"))
    assert picture.evaluate("image => image.complete && image.naturalWidth > 0")
    expect(page.locator("#live-note")).to_have_text("Live")
    loaded: list[str] = []
    page.on("request", lambda request: loaded.append(request.url))
    told = {"uuid": made["uuid"], "token": made["token"], "name": "run"}
    path = "/actors/v2/pipelinejobs/messages"
    answer = place.jobs.daemon.ask("POST", path, told, token=place.admin)
    assert answer.status == 200, answer
    expect(picture).to_have_attribute("alt", re.compile("RUNNING"))
    wait_until(lambda: any("diagram" in url for url in loaded), SECONDS, "the picture of now")


def test_output_grows_and_signals_are_sent(visit: Callable, place: Place) -> None:
    execution = place.jobs.run("grow")
    visitor = visit()
    visitor.sign_in(place.runner, path_of(execution))
    page = visitor.page
    output = page.locator("#output")
    expect(output).to_contain_text("line 3\n")
    count = output.locator(".stdout").count()
    expect(output.locator(".stdout").nth(count + 2)).to_be_attached()
    visitor.press("Stop")
    expect(page.get_by_text("It was told to stop.")).to_be_visible()
    expect(page.locator("#state")).to_contain_text("STOPPED")
    visitor.press("Continue")
    expect(page.locator("#state")).not_to_contain_text("STOPPED")
    visitor.press("Kill")
    expect(page.locator("#state")).to_contain_text("KILLED")
    expect(page.get_by_role("button", name="Kill")).to_have_count(0)
    expect(page.locator("#state")).to_contain_text("CANCELLED")
    assert place.jobs.at(execution)["state"] == "KILLED"


def test_output_goes_on_with_the_next_attempt(
    visit: Callable, place: Place, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    execution = place.jobs.run("again", gate=str(gate))
    visitor = visit()
    visitor.sign_in(place.runner, path_of(execution))
    output = visitor.page.locator("#output")
    expect(output).to_contain_text("try 1\nopen")
    gate.touch()
    expect(output).to_contain_text("open[Attempt 1 has ended. This is attempt 2:]\ntry 2\nopen")
    expect(output).to_contain_text("open[Attempt 2 has ended. This is attempt 3:]\ntry 3\nopen")
    expect(output.locator(".stdout")).to_have_count(6)
    expect(visitor.page.locator("#state")).to_contain_text("COMPLETE")


def test_output_is_searched_and_followed(visit: Callable, place: Place) -> None:
    execution = place.jobs.run("grow")
    visitor = visit()
    visitor.sign_in(place.runner, path_of(execution))
    page, output = visitor.page, visitor.page.locator("#output")
    expect(output).to_contain_text("line 20\n")
    page.get_by_label("Search").fill("TROUBLE 1")
    expect(output.locator("mark").first).to_have_text("trouble 1")
    visible = output.locator("span:visible")
    assert all("trouble 1" in text for text in visible.all_inner_texts())
    page.get_by_label("Search").fill("")
    expect(output.locator("mark")).to_have_count(0)
    at_end = "box => box.scrollHeight - box.scrollTop - box.clientHeight < 2"
    wait_until(lambda: output.evaluate(at_end), SECONDS, "the end of the output")
    page.get_by_label("Follow").uncheck()
    output.evaluate("box => { box.scrollTop = 0; }")
    count = output.locator(".stdout").count()
    expect(output.locator(".stdout").nth(count + 1)).to_be_attached()
    assert output.evaluate("box => box.scrollTop") == 0
    place.jobs.put(execution, "kill")
    place.jobs.wait_over(execution)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download all of it").click()
    assert download.value.path().read_text().startswith("line 1\n")


def test_a_job_is_repeated(visit: Callable, place: Place) -> None:
    execution = place.jobs.run("greet", wait=30, who="Ann")
    visitor = visit()
    visitor.sign_in(place.runner, path_of(execution))
    visitor.press("Repeat")
    expect(visitor.page.get_by_text("this is the new execution")).to_be_visible()
    assert path_of(execution) not in visitor.page.url
    expect(visitor.page.locator("#output")).to_contain_text("hello Ann")
    expect(visitor.page.locator("#state")).to_contain_text("COMPLETE")


def test_without_javascript(visit: Callable, place: Place) -> None:
    execution = place.jobs.run("grow")
    visitor = visit(java_script_enabled=False)
    page = visitor.page
    visitor.go("/login")
    page.get_by_label("Token").fill(place.runner)
    visitor.press("Sign in")
    page.get_by_role("link", name="Jobs", exact=True).click()
    page.get_by_label("Key, id, name or submitter").fill(execution["uuid"])
    visitor.press("Find")
    page.get_by_role("row").nth(1).get_by_role("link").click()
    expect(page.locator("#output")).to_be_hidden()
    visitor.press("Kill")
    expect(page.get_by_text("It was killed.")).to_be_visible()
    place.jobs.wait_over(execution)
    page.reload()
    expect(page.locator("#state")).to_contain_text("KILLED")
    page.get_by_role("link", name="Show the last lines").click()
    expect(page.locator("body")).to_contain_text("line 1")


def test_markup_in_events_is_text(visit: Callable, place: Place) -> None:
    insert(place, 3001, HOSTILE)
    visitor = visit()
    visitor.sign_in(place.reader, "/ui/jobs?text=3001")
    page = visitor.page
    expect(page.get_by_text(HOSTILE[:30]).first).to_be_visible()
    page.get_by_role("link", name="3001", exact=False).click()
    expect(page.get_by_text(HOSTILE).first).to_be_visible()
    for summary in page.locator("summary").all():
        summary.click()
    assert page.locator("main img").count() == 0
    assert "broken" not in page.title()


def pages(place: Place) -> list[str]:
    failed = place.jobs.run("fail", wait=30)
    insert(place, 4001)
    place.jobs.daemon.wait_job("4001", place.reader)
    job = place.jobs.daemon.job("4001", place.reader)
    return ["/", "/ui/jobs", "/ui/jobs?phase=ERROR", path_of(failed), f"/ui/jobs/{job['id']}"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_can_be_used_by_anybody(
    visit: Callable, place: Place, axe: str, scheme: str
) -> None:
    visitor = visit(color_scheme=scheme)
    visitor.go("/login")
    assert visitor.faults_of_access(axe) == []
    visitor.sign_in(place.admin)
    for path in pages(place):
        visitor.go(path)
        assert (path, visitor.faults_of_access(axe)) == (path, [])
    visitor.expect_status(404)
    visitor.page.goto(f"{place.address}/ui/nothing")
    assert visitor.faults_of_access(axe) == []


def test_every_page_fits_on_a_phone(visit: Callable, place: Place) -> None:
    visitor = visit(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    visitor.sign_in(place.admin)
    for path in ["/login", *pages(place)]:
        visitor.go(path)
        assert (path, visitor.is_wider_than_its_window) == (path, False)


def test_the_document_of_the_interface_can_be_used_by_anybody(
    visit: Callable, place: Place, axe: str
) -> None:
    visitor = visit(viewport={"width": 360, "height": 740})
    visitor.go("/docs")
    assert visitor.faults_of_access(axe) == []
    assert not visitor.is_wider_than_its_window


def test_by_keyboard_alone(visit: Callable, place: Place) -> None:
    execution = place.jobs.run("greet", wait=30)
    visitor = visit()
    visitor.go("/login")
    page = visitor.page
    # The field has the focus by itself.
    expect(page.get_by_label("Token")).to_be_focused()
    page.keyboard.type(place.reader)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    visitor.go(path_of(execution))
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.closest('main') !== null")
    outline = page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none"


def test_a_page_lives_through_a_restart(visit: Callable, place: Place) -> None:
    """What came while the daemon was away is shown when it is back."""
    visitor = visit()
    visitor.sign_in(place.reader, "/ui/jobs")
    page = visitor.page
    expect(page.locator("#live-note")).to_have_text("Live")
    port = place.jobs.daemon.port
    assert place.jobs.daemon.stop() == 0
    expect(page.locator("#live-note")).to_have_text("Not live")
    place.jobs.start_again(HTTPListenPort=f"127.0.0.1:{port}")
    expect(page.locator("#live-note")).to_have_text("Live")
    insert(place, 5001)
    expect(page.get_by_role("link", name="5001", exact=False)).to_be_visible()
    visitor.complaints.clear()
