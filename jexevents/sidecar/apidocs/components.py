"""What the operations of the OpenAPI document share: schemas, error answers, credentials. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from jexevents import smrthmac
from jexevents.model import NONCE
from jexevents.peers import HEADER as NODE_HEADER
from jexevents.sidecar import problems
from jexevents.sidecar.auth import COOKIE
from jexevents.sidecar.routes import JSON
from jexevents.validation import Schemas

_PROBLEM = "problem"
_UNFIT = re.compile("[^A-Za-z0-9._-]")
_AGAIN = {"Retry-After": {"description": "When to try again.", "schema": {"type": "string"}}}
_CHALLENGE = {
    "WWW-Authenticate": {"description": "How to say who asks.", "schema": {"type": "string"}}
}
_HEADERS = {401: _CHALLENGE, 429: _AGAIN, 503: _AGAIN}

SECURITY: Mapping[str, Mapping[str, str]] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "A token, made by `jexevents token make`. An operation names the role that "
        "it needs; admin includes all. Without a token, read and write are open as far as "
        "AnonymousRoles says, and on the same machine as long as there is no token at all.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE,
        "description": "The session of somebody who signed in to the dashboard. What changes "
        "anything takes a word out of the form beside it.",
    },
    "nonce": {
        "type": "apiKey",
        "in": "query",
        "name": NONCE,
        "description": "A nonce, made by `jexevents nonce`: it stands for a token in a URL.",
    },
    "jobToken": {
        "type": "apiKey",
        "in": "query",
        "name": "token",
        "description": "The token of one PipelineJob, beside a nonce or a token; the body may have "
        "it instead.",
    },
    "hmac": {
        "type": "apiKey",
        "in": "header",
        "name": smrthmac.HEADER,
        "description": "hmac UID:HASH, as the clients of SMRT Link sign their requests; it has the "
        "roles read and write.",
    },
    "node": {
        "type": "apiKey",
        "in": "header",
        "name": NODE_HEADER,
        "description": "The signature of another node, made with the NodeSecret that all share.",
    },
}


def key_of(name: str) -> str:
    """Give the key of a schema among the components, which takes no slash."""
    return _UNFIT.sub(".", name)


def reference(name: str) -> dict[str, str]:
    """Give what refers to a schema by its name."""
    return {"$ref": f"#/components/schemas/{key_of(name)}"}


def any_of(names: tuple[str, ...]) -> dict[str, Any]:
    """Give the schema of what has one of these schemas; anything, where there are none."""
    if len(names) == 1:
        return reference(names[0])
    return {"anyOf": [reference(name) for name in names]} if names else {}


def components(schemas: Schemas, statuses: set[int]) -> dict[str, Any]:
    """Give all of them; ``statuses`` are those of errors that any operation answers with."""
    return {
        "schemas": {key_of(name): _component(schemas, name) for name in schemas.names()},
        "responses": {str(status): _error(status) for status in sorted(statuses)},
        "securitySchemes": {name: dict(scheme) for name, scheme in SECURITY.items()},
    }


def problem_content() -> dict[str, Any]:
    """Give the content of every error answer."""
    return {problems.CONTENT_TYPE: {"schema": reference(_PROBLEM)}}


def json_content(names: tuple[str, ...]) -> dict[str, Any]:
    """Give the content of a JSON answer."""
    return {JSON: {"schema": any_of(names)}}


def _error(status: int) -> dict[str, Any]:
    told = {"description": HTTPStatus(status).phrase, "content": problem_content()}
    return told | ({"headers": _HEADERS[status]} if status in _HEADERS else {})


def _component(schemas: Schemas, name: str) -> Any:
    """Give a schema as a component: what it refers to within itself is found in the document."""
    document = schemas.document(name)
    for own in ("$schema", "$id"):
        document.pop(own, None)
    return _moved(document, reference(name)["$ref"])


def _moved(value: Any, place: str) -> Any:
    if isinstance(value, list):
        return [_moved(one, place) for one in value]
    # One with an id of its own refers to itself by that.
    if not isinstance(value, dict) or isinstance(value.get("$id"), str):
        return value
    return {
        name: place + one[1:] if _is_local(name, one) else _moved(one, place)
        for name, one in value.items()
    }


def _is_local(name: str, value: Any) -> bool:
    return name == "$ref" and isinstance(value, str) and (value == "#" or value.startswith("#/"))
