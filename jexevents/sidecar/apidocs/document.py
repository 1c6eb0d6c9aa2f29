"""The OpenAPI 3.1 document, made from the table of routes and the bundled schemas. Pure.

It says nothing that does not stand there, so that it cannot say anything else than what is so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from jexevents import __version__
from jexevents.sidecar.apidocs.components import (
    any_of,
    components,
    json_content,
    problem_content,
)
from jexevents.sidecar.apidocs.surfaces import heading_of
from jexevents.sidecar.parameters import PRINTABLE, Parameter
from jexevents.sidecar.resources import Resources
from jexevents.sidecar.routes import HTML_TYPE, Route, all_statuses
from jexevents.validation import Schemas

VERSION = "3.1.0"
_DESCRIPTION = """\
The ledger of jobs: every event of every job, once and only once; and jobs run from here.

A path with a slash at its end names the same resource. HEAD is answered wherever GET is, OPTIONS
everywhere. Every error is `application/problem+json` (RFC 9457).\
"""
_PARAMETER = re.compile(r"<([a-z_]+)(?::path)?>")
_WORDS = re.compile("[^A-Za-z0-9-]+")
_TEXT = {"schema": {"type": "string"}}
_WITHOUT_BODY = (204, 303, 304)
_PLACE = {"Location": {"description": "Where it is, or what comes next.", **_TEXT}}
_JSON = re.compile(r"^application/(?:json|.+\+json)$")
_BINARY = re.compile("application/(?:octet-stream|gzip|zip)")


def document(routes: Sequence[Route], schemas: Schemas, public_url: str = "") -> dict[str, Any]:
    """Give the document of a table of routes, which is to be found at ``public_url``."""
    paths: dict[str, dict[str, Any]] = {}
    answered = statuses_of(routes)
    for route in routes:
        path = _PARAMETER.sub(r"{\1}", route.path)
        told = operation(route, answered[route.method, route.path])
        paths.setdefault(path, {})[route.method.lower()] = told
    headings = {heading_of(route): None for route in routes}
    errors = {status for one in answered.values() for status in one if status >= 400}
    return {
        "openapi": VERSION,
        "info": {
            "title": "jexevents",
            "version": __version__,
            "summary": "The ledger of jobs.",
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": public_url.rstrip("/") or "/"}],
        "tags": [{"name": one.title, "description": one.summary} for one in headings],
        "paths": paths,
        "components": components(schemas, errors),
    }


def statuses_of(routes: Sequence[Route]) -> Mapping[tuple[str, str], Sequence[int]]:
    """Give all statuses of each route of a table, by its method and path.

    405 is one of those where what fits the path may be another one, that has not this method.
    """
    resources = Resources(routes)
    return {
        (route.method, route.path): sorted(
            {*all_statuses(route), *([405] if resources.has_rivals(route) else [])}
        )
        for route in routes
    }


def operation_id(route: Route) -> str:
    """Give the name of a route's operation, which is its anchor as well."""
    path = "root" if route.path == "/" else _WORDS.sub("_", route.path).strip("_")
    return f"{route.method.lower()}_{path}"


def operation(route: Route, statuses: Iterable[int]) -> dict[str, Any]:
    """Give what the document says of a route, which answers with these statuses."""
    told: dict[str, Any] = {
        "operationId": operation_id(route),
        "summary": route.summary,
        "tags": [heading_of(route).title],
        "security": _security(route),
        "parameters": _parameters(route),
        "responses": {str(status): _response(route, status) for status in statuses},
    }
    if route.bodies:
        told["requestBody"] = {
            "required": not route.bodiless,
            "content": {kind: _body(names) for kind, names in route.bodies.items()},
        }
    return told


def _security(route: Route) -> list[Mapping[str, list[str]]]:
    if route.node:
        return [{"node": []}]
    if route.role is None:
        return []
    ways: list[dict[str, list[str]]] = [{"bearer": [route.role.value]}]
    if route.systems:
        ways.append({"hmac": []})
    if route.takes_sessions:
        ways.append({"session": []})
    if route.nonces:
        ways.append({"nonce": []})
        ways += [{**way, "jobToken": []} for way in list(ways)]
    return ways


# --- what is sent


def _parameters(route: Route) -> list[dict[str, Any]]:
    told = [_parameter(one, "path") for one in route.in_path]
    told += [_parameter(one, "query") for one in route.in_query]
    told += [_parameter(one, "header") for one in route.headers]
    if route.others:
        told.append(_others())
    return told


def _parameter(parameter: Parameter, place: str) -> dict[str, Any]:
    told: dict[str, Any] = {"name": parameter.name, "in": place, "schema": dict(parameter.schema)}
    if place == "path":
        told["required"] = True
    if parameter.summary:
        told["description"] = parameter.summary
    return told


def _others() -> dict[str, Any]:
    """Give what stands for parameters of any name, as OpenAPI has it: the members of an object."""
    return {
        "name": "parameters",
        "in": "query",
        "description": "Parameters of any other name.",
        "style": "form",
        "explode": True,
        "schema": {
            "type": "object",
            "propertyNames": {"pattern": PRINTABLE},
            "additionalProperties": {"type": "string", "pattern": PRINTABLE},
        },
    }


def _body(schema: tuple[str, ...] | Mapping[str, Any]) -> dict[str, Any]:
    return {"schema": any_of(schema) if isinstance(schema, tuple) else dict(schema)}


# --- what is answered


def _response(route: Route, status: int) -> dict[str, Any]:
    if status >= 400 and route.page is not None:
        return {"description": HTTPStatus(status).phrase, "content": {HTML_TYPE: dict(_TEXT)}}
    if status >= 400 and status not in route.told:
        return {"$ref": f"#/components/responses/{status}"}
    told: dict[str, Any] = {"description": HTTPStatus(status).phrase}
    if content := _content(route, status):
        told["content"] = content
    if status in (201, 202, 303):
        told["headers"] = _PLACE
    return told


def _content(route: Route, status: int) -> dict[str, Any]:
    if status in _WITHOUT_BODY:
        return {}
    content = json_content(route.answers) if route.answers else {}
    content |= {kind: _produced(kind) for kind in route.produces}
    return content | (problem_content() if status in route.told else {})


def _produced(kind: str) -> dict[str, Any]:
    if _JSON.search(kind):
        return {"schema": {"type": "object"}}
    return {} if _BINARY.match(kind) else dict(_TEXT)
