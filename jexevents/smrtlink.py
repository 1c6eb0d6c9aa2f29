"""SMRT Link between its surface and the ledger: events taken, and given as they are stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from jexevents.ingest import Ingest
from jexevents.model import Arrival, Event, Kind, Outcome, Reject
from jexevents.observers import Nobody, TypeObserver
from jexevents.sources.smrtlink.words import (
    FORMAT,
    OTHER_SYSTEM_ID,
    SMRTLINK_DOOR,
    SYSTEM,
    SYSTEM_ID,
    identity,
)
from jexevents.store.smrtlink_events import Row, SmrtLinkEvents

_ORDER = ("uuid", "createdAt", "eventTypeId", "eventTypeVersion", "dnsName", "message")


def document(data: Mapping[str, Any]) -> dict[str, Any]:
    """Give a system event as it is shown, with both spellings of its system's id."""
    told = {OTHER_SYSTEM_ID: data[SYSTEM_ID], SYSTEM_ID: data[SYSTEM_ID]}
    told |= {name: data[name] for name in _ORDER if name in data}
    return told | data


class UnknownTypes(Nobody):
    """Counts the events that are stored though their type has no schema.

    ``knows`` tells that of a type and version; the metrics count.
    """

    def __init__(self, knows: Callable[[str, int], bool], observer: TypeObserver) -> None:
        self._knows = knows
        self._observer = observer

    def stored(
        self, origin: str, read: Sequence[Event | Reject], outcomes: Sequence[Outcome]
    ) -> None:
        """Count what is new."""
        for event, outcome in zip(read, outcomes, strict=True):
            if outcome is not Outcome.ACCEPTED or event.kind is not Kind.SMRTLINK:
                continue
            if not self._knows(event.name, event.data["eventTypeVersion"]):
                self._observer.unknown_type()


class SmrtLink:
    """Every method raises StoreUnavailable while PostgreSQL does not answer."""

    def __init__(self, ingest: Ingest, events: SmrtLinkEvents) -> None:
        self._ingest = ingest
        self._events = events

    def take(
        self,
        body: bytes,
        *,
        received_at: datetime,
        credential: str | None = None,
        system: str | None = None,
    ) -> dict[str, Any]:
        """Take a system event, or take it for a repetition; give it as it is stored.

        ``credential`` names the sender's; ``system`` is the one system that this is good for.
        Raises Malformed and Invalid, Conflict where its UUID has other content in the ledger,
        Forbidden where it is of another system; see Ingest.take.
        """
        properties = {} if system is None else {SYSTEM: system}
        arrival = Arrival(
            body, received_at, SMRTLINK_DOOR, properties=properties, credential=credential
        )
        event, _ = self._ingest.take(arrival)
        return document(event.data)

    def get(self, event_uuid: str, system: str | None = None) -> dict[str, Any] | None:
        """Give the event with a UUID, of one system or of all; None where there is none.

        Of several systems that have it, that of the first stored.
        """
        data = self._events.get(FORMAT, identity(event_uuid), system)
        return None if data is None else document(data)

    def find(self, *, limit: int, before: int | None = None, **filters: Any) -> list[Row]:
        """Give a page of events, the last stored first; see SmrtLinkEvents.find."""
        return self._events.find(FORMAT, limit=limit, before=before, **filters)
