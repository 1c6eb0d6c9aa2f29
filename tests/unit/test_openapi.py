"""The OpenAPI document is whole, valid, of one mind with the table; the page does nothing."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest
from openapi_spec_validator import validate

from jexevents.model import Role
from jexevents.sidecar import health
from jexevents.sidecar.apidocs import surfaces
from jexevents.sidecar.apidocs.document import document, operation, operation_id
from jexevents.sidecar.apidocs.members import bounds_of, kind_of, members
from jexevents.sidecar.apidocs.page import page
from jexevents.sidecar.apidocs.surface import POLICY, ApiDocs
from jexevents.sidecar.app import build_app
from jexevents.sidecar.parameters import whole
from jexevents.sidecar.routes import Route, all_statuses
from jexevents.validation import SCHEMAS
from tests.docs.test_coverage import PAGES
from tests.docs.test_coverage import ROUTES as INTERFACE
from tests.integration.web import call, gate

ROUTES = [*INTERFACE, *PAGES]
DOCUMENT = document(ROUTES, SCHEMAS)
PAGE = page(ROUTES, SCHEMAS)
WITH_RIVALS = (
    "/jobs/<job>",
    "/jobs/<job>/<execution>",
    "/jobs/<job>/<execution>/<event>",
    "/pipelinejobs/<uuid>",
    "/ui/definitions/<job>/<execution>",
)
HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>'


def operations() -> dict[tuple[str, str], dict]:
    return {
        (method.upper(), path): told
        for path, methods in DOCUMENT["paths"].items()
        for method, told in methods.items()
    }


def test_it_is_valid() -> None:
    validate(json.loads(json.dumps(DOCUMENT)))


def test_every_route_is_in_it_and_nothing_else() -> None:
    table = {(one.method, re.sub(r"<(\w+)>", r"{\1}", one.path)) for one in ROUTES}
    assert set(operations()) == table
    assert len({told["operationId"] for told in operations().values()}) == len(ROUTES)


@pytest.mark.parametrize("route", ROUTES, ids=operation_id)
def test_a_route_is_told_as_it_is(route: Route) -> None:
    told = operations()[route.method, re.sub(r"<(\w+)>", r"{\1}", route.path)]
    statuses = {int(status) for status in told["responses"]}
    assert statuses - {405} == set(all_statuses(route))
    assert (405 in statuses) == (route.path in WITH_RIVALS)
    found = {(one["in"], one["name"]) for one in told["parameters"]}
    assert {name for place, name in found if place == "path"} == set(route.parameters)
    assert {name for place, name in found if place == "query"} >= {
        one.name for one in route.in_query
    }
    names = [name for way in told["security"] for name in way]
    if route.role is None:
        assert names == (["node"] if route.node else [])
    else:
        assert {"bearer": [route.role.value]} in told["security"]
    assert ("nonce" in names) == route.nonces
    assert ("hmac" in names) == route.systems
    assert ("session" in names) == (route.takes_sessions and route.role is not None)
    assert (surfaces.heading_of(route) is surfaces.DASHBOARD) == (route in PAGES)


def test_references_lead_somewhere() -> None:
    found = set(re.findall(r'"\$ref": "#/([^"]*)"', json.dumps(DOCUMENT)))
    assert len(found) > 50
    for place in found:
        at = DOCUMENT
        for step in place.split("/"):
            at = at[step]


def test_an_error_is_a_problem() -> None:
    pages = {operation_id(route) for route in PAGES}
    for told in operations().values():
        for status, response in told["responses"].items():
            if "$ref" in response:
                assert response["$ref"] == f"#/components/responses/{status}"
            elif status[0] in "45" and told["operationId"] in pages:
                assert set(response["content"]) == {"text/html"}
            elif status[0] in "45":
                assert "application/problem+json" in response["content"]
    responses = DOCUMENT["components"]["responses"]
    assert {content for one in responses.values() for content in one["content"]} == {
        "application/problem+json"
    }


def test_schemas_of_a_site_refer_within_themselves() -> None:
    own = json.dumps({
        "$id": "urn:x",
        "definitions": {"a/b": {"type": "string"}},
        "properties": {"a": {"$ref": "#/definitions/a~1b"}, "self": {"$ref": "#"}, "$ref": {}},
    })  # fmt: skip
    inner = {"$id": "urn:y", "type": "object", "properties": {"b": {"$ref": "#"}}}
    more = SCHEMAS.extended(
        {"own.1": own, "inner.1": json.dumps({"properties": {"a": inner}})}, "smrtlink"
    )
    found = document(ROUTES, more)["components"]["schemas"]
    assert found["smrtlink.own.1"]["properties"] == {
        "a": {"$ref": "#/components/schemas/smrtlink.own.1/definitions/a~1b"},
        "self": {"$ref": "#/components/schemas/smrtlink.own.1"},
        "$ref": {},
    }
    assert found["smrtlink.inner.1"] == {"properties": {"a": inner}}
    validate(json.loads(json.dumps(document(ROUTES, more))))


def test_where_it_is_served() -> None:
    app = build_app(ApiDocs(ROUTES, SCHEMAS, "https://jex.example.org/").routes(), gate())
    answer = call(app, "GET", "/openapi.json")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json()["servers"] == [{"url": "https://jex.example.org"}]
    shown = call(app, "GET", "/docs/")
    assert shown.headers["Content-Type"] == "text/html; charset=utf-8"
    assert shown.headers["Content-Security-Policy"] == POLICY
    assert "unsafe" not in POLICY
    style = call(app, "GET", "/docs/docs.css")
    assert style.headers["Content-Type"] == "text/css; charset=utf-8"
    assert b"url(" not in style.body
    assert b"@import" not in style.body


class Reader(HTMLParser):
    """Reads the page as a browser would: what is open, which ids and links there are."""

    VOID = ("meta", "link", "br", "img")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        found = dict(attrs)
        self.ids += [found["id"]] if "id" in found else []
        self.links += [found["href"]] if "href" in found else []
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_loads_nothing_from_elsewhere() -> None:
    read = Reader(PAGE)
    assert read.open == []
    assert len(set(read.ids)) == len(read.ids)
    assert {operation_id(route) for route in ROUTES} < set(read.ids)
    assert not {"script", "img", "iframe", "style", "object"} & read.tags
    assert not {name for name in read.attributes if name.startswith("on") or name == "style"}
    for link in read.links:
        assert link.startswith(("/", "#"))
        assert not link.startswith("#") or link[1:] in read.ids, link


def test_what_others_wrote_is_shown_and_does_nothing() -> None:
    own = {"title": HOSTILE, "description": HOSTILE,
           "properties": {HOSTILE: {"description": HOSTILE, "enum": [HOSTILE]}}}  # fmt: skip
    more = SCHEMAS.extended({f"{HOSTILE}.1": json.dumps(own)}, "smrtlink")
    route = Route(method="GET", path="/jobs/x", role=Role.READ, handler=lambda _: None,
                  summary=HOSTILE, query=(whole("n", HOSTILE),))  # fmt: skip
    read = Reader(page([route], more))
    assert not {"script", "img"} & read.tags
    assert read.open == []


def test_members_of_a_schema() -> None:
    schema = {
        "type": "object",
        "required": ["a"],
        "properties": {
            "a": {"type": ["integer", "null"], "minimum": 1, "description": "An a."},
            "list": {
                "type": "array",
                "items": {"type": "object", "properties": {"b": {"enum": ["x", None]}}},
            },
        },
    }
    assert [(one.name, one.kind, one.required) for one in members(schema)] == [
        ("a", "integer or null", True),
        ("list", "array of object", False),
        ("list[].b", "x | null", False),
    ]
    assert members(schema)[0].bounds == "1 or more"
    assert kind_of({}) == "anything"
    assert kind_of(True) == "anything"
    assert bounds_of({"default": 0}) == "0 where it is missing"


def test_statuses_that_have_an_answer_though_they_are_no_success() -> None:
    (route,) = [one for one in health.routes(dict) if one.path == "/readyz"]
    content = operation(route, all_statuses(route))["responses"]["503"]["content"]
    assert set(content) == {"application/json", "application/problem+json"}
