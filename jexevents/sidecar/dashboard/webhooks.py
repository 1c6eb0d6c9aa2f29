"""The webhooks, how they stand, and what became of their deliveries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from jexevents.hookwords import given_id
from jexevents.model import Role
from jexevents.sidecar.dashboard.asking import asked_of, choice, pager, whole_number
from jexevents.sidecar.dashboard.forms import Form
from jexevents.sidecar.dashboard.kept import Kept
from jexevents.sidecar.dashboard.site import Site
from jexevents.sidecar.hooks import HookSurface
from jexevents.sidecar.requests import Request
from jexevents.sidecar.responses import Response
from jexevents.sidecar.routes import Route
from jexevents.store.outbox import DEAD, DELIVERED, PENDING, STATES

_PATH = "/ui/webhooks"
_ONE = f"{_PATH}/<name>"
_ROWS = 50
_FILTERS = ("state", "before")
_KEPT_SECONDS = 1.0
_COLOURS = {PENDING: "queued", DELIVERED: "complete", DEAD: "error"}


@dataclass(frozen=True)
class WebhookPages:
    """The pages; ``surface`` is that of the webhooks over HTTP."""

    site: Site
    surface: HookSurface

    def __post_init__(self) -> None:
        """Keep what is dear: the counts of millions of deliveries."""
        # Asked for when it is needed: the tables of routes are made without a surface, too.
        kept = Kept(lambda: self.surface.standing(), _KEPT_SECONDS)
        object.__setattr__(self, "_standing", kept)

    def routes(self) -> list[Route]:
        """Give the table of these pages."""
        page, action = self.site.page, self.site.action
        return [
            page(_PATH, self.listed, summary="The webhooks, and how they stand."),
            page(
                _ONE,
                self.one,
                summary="A webhook, and its deliveries, the newest first.",
                query=_FILTERS,
                statuses=(200, 404),
            ),
            action(
                f"{_ONE}/redeliver",
                self.redeliver,
                role=Role.ADMIN,
                summary="Send a delivery again, whatever became of it.",
                statuses=(303, 404, 409),
            ),
            action(
                f"{_ONE}/enable",
                self.enable,
                role=Role.ADMIN,
                summary="Send for a webhook again whose receiver had answered 410.",
                statuses=(303, 404, 409),
            ),
        ]

    def listed(self, request: Request) -> Response:
        """Show all webhooks."""
        hooks = [{**one, "path": _path(one["name"])} for one in self._standing.get()]
        return self.site.render(request, "webhooks.html", hooks=hooks)

    def one(self, request: Request) -> Response:
        """Show a webhook, and a page of its deliveries."""
        name = self.surface.known(request.parameters["name"])
        asked = asked_of(request, _FILTERS)
        rows = self.surface.outbox.find(
            name,
            limit=_ROWS + 1,
            before=whole_number("before", asked["before"]),
            state=choice("state", asked["state"], STATES),
        )
        path = _path(name)
        hook = next((one for one in self._standing.get() if one["name"] == name), None)
        return self.site.render(
            request,
            "webhook.html",
            name=name,
            path=path,
            hook=hook or {"options": {}, "count": None, "is_configured": False},
            is_refused=self.surface.outbox.is_disabled(name),
            asked=asked,
            states=STATES,
            colours=_COLOURS,
            rows=[_shown(row) for row in rows[:_ROWS]],
            pager=pager(path, asked, rows, _ROWS, "id"),
        )

    def redeliver(self, request: Request, form: Form) -> Response:
        """Have a delivery sent again."""
        name = request.parameters["name"]
        self.surface.send_again(name, form.get("id"), request.caller.name)
        return self.site.seen(_path(name), "sent-again")

    def enable(self, request: Request, _form: Form) -> Response:
        """Have a webhook sent for again."""
        name = request.parameters["name"]
        self.surface.send_for(name, request.caller.name)
        return self.site.seen(_path(name), "enabled")


def _path(name: str) -> str:
    return f"{_PATH}/{quote(name, safe='')}"


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "message_id": given_id(row["message_id"])}
