"""The dashboard's pages of defined jobs and of schedules: what they show, and running a job."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from itertools import chain
from typing import Any

import pytest

from jexevents.executions.requests import Asked
from jexevents.model import Role
from jexevents.schedules import Outcome
from jexevents.sidecar.dashboard.duetimes import OUTCOMES
from jexevents.wiring.jobs import Links
from tests.integration.dashboard import HOSTILE, SPOOF, Page, Shown, assert_is_text
from tests.scheduling import Place, commit

START = datetime(2026, 3, 28, 23, 45, tzinfo=timezone.utc)
RUNNER = (Role.READ, Role.RUN)
TYPED = """
description: Greets somebody.
command: echo {{ who }}
vars:
- {name: who, type: str, required: yes, description: Who is greeted.}
- {name: greeting, type: str, default: hello}
- {name: times, type: int, default: 3}
- {name: loud, type: bool}
- {name: size, type: enum, values: [small, large], default: large}
- {name: words, type: seq, default: [a, b]}
- {name: place, type: map}
- {name: api-token, type: str}
"""
ALONE = "command: 'true'\nconcurrency: forbid\n"
HOURLY = "command: 'true'\nschedule: {frequency: '0 * * * *', timezone: Europe/Berlin}\n"


@pytest.fixture
def place(database: str) -> Iterator[Place]:
    made = Place(database, START)
    yield made
    made.database.close()


@pytest.fixture
def daemon(place: Place) -> Any:
    made = place.daemon(commit("a" * 40, typed=TYPED, alone=ALONE, hourly=HOURLY))
    made.look()
    return made


@pytest.fixture
def shown(database: str, daemon: Any) -> Iterator[Shown]:
    made = Shown(database, Links(repository=daemon.repository))
    yield made
    made.database.close()


def names(page: Page) -> list[str]:
    return [one.attributes["name"] for one in page.elements if "name" in one.attributes]


def fault_of(page: Page, name: str) -> str:
    (found,) = page.all("span", id=f"i-v.{name}-fault")
    return found.text


# --- all


def test_all_that_are_defined(shown: Shown, daemon: Any) -> None:
    daemon.requests.request([Asked("alone", by="ann")])
    page = shown.browser(Role.READ).page("/ui/definitions")
    links = [one.text for one in page.all("a") if one.attributes["href"].startswith("/ui/def")]
    assert [one for one in links if one in ("alone", "hourly", "typed")] == [
        "alone", "hourly", "typed"]  # fmt: skip
    assert "Greets somebody." in page.text
    assert "QUEUED" in page.text
    found = shown.browser(Role.READ).page("/ui/definitions", "text=GREETS").text
    assert "typed" in found
    assert "hourly" not in found


def test_pages_of_definitions(shown: Shown, daemon: Any) -> None:
    daemon.repository.put(commit("b" * 40, **{f"job{n:03}": ALONE for n in range(230)}))
    browser, path, seen = shown.browser(Role.READ), "/ui/definitions", []
    while path:
        page = browser.page(path)
        seen.append([one.text for one in page.all("th", scope="row")])
        following = page.all("a", rel="next")
        path = following[0].attributes["href"] if following else ""
    assert list(map(len, seen)) == [100, 100, 30]
    assert list(chain(*seen)) == [f"job{n:03}" for n in range(230)]


def test_without_a_repository(database: str) -> None:
    shown = Shown(database)
    browser = shown.browser(*RUNNER)
    page = browser.page("/ui/definitions")
    assert "No repository of job definitions is configured" in page.text
    assert "Fetch now" not in page.buttons()
    assert "no repository" in browser.page("/ui/definitions/typed", status=404).text
    shown.database.close()


# --- the form


def test_a_form_is_made_of_the_variables(shown: Shown) -> None:
    page = shown.browser(*RUNNER).page("/ui/definitions/typed")
    who = page.one("input", name="v.who")
    assert "required" in who.attributes
    assert page.one("input", name="v.greeting").attributes["value"] == "hello"
    assert page.one("input", name="v.times").attributes["value"] == "3"
    assert page.one("input", name="v.times").attributes["inputmode"] == "numeric"
    assert page.one("textarea", name="v.words").text == "\na\nb"
    assert page.one("input", name="v.api-token").attributes["type"] == "password"
    options = [(one.text, "selected" in one.attributes) for one in page.all("option")]
    assert options == [
        ("\N{EN DASH}", True), ("true", False), ("false", False),
        ("small", False), ("large", True),
    ]  # fmt: skip
    labels = {one.attributes["for"] for one in page.all("label")}
    assert labels == {f"i-{name}" for name in names(page) if name.startswith("v.")}
    assert "Who is greeted." in page.text


def test_running_a_job(shown: Shown) -> None:
    browser = shown.browser(*RUNNER)
    page = browser.page("/ui/definitions/typed")
    fields = {"v.who": " Ann ", "v.loud": "true", "v.words": "x y\nz\n", "v.place": '{"a": 1}',
              "v.times": " 7 "}  # fmt: skip
    answers = [browser.click(page, "Run", **fields) for _ in range(2)]
    assert {answer.status for answer in answers} == {303}, answers[0].body
    # A double click is one request.
    (location,) = {answer.headers["Location"] for answer in answers}
    assert "this is the execution" in browser.page(location).text
    ((values,),) = shown.sql("select data->'values' from events where name = 'requested'")
    assert values == {
        "who": " Ann ", "greeting": "hello", "times": 7, "loud": True, "size": "large",
        "words": ["x y", "z"], "place": {"a": 1},
    }  # fmt: skip
    assert shown.audit() == [("ann", "execution requested")]


def test_what_is_empty_gives_no_value(shown: Shown) -> None:
    browser = shown.browser(*RUNNER)
    page = browser.page("/ui/definitions/typed")
    fields = {"v.who": "x", "v.greeting": "", "v.times": "", "v.words": "", "v.place": " "}
    assert browser.click(page, "Run", **fields).status == 422, "a blank is no mapping"
    assert browser.click(page, "Run", **{**fields, "v.place": ""}).status == 303
    ((values,),) = shown.sql("select data->'values' from events where name = 'requested'")
    assert values == {"who": "x", "greeting": "", "times": 3, "size": "large", "words": ["a", "b"]}


def test_what_is_wrong_stands_beside_its_field(shown: Shown) -> None:
    browser = shown.browser(*RUNNER)
    page = browser.page("/ui/definitions/typed")
    fields = {"v.times": "seven", "v.size": "huge", "v.place": "[1]", "v.greeting": HOSTILE,
              "v.api-token": "s3cret-word"}  # fmt: skip
    answer = browser.click(page, "Run", **fields)
    assert answer.status == 422
    again = assert_is_text(answer)
    assert "it is required" in fault_of(again, "who")
    assert "a whole number" in fault_of(again, "times")
    assert '"seven"' in fault_of(again, "times")
    assert "one of" in fault_of(again, "size")
    assert "a mapping" in fault_of(again, "place")
    wrong = {name.attributes["name"] for name in again.elements
             if name.attributes.get("aria-invalid") == "true"}  # fmt: skip
    assert wrong == {"v.who", "v.times", "v.size", "v.place"}
    # What was filled in is not lost, but for what is secret.
    assert again.one("input", name="v.times").attributes["value"] == "seven"
    assert again.one("input", name="v.greeting").attributes["value"] == HOSTILE
    assert b"s3cret-word" not in answer.body
    assert again.one("main").attributes["data-stream"] == ""
    assert browser.click(again, "Run", **{"v.who": "x", "v.times": "1", "v.size": "small",
                                          "v.place": ""}).status == 303  # fmt: skip


def test_names_that_no_variable_has_are_refused(shown: Shown) -> None:
    browser = shown.browser(*RUNNER)
    page = browser.page("/ui/definitions/alone")
    answer = browser.click(page, "Run", **{"v.<b>other": "1"})
    assert answer.status == 422
    assert "another name" in assert_is_text(answer).one("div", role="alert").text


def test_a_job_that_forbids_a_second_run(shown: Shown) -> None:
    browser = shown.browser(*RUNNER)
    assert browser.click(browser.page("/ui/definitions/alone"), "Run").status == 303
    answer = browser.click(browser.page("/ui/definitions/alone"), "Run")
    assert answer.status == 409
    assert "forbids a second run" in Page(answer.body).one("div", role="alert").text


def test_the_active_list(shown: Shown) -> None:
    browser = shown.browser(*RUNNER)
    page = browser.page("/ui/definitions/alone")
    assert browser.click(page, "Take off the active list").status == 303
    off = browser.page("/ui/definitions/alone")
    answer = browser.click(off, "Run")
    assert answer.status == 409
    assert "taken off the active list" in Page(answer.body).text
    assert browser.click(off, "Put back on the active list").status == 303
    assert browser.click(off, "Run").status == 303
    word = page.all("input", name="word")[0].attributes["value"]
    bad = browser.send("/ui/definitions/alone/active", {"word": word, "active": "maybe"})
    assert bad.status == 400


def test_who_only_reads_runs_nothing(shown: Shown) -> None:
    page = shown.browser(Role.READ).page("/ui/definitions/typed")
    assert page.buttons() == ["Sign out"]
    assert page.all("input", name="v.who") == []


def test_a_long_value_is_taken(shown: Shown) -> None:
    browser = shown.browser(*RUNNER)
    page = browser.page("/ui/definitions/typed")
    long = "é" * 60_000
    assert browser.click(page, "Run", **{"v.who": long}).status == 303
    ((who,),) = shown.sql("select data->'values'->>'who' from events where name = 'requested'")
    assert who == long
    # The same form with another value is neither the same request nor another one.
    assert browser.click(page, "Run", **{"v.who": "x"}).status == 409
    for length, status in ((70_000, 422), (100_000, 413)):
        page = browser.page("/ui/definitions/typed")
        assert browser.click(page, "Run", **{"v.who": "é" * length}).status == status


# --- executions


def test_executions_of_a_job(shown: Shown, daemon: Any) -> None:
    for who in range(45):
        daemon.requests.request([Asked("typed", {"who": str(who)}, by=f"user{who}")])
    browser, path, seen = shown.browser(Role.READ), "/ui/definitions/typed", []
    while path:
        page = browser.page(path.partition("#")[0])
        seen.append(
            [one for one in page.all("a") if one.attributes["href"].startswith("/ui/jobs/0")]
        )
        following = page.all("a", rel="next")
        path = following[0].attributes["href"] if following else ""
    assert list(map(len, seen)) == [20, 20, 5]
    assert "user44" in browser.page("/ui/definitions/typed").text
    assert "There are none." in browser.page("/ui/definitions/typed", "phase=ERROR").text
    for query in ("phase=x", "before=x", "due_before=x", "none=1"):
        assert browser.get("/ui/definitions/typed", query).status == 400


# --- schedules


def test_a_schedule_and_what_became_of_it(shown: Shown, place: Place, daemon: Any) -> None:
    for minutes in (15, 60, 60):
        place.later(minutes=minutes)
        daemon.look()
    browser = shown.browser(Role.READ)
    page = browser.page("/ui/definitions/hourly")
    assert "frequency: 0 * * * *, timezone: Europe/Berlin" in page.text
    assert "Europe/Berlin" in page.text
    assert "ran" in page.text
    led = [one.attributes["href"] for one in page.all("a") if one.text == "ran"]
    answer = browser.get(led[0])
    assert answer.status == 303
    assert browser.get(answer.headers["Location"]).status == 200
    assert browser.get("/ui/definitions/hourly/12.5").status == 404
    assert browser.get("/ui/definitions/hourly/x").status == 404


def test_pages_of_due_times(shown: Shown, place: Place, daemon: Any) -> None:
    for _ in range(25):
        place.later(minutes=60)
        daemon.look()
    browser, path, seen = shown.browser(Role.READ), "/ui/definitions/hourly", []
    for _ in range(2):
        page = browser.page(path.partition("#")[0])
        seen += [
            one.text for one in page.all("a") if "/ui/definitions/hourly/" in one.attributes["href"]
        ]
        links = [one.attributes["href"] for one in page.all("a", rel="next")]
        path = next((one for one in links if one.endswith("#schedules")), "")
    assert len(seen) == 25
    assert path == ""


def test_all_schedules(shown: Shown, place: Place, daemon: Any) -> None:
    place.later(minutes=15)
    daemon.look()
    shown.sql(
        "insert into definition_states (name, active, credential) values ('alone', false, 'x')"
    )
    browser = shown.browser(Role.READ)
    page = browser.page("/ui/schedules")
    assert "Found: 1." in page.text
    assert [one.text for one in page.all("a") if one.text == "ran"] == ["ran"]
    ahead = page.one("section", id="ahead")
    assert ahead.text.count("hourly") == 30
    assert page.one("main").attributes["data-every"] == "10"
    assert (
        "hourly"
        in browser.page("/ui/schedules", "text=HOUR&outcome=ran").one("div", id="found").text
    )
    for query in ("text=nothing", "outcome=missed"):
        assert "No schedule was found." in browser.page("/ui/schedules", query).text
    for query in ("outcome=x", "page=2", "page=0", "page=x"):
        assert browser.get("/ui/schedules", query).status in (400, 200), query
    assert browser.get("/ui/schedules", "page=2").status == 400


def test_pages_of_schedules(shown: Shown, place: Place, daemon: Any) -> None:
    daemon.repository.put(commit("b" * 40, **{f"job{n:03}": HOURLY for n in range(120)}))
    daemon.look()
    browser, path, seen = shown.browser(Role.READ), "/ui/schedules", []
    while path:
        page = browser.page(path)
        seen.append([one.text for one in page.all("th", scope="row")])
        following = page.all("a", rel="next")
        path = following[0].attributes["href"] if following else ""
    assert list(map(len, seen)) == [50, 50, 20]
    assert list(chain(*seen)) == [f"job{n:03}" for n in range(120)]


def test_every_outcome_has_its_colour() -> None:
    assert set(OUTCOMES) == {one.value for one in Outcome}


# --- hostile text


def test_hostile_text_is_text(shown: Shown, place: Place, daemon: Any) -> None:
    place.later(minutes=60)
    daemon.look()
    told = HOSTILE.replace("'", "''")
    text = (
        f"description: '{told}'\ncommand: echo {{{{ who }}}}\nvars:\n- name: who\n"
        f"  description: '{told}'\n  default: '{told}'\n- name: size\n  type: enum\n"
        f"  values: ['{told}', b]\n- name: words\n  type: seq\n  default: ['{told}']\n"
    )
    daemon.repository.put(commit("c" * 40, hourly=text, other=text))
    shown.sql("update due_times set reason = %s", HOSTILE)
    shown.sql(
        "update schedules set members = jsonb_build_object(%s::text, %s::text)", HOSTILE,
        HOSTILE + SPOOF.replace("\x07", ""),
    )  # fmt: skip
    shown.sql("update jobs set reason = %s, submitter = %s, state = %s", HOSTILE, HOSTILE, HOSTILE)
    browser = shown.browser(Role.ADMIN, name=HOSTILE)
    for path in ("/ui/definitions", "/ui/definitions/hourly", "/ui/schedules",
                 "/ui/definitions?text=%3Cscript%3Ealert", "/ui/schedules?text=%3Cscript%3Ealert",
                 "/ui/definitions/%3Cscript%3Ealert"):  # fmt: skip
        assert "alert" in str([one.text for one in assert_is_text(browser.get(path)).elements])
    answer = browser.get("/ui/definitions/hourly")
    page = Page(answer.body)
    assert page.one("input", name="v.who").attributes["value"] == HOSTILE
    assert page.one("textarea", name="v.words").text == f"\n{HOSTILE}"
    # And it comes back as it was.
    assert browser.click(page, "Run").status == 303
    ((values,),) = shown.sql(
        "select data->'values' from events where name = 'requested' order by seq desc limit 1"
    )
    assert (values["who"], values["words"]) == (HOSTILE, [HOSTILE])
