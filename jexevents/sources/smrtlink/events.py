"""System events as events of the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from jexevents import rfc3339
from jexevents.lifecycle.smrtlink import CHANGE
from jexevents.model import Event, JobKey, Kind
from jexevents.sources.smrtlink.words import (
    FORMAT,
    OTHER_SYSTEM_ID,
    SYSTEM_ID,
    identity,
    job_key,
)

_VERSION = 1


def system_event(document: Mapping[str, Any], *, received_at: datetime, raw: bytes) -> Event:
    """Make the event of a system event that its schema accepted and that has its system's id.

    Its identity is its UUID, one over the system. What comes with that again must say the same.
    """
    data = _data(document)
    system = data[SYSTEM_ID]
    created = rfc3339.parse(document["createdAt"])
    return Event(
        kind=Kind.SMRTLINK,
        job=_job(system, data),
        source=system,
        name=data["eventTypeId"],
        occurred_at=created.at,
        occurred_offset=created.offset,
        received_at=received_at,
        data=data,
        raw=raw,
        checksum=identity(data["uuid"]),
        format=FORMAT,
        exact=True,
    )


def _data(document: Mapping[str, Any]) -> dict[str, Any]:
    """Give a document in the one form that each has: ids in lower case, times in UTC."""
    told = {name: value for name, value in document.items() if name != OTHER_SYSTEM_ID}
    if told.get("dnsName") is None:
        told.pop("dnsName", None)
    return {
        **told,
        SYSTEM_ID: document[SYSTEM_ID].lower(),
        "uuid": document["uuid"].lower(),
        "createdAt": rfc3339.format_utc(rfc3339.parse(document["createdAt"]).at),
        "eventTypeVersion": int(document.get("eventTypeVersion", _VERSION)),
    }


def _job(system: str, data: Mapping[str, Any]) -> JobKey | None:
    if (data["eventTypeId"], data["eventTypeVersion"]) != CHANGE:
        return None
    return job_key(system, int(data["message"]["jobId"]))
