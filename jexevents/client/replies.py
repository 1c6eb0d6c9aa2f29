"""What a server answered, and what that means to who asked."""

from __future__ import annotations

import email.utils
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from jexevents.errors import Refused, ServerAway
from jexevents.faults import fit

# Worth another try: too many requests, and a server, or one behind it, that is away for now.
AGAIN = (429, 502, 503, 504)

_LONGEST_WAIT_SECONDS = 86_400.0
_SHOWN = 300


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: its status, its fields in any case, its JSON (None where it has none)."""

    status: int
    fields: Mapping[str, str]
    document: Any

    @property
    def told(self) -> str:
        """What it says of itself, in one line."""
        detail = self.document.get("detail") if isinstance(self.document, dict) else None
        return (
            f"{self.status}: {fit(detail, _SHOWN)}" if isinstance(detail, str) else f"{self.status}"
        )


def judged(reply: Reply) -> dict[str, Any]:
    """Give the document of an answer that says yes. Raises Refused, and ServerAway for the rest."""
    if 200 <= reply.status < 300:
        if isinstance(reply.document, dict):
            return reply.document
        raise ServerAway(
            f"It answered with {reply.status} and no JSON object: that is no event server.",
            remedy="Look whether the URL is right.",
        )
    if 300 <= reply.status < 400:
        place = fit(reply.fields.get("Location", "nowhere"), _SHOWN)
        raise Refused(reply.status, f"It points to {place}.", remedy="Give the right URL.")
    if 400 <= reply.status < 500:
        raise Refused(reply.status, f"Refused with {reply.told}", _faults(reply.document))
    raise ServerAway(f"The server failed with {reply.told}")


def _faults(document: Any) -> list[str]:
    """Give the faults that a problem lists, a line each."""
    errors = document.get("errors") if isinstance(document, dict) else None
    told = []
    for fault in errors if isinstance(errors, list) else ():
        if isinstance(fault, dict):
            where = fault.get("pointer") or "(document)"
            line = f"{where}: expected {fault.get('expected')}, got {fault.get('got')}"
            told.append(fit(line, _SHOWN))
    return told


def wait_asked_for(reply: Reply, now: datetime | None = None) -> float:
    """Give how long a Retry-After asks to wait, in seconds; 0 where there is none that is one."""
    text = reply.fields.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:12]), _LONGEST_WAIT_SECONDS)
    try:
        until = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return 0.0
    if until.tzinfo is None:
        until = until.replace(tzinfo=timezone.utc)
    seconds = (until - (now or datetime.now(timezone.utc))).total_seconds()
    return min(max(0.0, seconds), _LONGEST_WAIT_SECONDS)
