"""Schedules as pages show them: how they read, what is due next, and where their runs are."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from jexevents.errors import Invalid
from jexevents.lifecycle.executionid import shortest
from jexevents.schedules import MEMBERS, by_clock, read_in_force, upcoming
from jexevents.schedules.values import Due
from jexevents.store.schedules import ScheduleRow

# The colour of each outcome, by the phase that it is like.
OUTCOMES = {
    "ran": "complete",
    "late": "complete",
    "missed": "error",
    "still-running": "cancelled",
    "paused": "cancelled",
    "skipped-hour": "cancelled",
}


def coming(row: ScheduleRow, now: datetime, count: int) -> tuple[list[Due], str]:
    """Give the next due times of a schedule, and why they are not known, where they are not:
    another machine may know a zone that this one does not."""
    if row.gone_at is not None:
        return [], ""
    try:
        return upcoming(read_in_force(row.members, row.first_seen, row.since), now, count), ""
    except Invalid as invalid:
        return [], "; ".join(map(str, invalid.faults))


def schedule(row: ScheduleRow, now: datetime, count: int) -> dict[str, Any]:
    """Give a schedule as pages show it."""
    found, fault = coming(row, now, count)
    return {
        "row": row,
        "reads": reads(row.members),
        "coming": [due(one) for one in found],
        "fault": fault,
    }


def due(one: Due) -> dict[str, Any]:
    """Give a due time as pages show it; with the clock of its zone where that is not UTC."""
    clock = by_clock(one.identity)
    return {"at": one.at, "runs": one.runs, "clock": clock if one.zone != "UTC" else ""}


def reads(members: Mapping[str, Any]) -> str:
    """Give what a definition says of a schedule, in one line."""
    order = (*MEMBERS, *sorted(members.keys() - set(MEMBERS)))
    said = [f"{name}: {members[name]}" for name in order if members.get(name) not in (None, "")]
    return ", ".join(said) or "once, at once"


def path_of_job(name: str) -> str:
    """Give the path of the page of a defined job."""
    return f"/ui/definitions/{quote(name, safe='')}"


def path_of_execution(name: str, execution: int | None) -> str | None:
    """Give a path that leads to the page of an execution; None for none."""
    return None if execution is None else f"{path_of_job(name)}/{shortest(execution)}"
