"""The surface that tells of all surfaces: ``/openapi.json``, and ``/docs`` to read it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from importlib import resources

from jexevents.sidecar.apidocs.document import document
from jexevents.sidecar.apidocs.page import page
from jexevents.sidecar.requests import Request
from jexevents.sidecar.responses import Response, encode
from jexevents.sidecar.routes import HTML_TYPE, JSON, Route
from jexevents.validation import Schemas

CSS = "text/css"
# Nothing is loaded from elsewhere, nothing runs, nothing is sent, and nobody frames it.
POLICY = (
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_STYLE = "docs.css"


class ApiDocs:
    """The surface over ``routes``, to which its own are added. All of it is public, as the schemas
    are; what it says is made once, when somebody asks."""

    def __init__(self, routes: Sequence[Route], schemas: Schemas, public_url: str = "") -> None:
        self._schemas = schemas
        self._public_url = public_url
        self._all = (*routes, *self.routes())

    def routes(self) -> list[Route]:
        """Give the table of the surface."""
        return [
            Route(
                method="GET",
                path="/openapi.json",
                role=None,
                handler=self.openapi,
                produces=(JSON,),
                asks_database=False,
                summary="All of this as an OpenAPI document.",
            ),
            Route(
                method="GET",
                path="/docs",
                role=None,
                handler=self.docs,
                produces=(HTML_TYPE,),
                asks_database=False,
                summary="The same as a page to read.",
            ),
            Route(
                method="GET",
                path=f"/docs/{_STYLE}",
                role=None,
                handler=self.style,
                produces=(CSS,),
                asks_database=False,
                summary="How that page looks.",
            ),
        ]

    def openapi(self, _request: Request) -> Response:
        """Give the document."""
        return Response(200, self._document)

    def docs(self, _request: Request) -> Response:
        """Give the page."""
        fields = {"Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer"}
        return Response(200, self._page, fields, f"{HTML_TYPE}; charset=utf-8")

    def style(self, _request: Request) -> Response:
        """Give the style sheet."""
        return Response(200, _style(), content_type=f"{CSS}; charset=utf-8")

    @cached_property
    def _document(self) -> bytes:
        return encode(document(self._all, self._schemas, self._public_url))

    @cached_property
    def _page(self) -> bytes:
        return page(self._all, self._schemas).encode("utf-8")


def _style() -> str:
    folder = resources.files("jexevents.sidecar.apidocs") / "templates"
    return (folder / _STYLE).read_text(encoding="utf-8")
