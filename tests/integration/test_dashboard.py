"""The dashboard's foundation: signing in, forms, roles, headers, errors as pages."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from hashlib import sha256

import psycopg2
import pytest

from jexevents.model import Role
from jexevents.sidecar.dashboard.site import POLICY
from jexevents.sidecar.routes import Route
from tests.integration.dashboard import Browser, Page, signed_in, word_of
from tests.integration.web import assert_problem, bearer, call
from tests.ledger import TestLedger, open_ledger

UUID = "01890000-0000-7000-8000-000000000000"
SYSTEM = "5d2a0f04-9f1e-4a86-8b9f-5d6c0e0f7a11"


def run(uri: str, statement: str) -> list[tuple]:
    with psycopg2.connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def pages(ledger: TestLedger, method: str) -> list[Route]:
    return [one for one in ledger.app.routes if one.page is not None and one.method == method]


def filled(route: Route) -> str:
    path = route.path.replace("<uuid>", UUID).replace("<file>", "style.css")
    return re.sub("<[a-z_]+>", "7", path)


def test_who_is_signed_in_reads_and_who_is_not_is_asked_to(ledger: TestLedger) -> None:
    browser = signed_in(ledger, Role.READ)
    assert "Sign out" in browser.page("/ui/jobs").buttons()
    stranger = Browser(ledger.app)
    answer = stranger.get("/ui/jobs", "kind=condor")
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    form = Page(answer.body)
    assert form.one("input", name="next").attributes["value"] == "/ui/jobs?kind=condor"


def test_without_a_token_this_machine_reads(ledger: TestLedger) -> None:
    page = Browser(ledger.app).page("/ui/jobs")
    assert [one.attributes["href"] for one in page.all("a") if one.text == "Sign in"] == ["/login"]
    far = Browser(ledger.app, fields={"REMOTE_ADDR": "192.0.2.1"})
    assert far.get("/ui/jobs").status == 401


def test_the_cookie_is_a_safe_one(ledger: TestLedger, database: str) -> None:
    browser = Browser(ledger.app)
    answer = browser.sign_in(ledger.token(Role.READ))
    told = answer.headers["Set-Cookie"].split("; ")[1:]
    # PublicURL says https here.
    assert sorted(told) == ["HttpOnly", "Max-Age=43200", "Path=/", "SameSite=Lax", "Secure"]
    ((kept,),) = run(database, "select sha256 from jex.sessions")
    assert bytes(kept) == sha256(browser.cookie.encode()).digest()


@pytest.mark.parametrize(
    ("fields", "secure"),
    [
        ({"HTTP_ORIGIN": "http://localhost"}, False),
        ({"HTTP_ORIGIN": "https://localhost", "HTTP_HOST": "localhost"}, True),
        ({"HTTP_X_FORWARDED_PROTO": "https"}, True),
    ],
)
def test_secure_where_the_browser_speaks_https(
    database: str, fields: dict[str, str], secure: bool
) -> None:
    with open_ledger(database, PublicURL="http://jex.example.org") as ledger:
        token = ledger.token(Role.READ)
        answer = Browser(ledger.app, fields=fields).sign_in(token)
        assert answer.status == 303, answer.body
        assert ("; Secure" in answer.headers["Set-Cookie"]) == secure


def test_a_session_ends_with_its_token(ledger: TestLedger, database: str) -> None:
    browser = signed_in(ledger, Role.READ)
    other = signed_in(ledger, Role.READ)
    (token_id,) = run(
        database,
        "select token_id from jex.sessions order by created_at limit 1",
    )[0]
    assert ledger.tokens.revoke(token_id)
    assert browser.get("/ui/jobs").status == 401
    assert other.get("/ui/jobs").status == 200
    run(database, "update jex.tokens set expires_at = now() where revoked_at is null returning id")
    assert other.get("/ui/jobs").status == 401


def test_a_session_ends_by_itself_and_is_removed(ledger: TestLedger, database: str) -> None:
    browser = signed_in(ledger, Role.READ)
    run(database, "update jex.sessions set expires_at = now() returning token_id")
    assert browser.get("/ui/jobs").status == 401
    signed_in(ledger, Role.READ)
    assert ledger.count("jex.sessions") == 1


def test_a_session_is_no_longer_than_its_token(ledger: TestLedger, database: str) -> None:
    soon = datetime.now(timezone.utc) + timedelta(hours=1)
    assert Browser(ledger.app).sign_in(ledger.token(Role.READ, expires_at=soon)).status == 303
    assert run(database, "select expires_at from jex.sessions") == [(soon,)]


def test_signing_out(ledger: TestLedger) -> None:
    browser = signed_in(ledger, Role.READ)
    page = browser.page("/ui/jobs")
    # Nobody else's page signs anybody out.
    assert browser.send("/logout", {"word": "0" * 64}).status == 403
    assert browser.send("/logout").status == 403
    assert browser.get("/ui/jobs").status == 200
    answer = browser.click(page, "Sign out")
    assert (answer.status, answer.headers["Location"]) == (303, "/login")
    assert "jexevents_session=; Path=/; Max-Age=0" in answer.headers["Set-Cookie"]
    assert browser.get("/ui/jobs").status == 401
    assert browser.click(page, "Sign out").status == 303


def test_signing_in_again_ends_the_session_before(ledger: TestLedger) -> None:
    browser = signed_in(ledger, Role.READ)
    before = browser.cookie
    assert browser.sign_in(ledger.token(Role.READ)).status == 303
    assert browser.cookie != before
    assert Browser(ledger.app, before).get("/ui/jobs").status == 401
    assert ledger.count("jex.sessions") == 1


def test_wrong_tokens_are_slowed_down(ledger: TestLedger) -> None:
    token = ledger.token(Role.READ)
    browser = Browser(ledger.app, fields={"REMOTE_ADDR": "127.0.0.9"})
    statuses = [browser.sign_in(f"wrong{number}").status for number in range(12)]
    assert statuses == [401] * 11 + [429]
    answer = browser.sign_in("wrong")
    assert int(answer.headers["Retry-After"]) >= 1
    assert "Too many failed attempts" in Page(answer.body).text
    assert Browser(ledger.app).sign_in("wrong").status == 401
    assert browser.sign_in(token).status == 303


@pytest.mark.parametrize(
    "token", ["", "é" * 50, "x" * 5000, "'; drop table sessions; --", "\ud800"]
)
def test_tokens_that_are_none(ledger: TestLedger, token: str) -> None:
    ledger.token(Role.READ)
    body = token.encode("utf-8", "surrogatepass")
    answer = Browser(ledger.app).send("/login", {"token": body})
    assert answer.status == (400 if token == "\ud800" else 401)
    assert "Set-Cookie" not in answer.headers


def test_tokens_that_are_not_for_the_dashboard(ledger: TestLedger) -> None:
    for more in ({"system": SYSTEM}, {}):
        token = ledger.token(Role.WRITE if not more else Role.READ, **more)
        answer = Browser(ledger.app).sign_in(token)
        assert answer.status == 403
        assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    ("following", "location"),
    [
        ("/ui/jobs?kind=condor", "/ui/jobs?kind=condor"),
        ("//evil.example", "/"),
        ("https://evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/a\\b", "/"),
        ("javascript:alert(1)", "/"),
        ("/x\r\nSet-Cookie: a=b", "/"),
        ("", "/"),
    ],
)
def test_nobody_is_led_elsewhere(ledger: TestLedger, following: str, location: str) -> None:
    answer = Browser(ledger.app).sign_in(ledger.token(Role.READ), next=following)
    assert (answer.status, answer.headers["Location"]) == (303, location)


def test_forms_of_others_change_nothing(ledger: TestLedger) -> None:
    browser, other = signed_in(ledger, Role.ADMIN), signed_in(ledger, Role.ADMIN)
    word = word_of(other.page("/ui/jobs"))
    routes = [one for one in pages(ledger, "POST") if one.path not in ("/login", "/logout")]
    assert routes
    for route in routes:
        for form in ({}, {"word": ""}, {"word": word}, {"word": browser.cookie}):
            answer = browser.send(filled(route), form)
            assert (route.path, answer.status) == (route.path, 403)
            assert "not of your session" in Page(answer.body).text
        mine = {"word": word_of(browser.page("/ui/jobs"))}
        foreign = browser.send(filled(route), mine, HTTP_ORIGIN="https://evil.example")
        assert (route.path, foreign.status) == (route.path, 403)
        assert browser.send(filled(route), mine).status != 403
        as_json = call(ledger.app, "POST", filled(route), b"{}", CONTENT_TYPE="application/json",
                       HTTP_COOKIE=f"jexevents_session={browser.cookie}")  # fmt: skip
        assert as_json.status == 415


def test_acting_needs_the_role(ledger: TestLedger) -> None:
    reader = signed_in(ledger, Role.READ, Role.WRITE)
    word = word_of(reader.page("/ui/jobs"))
    for route in pages(ledger, "POST"):
        if route.role in (Role.RUN, Role.ADMIN):
            answer = reader.send(filled(route), {"word": word})
            assert answer.status == 403
            assert f"role {route.role.value}" in Page(answer.body).text
            assert Browser(ledger.app).send(filled(route)).status == 401


def test_a_token_does_for_a_session(ledger: TestLedger) -> None:
    fields = bearer(ledger.token(Role.ADMIN))
    browser = Browser(ledger.app, fields=fields)
    assert browser.get("/ui/jobs").status == 200
    assert browser.send(f"/ui/jobs/{UUID}/signal", {"event": "kill"}).status == 404


def test_the_cookie_opens_nothing_that_changes_anything(ledger: TestLedger) -> None:
    browser = signed_in(ledger, Role.ADMIN)
    assert browser.get("/ledger/jobs").status == 200
    for route in ledger.app.routes:
        assert route.page or route.safe or not route.takes_sessions
        if route.page is None and route.role is not None and not route.sessions:
            path = route.path
            for name in route.parameters:
                path = path.replace(f"<{name}>", UUID)
            answer = call(ledger.app, route.method, path,
                          HTTP_COOKIE=f"jexevents_session={browser.cookie}")  # fmt: skip
            assert (route.method, path, answer.status) == (route.method, path, 401)


def test_every_page_has_its_headers_and_nothing_inline(ledger: TestLedger) -> None:
    browser = signed_in(ledger, Role.ADMIN)
    answers = [browser.get(filled(one)) for one in pages(ledger, "GET")]
    answers += [browser.get("/ui/nothing"), Browser(ledger.app).get("/"), browser.send("/ui/jobs")]
    assert {answer.status for answer in answers} == {200, 404, 401, 405}
    for answer in answers:
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        if not answer.headers["Content-Type"].startswith("text/html"):
            continue
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert answer.headers["Content-Security-Policy"] == POLICY
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert answer.headers["Cache-Control"] == "no-store"
        for element in Page(answer.body).elements:
            assert element.name not in ("style", "iframe", "object", "base")
            assert not {name for name in element.attributes if name.startswith("on")}
            assert "style" not in element.attributes
            if element.name == "script":
                assert element.text == ""
            for name in ("src", "href", "action"):
                value = element.attributes.get(name, "/")
                assert (value.startswith("/") and not value.startswith("//")) or value in (
                    "", "#content")  # fmt: skip


def test_static_files(ledger: TestLedger) -> None:
    browser = Browser(ledger.app)
    page = browser.page("/login")
    (sheet,) = page.all("link", rel="stylesheet")
    answer = browser.get(sheet.attributes["href"])
    assert answer.headers["Content-Type"] == "text/css; charset=utf-8"
    assert "immutable" in answer.headers["Cache-Control"]
    again = browser.get("/ui/static/style.css", HTTP_IF_NONE_MATCH=answer.headers["ETag"])
    assert (again.status, again.body, again.headers["Cache-Control"]) == (304, b"", "no-cache")
    for name in ("..", "..%2fsite.py", "site.py", "nothing.css"):
        assert browser.get(f"/ui/static/{name}").status in (400, 404)


def test_errors_are_pages_for_pages_alone(ledger: TestLedger) -> None:
    browser = signed_in(ledger, Role.READ)
    for path in ("/ui/none", f"/ui/jobs/{UUID}", "/ui/jobs/nothing"):
        page = browser.page(path, status=404)
        assert "Not Found" in page.text
    assert "no such kind" in browser.page("/ui/jobs", "kind=<b>x", status=400).text
    assert browser.page("/ui/jobs", "none=1", status=400)
    for path in ("/nothing", "/ledger/nothing", "/uix"):
        assert_problem(browser.get(path), 404)
    assert_problem(browser.send("/ledger/jobs"), 405)
    assert Page(browser.send("/ui/jobs").body).text.startswith("Method Not Allowed")


def test_without_the_database_pages_say_so(postgres: str, database: str) -> None:
    with open_ledger(database) as ledger:
        browser = signed_in(ledger, Role.READ)
        ledger.database._dsn = "postgresql://127.0.0.1:1/none"
        ledger.database._drop_idle()
        answer = browser.get("/ui/jobs")
        assert answer.status == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert "Service Unavailable" in Page(answer.body).text
        assert "Set-Cookie" not in answer.headers
        # Nobody is told that his token is wrong while that is not known.
        assert browser.sign_in("wrong").status == 503
