"""How far something is, as a bar of parts; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jexevents.tasks.status import CANCELLED, COMPLETE, ERROR, KILLED, QUEUED, RUNNING

# The parts from left to right, each with its colour; what is over stands first.
_COLOURS = {
    COMPLETE: "complete",
    ERROR: "error",
    KILLED: "cancelled",
    CANCELLED: "cancelled",
    RUNNING: "running",
    QUEUED: "queued",
}


def bar(counts: Mapping[str, int]) -> dict[str, Any]:
    """Give the bar of how many runs have which status: its parts in hundredths of its width."""
    whole = sum(counts.values())
    parts, left = [], 0.0
    for status, colour in _COLOURS.items():
        if count := counts.get(status, 0):
            width = 100 * count / whole
            parts.append({"x": round(left, 3), "width": round(width, 3), "colour": colour,
                          "label": f"{count} {status}"})  # fmt: skip
            left += width
    return {"parts": parts, "label": ", ".join(one["label"] for one in parts) or "no runs"}
