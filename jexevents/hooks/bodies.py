"""What is sent: the bodies of the formats, and the text of a mail; pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from jexevents import hookwords, rfc3339
from jexevents.documents import last_event
from jexevents.errors import JexError
from jexevents.faults import fit
from jexevents.model import Kind
from jexevents.rfc3339 import format_utc
from jexevents.store.outbox import DeliveredEvent, Delivery

JSON = "application/json"
CLOUDEVENTS_JSON = "application/cloudevents+json"

_URN = "urn:jexevents"
_SUBJECT_CHARACTERS = 200
_MAIL_DATA_CHARACTERS = 20_000


class NothingToSay(JexError):
    """The format has nothing to say of this event."""


class Gone(JexError):
    """The event was pruned, so that its body cannot be made any more."""


@dataclass(frozen=True, slots=True)
class Body:
    """A body and its media type."""

    content: bytes
    content_type: str


def make(format_name: str, delivery: Delivery, public_url: str = "") -> Body:
    """Give the body of a delivery in one of FORMATS, the same whenever it is made.

    ``public_url`` is the URL that we are reached by, "" where it is not known. Raises
    NothingToSay, Gone.
    """
    content_type, of = FORMATS[format_name]
    return Body(_json(of(delivery, public_url)), content_type)


def cloudevent(delivery: Delivery, public_url: str) -> Mapping[str, Any]:
    """Give the event as a CloudEvent 1.0 in JSON, with the job as it stood after it.

    One that came in as a CloudEvent goes out as that, for its source and id say which it is.
    """
    event = _event(delivery)
    if event.kind is None and "specversion" in event.data:
        return event.data
    told = {
        "specversion": "1.0",
        "id": _identity(event, delivery.job).hex(),
        "source": _source(event, public_url),
        "type": f"jexevents.{_word(event)}.{event.name}",
        "time": format_utc(event.occurred_at),
        "datacontenttype": JSON,
        "data": {"event": _told(event), "job": delivery.job},
    }
    return told | ({"subject": delivery.job["key"]} if delivery.job else {})


def jex(delivery: Delivery, _public_url: str = "") -> Mapping[str, Any]:
    """Give the state document of the job, as ``GET /last-events`` does."""
    job = _job(delivery)
    return last_event(_invocation(job) or job["id"], job["phase"], _instant(job["finished_at"]))


def smrtlink(delivery: Delivery, _public_url: str = "") -> Mapping[str, Any]:
    """Give the system event of SMRT Link as it came."""
    event = _event(delivery)
    if event.kind != Kind.SMRTLINK.value:
        raise NothingToSay(f"This is no event of SMRT Link but one of {_word(event)}.")
    return event.data


def overseer(delivery: Delivery, public_url: str) -> Mapping[str, Any]:
    """Give the status of an execution as Overseer's hooks do: the event's name is the status.

    Of other jobs it is their state, for they have no statuses.
    """
    job = _job(delivery)
    if _is_execution(job):
        return {
            "job": job["source"],
            "execution": float(job["key"]),
            "status": _event(delivery).name,
            "metadata": _page(job, public_url),
        }
    submitted = _instant(job["submitted_at"])
    return {
        "job": job["key"],
        "execution": None if submitted is None else submitted.timestamp(),
        "status": job["state"].lower(),
        "metadata": _page(job, public_url),
    }


FORMATS: Mapping[str, tuple[str, Callable[[Delivery, str], Mapping[str, Any]]]] = {
    hookwords.CLOUDEVENTS: (CLOUDEVENTS_JSON, cloudevent),
    hookwords.JEX: (JSON, jex),
    hookwords.SMRTLINK: (JSON, smrtlink),
    hookwords.OVERSEER: (JSON, overseer),
}


def stop_path(delivery: Delivery) -> str:
    """Give the path below JEXURL at which a job is stopped. Raises NothingToSay."""
    invocation = _invocation(_job(delivery))
    if not invocation:
        raise NothingToSay("The job has no invocation id.")
    return f"/stop/{quote(invocation, safe='')}"


def words(delivery: Delivery) -> dict[str, Any]:
    """Give what the event says by itself, for a job that it starts. Raises Gone.

    ``event`` is its name, ``data`` the whole of its own members; ``job`` (the key), ``job_id``
    (that in the ledger), ``state`` and ``phase`` are there where it is of a job.
    """
    event, job = _event(delivery), delivery.job
    told = {
        "event": event.name,
        "source": event.source,
        "kind": _word(event),
        "occurred_at": format_utc(event.occurred_at),
        "data": event.data,
    }
    if job is not None:
        told |= {"job": job["key"], "job_id": job["id"]}
        told |= {"state": job["state"], "phase": job["phase"]}
    return told


def mail_subject(delivery: Delivery) -> str:
    """Give the subject of a mail, in one line."""
    job, event = delivery.job, delivery.event
    if job is not None and _is_execution(job):
        status = job["state"] if event is None else event.name
        told = f"{job['source']} {job['key']}: {status}"
    elif job is not None:
        told = f"{job['kind']} job {job['key'].rpartition('#')[2]}: {job['state']}"
    elif event is not None:
        told = f"{event.name} from {event.source}" if event.source else event.name
    else:
        raise Gone()
    return f"[jexevents] {fit(told, _SUBJECT_CHARACTERS)}"


def mail_text(delivery: Delivery, public_url: str = "") -> str:
    """Give the text of a mail: the job as it stood after the event, and the event."""
    parts = [part for part in (_job_text(delivery, public_url), _event_text(delivery)) if part]
    return "\n\n".join(parts) + "\n"


def _job_text(delivery: Delivery, public_url: str) -> str:
    job = delivery.job
    if job is None:
        return ""
    lines = [f"{name}: {_line(value)}" for name, value in job.items() if value is not None]
    if public_url:
        lines.append(f"more: {_page(job, public_url)}")
    head = f"The execution {job['key']} of {job['source']}" if _is_execution(job) else "The job"
    return "\n".join([head, *lines])


def _is_execution(job: Mapping[str, Any]) -> bool:
    return job["kind"] == Kind.COMMAND.value


def _page(job: Mapping[str, Any], public_url: str) -> str:
    """Give the URL of what is known of a job."""
    if _is_execution(job):
        return f"{public_url}/jobs/{quote(job['source'], safe='')}/{job['key']}"
    if job["kind"] == Kind.CONTAINER.value:
        result, _, number = job["key"].partition("/")
        return f"{public_url}/result/{result}/detail/{number}"
    return f"{public_url}/ledger/jobs/{job['id']}"


def _event_text(delivery: Delivery) -> str:
    event = delivery.event
    if event is None:
        return "The event was pruned."
    lines = [f"{name}: {_line(value)}" for name, value in _told(event).items() if name != "data"]
    data = json.dumps(event.data, indent=2, ensure_ascii=False)[:_MAIL_DATA_CHARACTERS]
    return "\n".join(["The event", *lines, data])


def _line(value: Any) -> str:
    return fit(value if isinstance(value, str) else json.dumps(value), 500)


def _identity(event: DeliveredEvent, job: Mapping[str, Any] | None) -> bytes:
    """Give what an event has for itself among those of its source, as the id of a CloudEvent is."""
    if job is None or event.is_identified:
        return event.checksum
    parts = (job["kind"].encode(), job["key"].encode(), event.checksum)
    return hashlib.sha256(b"\0".join(parts)).digest()


def _told(event: DeliveredEvent) -> dict[str, Any]:
    return {
        "seq": event.seq,
        "name": event.name,
        "source": event.source,
        "occurred_at": format_utc(event.occurred_at),
        "received_at": format_utc(event.received_at),
        "data": event.data,
    }


def _source(event: DeliveredEvent, public_url: str) -> str:
    parts = [_word(event), quote(event.source, safe="")] if event.source else [_word(event)]
    return "/".join([public_url, *parts]) if public_url else ":".join([_URN, *parts])


def _word(event: DeliveredEvent) -> str:
    return event.kind or hookwords.NO_KIND


def _event(delivery: Delivery) -> DeliveredEvent:
    if delivery.event is None:
        raise Gone()
    return delivery.event


def _job(delivery: Delivery) -> Mapping[str, Any]:
    if delivery.job is None:
        raise NothingToSay("The event is of no job, and the format tells of jobs.")
    return delivery.job


def _invocation(job: Mapping[str, Any]) -> str | None:
    return job.get("invocation_id")


def _instant(text: str | None) -> datetime | None:
    return None if text is None else rfc3339.parse(text).at


def _json(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
