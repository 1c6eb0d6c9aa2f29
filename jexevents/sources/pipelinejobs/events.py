"""Events of the event doors, and creations."""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from jexevents.errors import Invalid
from jexevents.lifecycle import pipeline
from jexevents.model import Arrival, Event, Fault, Kind, Proof, Right
from jexevents.sources.pipelinejobs.secret import masked, proof, secrets_of, without
from jexevents.sources.pipelinejobs.words import EVENT, IDEMPOTENCY_KEY, SOURCE, identity, job_key
from jexevents.validation import SCHEMAS

# Where the schema has what a parameter says.
_PARAMETERS = {"/uuid": "uuid", "/name": "event", "/token": "token"}
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:jexevents:pipelinejobs")


def read_event(
    arrival: Arrival, parameters: Mapping[str, str], document: Mapping[str, Any]
) -> Event:
    """Make the event of a document, or of URL parameters whose data it is. Raises Invalid."""
    if "event" in parameters:
        said = {"uuid": parameters.get("uuid"), "name": parameters["event"]}
        said = {name: value for name, value in said.items() if value is not None}
        said["data"] = document
    else:
        said = {**_of_url(parameters), **document}
    if isinstance(said.get("name"), str):
        said["name"] = said["name"].lower()
    token = said.pop("token", None) or parameters.get("token")
    if arrival.credential is not None:  # then it is masked, and was looked at before
        token = None
    faults = SCHEMAS.check(EVENT, said if token is None else {**said, "token": token})
    if "event" in parameters:
        faults = [_of_parameter(fault) for fault in faults]
    if faults:
        raise Invalid(f"This is no {EVENT}: {faults[0]}.", faults)
    key, secret = _own_key(arrival), secrets_of(arrival, token)
    return Event(
        kind=Kind.PIPELINE,
        job=job_key(said["uuid"]),
        source=SOURCE,
        name=said["name"],
        occurred_at=arrival.received_at,
        received_at=arrival.received_at,
        data=without(said.get("data") or {}, secret),
        raw=masked(arrival.body, secret),
        checksum=secrets.token_bytes(32) if key is None else identity("key", key),
        unless_latest=key is None,
        proof=proof(arrival, token),
    )


def _of_parameter(fault: Fault) -> Fault:
    """Give a fault of the event by the name of the URL parameter that says it, if one does."""
    name = _PARAMETERS.get(fault.pointer)
    return fault if name is None else replace(fault, pointer=name)


def _of_url(parameters: Mapping[str, str]) -> dict[str, str]:
    """Give what a document may leave to the URL; what it says itself counts."""
    return {name: parameters[name] for name in ("uuid", "token") if name in parameters}


def _own_key(arrival: Arrival) -> str | None:
    """Give the key by which a sender says that it sends the same again."""
    return arrival.properties.get(IDEMPOTENCY_KEY) or arrival.properties.get("message_id")


def creation(
    document: Mapping[str, Any], *, received_at: datetime, raw: bytes
) -> tuple[str, Event]:
    """Make the UUID and the event of a job that the schema ``pipelinejob_creation`` accepted.

    The UUID is one of version 5 over pipeline, archive path and data: who creates the same
    job again finds the first.
    """
    document = {**document, "pipeline_uuid": document["pipeline_uuid"].lower()}
    parts = [document[name] for name in ("pipeline_uuid", "archive_path", "data")]
    job_uuid = str(uuid.uuid5(_NAMESPACE, json.dumps(parts, sort_keys=True)))
    event = Event(
        kind=Kind.PIPELINE,
        job=job_key(job_uuid),
        source=SOURCE,
        name=pipeline.CREATE,
        occurred_at=received_at,
        received_at=received_at,
        data={name: document[name] for name in pipeline.CREATION if document.get(name) is not None},
        raw=raw,
        checksum=identity("create", job_uuid),
        proof=Proof(Right.ADMINISTRATOR),
    )
    return job_uuid, event
