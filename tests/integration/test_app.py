"""The app in-process: one shape for all errors, and nothing that gets past it."""

from __future__ import annotations

import gc
import json
from dataclasses import replace

import pytest
import structlog
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jexevents.errors import StoreUnavailable
from jexevents.model import Role
from jexevents.sidecar import health, metrics, streams
from jexevents.sidecar.app import build_app
from jexevents.sidecar.auth import Gate
from jexevents.sidecar.responses import Response
from jexevents.sidecar.routes import Route, all_statuses
from jexevents.sidecar.tokens import Tokens
from tests.integration.web import (
    CREDENTIALS,
    ERRORS,
    JOB,
    SCHEMAS,
    app,
    assert_problem,
    bearer,
    call,
    error_routes,
    gate,
    routes,
)

BODY = json.dumps(JOB).encode()
OPEN = app()
CLOSED = app(CREDENTIALS)
ROUTES = {f"{route.method} {route.path}": route for route in routes()}


def filled(route: Route) -> str:
    path = route.path
    for name in route.parameters:
        path = path.replace(f"<{name}>", "some").replace(f"<{name}:path>", "a/b")
    return path


@pytest.mark.parametrize("name", ERRORS)
def test_each_kind_of_error_has_its_status_and_the_one_shape(name):
    status, _ = ERRORS[name]
    answer = call(OPEN, "GET", f"/errors/{name}")
    document = assert_problem(answer, status)
    if status in (429, 503):
        assert int(answer.headers["Retry-After"]) > 0
    if name in ("malformed", "invalid", "conflict"):
        assert document["errors"] == [{"pointer": "/a", "expected": "one", "got": "other"}]


@pytest.mark.parametrize("path", ["/nan", "/wrong"])
def test_a_handler_that_answers_nonsense_is_a_500(path):
    assert_problem(call(OPEN, "GET", path), 500)


BAD_REQUESTS = {
    "unknown path": (404, "GET", "/nope", b"", {}),
    "root": (404, "GET", "/", b"", {}),
    "empty path": (404, "GET", "", b"", {}),
    "two slashes at the end": (404, "GET", "/healthz//", b"", {}),
    "two slashes at the start": (404, "GET", "//healthz", b"", {}),
    "wrong method": (405, "GET", "/jobs", b"", {}),
    "unknown method": (405, "BREW", "/jobs", b"", {}),
    "wrong method with HEAD": (405, "HEAD", "/jobs", b"", {}),
    "dots": (400, "GET", "/jobs/..", b"", {}),
    "dot": (400, "GET", "/./healthz", b"", {}),
    "NUL": (400, "GET", "/jobs/a\x00", b"", {}),
    "line feed": (400, "GET", "/jobs/a\n", b"", {}),
    "path not UTF-8": (400, "GET", "/jobs/\xff", b"", {}),
    "path beyond latin-1": (404, "GET", "/n\u20ac", b"", {}),
    "bad escape": (400, "GET", "/jobs/%zz", b"", {"REQUEST_URI": "/jobs/%zz"}),
    "query not UTF-8": (400, "GET", "/search", b"", {"query": "name=%ff"}),
    "query bad escape": (400, "GET", "/search", b"", {"query": "name=%f"}),
    "query NUL": (400, "GET", "/search", b"", {"query": "name=%00"}),
    "query unknown": (400, "GET", "/search", b"", {"query": "colour=red"}),
    "query twice": (400, "GET", "/search", b"", {"query": "name=a&name=b"}),
    "query on a route without": (400, "GET", "/healthz", b"", {"query": "a"}),
    "query of many": (400, "GET", "/search", b"", {"query": "&".join(map(str, range(200)))}),
    "no body": (400, "POST", "/jobs", b"", {}),
    "blank body": (400, "POST", "/jobs", b" \n", {}),
    "no JSON": (400, "POST", "/jobs", b"{", {}),
    "scalar": (422, "POST", "/jobs", b"17", {}),
    "missing members": (422, "POST", "/jobs", b"{}", {}),
    "form": (415, "POST", "/jobs", b"a=b", {"CONTENT_TYPE": "application/x-www-form-urlencoded"}),
    "text": (415, "POST", "/jobs", b"17", {"CONTENT_TYPE": "text/plain"}),
    "odd type": (415, "POST", "/jobs", b"17", {"CONTENT_TYPE": "\xff;;;"}),
    "gzip": (415, "POST", "/jobs", BODY, {"HTTP_CONTENT_ENCODING": "gzip"}),
    "too large": (413, "POST", "/jobs", b"{" + b" " * 1000, {}),
    "too large as declared": (413, "POST", "/jobs", b"", {"CONTENT_LENGTH": "1001"}),
    "too large for this route": (413, "POST", "/agave/t", b"x" * 11, {}),
    "length no number": (400, "POST", "/jobs", b"{}", {"CONTENT_LENGTH": "ten"}),
    "length below zero": (400, "POST", "/jobs", b"{}", {"CONTENT_LENGTH": "-1"}),
    "length of other digits": (400, "POST", "/jobs", b"{}", {"CONTENT_LENGTH": "\xb2"}),
    "foreign origin": (403, "POST", "/jobs", BODY, {"HTTP_ORIGIN": "https://evil.example"}),
    "unknown host": (403, "GET", "/jobs/x", b"", {"HTTP_HOST": "evil.example"}),
    "needs a token": (401, "DELETE", "/jobs/x", b"", {}),
}


@pytest.mark.parametrize("name", BAD_REQUESTS)
def test_bad_requests_are_problems(name):
    status, method, path, body, options = BAD_REQUESTS[name]
    answer = call(OPEN, method, path, body, **options)
    if method == "HEAD":
        assert (answer.status, answer.body) == (status, b"")
        return
    document = assert_problem(answer, status)
    if status == 401:
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    if status == 405:
        assert answer.headers["Allow"]
    if status in (400, 413, 415, 422):
        assert document["errors"]


@pytest.mark.parametrize("route", ROUTES.values(), ids=list(ROUTES))
def test_every_route_answers_errors_in_the_one_shape(route):
    path = filled(route)
    assert_problem(call(OPEN, "BREW", path), 405)
    if not route.others:
        token = bearer("admin")
        assert_problem(call(CLOSED, route.method, path, query="unknown=1", **token), 400)
    if not route.safe:
        encoded = {"HTTP_CONTENT_ENCODING": "br", **bearer("admin")}
        assert_problem(call(CLOSED, route.method, path, **encoded), 415)
    large = {"CONTENT_LENGTH": "10000", **bearer("admin")}
    assert_problem(call(CLOSED, route.method, path, **large), 413)


@pytest.mark.parametrize("route", ROUTES.values(), ids=list(ROUTES))
def test_every_route_is_the_same_with_a_slash_at_its_end_and_tells_its_methods(route):
    token = bearer("admin")
    body = BODY if route.request else b""
    plain = call(CLOSED, route.method, filled(route), body, **token)
    slashed = call(CLOSED, route.method, filled(route) + "/", body, **token)
    assert plain.status == slashed.status
    assert plain.status in all_statuses(route)
    options = call(CLOSED, "OPTIONS", filled(route))
    assert options.status == 204
    assert route.method in options.headers["Allow"].split(", ")
    if route.method == "GET":
        head = call(CLOSED, "HEAD", filled(route), **token)
        assert (head.status, head.body) == (plain.status, b"")
        assert head.headers.get("Content-Type") == plain.headers.get("Content-Type")
        assert "HEAD" in options.headers["Allow"]


CALLERS = {
    "nobody, local": ({}, None),
    "nobody, remote": ({"REMOTE_ADDR": "192.0.2.1"}, None),
    "nobody, proxied": ({"HTTP_X_FORWARDED_FOR": "127.0.0.1"}, None),
    "unknown token": (bearer("guess"), None),
    "expired token": (bearer("expired"), None),
    "basic": ({"HTTP_AUTHORIZATION": "Basic YTpi"}, None),
    "no token": ({"HTTP_AUTHORIZATION": "Bearer"}, None),
    "two tokens": ({"HTTP_AUTHORIZATION": "Bearer admin, Bearer admin"}, None),
    "empty": ({"HTTP_AUTHORIZATION": ""}, None),
    **{role.value: (bearer(role.value), {role}) for role in Role},
    "admin from afar": ({**bearer("admin"), "REMOTE_ADDR": "192.0.2.1"}, {Role.ADMIN}),
    "admin under any name": ({**bearer("admin"), "HTTP_HOST": "other.example"}, {Role.ADMIN}),
    "both": (bearer("both"), {Role.READ, Role.WRITE}),
}


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("route", ROUTES.values(), ids=list(ROUTES))
def test_every_route_by_every_caller(route, caller):
    environ, roles = CALLERS[caller]
    body = BODY if route.request else b""
    answer = call(CLOSED, route.method, filled(route), body, **environ)
    if route.role is None and caller == "admin under any name" and not route.any_host:
        assert_problem(answer, 403)  # nobody looks at the token there
    elif route.role is None or (roles or set()) & {route.role, Role.ADMIN}:
        assert answer.status in route.statuses
    elif roles is None:
        assert_problem(answer, 401)
        assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="jexevents"')
    else:
        assert route.role.value in assert_problem(answer, 403)["detail"]


@pytest.mark.parametrize("route", ROUTES.values(), ids=list(ROUTES))
def test_without_any_token_read_and_write_are_open_to_this_machine_only(route):
    body = BODY if route.request else b""
    local = call(OPEN, route.method, filled(route), body)
    remote = call(OPEN, route.method, filled(route), body, REMOTE_ADDR="192.0.2.1")
    opened = route.role in (None, Role.READ, Role.WRITE)
    assert (local.status != 401) == opened
    assert (remote.status != 401) == (route.role is None)


def test_json_is_read_whatever_the_content_type_says():
    for content_type in ("application/x-www-form-urlencoded", "text/plain", "", "application/json"):
        for start in (b"", b"\n ", b"\xef\xbb\xbf"):
            answer = call(OPEN, "POST", "/jobs", start + BODY, CONTENT_TYPE=content_type)
            assert answer.status == 201
            assert SCHEMAS.check("job_record", answer.json()) == []


def test_path_and_query_come_decoded():
    answer = call(OPEN, "GET", "/jobs/é€".encode().decode("latin-1")).json()
    assert answer["parameters"] == {"uuid": "é€"}
    answer = call(OPEN, "GET", "/search", query="name=a+b%20%C3%A9&limit=").json()
    assert answer["query"] == {"name": "a b é", "limit": ""}
    answer = call(CLOSED, "PUT", "/any/a/b/c%2f", query="x=1&y", **bearer("admin")).json()
    assert answer["parameters"] == {"x": "a", "rest": "b/c%2f"}
    assert answer["query"] == {"x": "1", "y": ""}


def test_a_body_without_a_declared_length_is_read_to_its_end_and_bounded():
    small = {"CONTENT_LENGTH": "", "wsgi.input_terminated": True}
    assert call(OPEN, "POST", "/jobs", BODY, **small).status == 201
    assert_problem(call(OPEN, "POST", "/jobs", b"{" + b" " * 1000, **small), 413)


def test_options_of_the_whole_server():
    assert call(OPEN, "OPTIONS", "*").status == 204


def test_health_is_public_under_any_name_and_readiness_tells_each_check():
    afar = {"REMOTE_ADDR": "192.0.2.1", "HTTP_HOST": "jex.example"}
    assert call(CLOSED, "GET", "/healthz", **afar).json() == {"status": "ok"}
    answer = call(CLOSED, "GET", "/readyz", **afar)
    assert answer.json()["checks"]["batch"] == {"ok": True, "detail": "late", "seconds": 1.25}
    assert SCHEMAS.check("readiness", answer.json()) == []


def test_readiness_is_503_while_a_check_fails_or_cannot_be_made():
    away = build_app(health.routes(lambda: {"database": health.Check(False, "away")}), gate())
    answer = call(away, "GET", "/readyz")
    assert answer.status == 503
    assert answer.headers["Retry-After"]
    assert answer.json()["status"] == "unready"

    def fails():
        raise StoreUnavailable

    assert_problem(call(build_app(health.routes(fails), gate()), "GET", "/readyz"), 503)


def test_a_surface_adds_error_members_of_its_own():
    (route,) = [one for one in error_routes() if one.path == "/errors/conflict"]
    fields = {"method": route.method, "path": route.path, "role": route.role, "summary": "s"}
    own = Route(
        **fields,
        handler=route.handler,
        error_members=lambda problem: {"message": problem.message, "status": "error"},
    )
    document = assert_problem(call(build_app([own], gate()), "GET", route.path), 409)
    assert document["message"] == document["detail"]
    assert document["status"] == 409


def test_long_answers_are_limited_and_give_their_place_back():
    def follow(request):
        started.append(request.id)
        return Response(200, pieces(), content_type="text/plain")

    def pieces():
        assert_problem(call(only, "GET", "/follow"), 503)
        yield b"a"

    started: list[str] = []
    route = Route(
        method="GET", path="/follow", role=None, handler=follow, summary="s", streams=True
    )
    only = build_app([route], gate(), stream_limit=1)
    for _ in range(3):
        assert call(only, "GET", "/follow").body == b"a"
        assert call(only, "HEAD", "/follow").body == b""
    assert len(started) == 6


def test_an_answer_is_long_by_what_is_asked_or_by_what_its_handler_says():
    def handler(request):
        if "size" in request.query:
            request.place.take()
            request.place.take()
        return Response(200, pieces(request))

    def pieces(request):
        for query in ("wait=1", "size=1"):
            asked = call(only, "GET", "/x", query=query)
            assert asked.status == 503
        yield b"a"

    def waits(request):
        return "wait" in request.query

    route = Route(method="GET", path="/x", role=None, handler=handler, summary="s",
                  query=("wait", "size"), streams=waits)  # fmt: skip
    only = build_app([route], gate(), stream_limit=1)
    assert 503 in all_statuses(route)
    for query in ("wait=1", "size=1", "wait=1&size=1") * 2:
        assert call(only, "GET", "/x", query=query).body == b"a"
    short = build_app([replace(route, handler=lambda request: Response(200, b"s"))], gate(),
                      stream_limit=0)  # fmt: skip
    assert call(short, "GET", "/x").status == 200
    assert call(short, "GET", "/x", query="wait=1").status == 503


def test_a_handler_that_waits_aside_keeps_nobody_from_the_database():
    def wait(request):
        with request.aside():
            assert call(only, "GET", "/short").status == 200
        assert call(only, "GET", "/short").status == 503
        return {}

    names = {"/wait": wait, "/short": lambda request: {}}
    routes = [
        Route(method="GET", path=path, role=Role.READ, handler=handler, summary="s")
        for path, handler in names.items()
    ]
    only = build_app(routes, gate(), slots=1)
    assert call(only, "GET", "/wait").status == 200


@pytest.mark.parametrize(
    "handler",
    [
        lambda request: Response(200, iter(())),
        lambda request: Response(200, b"bytes"),
        lambda request: Response(200, (1 / 0 for _ in "x")),
        lambda request: 1 / 0,
        lambda request: None,
    ],
)
def test_a_long_answer_that_ends_early_gives_its_place_back(handler):
    route = Route(method="GET", path="/f", role=None, handler=handler, summary="s", streams=True)
    only = build_app([route], gate(), stream_limit=1)
    statuses = {call(only, "GET", "/f").status for _ in range(3)}
    gc.collect()
    assert statuses <= {200, 204, 500}


@pytest.mark.parametrize("fate", ["revoked", "away", "in force"])
def test_who_is_let_in_no_more_gets_no_more_of_a_long_answer(monkeypatch, fate):
    def load():
        if fate == "away":
            raise StoreUnavailable("PostgreSQL is away.")
        return known

    def pieces(request):
        yield b"a"
        if fate == "revoked":
            known.clear()
        yield b"out" if request.unwanted() else b"in"

    monkeypatch.setattr(streams, "ADMISSION_SECONDS", 0)
    known, fate_at_last = list(CREDENTIALS), fate
    fate = "in force"
    tokens = Tokens(load, cache_seconds=0, ask_again_seconds=0)
    assert tokens.any_exist()
    fate = fate_at_last
    route = Route(method="GET", path="/f", role=Role.READ, summary="s", streams=True,
                  handler=lambda request: Response(200, pieces(request)))  # fmt: skip
    answer = call(build_app([route], Gate(tokens)), "GET", "/f", **bearer("read"))
    assert answer.body == (b"aout" if fate == "revoked" else b"ain")


def test_a_long_answer_that_fails_at_its_first_piece_is_logged_and_a_problem():
    route = Route(
        method="GET",
        path="/f",
        role=None,
        handler=lambda request: Response(200, (1 / 0 for _ in "x")),
        summary="s",
    )
    with structlog.testing.capture_logs() as lines:
        answer = call(build_app([route], gate()), "GET", "/f")
    assert_problem(answer, 500)
    assert lines[0]["event"] == "http_failed"
    assert lines[0]["request_id"] == answer.headers["X-Request-Id"]


def test_an_encoded_body_is_refused_before_the_handler_sees_it():
    route = Route(method="POST", path="/f", role=None, handler=lambda request: {}, summary="s")
    only = build_app([route], gate())
    assert_problem(call(only, "POST", "/f", b"x", HTTP_CONTENT_ENCODING="gzip"), 415)
    assert call(only, "POST", "/f", b"x", HTTP_CONTENT_ENCODING="Identity").status == 200


def test_one_line_a_request_with_secrets_masked():
    with structlog.testing.capture_logs() as lines:
        call(OPEN, "POST", "/agave/s3cret", b"", query="x-nonce=s3cret", HTTP_HOST="x")
        call(OPEN, "GET", "/agave/s3cret")
        call(CLOSED, "PUT", "/any/a/b", query="Token=s3cret&a=1&x=2", **bearer("admin"))
        call(OPEN, "GET", "/errors/bug")
    requests = [line for line in lines if line["event"] == "http_request"]
    assert [line["status"] for line in requests] == [400, 405, 200, 500]
    assert requests[0]["path"] == requests[1]["path"] == "/agave/***"
    assert requests[2]["query"] == "Token=***&a=1&x=2"
    assert requests[2]["caller"] == "admin"
    assert [line["log_level"] for line in requests] == ["info", "info", "debug", "warning"]
    assert "s3cret" not in repr(lines)
    (failure,) = [line for line in lines if line["event"] == "http_failed"]
    assert failure["request_id"] == requests[3]["request_id"]


def test_two_routes_for_the_same_requests_are_refused():
    one = Route(method="GET", path="/a/<x>", role=None, handler=dict, summary="s")
    two = Route(method="GET", path="/a/<y>", role=None, handler=dict, summary="s")
    with pytest.raises(ValueError, match="twice"):
        build_app([one, two], gate())


@pytest.mark.parametrize("path", ["", "a", "/a/", "//", "/a b", "/<A>", "/<a", "/a/<x:int>"])
def test_a_route_has_a_path_of_the_one_style(path):
    with pytest.raises(ValueError, match="path"):
        Route(method="GET", path=path, role=None, handler=dict, summary="s")


LATIN = st.text(st.characters(max_codepoint=255), max_size=40)
PATHS = st.lists(
    st.sampled_from(["/", "jobs", "healthz", "any", "follow", "errors/bug", "..", "%00", "%", "é"])
    | LATIN,
    max_size=6,
).map("".join)
FIELDS = st.dictionaries(
    st.sampled_from([
        "HTTP_HOST", "HTTP_ORIGIN", "HTTP_AUTHORIZATION", "HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED",
        "CONTENT_TYPE", "CONTENT_LENGTH", "HTTP_CONTENT_ENCODING", "REQUEST_URI", "REMOTE_ADDR",
        "HTTP_X_HTTP_METHOD_OVERRIDE", "HTTP_RANGE", "HTTP_IF_NONE_MATCH",
    ]),
    LATIN | st.sampled_from(["Bearer admin", "Bearer read", "[::1", "http://[", "::1"]),
)  # fmt: skip


@settings(max_examples=600, deadline=None)
@example("GET", "hidden", "", b"", {}, False)
@given(
    method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "ANY", "\xff"]),
    path=PATHS,
    query=LATIN,
    body=st.binary(max_size=200) | st.just(BODY),
    fields=FIELDS,
    tokens=st.booleans(),
)  # fmt: skip
def test_no_request_whatever_gets_a_500_or_html(method, path, query, body, fields, tokens):
    answer = call(CLOSED if tokens else OPEN, method, path, body, query, **fields)
    meant = path.strip("/").startswith("errors/") or path.strip("/") in ("nan", "wrong")
    assert answer.status < 500 or meant
    assert "html" not in answer.headers.get("Content-Type", "")
    if answer.status >= 400 and method != "HEAD":
        assert_problem(answer, answer.status, sent=f"{path} {query} {method} {fields}")


def test_what_asks_no_database_is_served_while_all_slots_are_held():
    shown = metrics.routes(lambda accept: (accept.encode(), "text/plain"))
    served = build_app([*shown, *error_routes()], gate(CREDENTIALS), slots=0)
    assert_problem(call(served, "GET", "/errors/conflict", **bearer("read")), 503)
    assert call(served, "GET", "/metrics", HTTP_ACCEPT="x/y", **bearer("read")).body == b"x/y"
    assert_problem(call(served, "GET", "/metrics", **bearer("write")), 403)
    assert_problem(call(served, "GET", "/metrics"), 401)
