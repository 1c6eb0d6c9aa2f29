"""CloudEvents over HTTP: one in binary or structured mode, or a batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jexevents.cloudevents import CloudEvents, Taken
from jexevents.errors import Malformed
from jexevents.model import Reason, Role
from jexevents.sidecar.problems import Problem
from jexevents.sidecar.requests import Request
from jexevents.sidecar.responses import Response
from jexevents.sidecar.routes import Route

_EVENT = "application/cloudevents+json"
_BATCH = "application/cloudevents-batch+json"
_SEVERAL = {"type": "array", "items": {"$ref": "#/components/schemas/cloudevent"}}


@dataclass(frozen=True, slots=True)
class CloudEventSurface:
    """The surface; ``max_body_bytes`` bounds what a request may bring."""

    events: CloudEvents
    max_body_bytes: int
    now: Callable[[], datetime]

    def routes(self) -> list[Route]:
        """Give the table of the surface."""
        return [
            Route(
                method="POST",
                path="/events",
                role=Role.WRITE,
                handler=self.take,
                # And, in binary mode, bodies of any type beside headers that say what they are.
                bodies={_EVENT: ("cloudevent",), _BATCH: _SEVERAL},
                answer="cloudevents_taken",
                statuses=(200, 201, 422),
                max_body_bytes=self.max_body_bytes,
                webhooks=True,
                summary="Take a CloudEvent, or a batch of them.",
            )
        ]

    def take(self, request: Request) -> Response:
        """Store what came: 201 for an event that is new, 200 for a known one and for a batch."""
        try:
            taken = self.events.take(request.body(), request.headers, self.now())
        except Malformed as error:
            if error.reason is Reason.CONTENT_TYPE:
                raise Problem(415, str(error), error.faults) from error
            raise
        if isinstance(taken, list):
            return Response(200, {"items": [_told(one) for one in taken]})
        return Response(201 if taken.is_new else 200, _told(taken))


def _told(taken: Taken) -> dict[str, Any]:
    result = "accepted" if taken.is_new else "duplicate"
    return {"result": result, "id": taken.id, "source": taken.source, "type": taken.type}
