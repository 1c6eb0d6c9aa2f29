"""How far the pull of an image is: a fold of the lines that the engine sends. Pure.

The shape is ``{"layers": {id: {"status", "current", "total"}}, "current", "total"}``, in bytes;
a total that is not known yet is 0. It stays small whatever a registry sends.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jexevents.faults import fit

MAX_LAYERS = 200
_ID_CHARACTERS = 64
_STATUS_CHARACTERS = 80
_MAX_BYTES = 2**53  # what every reader of JSON can hold

# The engine counts a layer twice, when it comes and when it is unpacked; it has come when one of
# these is said of it.
_HAS_COME = frozenset({"Verifying Checksum", "Download complete", "Extracting", "Pull complete"})
_COMES = frozenset({"Downloading"})
_WAS_THERE = frozenset({"Already exists", "Layer already exists"})
# Lines with an id that is none of a layer: "Pulling from library/busybox" has the tag's.
_NO_LAYER = ("Pulling from ", "Pulling repository ")

Progress = dict[str, Any]


def nothing() -> Progress:
    """Give the progress before the first line."""
    return {"layers": {}, "current": 0, "total": 0}


def fold(progress: Progress, line: Mapping[str, Any]) -> Progress:
    """Give the progress after one more line; the one given is not changed.

    A line of no layer changes nothing, and neither does one of a layer after the first
    ``MAX_LAYERS``.
    """
    name, status = line.get("id"), line.get("status")
    if not isinstance(name, str) or not isinstance(status, str) or status.startswith(_NO_LAYER):
        return progress
    name, layers = fit(name, _ID_CHARACTERS), progress["layers"]
    if not name or (name not in layers and len(layers) >= MAX_LAYERS):
        return progress
    detail = line.get("progressDetail")
    layer = _layer(layers.get(name), status, detail if isinstance(detail, Mapping) else {})
    # A layer's totals come one by one, so the sums are made anew; they are short.
    layers = {**layers, name: layer}
    return {
        "layers": layers,
        "current": sum(one["current"] for one in layers.values()),
        "total": sum(one["total"] for one in layers.values()),
    }


def _layer(before: dict | None, status: str, detail: Mapping[str, Any]) -> dict[str, Any]:
    current, total = (before["current"], before["total"]) if before else (0, 0)
    if status in _COMES:
        total = _bytes(detail.get("total")) or total
        current = max(current, _bytes(detail.get("current")))
        # A registry need not say how long a layer is.
        total = max(total, current)
    elif status in _HAS_COME:
        total = max(total, _bytes(detail.get("total")) if status == "Extracting" else 0)
        current = total
    elif status in _WAS_THERE:
        current = total = 0
    return {"status": fit(status, _STATUS_CHARACTERS), "current": current, "total": total}


def _bytes(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        return 0
    return min(max(value, 0), _MAX_BYTES)
