"""All pages of the dashboard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from jexevents.sidecar.dashboard.site import TYPES, Site
from jexevents.sidecar.problems import not_found
from jexevents.sidecar.requests import Request
from jexevents.sidecar.responses import Response
from jexevents.sidecar.routes import Route

_ICON = "icon.svg"
_FOR_EVER = "public, max-age=31536000, immutable"


class Pages(Protocol):
    """Some pages that belong together."""

    def routes(self) -> list[Route]:
        """Give their table."""


@dataclass(frozen=True, slots=True)
class Dashboard:
    """The surface; ``pages`` are those of the site, each with what it reads."""

    site: Site
    pages: Sequence[Pages]

    def routes(self) -> list[Route]:
        """Give the table of all pages, and of the files that they load."""
        return [
            *(route for one in self.pages for route in one.routes()),
            self._file("/ui/static/<file>", "The style sheet, the scripts and the icon."),
            # Browsers ask for it beside what is no page and names none, such as an output.
            self._file("/favicon.ico", "The icon of the pages."),
        ]

    def _file(self, path: str, summary: str) -> Route:
        return Route(
            method="GET",
            path=path,
            role=None,
            handler=self.static,
            summary=summary,
            statuses=(200, 304, 404),
            produces=TYPES,
            query=("v",),
            asks_database=False,
            any_host=True,
            page=self.site.failed,
        )

    def static(self, request: Request) -> Response:
        """Give a file; kept by browsers for ever where its version stands in the URL."""
        found = self.site.static.get(request.parameters.get("file", _ICON))
        if found is None:
            raise not_found("The dashboard has no such file.")
        tag = f'"{found.version}"'
        is_named = request.query.get("v") == found.version
        headers = {"ETag": tag, "Cache-Control": _FOR_EVER if is_named else "no-cache"}
        if request.headers.get("If-None-Match") == tag:
            return Response(304, None, headers)
        return Response(200, found.content, headers, found.content_type)
