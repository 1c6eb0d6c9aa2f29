"""CloudEvents between their surface and the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jexevents.ingest import Ingest
from jexevents.model import Arrival, Event, Outcome
from jexevents.sources.cloudevents.message import is_batch, read_batch
from jexevents.sources.cloudevents.words import DOOR, HTTP_PREFIX


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of an event: its id, source and type, and whether it was new."""

    id: str
    source: str
    type: str
    is_new: bool


class CloudEvents:
    """Takes events of requests."""

    def __init__(self, ingest: Ingest) -> None:
        self._ingest = ingest

    def take(
        self, body: bytes, headers: Mapping[str, str], received_at: datetime
    ) -> Taken | list[Taken]:
        """Take the one event of a request, or all those of a batch; ``headers`` is all of its.

        Raises Malformed, its reason CONTENT_TYPE where the request does not say what it is, and
        Invalid; of a batch nothing is stored then. Raises StoreUnavailable.
        """
        arrival = _arrival(body, headers, received_at)
        if is_batch(arrival):
            events = read_batch(arrival)
            applied = self._ingest.take_events(DOOR, events)
            return [_taken(event, one.outcome) for event, one in zip(events, applied, strict=True)]
        event, done = self._ingest.take(arrival)
        return _taken(event, done.outcome)


def _arrival(body: bytes, headers: Mapping[str, str], received_at: datetime) -> Arrival:
    properties: dict[str, Any] = {
        "headers": {name: headers[name] for name in headers if name.startswith(HTTP_PREFIX)}
    }
    if content_type := headers.get("content-type"):
        properties["content_type"] = content_type
    return Arrival(body, received_at, DOOR, properties=properties)


def _taken(event: Event, outcome: Outcome) -> Taken:
    is_new = outcome is Outcome.ACCEPTED
    return Taken(event.data["id"], event.source, event.name, is_new)
