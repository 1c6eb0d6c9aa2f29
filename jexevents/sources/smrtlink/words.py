"""The words of SMRT Link's documents, and what names a job and an event."""

from __future__ import annotations

import hashlib
import json

from jexevents.model import JobKey, Kind

FORMAT = "smrtlink"
SMRTLINK_DOOR = "http:smrtlink"
SCHEMA = "smrtlink_event"
# In the properties of an arrival by HTTP: the one system that the caller's credential is good for.
SYSTEM = "system"

# The system's id has two spellings: the seed's, and the one that clients send. Ours is the second.
SYSTEM_ID, OTHER_SYSTEM_ID = "smrtLinkId", "smrtlinkId"


def job_key(system: str, number: int) -> JobKey:
    """Give the key of a job: its system and the number that it has there."""
    parts = {"system": system, "number": number}
    return JobKey(Kind.SMRTLINK, f"{system}#{number}", system, parts)


def identity(event_uuid: str) -> bytes:
    """Give the identity (32 bytes) of the event with this UUID, in either case."""
    return hashlib.sha256(json.dumps([FORMAT, event_uuid.lower()]).encode()).digest()
