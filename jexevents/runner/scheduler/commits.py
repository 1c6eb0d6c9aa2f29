"""Which daemon may schedule, and what a commit changes of the schedules; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from jexevents.definitions.definition import Definition
from jexevents.errors import Invalid
from jexevents.logs import get_logger
from jexevents.schedules import Schedule, first_look, read_in_force
from jexevents.store.schedules import NewSchedule, ScheduleRow, State

log = get_logger("scheduler")

# After so long without a look by anybody a daemon goes by its own definitions.
NOBODY_LOOKS = timedelta(seconds=60)
_INSTANT = timedelta(microseconds=1)


class Changes(NamedTuple):
    """What a commit changes: schedules with other due times, other members, and what is gone."""

    new: Sequence[NewSchedule]
    members: Mapping[int, Mapping[str, Any]]
    gone: Sequence[int]


def may_look(own: str, read: State, now: datetime) -> bool:
    """Say whether a daemon with the commit ``own`` in force may decide about due times.

    It may if that is what all go by, and if nobody has looked for a while: by the clock of now, so
    one that was set far back counts as such a while, too.
    """
    if read.commit is None or read.commit == own or read.looked_at is None:
        return True
    return abs(now - read.looked_at) > NOBODY_LOOKS


def changes_of(
    definitions: Mapping[str, Definition], rows: Sequence[ScheduleRow], now: datetime
) -> Changes:
    """Compare what the definitions say with all rows, those that are gone among them."""
    before = {(row.definition, row.place): row for row in rows}
    new: list[NewSchedule] = []
    members: dict[int, Mapping[str, Any]] = {}
    kept = set()
    for name, definition in definitions.items():
        for place, said in enumerate(definition.schedules):
            row = before.get((name, place))
            schedule = _read(name, place, said, row, now)
            if row is not None:
                kept.add(row.id)
            if schedule is None:
                continue
            same = row is not None and row.gone_at is None
            if not same or row.fingerprint != schedule.fingerprint:
                begin = _begin(schedule, said, row, now)
                new.append(NewSchedule(name, place, said, schedule.fingerprint, begin))
            elif row.members != said:
                members[row.id] = said
    gone = [row.id for row in rows if row.gone_at is None and row.id not in kept]
    return Changes(new, members, gone)


def _read(
    name: str, place: int, members: Mapping[str, Any], row: ScheduleRow | None, now: datetime
) -> Schedule | None:
    try:
        return read_in_force(members, now if row is None else row.first_seen, now)
    except Invalid as invalid:
        # It was read when the definitions were loaded; what there was before stays in force.
        log.error("schedule_unreadable", job=name, place=place, reason=str(invalid))
        return None


def _begin(
    schedule: Schedule, members: Mapping[str, Any], row: ScheduleRow | None, now: datetime
) -> datetime:
    """Give the instant behind which a schedule that comes into force now has due times."""
    if row is not None and schedule.once and not members.get("time"):
        # The single run of when it was first seen, which was before.
        return now - _INSTANT
    return first_look(schedule, now, None, now)
