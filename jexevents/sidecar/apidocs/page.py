"""The OpenAPI document as a page to read, in HTML that needs no script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from http import HTTPStatus
from typing import Any

import jinja2

from jexevents import __version__
from jexevents.sidecar.apidocs.components import SECURITY, key_of
from jexevents.sidecar.apidocs.document import operation, operation_id, statuses_of
from jexevents.sidecar.apidocs.members import bounds_of, kind_of, members
from jexevents.sidecar.apidocs.surfaces import Heading, heading_of
from jexevents.sidecar.routes import Route
from jexevents.validation import Schemas


def page(routes: Sequence[Route], schemas: Schemas) -> str:
    """Give the page: every route under its surface, then every schema."""
    return _template().render(
        version=__version__,
        surfaces=[
            _surface(heading, rows, statuses_of(routes))
            for heading, rows in _grouped(routes).items()
        ],
        schemas=[_schema(schemas, name) for name in schemas.names()],
        security=SECURITY,
    )


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("jexevents.sidecar.apidocs"),
        # Whatever a site's own schemas say, it is shown and does nothing.
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("docs.html")


def _grouped(routes: Sequence[Route]) -> Mapping[Heading, list[Route]]:
    found: dict[Heading, list[Route]] = {}
    for route in routes:
        found.setdefault(heading_of(route), []).append(route)
    return found


def _surface(
    heading: Heading, routes: Sequence[Route], statuses: Mapping[tuple[str, str], Sequence[int]]
) -> dict[str, Any]:
    return {
        "id": key_of(heading.title.lower()),
        "title": heading.title,
        "summary": heading.summary,
        "routes": [_route(route, statuses[route.method, route.path]) for route in routes],
    }


def _route(route: Route, statuses: Sequence[int]) -> dict[str, Any]:
    told = operation(route, statuses)
    return {
        "id": operation_id(route),
        "method": route.method,
        "path": route.path,
        "summary": route.summary,
        "security": [" and ".join(_way(way)) for way in told["security"]],
        "parameters": [_parameter(one) for one in told["parameters"]],
        "bodies": [_content(kind, one) for kind, one in _content_of(told.get("requestBody"))],
        "bodiless": route.bodiless,
        "answers": [_content(kind, one) for kind, one in _answers(told["responses"])],
        "statuses": [(status, HTTPStatus(status).phrase) for status in statuses],
    }


def _way(way: Mapping[str, Sequence[str]]) -> list[str]:
    return [f"{name} ({', '.join(roles)})" if roles else name for name, roles in way.items()]


def _parameter(told: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": told["name"],
        "place": told["in"],
        "kind": kind_of(told["schema"]),
        "bounds": bounds_of(told["schema"]),
        "description": told.get("description", ""),
    }


def _answers(responses: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Give the contents of the answers that are no errors, each once."""
    found = {
        kind: one
        for response in responses.values()
        for kind, one in response.get("content", {}).items()
    }
    return list(found.items())


def _content_of(body: Mapping[str, Any] | None) -> list[tuple[str, Mapping[str, Any]]]:
    return [] if body is None else list(body["content"].items())


def _content(kind: str, content: Mapping[str, Any]) -> dict[str, Any]:
    schema = content.get("schema", {})
    named = [one["$ref"].rpartition("/")[2] for one in [schema, *schema.get("anyOf", ())]
             if "$ref" in one]  # fmt: skip
    return {"kind": kind, "schemas": named, "inline": "" if named else kind_of(schema)}


def _schema(schemas: Schemas, name: str) -> dict[str, Any]:
    document = schemas.document(name)
    return {
        "key": key_of(name),
        "name": name,
        "description": document.get("description", ""),
        "kind": kind_of(document),
        "members": members(document),
    }
