"""Charts as plain numbers: where what stands. Templates draw them, and escape what is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from jexevents.model import Phase
from jexevents.sidecar.dashboard.filters import lasting, short

Row = Mapping[str, Any]

# From the bottom of a pile to its top.
PHASES = tuple(one.value.lower() for one in Phase)
_STEPS_SECONDS = (
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600,
    900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 2 * 86400, 7 * 86400, 14 * 86400, 30 * 86400,
    91 * 86400, 365 * 86400, 1826 * 86400, 3652 * 86400,
    36524 * 86400, 182621 * 86400, 365243 * 86400,
)  # fmt: skip
_MOST_TICKS = 8
_MOST_LANES = 14
_NAME_CHARACTERS = 26
_OTHERS = "all others"


@dataclass(frozen=True, slots=True)
class Scale:
    """A time axis, ``left`` to ``right`` in units of the picture."""

    start: datetime
    end: datetime
    left: float
    right: float

    def x(self, at: datetime) -> float:
        """Give where a time stands; what lies outside stands at the edge."""
        whole = (self.end - self.start).total_seconds()
        part = (at - self.start).total_seconds() / whole if whole else 0.5
        return round(self.left + min(max(part, 0.0), 1.0) * (self.right - self.left), 1)

    def ticks(self) -> list[dict[str, Any]]:
        """Give round times along the axis, ``_MOST_TICKS`` at most: x, and a label."""
        seconds = (self.end - self.start).total_seconds()
        step = next(
            (one for one in _STEPS_SECONDS if seconds / one <= _MOST_TICKS), _STEPS_SECONDS[-1]
        )
        first = -(-_since_midnight(self.start) // step) * step
        ticks = []
        offset = first - _since_midnight(self.start)
        while offset <= seconds and len(ticks) <= _MOST_TICKS:
            at = self.start + timedelta(seconds=offset)
            ticks.append({"x": self.x(at), "label": _label(at, step)})
            offset += step
        return ticks


def _since_midnight(at: datetime) -> float:
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    return (at - midnight).total_seconds()


def _label(at: datetime, step: float) -> str:
    if step >= 86400:
        return f"{at:%Y-%m-%d}"
    if step >= 60:
        return f"{at:%H:%M}" if (at.hour, at.minute) != (0, 0) else f"{at:%m-%d}"
    if step >= 1:
        return f"{at:%H:%M:%S}"
    return f"{at:%S}.{at.microsecond // 1000:03d}"


def timeline(job: Row, events: Sequence[Row], now: datetime) -> dict[str, Any] | None:
    """Give a job's events along the time, a lane for each name, and its phases above them.

    ``events`` have ``name`` and ``occurred_at``. None where there is nothing to show.
    """
    times = [one["occurred_at"].astimezone(timezone.utc) for one in events]
    known = [job[name] for name in ("submitted_at", "started_at", "finished_at") if job[name]]
    is_open = job["phase"] in (Phase.QUEUED.value, Phase.RUNNING.value)
    all_times = [*times, *known]
    if not all_times:
        return None
    start, end = min(all_times), max([*all_times, *([now] if is_open else [])])
    scale = Scale(start.astimezone(timezone.utc), end.astimezone(timezone.utc), 190, 985)
    lanes = _lanes(events, times, scale)
    bottom = 34 + 22 * len(lanes)
    return {
        "width": 1000,
        "height": bottom + 26,
        "bottom": bottom,
        "left": scale.left,
        "right": scale.right,
        "ticks": scale.ticks(),
        "bars": _bars(job, scale, end, is_open),
        "lanes": lanes,
        "lasts": lasting((end - start).total_seconds()),
        "count": len(events),
        "start": start,
        "end": end,
    }


def _lanes(events: Sequence[Row], times: Sequence[datetime], scale: Scale) -> list[dict[str, Any]]:
    places: dict[str, dict[float, int]] = {}
    for event, at in zip(events, times, strict=True):
        name = event["name"]
        if name not in places and len(places) >= _MOST_LANES - 1:
            name = _OTHERS
        marks = places.setdefault(name, {})
        x = scale.x(at)
        marks[x] = marks.get(x, 0) + 1
    return [
        {
            "y": 34 + 22 * number,
            "name": short(name, _NAME_CHARACTERS),
            "count": sum(marks.values()),
            "marks": [{"x": x, "count": count} for x, count in sorted(marks.items())],
        }
        for number, (name, marks) in enumerate(places.items())
    ]


def _bars(job: Row, scale: Scale, end: datetime, is_open: bool) -> list[dict[str, Any]]:
    """Give how long a job waited and ran."""
    submitted, started = job["submitted_at"], job["started_at"]
    finished = job["finished_at"] or (end if is_open else None)
    bars = []
    if submitted and (until := started or finished):
        bars.append(_bar(Phase.QUEUED, submitted, until, scale))
    if started and finished:
        bars.append(_bar(Phase.RUNNING, started, finished, scale))
    if job["finished_at"] and job["phase"].lower() in PHASES[2:]:
        x = scale.x(job["finished_at"])
        bars.append({"phase": job["phase"].lower(), "x": x - 3, "width": 6, "label": job["phase"]})
    return bars


def _bar(phase: Phase, start: datetime, end: datetime, scale: Scale) -> dict[str, Any]:
    x, right = scale.x(start), scale.x(end)
    label = f"{phase.value}: {lasting((end - start).total_seconds())}"
    return {"phase": phase.value.lower(), "x": x, "width": max(right - x, 1), "label": label}


def stacked(rows: Iterable[Row], start: datetime, end: datetime, bars: int) -> dict[str, Any]:
    """Give piles of jobs by phase along the time.

    ``rows`` have ``bar`` (from 0 on), ``phase`` and ``count``.
    """
    counts = [dict.fromkeys(PHASES, 0) for _ in range(bars)]
    for row in rows:
        if 0 <= row["bar"] < bars:
            counts[row["bar"]][row["phase"].lower()] += row["count"]
    scale = Scale(start, end, 60, 990)
    top = _round_up(max((sum(one.values()) for one in counts), default=0))
    width = (scale.right - scale.left) / bars
    height, base = 180.0, 200.0
    piles = []
    for number, one in enumerate(counts):
        y = base
        for phase in PHASES:
            size = one[phase] / top * height
            y -= size
            if one[phase]:
                piles.append(
                    {
                        "phase": phase,
                        "x": round(scale.left + number * width + 1, 1),
                        "y": round(y, 1),
                        "width": round(width - 2, 1),
                        "height": round(size, 1),
                        "label": f"{start + (end - start) * number / bars:%Y-%m-%d %H:%M}: "
                        f"{one[phase]} {phase.upper()}",
                    }
                )
    totals = {phase: sum(one[phase] for one in counts) for phase in PHASES}
    return {
        "width": 1000,
        "height": 232,
        "left": scale.left,
        "right": scale.right,
        "base": base,
        "ticks": scale.ticks(),
        "lines": [
            {"y": base - part * height, "value": round(top * part)} for part in (0.0, 0.5, 1.0)
        ],
        "piles": piles,
        "totals": totals,
        "count": sum(totals.values()),
    }


def _round_up(value: int) -> int:
    """Give a round number that is not smaller, at least 2."""
    size = 1
    while True:
        for factor in (2, 4, 6, 10):
            if value <= factor * size:
                return factor * size
        size *= 10
