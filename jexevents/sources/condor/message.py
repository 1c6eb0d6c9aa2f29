"""The AMQP message of HTCondor's log monitors, or the bare text of an event, as an Event.

The message is a JSON object with ``Event`` (the event as it stands in the log) and, from
newer monitors, ``Source``, ``Occurrence``, ``Log``, ``Offset`` and ``Year``. Its ``Hash`` is
never looked at: some monitors force raw bytes into it.

Identity (promise 2 of the design) is the source, the text, and which of the equal texts in
its log it is; the text counts with CRLF as LF and without its line of three dots. Of the
header of a rotated log, which HTCondor writes anew, only what stays counts (see rotation).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from datetime import tzinfo
from typing import Any, NamedTuple

from jexevents import strictjson
from jexevents.errors import Invalid, Malformed, Unacceptable
from jexevents.faults import shown
from jexevents.model import (
    UNREADABLE_HEADERS,
    Arrival,
    Event,
    Fault,
    JobKey,
    Kind,
    Position,
    Reason,
)
from jexevents.sources.condor.event import CondorEvent
from jexevents.sources.condor.events import is_of_execute_point
from jexevents.sources.condor.parse import parse
from jexevents.sources.condor.rotation import lasting, rotation_header
from jexevents.sources.condor.times import Stamp, resolve
from jexevents.sources.doors import Steps
from jexevents.validation import SCHEMAS

# Reading and storing takes up to thirty times a message's own size in memory, and past some
# 100 MB PostgreSQL takes it for no statement at all: it would be tried for ever.
MAX_BYTES = 4 << 20

_CONDOR = Kind.CONDOR
_OCCURRENCES = 1000
_SCHEMA = "condor_message"
# Several AMQP libraries put the character set here; that is no encoding of the body.
_PLAIN = ("", "identity", "utf-8", "utf8", "us-ascii", "ascii")
_USUAL_TYPES = (None, "application/json", "text/plain", "application/octet-stream")
# Senders name what they send in many ways; none of these says that it is no event.
_CONTENT_TYPE = re.compile(
    r"(?:application/(?:(?:[\w.+-]+\+)?(?:json|xml)|octet-stream)|text/[\w.+-]+)\s*(?:;.*)?",
    re.IGNORECASE | re.DOTALL,
)


class _Draft(NamedTuple):
    """What is known of an event on its way from the message."""

    arrival: Arrival
    envelope: Mapping[str, Any]
    raw: bytes
    source: str
    parsed: CondorEvent | None = None
    checksum: bytes = b""


def read(arrival: Arrival, zone: tzinfo) -> Event:
    """Make the Event of one message; ``zone`` is the one that the logs' clocks show.

    Raises Malformed or Invalid with every fault.
    """
    value: Any = arrival
    for step in reader(zone):
        value = step(value)
    return value


def reader(zone: tzinfo) -> Steps:
    """Give ``read`` in steps (see sources.doors)."""

    def check_company(arrival: Arrival) -> Arrival:
        if len(arrival.body) > MAX_BYTES:
            raise _too_long(len(arrival.body))
        if not _is_usual(arrival.properties):
            beside = list(_faults_of_properties(arrival.properties))
            if beside:
                raise _refused(arrival, zone, beside)
        return arrival

    def finish(draft: _Draft) -> Event:
        return _event(draft, zone)

    return (check_company, _opened, _parsed, _identified, finish)


def log_reader(zone: tzinfo) -> Steps:
    """Give the steps for what is read from a log itself, and comes without an envelope.

    The body is the event, and the properties are what an envelope has beside it.
    """

    def check_size(arrival: Arrival) -> Arrival:
        if len(arrival.body) > MAX_BYTES:
            raise _too_long(len(arrival.body))
        return arrival

    def bare(arrival: Arrival) -> _Draft:
        return _Draft(arrival, arrival.properties, arrival.body, arrival.source)

    def finish(draft: _Draft) -> Event:
        return _event(draft, zone)

    return (check_size, bare, _parsed, _identified, finish)


def _too_long(size: int) -> Malformed:
    fault = Fault("", f"a message of at most {MAX_BYTES} bytes", str(size))
    return Malformed("The message is too long.", [fault], reason=Reason.TOO_LARGE)


def _opened(arrival: Arrival) -> _Draft:
    envelope, raw = _open(arrival.body)
    return _Draft(arrival, envelope, raw, envelope.get("Source", arrival.source))


def _parsed(draft: _Draft) -> _Draft:
    return _Draft(*draft[:4], parse(draft.raw))


def _identified(draft: _Draft) -> _Draft:
    arrival, envelope, raw, source, parsed, _ = draft
    checksum = identity(source, raw, int(envelope.get("Occurrence", 0)))
    return _Draft(arrival, envelope, raw, source, parsed, checksum)


def _event(draft: _Draft, zone: tzinfo) -> Event:
    arrival, envelope, raw, source, parsed, checksum = draft
    instant = resolve(_dated(parsed.stamp, envelope), zone, arrival.received_at)
    return Event(
        kind=_CONDOR,
        job=job_key(source, parsed.cluster, parsed.proc) if _is_of_job(parsed) else None,
        source=source,
        name=parsed.name,
        occurred_at=instant.at,
        occurred_offset=instant.offset,
        occurred_alt=instant.alternative,
        received_at=arrival.received_at,
        data=_data(parsed),
        raw=raw,
        checksum=checksum,
        position=_position(envelope),
    )


def _dated(stamp: Stamp, envelope: Mapping[str, Any]) -> Stamp:
    """Give a date that was written without a year the one that the sender knows."""
    year = envelope.get("Year") if stamp.year is None else None
    return stamp if year is None else stamp._replace(year=int(year))


def identity(source: str, raw: bytes, occurrence: int) -> bytes:
    """Give the identity (32 bytes) of an event of a log."""
    return _identity(source, canonical(raw), occurrence)


def _identity(source: str, text: bytes, occurrence: int) -> bytes:
    head = f"condor\0{source}\0{occurrence}\0".encode("utf-8", "surrogatepass")
    return hashlib.sha256(head + text).digest()


def is_identity(checksum: bytes, source: str, raw: bytes) -> bool:
    """Whether ``checksum`` is the identity of an event of a log with this source and text.

    Which of the equal texts of its log it is, is stored nowhere else. So this takes any of the
    first thousand for right; a log that says the same more often is not known.
    """
    if identity(source, raw, 0) == checksum:  # almost always, and a generator is slow
        return True
    texts = {canonical(raw), _plain(raw)}  # headers of rotated logs once counted as they stood
    return any(
        _identity(source, text, which) == checksum
        for text in texts
        for which in range(_OCCURRENCES)
    )


def canonical(raw: bytes) -> bytes:
    """Give the text that identity is made of: CRLF as LF, without the line of three dots.

    Of the header of a rotated log it is what HTCondor never writes anew (see rotation).
    """
    header = rotation_header(raw)
    return _plain(raw) if header is None else lasting(header)


def _plain(raw: bytes) -> bytes:
    text = raw.replace(b"\r\n", b"\n").strip(b"\n")
    if text.endswith(b"\n..."):
        return text[:-4].rstrip(b"\n")
    return text


def job_key(source: str, cluster: int, proc: int) -> JobKey:
    """Give the key of a condor job: its CondorID, with the source before it where there is one.

    HTCondor's own GlobalJobId is written the same way: the schedd's name, ``#``, the id.
    """
    condor_id = str(cluster) if proc == 0 else f"{cluster}.{proc}"
    key = f"{source}#{condor_id}" if source else condor_id
    return JobKey(_CONDOR, key, source, {"cluster": cluster, "proc": proc})


def _open(body: bytes) -> tuple[Mapping[str, Any], bytes]:
    """Give the message's members, and its event; a body that is no envelope is the event."""
    first = body[:1]
    if first != b"{":
        first = body.lstrip()[:1]
        if not first:
            raise _empty(body)
        if first != b"{":
            return {}, body
    document = _object(body)
    if "Event" not in document and "EventTypeNumber" in document:
        return {}, body
    faults = SCHEMAS.check(_SCHEMA, document)
    if faults:
        faults += _faults_of_event(document.get("Event"))
        raise Invalid("The message is not one of an HTCondor log monitor.", faults)
    return document, _bytes(document["Event"])


def _empty(body: bytes) -> Malformed:
    got = "nothing" if not body else "white space"
    return Malformed("The message is empty.", [Fault("", "an event", got)], reason=Reason.EMPTY)


def _faults_of_event(event: object) -> list[Fault]:
    """Say what is wrong with the event of a message that is refused anyway."""
    if not isinstance(event, str) or not event:
        return []
    try:
        parse(_bytes(event))
    except Unacceptable as error:
        return [Fault("/Event", fault.expected, fault.got) for fault in error.faults]
    return []


def _is_usual(properties: Mapping[str, Any]) -> bool:
    """Tell at a glance what most messages are, which spares them a closer look."""
    return (
        properties.get("content_type") in _USUAL_TYPES
        and "headers" not in properties
        and "content_encoding" not in properties
    )


def _faults_of_properties(
    properties: Mapping[str, Any],
) -> Iterator[tuple[Reason, Fault]]:
    """Say what is wrong beside the body, the gravest first."""
    headers = properties.get("headers")
    if isinstance(headers, Mapping) and UNREADABLE_HEADERS in headers:
        got = "headers that are too long, nest too deep or hold what has no value"
        yield Reason.HEADERS, Fault("headers", "headers that can be read", got)
    encoding = properties.get("content_encoding", "")
    if str(encoding).strip().lower() not in _PLAIN:
        fault = Fault("content_encoding", "none, identity or utf-8", shown(str(encoding)))
        yield Reason.ENCODING, fault
    content_type = str(properties.get("content_type", "")).strip()
    if content_type and not _CONTENT_TYPE.fullmatch(content_type):
        expected = "none, application/json, application/xml, application/octet-stream or text/..."
        yield Reason.CONTENT_TYPE, Fault("content_type", expected, shown(content_type))


def _refused(arrival: Arrival, zone: tzinfo, beside: list[tuple[Reason, Fault]]) -> Malformed:
    """Give the error with what is wrong beside the body, and in it unless it is encoded."""
    faults = [fault for _, fault in beside]
    if all(reason is not Reason.ENCODING for reason, _ in beside):
        try:
            _event(_identified(_parsed(_opened(arrival))), zone)
        except Unacceptable as error:
            faults += error.faults
    return Malformed(f"The message cannot be read: {faults[0]}.", faults, reason=beside[0][0])


def _object(body: bytes) -> dict[str, Any]:
    # Some monitors force the 32 bytes of a hash into a string of the JSON.
    document = strictjson.loads(body, any_text=True)
    document.pop("Hash", None)
    return {name: value for name, value in document.items() if value is not None}


def _bytes(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _is_of_job(event: CondorEvent) -> bool:
    # Clusters are numbered from 1; rotation headers, cluster events and the logs of execute
    # points carry other numbers where a job's would stand.
    of_slots = is_of_execute_point(event.number)
    return event.cluster > 0 and event.proc >= 0 and not of_slots


def _position(envelope: Mapping[str, Any]) -> Position | None:
    if "Log" in envelope and "Offset" in envelope:
        return Position(envelope["Log"], int(envelope["Offset"]))
    return None


def _data(event: CondorEvent) -> dict[str, Any]:
    return {
        "EventTypeNumber": event.number,
        "MyType": event.my_type,
        "Cluster": event.cluster,
        "Proc": event.proc,
        "Subproc": event.subproc,
        **event.ad,
    }
