"""The webhooks over HTTP: how they stand, what became of each delivery, and to send one again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jexevents.hookwords import given_id, shown_options
from jexevents.model import Role
from jexevents.rfc3339 import plain
from jexevents.sidecar.paging import PAGE, page
from jexevents.sidecar.parameters import choice, is_number, whole
from jexevents.sidecar.problems import Problem, not_found
from jexevents.sidecar.requests import Request
from jexevents.sidecar.routes import Route
from jexevents.store.outbox import STATES, Count, Outbox

Row = Mapping[str, Any]

_SHOWN = (
    "id",
    "hook",
    "state",
    "seq",
    "kind",
    "source",
    "name",
    "occurred_at",
    "job_id",
    "created_at",
    "attempts",
    "tried_first_at",
    "tried_at",
    "due_at",
    "is_being_sent",
    "finished_at",
    "status",
    "error",
    "answer",
    "seconds",
)


@dataclass(frozen=True, slots=True)
class HookSurface:
    """The surface.

    ``configured`` are the hooks as they may be shown, without their secrets; ``wake`` has those
    senders look that send for hooks of some names; ``eventless`` are the names of those that can
    send what is known of a job when its event was pruned.
    """

    outbox: Outbox
    configured: Sequence[Row]
    wake: Callable[[Collection[str]], None]
    eventless: Collection[str] = ()

    def routes(self) -> list[Route]:
        """Give the table of the surface."""
        return [
            Route(
                method="GET",
                path="/hooks",
                role=Role.READ,
                handler=self.hooks,
                answer="hooks",
                summary="The webhooks, and how many deliveries of each wait, or were given up.",
            ),
            Route(
                method="GET",
                path="/hooks/<name>/deliveries",
                role=Role.READ,
                handler=self.deliveries,
                answer="hook_deliveries",
                statuses=(200, 404),
                query=(*PAGE, choice("state", "Deliveries in this state.", STATES)),
                summary="Deliveries of a webhook, the newest first.",
            ),
            Route(
                method="POST",
                path="/hooks/<name>/deliveries/<id>/redeliver",
                places={"id": whole("id", "The number of a delivery.")},
                role=Role.ADMIN,
                handler=self.redeliver,
                statuses=(202, 404, 409),
                summary="Send a delivery again, whatever became of it.",
            ),
            Route(
                method="POST",
                path="/hooks/<name>/enable",
                role=Role.ADMIN,
                handler=self.enable,
                statuses=(204, 404, 409),
                summary="Send for a webhook again whose receiver had answered 410.",
            ),
        ]

    def hooks(self, _request: Request) -> Mapping[str, Any]:
        """Give all hooks: those configured, those of definitions, and what is left of others."""
        items = [
            _hook(one["options"], one["count"], configured=one["is_configured"])
            for one in self.standing()
        ]
        return {"items": items, "next": None}

    def deliveries(self, request: Request) -> Mapping[str, Any]:
        """Give a page of a hook's deliveries."""
        name = self.known(request.parameters["name"])
        limit = request.values["limit"]
        rows = self.outbox.find(
            name,
            limit=limit + 1,
            before=request.values["before"],
            state=request.values["state"],
        )
        return page(request, rows, limit, "id", _delivery)

    def redeliver(self, request: Request) -> tuple[int, None]:
        """Have a delivery sent again."""
        parameters = request.parameters
        self.send_again(parameters["name"], parameters["id"], request.caller.name)
        return 202, None

    def enable(self, request: Request) -> None:
        """Have a hook sent for again."""
        self.send_for(request.parameters["name"], request.caller.name)

    # --- for the dashboard, too

    def known(self, asked: str) -> str:
        """Give the name of a hook. Raises Problem (404) where there is none of this name."""
        if any(options["Name"] == asked for options in self.configured):
            return asked
        if self.outbox.find(asked, limit=1) or self.outbox.is_disabled(asked):
            return asked
        raise not_found(f"There is no hook {asked[:80]!r}.")

    def send_again(self, asked: str, number: str, by: str) -> None:
        """Have the delivery of this number sent again, whatever became of it.

        ``by`` is the name of a credential. Raises Problem (404), and Conflict.
        """
        name = self.known(asked)
        needs_event = name not in self.eventless
        if not (
            is_number(number)
            and self.outbox.redeliver(name, int(number), by, needs_event=needs_event)
        ):
            raise not_found(f"The hook {name} has no delivery {number[:80]!r}.")
        self.wake([name])

    def send_for(self, asked: str, by: str) -> None:
        """Have a hook sent for again whose receiver had answered 410. Raises Problem (404, 409)."""
        name = self.known(asked)
        if not self.outbox.enable(name, by):
            raise Problem(409, f"The hook {name} is not refused by its receiver.")
        self.wake([name])

    def standing(self) -> list[dict[str, Any]]:
        """Give all hooks, each with its ``count`` (None where nothing was sent) and ``options``."""
        counts = {count.hook: count for count in self.outbox.counts()}
        shown = [
            {"name": options["Name"], "options": options, "is_configured": True,
             "count": counts.pop(options["Name"], None)}
            for options in self.configured
        ]  # fmt: skip
        left = [
            {"name": name, "options": {"Name": name} | _of_definition(counts[name]),
             "is_configured": False, "count": counts[name]}
            for name in sorted(counts)
        ]  # fmt: skip
        return shown + left


def _hook(options: Row, count: Count | None, *, configured: bool = True) -> dict[str, Any]:
    return {
        "name": options["Name"],
        "configured": configured,
        "disabled": bool(options.get("Disabled")),
        "refused_by_receiver_at": plain(count.disabled_at) if count else None,
        "reason": count.reason if count else None,
        "pending": count.pending if count else 0,
        "delivered": count.delivered if count else 0,
        "dead": count.dead if count else 0,
        "oldest_pending_at": plain(count.oldest_pending_at) if count else None,
        "options": {name: value for name, value in options.items() if name != "Name"},
    }


def _of_definition(count: Count) -> dict[str, Any]:
    """Give what may be shown of a hook of definitions, nothing of any other one."""
    return {} if count.url is None else shown_options(count.url)


def _delivery(row: Row) -> dict[str, Any]:
    shown = {name: plain(row[name]) for name in _SHOWN}
    return shown | {"message_id": given_id(row["message_id"]), "job": row["job"]}
