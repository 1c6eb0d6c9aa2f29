"""Nonces over HTTP: made, listed and revoked by administrators."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from jexevents.model import Role
from jexevents.rfc3339 import plain
from jexevents.sidecar.paging import LIMIT, page
from jexevents.sidecar.parameters import text
from jexevents.sidecar.problems import not_found
from jexevents.sidecar.requests import Request
from jexevents.sidecar.responses import Response
from jexevents.sidecar.routes import Route
from jexevents.store.nonces import Nonces


@dataclass(frozen=True, slots=True)
class NonceSurface:
    """The surface."""

    nonces: Nonces
    now: Callable[[], datetime]

    def routes(self) -> list[Route]:
        """Give the table of the surface."""
        return [
            Route(
                method="POST",
                path="/nonces",
                role=Role.ADMIN,
                handler=self.make,
                request="nonce_order",
                bodiless=True,
                answer="nonce_made",
                statuses=(201, 422),
                summary="Make a nonce, which stands for a token in the URL of a message.",
            ),
            Route(
                method="GET",
                path="/nonces",
                role=Role.ADMIN,
                handler=self.find,
                answer="nonces",
                query=(
                    LIMIT,
                    text("before", "The nonce before which the page begins: what next says."),
                ),
                summary="Nonces, the newest first, without what would let anybody in.",
            ),
            Route(
                method="DELETE",
                path="/nonces/<id>",
                places={"id": text("id", "The id of a nonce.")},
                role=Role.ADMIN,
                handler=self.revoke,
                statuses=(204, 404),
                summary="End a nonce.",
            ),
        ]

    def make(self, request: Request) -> Response:
        """Make a nonce of an order."""
        body = request.body()
        order = request.json(body) if body.strip() else {}
        seconds = order.get("ttl_seconds")
        expires_at = None if seconds is None else self.now() + timedelta(seconds=int(seconds))
        uses = order.get("uses")
        new = self.nonces.make(
            note=order.get("note") or "",
            max_uses=None if uses is None else int(uses),
            expires_at=expires_at,
            credential=request.caller.name,
        )
        made = {
            "id": new.id,
            "nonce": new.secret,
            "note": order.get("note") or "",
            "max_uses": uses,
            "expires_at": plain(expires_at),
        }
        return Response(201, made)

    def find(self, request: Request) -> Mapping[str, Any]:
        """Give a page of nonces."""
        limit = request.values["limit"]
        rows = self.nonces.find(limit=limit + 1, before=request.values["before"])
        return page(request, rows, limit, "id", _shown)

    def revoke(self, request: Request) -> None:
        """End a nonce."""
        asked = request.parameters["id"]
        if not self.nonces.revoke(asked, request.caller.name):
            raise not_found(f"There is no nonce {asked[:80]!r} that is in force.")


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: plain(value) for name, value in row.items()}
