"""Callbacks of Agave's jobs service, and notifications of Tapis."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from jexevents import rfc3339, strictjson
from jexevents.errors import Invalid, Unacceptable
from jexevents.faults import shown
from jexevents.lifecycle import pipeline
from jexevents.model import Arrival, Event, Fault, Kind, Position
from jexevents.sources.pipelinejobs.secret import masked, proof, secrets_of, without
from jexevents.sources.pipelinejobs.words import (
    AGAVE_CALLBACK,
    TAPIS_NOTIFICATION,
    identity,
    job_key,
)
from jexevents.validation import SCHEMAS, is_uuid

# What of Agave's document says nothing of the job, or too much (seed: dropped before it is kept).
_NOT_KEPT = ("_links", "retries", "localId")
# Known to be overwritten with other times.
_NOT_TRUE = ("remoteSubmitted",)
_TIMES = ("lastUpdated", "endTime", "startTime", "submitTime", "created")
_STATUS = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}", re.ASCII)
# ISO 8601 lets an offset be without its colon.
_OFFSET = re.compile(r"([+-][0-9]{2})([0-9]{2})\Z", re.ASCII)
_NEW_STATUS = "JOB_NEW_STATUS"
# Clocks differ, but not by that much: a time further ahead of its arrival is no time.
_AHEAD = timedelta(days=1)


def read_agave(
    arrival: Arrival, parameters: Mapping[str, str], document: Mapping[str, Any]
) -> Event:
    """Make the event of Agave's document of a job. Raises Invalid."""
    faults = [*_faults_of_url(parameters), *SCHEMAS.check(AGAVE_CALLBACK, document)]
    status = parameters.get("status") or document.get("status")
    if isinstance(status, str) and not _STATUS.fullmatch(status):
        faults.append(Fault("status", _expected(status), shown(status)))
    if faults:
        raise Invalid(f"This is no {AGAVE_CALLBACK}: {faults[0]}.", faults)
    status = status.upper()
    data = {name: value for name, value in document.items() if name not in _NOT_KEPT}
    own = agave_identity(document, status)
    return _called_back(
        arrival,
        parameters,
        sender=pipeline.AGAVE,
        status=status,
        time=_agave_time(document, arrival.received_at),
        data=data,
        checksum=own or identity(pipeline.AGAVE, status, json.dumps(data, sort_keys=True)),
        has_id=own is not None,
    )


def _expected(status: str) -> str:
    if status.startswith("${"):
        return "a status such as FINISHED, which the sender puts where the placeholder is"
    return "letters, digits and _, 64 at most"


def _called_back(
    arrival: Arrival,
    parameters: Mapping[str, str],
    *,
    sender: str,
    status: str,
    time: tuple[datetime, str | None],
    data: Mapping[str, Any],
    has_id: bool,
    **more: Any,
) -> Event:
    """Make the event of a callback; ``time`` is its instant and offset, ``more`` further fields.

    ``has_id`` says whether the sender gave it an identity of its own.
    """
    token = parameters.get("token")
    secret = secrets_of(arrival, token)
    at, offset = time
    return Event(
        kind=Kind.PIPELINE,
        job=job_key(parameters["uuid"]),
        source=sender,
        name=f"{sender}.{status}",
        occurred_at=at,
        occurred_offset=offset,
        received_at=arrival.received_at,
        data=without(data, secret),
        raw=masked(arrival.body, secret),
        proof=proof(arrival, token),
        format=sender if has_id else None,
        **more,
    )


def agave_identity(document: Mapping[str, Any], status: str) -> bytes | None:
    """Give the identity of Agave's message, which has no id of its own; None where it has none."""
    parts = document.get("id"), document.get("lastUpdated")
    if not all(isinstance(part, str) and part for part in parts):
        return None
    return identity(pipeline.AGAVE, parts[0], status, parts[1])


def _agave_time(document: Mapping[str, Any], received_at: datetime) -> tuple[datetime, str | None]:
    for name in _TIMES:
        if (found := _time(document.get(name), received_at)) is not None:
            return found
    return received_at, None


def _time(text: Any, received_at: datetime) -> tuple[datetime, str] | None:
    """Read a time that somebody else's clock says; None where it is none, or cannot be."""
    if not isinstance(text, str):
        return None
    try:
        sent = rfc3339.parse(_OFFSET.sub(r"\1:\2", text))
    except Unacceptable:
        return None
    return (sent.at, sent.offset) if sent.at <= received_at + _AHEAD else None


def read_tapis(
    arrival: Arrival, parameters: Mapping[str, str], document: Mapping[str, Any]
) -> Event:
    """Make the event of a notification of Tapis. Raises Invalid."""
    faults = [*_faults_of_url(parameters), *SCHEMAS.check(TAPIS_NOTIFICATION, document)]
    if faults:
        raise Invalid(f"This is no {TAPIS_NOTIFICATION}: {faults[0]}.", faults)
    told = document["event"]
    inner = _inner(told.get("data"))
    sent = {**document, **told}
    own = told.get("uuid") or document.get("eventUuid")
    return _called_back(
        arrival,
        parameters,
        sender=pipeline.TAPIS,
        status=_tapis_status(parameters, told, inner),
        time=_time(sent.get("timestamp"), arrival.received_at) or (arrival.received_at, None),
        data={**told, "data": inner},
        checksum=identity(pipeline.TAPIS, own or json.dumps(document, sort_keys=True)),
        position=_series(sent),
        has_id=own is not None,
    )


def _inner(text: Any) -> Any:
    """Read the data of a notification: JSON in a string."""
    if not isinstance(text, str):
        return text
    try:
        inner = strictjson.loads(text.encode("utf-8", "surrogatepass"))
    except Unacceptable:
        return text
    if isinstance(inner, dict):
        return {name: value for name, value in inner.items() if name not in _NOT_TRUE}
    return inner


def _tapis_status(parameters: Mapping[str, str], told: Mapping[str, Any], inner: Any) -> str:
    """Give the status that is told: in the URL, in the data, in the type of a new status."""
    said = inner.get("newJobStatus") if isinstance(inner, dict) else None
    kind, _, word = told["type"].rpartition(".")
    typed = word if kind.rpartition(".")[2] == _NEW_STATUS else None
    for status in (parameters.get("status"), said, typed):
        if isinstance(status, str) and _STATUS.fullmatch(status):
            return status.upper()
    return "UPDATED"


def _series(sent: Mapping[str, Any]) -> Position | None:
    """Give the place among the notifications of one job, which Tapis counts."""
    series, count = sent.get("seriesId"), sent.get("seriesSeqCount")
    if not isinstance(series, str) or isinstance(count, bool) or not isinstance(count, int):
        return None
    return Position(f"{pipeline.TAPIS}:{series}", count)


def _faults_of_url(parameters: Mapping[str, str]) -> list[Fault]:
    job_uuid = parameters.get("uuid")
    if job_uuid is None:
        return [Fault("uuid", "the UUID of the job, beside the body", "nothing")]
    if not is_uuid(job_uuid):
        return [Fault("uuid", "a UUID", shown(job_uuid))]
    return []
