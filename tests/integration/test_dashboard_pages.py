"""What the dashboard's pages show: the overview, the list of jobs, one job; and what buttons do."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from jexevents import wiring
from jexevents.config import from_mapping
from jexevents.executions.bell import Bell
from jexevents.executions.control import Control
from jexevents.executions.orders import Orders
from jexevents.model import Role
from jexevents.sidecar.app import App, build_app
from jexevents.sidecar.auth import Gate
from jexevents.sidecar.dashboard.job import JobPage
from jexevents.sidecar.dashboard.site import Site
from jexevents.sidecar.health import Check
from jexevents.sidecar.throttle import Throttle
from jexevents.sidecar.tokens import Tokens
from jexevents.store.database import Database
from jexevents.store.job_search import JobSearch
from jexevents.store.overview import OverviewStore
from jexevents.store.reading import Reading
from jexevents.store.sessions import Sessions
from tests.integration.dashboard import (
    HOSTILE,
    SPOOF,
    Browser,
    Page,
    assert_is_text,
    signed_in,
)
from tests.integration.test_execution_queue import Place, begun, place
from tests.integration.test_pipelines import Jobs
from tests.ledger import NOON, TestLedger, executing, message, submitted, terminated, text

__all__ = ["place"]


def keys(page: Page) -> list[str]:
    return [one.text for one in page.all("a") if one.attributes["href"].startswith("/ui/jobs/0")]


def fill(ledger: TestLedger, count: int, end: int | None = None) -> None:
    """Submit and begin jobs from 101 on; each ``end``-th fails.

    They are of one batch, in which jobs come in the order of their keys.
    """
    events = []
    for number in range(1, count + 1):
        job = f"{100 + number}.000.000"
        events += [message(submitted(job=job)), message(executing(job=job, second=30))]
        if end and number % end == 0:
            events.append(message(terminated(3, job=job, second=90)))
    ledger.send(*events)


# --- the list


def test_pages_of_the_list_hold_every_job_once(ledger: TestLedger) -> None:
    fill(ledger, 120)
    browser, seen, path = Browser(ledger.app), [], "/ui/jobs"
    sizes = []
    while path:
        page = browser.page(path)
        sizes.append(len(keys(page)))
        seen += keys(page)
        following = page.all("a", rel="next")
        path = following[0].attributes["href"] if following else ""
    assert sizes == [50, 50, 20]
    assert seen == [str(number) for number in range(220, 100, -1)]


def test_filters_stand_in_the_url_and_in_the_form(ledger: TestLedger) -> None:
    fill(ledger, 12, end=4)
    page = Browser(ledger.app).page(
        "/ui/jobs", "phase=ERROR&text=&kind=condor&since=2026-03-01T12:00"
    )
    assert keys(page) == ["112", "108", "104"]
    chosen = [one.text for one in page.all("option") if "selected" in one.attributes]
    assert chosen == ["condor", "ERROR"]
    assert page.one("input", name="since").attributes["value"] == "2026-03-01T12:00"
    assert "1 min 0 s" in page.text or "1 min" in page.text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("text=112", ["112"]),
        ("text=11", ["112", "111", "110"]),
        ("text=nothing", []),
        ("text=100%25", []),
        ("text=_12", []),
        ("state=Failed", ["112", "108", "104"]),
        ("kind=pipeline", []),
        ("submitter=ann", []),
        ("source=there", []),
        ("until=2026-03-01T12:00:00Z", []),
        ("since=2026-03-01T13:00:00%2B01:00&state=Failed", ["112", "108", "104"]),
        ("since=2026-03-01T12:00:01", []),
        ("since=2026-03-01&state=Failed", ["112", "108", "104"]),
        ("until=2026-03-01", []),
    ],
)
def test_searches(ledger: TestLedger, query: str, found: list[str]) -> None:
    fill(ledger, 12, end=4)
    assert keys(Browser(ledger.app).page("/ui/jobs", query)) == found


def test_a_job_is_found_by_any_of_its_ids(ledger: TestLedger) -> None:
    invocation = "5d2a0f04-9f1e-4a86-8b9f-5d6c0e0f7a11"
    fill(ledger, 3)
    answer = ledger.post(
        "/jobs",
        {"Submitter": "ann", "CondorID": "77", "UUID": invocation, "CommandLine": "x",
         "AppID": "c7f05682-23c8-4182-b9a2-e09650a5f49b", "InvocationID": invocation},
    )  # fmt: skip
    browser = Browser(ledger.app)
    if answer.status == 201:
        assert keys(browser.page("/ui/jobs", f"text={invocation}")) == ["77"]
    (job,) = ledger.jobs(key="102")
    assert keys(browser.page("/ui/jobs", f"text={job['id'].upper()}")) == ["102"]
    unknown = "01890000-0000-7000-8000-000000000000"
    assert keys(browser.page("/ui/jobs", f"text={unknown}")) == []


@pytest.mark.parametrize("query", ["kind=x", "phase=x", "state=x", "before=x", "since=x", "x=1"])
def test_filters_that_are_none(ledger: TestLedger, query: str) -> None:
    page = Browser(ledger.app).page("/ui/jobs", query, status=400)
    assert "Bad Request" in page.text


def test_what_no_index_leads_to_is_looked_for_in_spans(ledger: TestLedger) -> None:
    """Every job is found, though no page looks through more than one span."""
    fill(ledger, 60, end=20)
    search = JobSearch(ledger.database, patience_seconds=-1, first_span=7)
    seen, before, pages = [], None, 0
    while True:
        found = search.page(limit=2, before=before, phase="ERROR")
        seen += [row["key"] for row in found.rows]
        pages += 1
        if found.before is None:
            break
        assert (found.looked_to is None) == (len(found.rows) == 2)
        before = found.before
    assert seen == ["160", "140", "120"]
    assert pages >= 8
    whole = JobSearch(ledger.database, first_span=7).page(limit=10, phase="ERROR")
    assert [row["key"] for row in whole.rows] == seen
    assert whole.before is whole.looked_to is None


@pytest.mark.parametrize("few", [1, 100])
def test_times_are_looked_for_by_their_index_or_in_spans(ledger: TestLedger, few: int) -> None:
    fill(ledger, 30, end=10)
    search, seen, before = JobSearch(ledger.database, first_span=4, few=few), [], None
    while True:
        asked = {"since": NOON, "until": NOON + timedelta(hours=1), "phase": "ERROR"}
        found = search.page(limit=2, before=before, **asked)
        seen += [row["key"] for row in found.rows]
        if (before := found.before) is None:
            break
    assert seen == ["130", "120", "110"]
    later = search.page(limit=2, since=NOON + timedelta(hours=1))
    assert (later.rows, later.before) == ([], None)


def test_exact_finds_do_not_hide_others(ledger: TestLedger) -> None:
    fill(ledger, 30)
    ledger.send(message(submitted(job="1111.000.000")), message(submitted(job="11.000.000")))
    search, seen, before = JobSearch(ledger.database, first_span=4), [], None
    while True:
        found = search.page(limit=3, before=before, text="11")
        seen += [row["key"] for row in found.rows]
        if (before := found.before) is None:
            break
    others = ["1111", *(str(number) for number in range(119, 109, -1))]
    # What was found at once stands first; a later page may have it again.
    assert seen[0] == "11"
    assert [key for key in seen if key != "11"] == others


# --- one job


def test_a_job_with_its_events(ledger: TestLedger) -> None:
    fill(ledger, 1, end=1)
    (job,) = ledger.jobs()
    page = Browser(ledger.app).page(f"/ui/jobs/{job['id']}")
    assert page.one("h1").text == "101"
    for told in ("ERROR", "Failed", "condor", "Ran", "1 min", "Exit code"):
        assert told in page.text
    chart = page.one("svg", role="img")
    assert chart.attributes["aria-label"] == "3 events in 1 min 30 s"
    marks = [float(one.attributes["cx"]) for one in page.all("circle")]
    # Drawn to scale: after 0, 30 and 90 seconds.
    assert (marks[1] - marks[0]) * 3 == pytest.approx(marks[2] - marks[0], abs=1)
    assert len([one for one in page.all("details") if "event-" in one.attributes["id"]]) == 3
    assert "Normal termination (return value 3)" in page.text
    assert page.buttons() == []


def test_pages_of_events(ledger: TestLedger) -> None:
    ledger.send(*(message(text(8, f"word {n}", second=n)) for n in range(70)))
    (job,) = ledger.jobs()
    browser, path, sizes = Browser(ledger.app), f"/ui/jobs/{job['id']}", []
    while path:
        page = browser.page(path.partition("#")[0])
        sizes.append(len(page.all("summary")))
        following = page.all("a", rel="next")
        path = following[0].attributes["href"] if following else ""
    assert sizes == [30, 30, 10]


def test_a_job_of_a_pipeline_shows_its_way(ledger: TestLedger) -> None:
    Jobs(ledger).send("run")
    (job,) = ledger.jobs(kind="pipeline")
    browser = signed_in(ledger, Role.READ)
    page = browser.page(f"/ui/jobs/{job['id']}")
    picture = page.one("img", **{"class": "picture"})
    assert job["state"] in picture.attributes["alt"]
    drawn = browser.get(picture.attributes["src"])
    assert (drawn.status, drawn.headers["Content-Type"]) == (200, "image/svg+xml")


def test_a_hidden_job_of_a_pipeline_shows_its_way_to_administrators_alone(
    ledger: TestLedger,
) -> None:
    jobs = Jobs(ledger)
    assert jobs.call("DELETE", f"/pipelinejobs/{jobs.uuid}", who=jobs.admin).status == 204
    (job,) = ledger.jobs(kind="pipeline")
    pictures = [
        signed_in(ledger, role).page(f"/ui/jobs/{job['id']}").all("img")
        for role in (Role.READ, Role.ADMIN)
    ]
    assert [len(found) for found in pictures] == [0, 1]


# --- acting


@pytest.fixture
def acting(ledger: TestLedger, place: Place) -> App:
    """The page of one job over the place's jobs, which run nothing."""
    queue = place.queue()
    control = Control(
        place.ledger, place.executions, queue, Orders(place.database, queue, "one", Bell())
    )
    site = Site()
    page = JobPage(site, Reading(place.database), place.executions, control, place.requests)
    tokens = Tokens(ledger.tokens.in_force, cache_seconds=0, ask_again_seconds=0)
    gate = Gate(tokens, find_session=Sessions(place.database).find)
    return build_app(page.routes(), gate)


def of_roles(ledger: TestLedger, app: App, *roles: Role) -> Browser:
    return Browser(app, signed_in(ledger, *roles).cookie)


def path_of(place: Place, named: Any) -> str:
    return f"/ui/jobs/{place.executions.find(named.definition, named.execution)['job_id']}"


def test_buttons_that_the_caller_may_use(ledger: TestLedger, place: Place, acting: App) -> None:
    path = path_of(place, place.ask("free"))
    shown = {
        roles: [
            one
            for one in of_roles(ledger, acting, *roles).page(path).buttons()
            if one != "Sign out"
        ]
        for roles in [(Role.READ,), (Role.READ, Role.RUN), (Role.ADMIN,)]
    }
    run = ["Terminate", "Kill", "Repeat", "Repeat on the newest commit"]
    assert shown == {
        (Role.READ,): [],
        (Role.READ, Role.RUN): run,
        (Role.ADMIN,): [*run, "Give up"],
    }


def test_an_execution_is_found_by_a_part_of_its_name(ledger: TestLedger, place: Place) -> None:
    path = path_of(place, place.ask("free"))
    place.ask("typed", values={"n": 7})
    found = Browser(ledger.app).page("/ui/jobs", "text=REE").all("a")
    paths = {one.attributes["href"] for one in found}
    assert [one for one in paths if one.startswith("/ui/jobs/")] == [path]


def test_what_waits_says_for_what(ledger: TestLedger, place: Place, acting: App) -> None:
    named = place.ask("free")
    browser = of_roles(ledger, acting, Role.READ)
    assert "It waits for a worker with a free slot." in browser.page(path_of(place, named)).text
    begun(place, place.queue())
    assert "It waits for" not in browser.page(path_of(place, named)).text


def test_ending_what_waits(ledger: TestLedger, place: Place, acting: App) -> None:
    named = place.ask("free")
    browser = of_roles(ledger, acting, Role.READ, Role.RUN)
    page = browser.page(path_of(place, named))
    answer = browser.click(page, "Terminate")
    assert (answer.status, answer.headers["Location"]) == (
        303,
        f"{path_of(place, named)}?told=terminate",
    )
    after = browser.page(answer.headers["Location"])
    assert "It was told to terminate." in after.text
    assert "CANCELLED" in after.text
    assert "Terminate" not in after.buttons()
    # The same form once more is the same request, another one is refused.
    assert browser.click(page, "Terminate").status == 303
    assert browser.click(page, "Kill").status == 409
    assert place.names(named) == ["requested", "cancelled"]


def test_repeating(ledger: TestLedger, place: Place, acting: App) -> None:
    named = place.ask("typed", values={"n": 7})
    browser = of_roles(ledger, acting, Role.READ, Role.RUN)
    page = browser.page(path_of(place, named))
    answers = [browser.click(page, "Repeat") for _ in range(2)]
    assert {answer.status for answer in answers} == {303}
    # A double click is one request.
    assert len({answer.headers["Location"] for answer in answers}) == 1
    new = browser.page(answers[0].headers["Location"])
    assert "this is the new execution" in new.text
    assert "echo 7" in new.text
    assert len(ledger.jobs(kind="command")) == 2


def test_what_is_no_execution_gets_no_signal(ledger: TestLedger, place: Place, acting: App) -> None:
    fill(ledger, 1)
    (job,) = ledger.jobs()
    browser = of_roles(ledger, acting, Role.ADMIN)
    page = browser.page(f"/ui/jobs/{job['id']}")
    assert page.buttons() == ["Sign out"]
    word = page.all("input", name="word")[0].attributes["value"]
    for what in ("signal", "repeat"):
        answer = browser.send(f"/ui/jobs/{job['id']}/{what}", {"word": word, "event": "kill"})
        assert answer.status == 409
    path = path_of(place, place.ask("free"))
    assert browser.send(f"{path}/signal", {"word": word, "event": "<b>"}).status == 400


def test_giving_up_is_for_administrators(ledger: TestLedger, place: Place, acting: App) -> None:
    named = begun(place, place.queue()).named
    path = path_of(place, named)
    runner = of_roles(ledger, acting, Role.READ, Role.RUN)
    word = runner.page(path).all("input", name="word")[0].attributes["value"]
    assert runner.send(f"{path}/signal", {"word": word, "event": "give-up"}).status == 403
    admin = of_roles(ledger, acting, Role.ADMIN)
    assert admin.click(admin.page(path), "Give up").status == 303
    assert place.state(named) == "LOST"


# --- hostile text


def test_hostile_text_is_text(ledger: TestLedger, place: Place) -> None:
    """Markup in every field that an event, a job or a token may have stays text on every page."""
    told = HOSTILE
    ledger.send(
        message(submitted()),
        message(text(8, told, second=1)),
        message(text(12, f"Job was held.\n\t{told}\n\tCode 21 Subcode 7", second=2)),
        message(text(8, SPOOF, second=3)),
        source=told,
    )
    place.run(
        "update jex.jobs set submitter = $h$" + HOSTILE + "$h$, reason = $h$" + HOSTILE
        + "$h$, state = $h$" + HOSTILE + "$h$, phase = 'ERROR';"
        + "update jex.condor_jobs set command_line = $h$" + HOSTILE + "$h$, submit_host = $h$"
        + HOSTILE + "$h$; update jex.events set name = $h$" + HOSTILE + "$h$, data = to_jsonb($h$"
        + HOSTILE + "$h$::text)"
    )  # fmt: skip
    browser = Browser(ledger.app)
    secret = ledger.tokens.make(HOSTILE, [Role.ADMIN]).secret
    assert browser.sign_in(secret).status == 303
    (job,) = ledger.jobs()
    paths = ["/", "/ui/jobs", f"/ui/jobs/{job['id']}", f"/ui/jobs?text={'%3Cscript%3E'}"]
    for path in paths:
        assert "alert(" in assert_is_text(browser.get(path)).text
    # And in what was asked for.
    refused = browser.get("/ui/jobs", "kind=%3Cscript%3Ealert(1)%3C/script%3E")
    assert refused.status == 400
    assert b"<script>alert" not in refused.body
    lost = browser.get("/ui/<script>alert(1)</script>")
    assert lost.status == 404
    assert b"<script>alert" not in lost.body


# --- the overview


def test_the_overview_of_an_empty_ledger(ledger: TestLedger) -> None:
    page = Browser(ledger.app).page("/")
    for told in ("0.0 events a second", "No process runs jobs.", "None are configured."):
        assert told in page.text
    assert page.one("svg", role="img")


def test_the_overview(ledger: TestLedger, place: Place) -> None:
    fill(ledger, 10, end=5)
    place.run("update jex.jobs set submitted_at = now() - interval '2 hours'")
    place.ask("free")
    place.node_was_seen("worker-7", 1)
    place.run("update jex.nodes set slots = 4, running = 2 where name = 'worker-7'")
    page = Browser(ledger.app).page("/")
    told = page.text
    for words in ("RUNNING 8", "ERROR 2", "QUEUED 1", "worker-7", "2 of 4 slots", "1 wait"):
        assert words in told
    assert {"105", "110"} <= set(keys(page))
    heights = sum(
        float(one.attributes["height"])
        for one in page.all("rect", **{"class": "fill-running"})
        if "y" in one.attributes
    )
    other = sum(
        float(one.attributes["height"])
        for one in page.all("rect", **{"class": "fill-error"})
        if "y" in one.attributes
    )
    assert heights == pytest.approx(4 * other, rel=0.02)


def test_what_failed_is_called_by_its_name(ledger: TestLedger, place: Place) -> None:
    named = place.ask("free")
    place.run("update jex.jobs set phase = 'ERROR', finished_at = now()")
    link = Browser(ledger.app).page("/").one("a", href=path_of(place, named))
    assert link.text.split() == ["free", repr(named.execution / 1e6)]


@pytest.mark.parametrize(
    ("age", "seen"),
    [("23 hours", "day"), ("6 days", "week"), ("29 days", "month"), ("350 days", "year")],
)
def test_a_longer_time_has_older_jobs(
    ledger: TestLedger, place: Place, age: str, seen: str
) -> None:
    fill(ledger, 10, end=5)
    place.run(f"update jex.jobs set submitted_at = now() - interval '{age}'")
    spans = ["day", "week", "month", "year"]
    browser = Browser(ledger.app)
    for number, span in enumerate(spans):
        page = browser.page(f"/?span={span}")
        shown = number >= spans.index(seen)
        assert ("RUNNING 8" in page.text) == shown
        assert ("No job was submitted in this time" in page.text) != shown
        assert page.one("a", **{"aria-current": "true"}).text == span
    assert browser.page("/?span=hour", status=400)


def test_more_jobs_than_can_be_counted_in_time(
    ledger: TestLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def counted(store: OverviewStore, *_span: Any) -> None:
        with store._database.look() as connection, connection.cursor() as cursor:
            cursor.execute("set local statement_timeout to 10")
            cursor.execute("select pg_sleep(60)")

    monkeypatch.setattr(OverviewStore, "jobs_by_time", counted)
    page = Browser(ledger.app).page("/?span=year")
    assert "more jobs than could be counted in time" in page.text


def test_health_stands_on_the_overview(database: str) -> None:
    store = Database(database)
    surfaces = wiring.Surfaces(from_mapping({}), store)
    checks = {"database": Check(True, "answers"), "broker": Check(False, "no route to <it>", 65.0)}
    routes = surfaces.dashboard(Throttle(), lambda: checks).routes()
    app = build_app(routes, Gate(Tokens(lambda: ())))
    page = Browser(app).page("/")
    store.close()
    assert "ok database: answers" in page.text
    assert "fails broker: no route to <it> 1 min 5 s ago" in page.text
