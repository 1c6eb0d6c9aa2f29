"""The files that SMRT Link systems uploaded: all of them, and one with its manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jexevents.sidecar.dashboard.asking import asked_of, moment, pager, whole_number
from jexevents.sidecar.dashboard.site import Site
from jexevents.sidecar.problems import malformed, not_found
from jexevents.sidecar.requests import Request
from jexevents.sidecar.responses import Response
from jexevents.sidecar.routes import Route
from jexevents.store.uploads import FILTERS, UploadStore
from jexevents.validation import is_uuid

_PATH = "/ui/uploads"
_ROWS = 50


@dataclass(frozen=True, slots=True)
class UploadPages:
    """The pages."""

    site: Site
    store: UploadStore

    def routes(self) -> list[Route]:
        """Give the table of these pages."""
        return [
            self.site.page(
                _PATH,
                self.listed,
                summary="Files of SMRT Link systems, the newest first.",
                query=(*FILTERS, "before"),
            ),
            self.site.page(
                f"{_PATH}/<uuid>",
                self.one,
                summary="A file, with its manifest.",
                statuses=(200, 404),
            ),
        ]

    def listed(self, request: Request) -> Response:
        """Show a page of uploads."""
        asked = asked_of(request, (*FILTERS, "before"))
        system = asked["system"].lower()
        if system and not is_uuid(system):
            raise malformed("system is no id.", "system", "the id of a system", system[:80])
        rows = self.store.find(
            limit=_ROWS + 1,
            before=whole_number("before", asked["before"]),
            system=system or None,
            type=asked["type"] or None,
            since=moment("since", asked["since"]),
            until=moment("until", asked["until"]),
        )
        return self.site.render(
            request,
            "uploads.html",
            asked=asked,
            rows=rows[:_ROWS],
            pager=pager(_PATH, asked, rows, _ROWS, "seq"),
        )

    def one(self, request: Request) -> Response:
        """Show an upload."""
        asked = request.parameters["uuid"].lower()
        row = self.store.get(asked) if is_uuid(asked) else None
        if row is None:
            raise not_found(f"The ledger knows no upload {asked[:80]!r}.")
        return self.site.render(request, "upload.html", upload=_shown(row))


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    place = f"/api/v1/files/{row['id']}"
    return {
        **row,
        "sha256": bytes(row["sha256"]).hex(),
        "content": f"{place}/content",
        "manifest_path": f"{place}/manifest",
    }
