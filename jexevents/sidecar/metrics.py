"""What the process counted and measured, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable

from jexevents.model import Role
from jexevents.sidecar.requests import Request
from jexevents.sidecar.responses import Response
from jexevents.sidecar.routes import Route

# Writes everything in the format that an Accept header asks for; gives that type too.
Exposition = Callable[[str], tuple[bytes, str]]


def routes(exposition: Exposition) -> tuple[Route, ...]:
    """Give the table of this surface."""

    def show(request: Request) -> Response:
        body, content_type = exposition(request.headers.get("accept", ""))
        return Response(200, body, content_type=content_type)

    return (
        Route(
            method="GET",
            path="/metrics",
            role=Role.READ,
            handler=show,
            produces=("text/plain", "application/openmetrics-text"),
            summary="Show what the process counted and measured, for Prometheus.",
            asks_database=False,
        ),
    )
