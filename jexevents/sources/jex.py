"""A job inserted over the JEX interface, as the event ``inserted``."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from jexevents.model import INSERTED, Event, Kind
from jexevents.sources.condor.message import job_key

_CONDOR_ID = re.compile(r"([0-9]+)(?:\.([0-9]+))?")
_COUNTS = ("ExitCode", "FailureCount", "FailureThreshold")
_UUIDS = ("AppID", "BatchID", "InvocationID")


def insertion(
    document: Mapping[str, Any],
    *,
    received_at: datetime,
    raw: bytes,
    source: str = "",
    idempotency_key: str | None = None,
) -> Event:
    """Make the event of a document that the schema ``job_insertion`` has accepted.

    Identity is the Idempotency-Key where one came (promise 2 of the design); without one
    every insertion is new, unless it only says again what the job's latest one said.
    """
    given = document.get("Source")
    source = source if given is None else given
    cluster, proc = split_condor_id(document["CondorID"])
    key = job_key(source, cluster, proc)
    return Event(
        kind=Kind.CONDOR,
        job=key,
        source=source,
        name=INSERTED,
        occurred_at=received_at,
        received_at=received_at,
        data=_data(document),
        raw=raw,
        checksum=_identity(idempotency_key),
        unless_latest=idempotency_key is None,
    )


def split_condor_id(condor_id: str) -> tuple[int, int]:
    """Give cluster and proc of ``222`` (proc 0) or ``222.3``; ``222.0`` means ``222``."""
    cluster, proc = _CONDOR_ID.fullmatch(condor_id).groups("0")
    return int(cluster), int(proc)


def _data(document: Mapping[str, Any]) -> dict[str, Any]:
    """Give the members that say something: numbers as integers, uuids in lower case."""
    data = {name: value for name, value in document.items() if value is not None}
    for name in _COUNTS:
        if name in data:
            data[name] = int(data[name])
    for name in _UUIDS:
        if name in data:
            data[name] = data[name].lower()
    return data


def _identity(idempotency_key: str | None) -> bytes:
    if idempotency_key is None:
        return secrets.token_bytes(32)
    return hashlib.sha256(json.dumps(["jex", idempotency_key]).encode()).digest()
