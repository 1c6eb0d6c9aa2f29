"""A path takes the methods of the most particular path that it fits, and no others."""

from __future__ import annotations

import pytest

from jexevents.model import Role
from jexevents.sidecar.app import build_app
from jexevents.sidecar.resources import Resources
from jexevents.sidecar.routes import Route
from tests.docs.test_coverage import PAGES, ROUTES
from tests.integration.web import CREDENTIALS, assert_problem, bearer, call, gate


def route(method: str, path: str) -> Route:
    return Route(method=method, path=path, role=Role.READ, summary="Do.",
                 handler=lambda request: {"route": request.route.path})  # fmt: skip


TABLE = [
    route("GET", "/jobs/-"),
    route("POST", "/jobs/-/refresh"),
    route("GET", "/jobs/<job>/schedule"),
    route("GET", "/jobs/<job>"),
    route("PUT", "/jobs/<job>"),
    route("GET", "/jobs/<job>/<execution>"),
    route("PUT", "/jobs/<job>/<execution>"),
    route("GET", "/files/<rest:path>"),
    route("POST", "/files/new"),
]
APP = build_app(TABLE, gate(CREDENTIALS))


@pytest.mark.parametrize(
    ("method", "path", "taken"),
    [
        ("GET", "/jobs/-", "/jobs/-"),
        ("GET", "/jobs/a", "/jobs/<job>"),
        ("PUT", "/jobs/a", "/jobs/<job>"),
        ("GET", "/jobs/a/schedule", "/jobs/<job>/schedule"),
        ("GET", "/jobs/a/1", "/jobs/<job>/<execution>"),
        ("PUT", "/jobs/schedule/1", "/jobs/<job>/<execution>"),
        ("POST", "/files/new", "/files/new"),
        ("GET", "/files/new/er", "/files/<rest:path>"),
    ],
)
def test_what_is_taken(method: str, path: str, taken: str) -> None:
    answer = call(APP, method, path, **bearer("read"))
    assert (answer.status, answer.json()) == (200, {"route": taken})


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/jobs/-", "GET, HEAD, OPTIONS"),
        ("PUT", "/jobs/-/refresh", "OPTIONS, POST"),
        ("GET", "/jobs/-/refresh", "OPTIONS, POST"),
        ("PUT", "/jobs/a/schedule", "GET, HEAD, OPTIONS"),
        ("PUT", "/jobs/a/schedule/", "GET, HEAD, OPTIONS"),
        ("DELETE", "/jobs/a/1", "GET, HEAD, OPTIONS, PUT"),
        ("GET", "/files/new", "OPTIONS, POST"),
    ],
)
def test_what_is_not_taken(method: str, path: str, allow: str) -> None:
    answer = call(APP, method, path, **bearer("admin"))
    assert_problem(answer, 405)
    assert answer.headers["Allow"] == allow
    options = call(APP, "OPTIONS", path)
    assert (options.status, options.headers["Allow"]) == (204, allow)


def test_few_of_our_paths_have_others_within_them() -> None:
    rivals = Resources([*ROUTES, *PAGES])._rivals
    assert {path for path, found in rivals.items() if found} == {
        "/jobs/<job>",
        "/jobs/<job>/<execution>",
        "/jobs/<job>/<execution>/<event>",
        "/pipelinejobs/<uuid>",
        "/ui/definitions/<job>/<execution>",
    }
