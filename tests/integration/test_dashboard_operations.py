"""The dashboard's pages of workers, webhooks, rejects and uploads; and rejects over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jexevents import wiring
from jexevents.executions.requests import Asked
from jexevents.model import Arrival, Reason, Role
from jexevents.sidecar.rejects import MOST_AT_ONCE
from jexevents.store.outbox import DEAD, DELIVERED, Outbox, Result
from jexevents.validation import SCHEMAS
from tests.archives import MANIFEST, SYSTEM, bundle
from tests.integration.dashboard import HOSTILE, SPOOF, Browser, Page, Shown, assert_is_text
from tests.integration.test_execution_queue import Place, begun, place
from tests.integration.web import assert_problem, bearer, call
from tests.ledger import NOON, executing, message, submitted

__all__ = ["place"]

HOOKS = [
    {"Name": "portal", "URL": "https://u:veiled@example.org/veiled", "Secret": "whsec_" + "M" * 32},
    {"Name": "off", "URL": "https://example.org", "Disabled": True},
]


@pytest.fixture
def shown(database: str, tmp_path: Path) -> Iterator[Shown]:
    made = Shown(database, UploadDir=str(tmp_path), Hooks=HOOKS)
    yield made
    made.database.close()


def send(shown: Shown, *bodies: bytes, origin: str = "amqp:test") -> None:
    """Hand over messages as they come."""
    arrivals = [Arrival(body, NOON, origin, "") for body in bodies]
    wiring.ingest(shown.surfaces.config, shown.database).handle(arrivals)


def word_of(page: Page) -> str:
    return page.all("input", name="word")[0].attributes["value"]


def left(shown: Shown) -> list[int]:
    return [number for (number,) in shown.sql("select id from rejects order by id")]


# --- workers


def test_workers_and_what_each_does(shown: Shown, place: Place) -> None:
    claimed = begun(place, place.queue())
    place.requests.request([Asked("free", by="ann")])
    place.node_was_seen("one", 1)
    place.node_was_seen("away", 100)
    place.run(
        "update jex.nodes set slots = 4, running = 1, labels = '{gpu,big}', kinds = '{command}'"
    )
    page = shown.browser(Role.READ).page("/ui/workers")
    assert [one.text for one in page.all("h2")] == ["away", "one"]
    for words in ("1 of 4 slots", "gpu, big", "1 executions", "no, since"):
        assert words in page.text
    (led,) = [
        one for one in page.all("a") if one.attributes["href"] == f"/ui/jobs/{claimed.job_id}"
    ]
    assert led.text == "free"
    assert "Drain" not in page.buttons()
    assert page.one("main").attributes["data-every"] == "10"


def test_draining_a_worker(shown: Shown, place: Place) -> None:
    odd = "a/b <c>"
    place.node_was_seen(odd, 1)
    place.run("update jex.nodes set slots = 4")
    admin = shown.browser(Role.READ, Role.ADMIN)
    page = admin.page("/ui/workers")
    assert admin.click(page, "Drain").status == 303
    assert shown.sql("select draining from nodes") == [(True,)]
    page = admin.page("/ui/workers")
    assert "draining" in page.text
    assert admin.click(page, "Resume").status == 303
    assert shown.sql("select draining from nodes") == [(False,)]
    assert shown.audit() == [("ann", "worker drained"), ("ann", "worker resumed")]
    word = word_of(page)
    assert admin.send("/ui/workers", {"word": word, "worker": odd, "operation": "x"}).status == 400
    lost = {"word": word, "worker": "none", "operation": "DRAIN"}
    assert admin.send("/ui/workers", lost).status == 404
    place.run("update jex.nodes set seen_at = now() - interval '1 h'")
    assert admin.send("/ui/workers", {**lost, "worker": odd}).status == 409
    assert "Drain" not in admin.page("/ui/workers").buttons()


def test_no_workers(shown: Shown) -> None:
    assert "No process runs jobs." in shown.browser(Role.READ).page("/ui/workers").text


# --- webhooks


def test_webhooks_and_their_deliveries(shown: Shown) -> None:
    send(
        shown,
        message(submitted()),
        message(executing(second=1)),
        message(submitted(job="7.000.000")),
    )
    outbox = Outbox(shown.database)
    first, second, third = outbox.claim("portal", "test", 10, 60)
    outbox.finish([Result(first, DELIVERED, status=200, answer="thanks"),
                   Result(second, DEAD, status=500, error="it broke")])  # fmt: skip
    outbox.release([third])
    reader = shown.browser(Role.READ)
    answer = reader.get("/ui/webhooks")
    page = Page(answer.body)
    rows = [one.text for one in page.all("th", scope="row")]
    assert rows == ["portal", "off"]
    assert "switched off" in page.text
    one = reader.get("/ui/webhooks/portal")
    for body in (answer.body, one.body):
        assert b"veiled" not in body
        assert b"MMMM" not in body
    told = Page(one.body).text
    for words in ("1 wait", "1 delivered", "1 given up", "thanks", "it broke", "500", "222"):
        assert words in told
    dead = reader.page("/ui/webhooks/portal", "state=dead")
    (row,) = dead.all("th", scope="row")
    assert row.text.startswith(f"Delivery {second.id}msg_")
    assert "Send again" not in dead.buttons()
    reader.page("/ui/webhooks/none", status=404)
    for query in ("state=x", "before=x", "none=1"):
        assert reader.get("/ui/webhooks/portal", query).status == 400


def test_sending_again(shown: Shown) -> None:
    send(shown, message(submitted()))
    outbox = Outbox(shown.database)
    (delivery,) = outbox.claim("portal", "test", 10, 60)
    admin = shown.browser(Role.READ, Role.ADMIN)
    assert "Send again" not in admin.page("/ui/webhooks/portal").buttons(), "it is being sent"
    outbox.finish([Result(delivery, DEAD, status=500)])
    shown.woken.clear()
    page = admin.page("/ui/webhooks/portal")
    assert admin.click(page, "Send again").status == 303
    assert shown.sql("select state from hook_deliveries") == [("pending",)]
    assert shown.woken == ["portal"]
    assert shown.audit() == [("ann", "hook.redeliver")]
    word = word_of(page)
    for number in ("999", "x", "", "9" * 30):
        answer = admin.send("/ui/webhooks/portal/redeliver", {"word": word, "id": number})
        assert answer.status == 404


def test_enabling_a_webhook(shown: Shown) -> None:
    admin = shown.browser(Role.READ, Role.ADMIN)
    outbox = Outbox(shown.database)
    outbox.disable("portal", f"The receiver answered 410 Gone. {HOSTILE}")
    page = assert_is_text(admin.get("/ui/webhooks/portal"))
    assert "410 Gone" in page.text
    assert "Send for it again" not in shown.browser(Role.READ).page("/ui/webhooks/portal").buttons()
    assert admin.click(page, "Send for it again").status == 303
    assert not outbox.is_disabled("portal")
    assert admin.click(page, "Send for it again").status == 409
    assert shown.audit() == [("ann", "hook.enable")]


def test_pages_of_deliveries(shown: Shown) -> None:
    send(shown, *(message(submitted(job=f"{n}.000.000")) for n in range(100, 170)))
    reader = shown.browser(Role.READ)
    page = reader.page("/ui/webhooks/portal")
    following = page.one("a", rel="next").attributes["href"]
    second = reader.page(following)
    counts = [len(one.all("th", scope="row")) for one in (page, second)]
    assert counts == [50, 20]
    assert page.one("main").attributes["data-every"] == "5"
    assert second.one("main").attributes["data-every"] == ""


# --- rejects


def test_rejects_with_their_reasons(shown: Shown) -> None:
    send(shown, b"no event", b'{"Event": 7}', b"")
    send(shown, b"{", origin="amqp:other")
    reader = shown.browser(Role.READ)
    page = reader.page("/ui/rejects")
    assert len(page.all("th", scope="row")) == 4
    for words in ("not-json: 1", "schema: 1", "empty: 1", "unreadable-event: 1"):
        assert words in page.text
    chosen = reader.page("/ui/rejects", "reason=schema&origin=&since=&until=")
    assert len(chosen.all("th", scope="row")) == 1
    assert "expected" in chosen.text
    assert len(reader.page("/ui/rejects", "origin=amqp:other").all("th", scope="row")) == 1
    noon = f"{NOON:%Y-%m-%dT%H:%M}"
    assert "There are none." in reader.page("/ui/rejects", f"until={noon}").text
    assert len(reader.page("/ui/rejects", f"since={noon}").all("th", scope="row")) == 4
    one = reader.page(f"/ui/rejects/{left(shown)[0]}")
    assert "no event" in one.text
    assert set(one.buttons()) == {"Sign out"}
    assert page.all("input", type="checkbox") == []
    led = [one.attributes["href"] for one in one.all("a") if one.text == "Reject as JSON"]
    assert json.loads(reader.get(led[0]).body)["body"] == "no event"
    for path in ("/ui/rejects/999", "/ui/rejects/x", f"/ui/rejects/{'9' * 30}"):
        reader.page(path, status=404)
    for query in ("reason=x", "since=x", "before=x", "none=1"):
        assert reader.get("/ui/rejects", query).status == 400


def test_pages_of_rejects(shown: Shown) -> None:
    send(shown, *(b"no event %d" % number for number in range(120)))
    reader, path, seen = shown.browser(Role.READ), "/ui/rejects?origin=amqp%3Atest", []
    while path:
        page = reader.page(path)
        seen += [int(one.text.split()[1]) for one in page.all("th", scope="row")]
        following = page.all("a", rel="next")
        path = following[0].attributes["href"] if following else ""
    assert seen == sorted(left(shown), reverse=True)


def good(shown: Shown, reject: int) -> None:
    """Make a reject one that would be accepted now."""
    body = message(submitted(job=f"{reject}.000.000"))
    shown.sql("update rejects set body = %s where id = %s", body, reject)


def test_trying_rejects_again(shown: Shown) -> None:
    send(shown, b"no event 1", b"no event 2", b"no event 3")
    first, second, third = left(shown)
    admin = shown.browser(Role.READ, Role.ADMIN)
    page = admin.page("/ui/rejects")
    assert {one.attributes["value"] for one in page.all("input", type="checkbox")} == {
        str(first), str(second), str(third)}  # fmt: skip
    assert admin.click(page, "Try the chosen again").status == 400, "none was chosen"
    good(shown, first)
    answer = admin.click(page, "Try the chosen again", id=[first, second])
    assert answer.headers["Location"] == "/ui/rejects?told=accepted-some"
    assert left(shown) == [second, third]
    assert shown.sql("select key from jobs") == [(str(first),)]
    assert shown.sql("select id from rejects where tried_at is not null") == [(second,)]
    one = admin.page(f"/ui/rejects/{second}")
    again = admin.click(one, "Try again")
    assert again.headers["Location"] == f"/ui/rejects/{second}?told=refused-again"
    good(shown, second)
    assert admin.click(one, "Try again").headers["Location"] == "/ui/rejects?told=accepted"
    assert admin.click(one, "Try again").status == 404, "it is off the list"
    assert [who for who in shown.audit() if who[1] == "rejects.retry"] == [
        ("ann", "rejects.retry")] * 3  # fmt: skip
    # Webhooks hear of it at once.
    assert "portal" in shown.woken


def test_dropping_rejects(shown: Shown) -> None:
    send(shown, b"no event 1", b"no event 2", b"no event 3")
    first, second, third = left(shown)
    admin = shown.browser(Role.READ, Role.ADMIN)
    page = admin.page("/ui/rejects")
    answer = admin.click(page, "Drop for good", id=[first, third])
    assert answer.headers["Location"] == "/ui/rejects?told=dropped"
    assert left(shown) == [second]
    assert admin.click(admin.page(f"/ui/rejects/{second}"), "Drop for good").status == 303
    assert left(shown) == []
    assert shown.audit() == [("ann", "rejects.drop")] * 2
    word = word_of(page)
    for form in ({"id": "x", "do": "DROP"}, {"id": "1", "do": "x"}, {"do": "DROP"},
                 {"id": ["1"] * (MOST_AT_ONCE + 1), "do": "DROP"}):  # fmt: skip
        assert admin.send("/ui/rejects", {"word": word, **form}).status == 400


def test_what_was_cut_is_not_tried(shown: Shown) -> None:
    send(shown, b"x" * (2 << 20))
    (number,) = left(shown)
    admin = shown.browser(Role.READ, Role.ADMIN)
    page = admin.page(f"/ui/rejects/{number}")
    assert "cannot be tried again" in page.text
    assert "Try again" not in page.buttons()
    assert "x" * 1000 in page.text
    form = {"word": word_of(page), "id": str(number), "do": "RETRY"}
    answer = admin.send("/ui/rejects", form)
    assert answer.headers["Location"] == f"/ui/rejects/{number}?told=refused-again"
    assert left(shown) == [number]


@pytest.mark.parametrize(
    ("body", "shown_as"),
    [
        (b"\xff\xfe\x00a", "fffe 0061"),
        ("é".encode() * 10 + "é".encode()[:1], "é" * 10),
        (b"\xff" + b"a" * 10, "ff 6161"),
        (b"a\x00\x1b[31m", "a\\u0000\\u001b[31m"),
    ],
)
def test_what_is_no_text_is_shown_all_the_same(shown: Shown, body: bytes, shown_as: str) -> None:
    send(shown, body)
    (number,) = left(shown)
    page = shown.browser(Role.READ).page(f"/ui/rejects/{number}")
    (pre,) = page.all("pre", **{"aria-label": "The body"})
    assert shown_as in pre.text or pre.text.startswith(shown_as)


# --- rejects over HTTP


def operate(shown: Shown, document: Any, role: Role = Role.ADMIN) -> Any:
    fields = bearer(shown.token(role, name="boss"))
    body = json.dumps(document).encode()
    return call(shown.app, "POST", "/ledger/rejects", body, **fields)


def test_rejects_are_tried_again_over_http(shown: Shown) -> None:
    send(shown, b"no event 1", b"no event 2")
    first, second = left(shown)
    good(shown, first)
    answer = operate(shown, {"operation": "RETRY", "ids": [first, second, 999, first]})
    assert answer.status == 200, answer.body
    nothing = {"known": 0, "cut": 0, "unknown_door": 0, "gone": 0, "dropped": 0}
    told = {"operation": "RETRY", "missing": [999], "stored": 1, "refused": 1, **nothing}
    assert answer.json() == told
    dropped = operate(shown, {"operation": "DROP", "ids": [second]}).json()
    assert (dropped["dropped"], left(shown)) == (1, [])
    assert_problem(operate(shown, {"operation": "DROP", "ids": [second]}), 404)
    assert shown.audit() == [("boss", "rejects.retry"), ("boss", "rejects.drop")]


@pytest.mark.parametrize(
    "document",
    [
        {}, {"operation": "DROP"}, {"operation": "DROP", "ids": []}, {"operation": "x", "ids": [1]},
        {"operation": "DROP", "ids": [0]}, {"operation": "DROP", "ids": ["1"]},
        {"operation": "DROP", "ids": [10**18]}, {"operation": "DROP", "ids": [1.5]},
        {"operation": "DROP", "ids": [1], "all": True},
        {"operation": "DROP", "ids": list(range(1, MOST_AT_ONCE + 2))},
    ],
)  # fmt: skip
def test_what_is_no_operation(shown: Shown, document: Any) -> None:
    send(shown, b"no event")
    assert_problem(operate(shown, document), 422)
    assert len(left(shown)) == 1


@pytest.mark.parametrize("role", [Role.READ, Role.WRITE, Role.RUN])
def test_only_administrators_work_on_rejects(shown: Shown, role: Role) -> None:
    send(shown, b"no event")
    document = {"operation": "DROP", "ids": left(shown)}
    assert_problem(operate(shown, document, role), 403)
    browser = shown.browser(Role.READ, role)
    form = {"word": word_of(browser.page("/ui/rejects")), "id": left(shown), "do": "DROP"}
    assert browser.send("/ui/rejects", form).status == 403
    assert len(left(shown)) == 1


def test_as_many_at_once_as_the_schema_says() -> None:
    ids = SCHEMAS.document("reject_operation")["properties"]["ids"]
    assert ids["maxItems"] == MOST_AT_ONCE


# --- uploads


def upload(shown: Shown, data: bytes, name: str = "example.tgz") -> str:
    """Upload a bundle; give its id."""
    edge = "edge"
    place = f'form-data; name="techsupport_tgz"; filename="{name}"'
    head = f"--{edge}\r\nContent-Disposition: {place}\r\n\r\n"
    body = head.encode() + data + f"\r\n--{edge}--\r\n".encode()
    fields = {"CONTENT_TYPE": f"multipart/form-data; boundary={edge}"}
    token = bearer(shown.token(Role.WRITE))
    answer = call(shown.app, "POST", "/api/v1/files", body, **token, **fields)
    assert answer.status == 201, answer.body
    return answer.json()["uuid"]


def test_uploads(shown: Shown) -> None:
    data = bundle()
    own = upload(shown, data)
    reader = shown.browser(Role.READ)
    page = reader.page("/ui/uploads")
    assert [one.text for one in page.all("th", scope="row")] == ["example.tgz"]
    assert SYSTEM in page.text
    for query, found in ((f"system={SYSTEM.upper()}", 1), ("type=none", 0),
                         (f"type={MANIFEST['bundleTypeId']}", 1), ("until=2020-01-01T00:00", 0),
                         ("since=2020-01-01T00:00", 1)):  # fmt: skip
        assert len(reader.page("/ui/uploads", query).all("th", scope="row")) == found, query
    for query in ("system=x", "since=x", "before=x", "none=1"):
        assert reader.get("/ui/uploads", query).status == 400
    one = reader.page(f"/ui/uploads/{own}")
    assert MANIFEST["comment"] in one.text
    led = {one.text: one.attributes["href"] for one in one.all("a")}
    content = reader.get(led["Download"])
    assert (content.status, content.body) == (200, data)
    assert content.headers["Content-Disposition"].startswith("attachment")
    assert reader.get(led["Manifest as JSON"]).json() == MANIFEST
    assert call(shown.app, "GET", led["Download"]).status == 401
    for path in ("/ui/uploads/x", f"/ui/uploads/{SYSTEM}"):
        reader.page(path, status=404)
    # The cookie reads, and does no more.
    assert reader.send("/api/v1/files").status == 401


# --- hostile text


def test_hostile_text_is_text(shown: Shown, place: Place) -> None:
    told = HOSTILE + SPOOF
    send(shown, told.encode(), origin=f"amqp:{HOSTILE}")
    send(shown, message(submitted()))
    number = left(shown)[0]
    faults = [{"pointer": HOSTILE, "expected": HOSTILE, "got": HOSTILE}]
    shown.sql(
        "update rejects set reasons = %s, source = %s, credential = %s, properties = %s",
        json.dumps(faults), HOSTILE, HOSTILE, json.dumps({HOSTILE: HOSTILE}),
    )  # fmt: skip
    shown.sql("update hook_deliveries set error = %s, answer = %s, status = 500, state = 'dead',"
              " finished_at = now(), job = jsonb_build_object('key', %s::text)",
              HOSTILE, HOSTILE, HOSTILE)  # fmt: skip
    shown.sql("update events set name = %s, source = %s", HOSTILE, HOSTILE)
    own = upload(shown, bundle())
    shown.sql(
        "update uploads set filename = %s, field = %s, bundle_type = %s, system = %s, node = %s,"
        " path = %s, credential = %s, manifest = %s", *[HOSTILE] * 7,
        json.dumps({HOSTILE: HOSTILE}),
    )  # fmt: skip
    begun(place, place.queue())
    place.node_was_seen("one", 1)
    shown.sql(
        "update nodes set name = %s, url = %s, version = %s, slots = 1, labels = array[%s],"
        " kinds = array[%s], engine = %s", *[HOSTILE] * 5,
        json.dumps({"name": HOSTILE, "version": HOSTILE}),
    )  # fmt: skip
    shown.sql("update execution_queue set node = %s, definition = %s", HOSTILE, HOSTILE)
    admin: Browser = shown.browser(Role.ADMIN, name=HOSTILE)
    for path in ("/ui/rejects", f"/ui/rejects/{number}", "/ui/webhooks", "/ui/webhooks/portal",
                 "/ui/uploads", f"/ui/uploads/{own}", "/ui/workers",
                 "/ui/rejects?origin=%3Cscript%3Ealert(1)"):  # fmt: skip
        page = assert_is_text(admin.get(path))
        assert "alert(" in page.text or path in (
            "/ui/webhooks",
            "/ui/rejects?origin=%3Cscript%3Ealert(1)",
        )


def test_every_reason_can_be_asked_for(shown: Shown) -> None:
    reader = shown.browser(Role.READ)
    for reason in Reason:
        assert "There are none." in reader.page("/ui/rejects", f"reason={reason.value}").text
