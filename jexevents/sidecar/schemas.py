"""The bundled JSON Schemas over HTTP, by the name of a schema and by that of its file."""

from __future__ import annotations

from typing import Any

from jexevents.sidecar.problems import not_found
from jexevents.sidecar.requests import Request
from jexevents.sidecar.responses import Response
from jexevents.sidecar.routes import Route
from jexevents.validation import Schemas

_CONTENT_TYPE = "application/schema+json"


def routes(schemas: Schemas) -> list[Route]:
    """Give the table of the surface; all of it is public."""

    def listed(_request: Request) -> dict[str, Any]:
        files = sorted(schemas.files.items(), key=lambda pair: pair[1])
        return {"items": [_entry(schemas, file, name) for file, name in files], "next": None}

    def one(request: Request) -> Response:
        return given(request.parameters["name"])

    def of_type(request: Request) -> Response:
        return given(f"smrtlink/{request.parameters['name']}")

    def given(asked: str) -> Response:
        name = schemas.files.get(asked, asked)
        if name not in schemas.names():
            raise not_found(f"There is no schema {asked[:80]!r}; GET /schemas lists them.")
        return Response(200, schemas.text(name), content_type=_CONTENT_TYPE)

    return [
        Route(
            method="GET",
            path="/schemas",
            role=None,
            handler=listed,
            answer="schemas",
            asks_database=False,
            summary="The JSON Schemas of what comes in and of what goes out.",
        ),
        Route(
            method="GET",
            path="/schemas/<name>",
            role=None,
            handler=one,
            produces=(_CONTENT_TYPE,),
            statuses=(200, 404),
            asks_database=False,
            summary="One JSON Schema, by its name or by that of its file.",
        ),
        Route(
            method="GET",
            path="/schemas/smrtlink/<name>",
            role=None,
            handler=of_type,
            produces=(_CONTENT_TYPE,),
            statuses=(200, 404),
            asks_database=False,
            summary="The JSON Schema of the messages of a type of SMRT Link's events.",
        ),
    ]


def _entry(schemas: Schemas, file: str, name: str) -> dict[str, Any]:
    document = schemas.document(name)
    return {
        "name": name,
        "file": file,
        "title": document.get("title", ""),
        "description": document.get("description", ""),
        "href": f"/schemas/{name}",
    }
