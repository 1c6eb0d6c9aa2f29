"""The AMQP message of an event, as HTCondor's log monitors send it and consumers know it."""

from __future__ import annotations

import hashlib
from typing import Any

from jexevents.eventlogs.reading import LogEvent


def message(event: LogEvent, *, source: str | None, log: str) -> dict[str, Any]:
    """Give the message of ``event``, which stands in the file called ``log`` (see naming).

    ``Event`` is what stands in the log, byte for byte; what is no UTF-8 is escaped in the way
    that the consumer undoes. ``Source`` stands in it only where one is configured: without it
    this is the event that an older monitor sends. To be written with ``json.dumps``, which can
    write the escaped bytes.
    """
    members: dict[str, Any] = {
        "Event": event.raw.decode("utf-8", "surrogateescape"),
        "Hash": hashlib.sha256(event.raw).hexdigest(),
        "Log": log,
        "Offset": event.offset,
        "Occurrence": event.occurrence,
    }
    if source:
        members["Source"] = source
    return members
