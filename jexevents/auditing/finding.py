"""What an audit finds: one thing that is missing, or that does not fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from enum import Enum
from typing import Any

from jexevents.rfc3339 import format_utc


class Lack(str, Enum):
    """What is wrong, in one word; docs/audit-log.md says of each what to do about it."""

    NO_SUBMIT = "no-submit"
    NO_END = "no-end"
    NO_EVENT = "no-event"
    GAP = "gap"
    TOLD_GAP = "told-gap"
    CLOCK_BACK = "clock-back"
    CLOCK_AHEAD = "clock-ahead"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing; ``at`` is when, by the log's own word, and ``count`` how many are told as one.

    ``job`` and ``key`` are those of its job, ``log`` and ``offset`` the place in a log, ``seq`` the
    number of an event: each None where it is about none. ``detail`` says the rest.
    """

    lack: Lack
    source: str
    at: datetime
    job: str | None = None
    key: str | None = None
    log: str | None = None
    offset: int | None = None
    seq: int | None = None
    count: int = 1
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def day(self) -> str:
        """The day of UTC."""
        return self.at.astimezone(timezone.utc).date().isoformat()

    def document(self) -> dict[str, Any]:
        """Give it as JSON values (schema audit_finding)."""
        return {
            "finding": self.lack.value,
            "source": self.source,
            "day": self.day,
            "at": format_utc(self.at),
            "job": self.job,
            "key": self.key,
            "log": self.log,
            "offset": self.offset,
            "seq": self.seq,
            "count": self.count,
            "detail": dict(self.detail),
        }
