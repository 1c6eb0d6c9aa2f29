"""The schedules in force, and what became of each due time.

What was read and decided is written only if nobody has written meanwhile: ``hold`` compares two
numbers that grow with every change (``State``), under a lock that is held for that moment alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from jexevents.errors import JexError
from jexevents.lifecycle.executionid import shortest
from jexevents.store.database import Connection
from jexevents.store.literals import array, columns
from jexevents.store.queries import QUERIES


class Overtaken(JexError):
    """Another daemon has looked at what is due meanwhile."""


@dataclass(frozen=True, slots=True)
class State:
    """What all daemons agree on.

    ``looked_at`` is when any of them last looked, ``commit`` what is in force, ``scheduled`` the
    commit that the rows of schedules are those of, None for none. ``edition`` grows with every
    change of these rows, ``decisions`` whenever anything is decided.
    """

    looked_at: datetime | None
    commit: str | None
    scheduled: str | None
    edition: int
    decisions: int


@dataclass(frozen=True, slots=True)
class ScheduleRow:
    """A schedule of a definition, the one at ``place`` among them (from 0).

    All due times up to ``decided_until`` have their rows. ``first_seen`` is what an empty time
    stands for, ``since`` from when on its due times are in force.
    """

    id: int
    definition: str
    place: int
    members: Mapping[str, Any]
    fingerprint: str
    first_seen: datetime
    since: datetime
    decided_until: datetime
    gone_at: datetime | None = None


class NewSchedule(NamedTuple):
    """A schedule to be put in force; what is due up to ``decided_until`` is not asked for."""

    definition: str
    place: int
    members: Mapping[str, Any]
    fingerprint: str
    decided_until: datetime


class Told(NamedTuple):
    """What became of a due time; with ``after``, of all behind that, up to and with ``due_at``.

    ``execution`` is the id of the one that began, in microseconds.
    """

    schedule_id: int
    identity: str
    due_at: datetime
    after: datetime | None
    outcome: str
    reason: str
    execution: int | None = None


class Standing(NamedTuple):
    """Whether a job is on the active list, and since when."""

    active: bool
    changed_at: datetime


class Last(NamedTuple):
    """A schedule with what became of its last due time: all None where none has come."""

    row: ScheduleRow
    active: bool
    due_at: datetime | None
    outcome: str | None
    reason: str | None
    execution: int | None


_TOLD = ("schedule_ids", "identities", "due_ats", "afters", "outcomes", "reasons", "executions")
_NEW = ("definitions", "places", "members", "fingerprints", "decided")


def clock(connection: Connection) -> datetime:
    """Give what PostgreSQL's clock shows."""
    return QUERIES.schedules.clock(connection)


def state(connection: Connection) -> State:
    """Give what all daemons agree on."""
    return State(*QUERIES.schedules.schedule_state(connection))


def hold(connection: Connection, read: State) -> None:
    """Keep others from writing until the transaction ends.

    Raises Overtaken where somebody has written since ``read`` was read.
    """
    now = State(*QUERIES.schedules.lock_schedule_state(connection))
    if (now.edition, now.decisions) != (read.edition, read.decisions):
        raise Overtaken()


def note_look(connection: Connection, now: datetime) -> None:
    """Note that somebody has looked, and nothing was due."""
    QUERIES.schedules.note_look(connection, now=now)


def in_force(connection: Connection, ids: Iterable[int] | None = None) -> list[ScheduleRow]:
    """Give the schedules in force, all or those of these ids."""
    if ids is None:
        return _rows(QUERIES.schedules.schedules_in_force(connection))
    return _rows(QUERIES.schedules.schedules_by_id(connection, ids=array(ids)))


def all_rows(connection: Connection) -> list[ScheduleRow]:
    """Give all schedules, those that are gone as well."""
    return _rows(QUERIES.schedules.all_schedules(connection))


def of_definition(connection: Connection, definition: str) -> list[ScheduleRow]:
    """Give the schedules that a definition has or had, by their places."""
    return _rows(QUERIES.schedules.schedules_of(connection, definition=definition))


def put_in_force(
    connection: Connection,
    commit: str,
    now: datetime,
    new: Sequence[NewSchedule],
    members: Mapping[int, Mapping[str, Any]],
    gone: Sequence[int],
) -> None:
    """Write what a commit changes of the schedules; after ``hold``.

    ``members`` are those of schedules whose due times stay, ``gone`` are ids, too.
    """
    if new:
        rows = [one._replace(members=json.dumps(one.members)) for one in new]
        QUERIES.schedules.save_schedules(connection, now=now, **columns(_NEW, rows))
    if members:
        texts = array(json.dumps(one) for one in members.values())
        QUERIES.schedules.save_members(connection, ids=array(members), members=texts)
    if gone:
        QUERIES.schedules.end_schedules(connection, now=now, ids=array(gone))
    changed = int(bool(new or members or gone))
    QUERIES.schedules.note_schedules(connection, now=now, commit=commit, changed=changed)


def known(connection: Connection, asked: Sequence[tuple[int, str]]) -> set[tuple[int, str]]:
    """Give which of these due times, by schedule and identity, have their rows."""
    if not asked:
        return set()
    arrays = columns(("schedule_ids", "identities"), asked)
    return {tuple(row) for row in QUERIES.schedules.known_due_times(connection, **arrays)}


def write(
    connection: Connection, now: datetime, told: Sequence[Told], schedule_ids: Sequence[int]
) -> None:
    """Write what became of due times of these schedules; after ``hold``."""
    if told:
        QUERIES.schedules.insert_due_times(connection, now=now, **columns(_TOLD, told))
    QUERIES.schedules.decided(connection, now=now, ids=array(schedule_ids))
    QUERIES.schedules.note_decisions(connection, now=now)


def set_back(connection: Connection, now: datetime) -> int:
    """Go on from a clock that was set back; after ``hold``.

    Gives how many due times that now lie ahead will be decided anew, since none of them ran.
    """
    forgotten = QUERIES.schedules.forget_what_is_ahead(connection, now=now)
    QUERIES.schedules.cut_spans(connection, now=now)
    QUERIES.schedules.set_back_schedules(connection, now=now)
    QUERIES.schedules.set_back_state(connection, now=now)
    return forgotten


def standings(connection: Connection, names: Iterable[str]) -> dict[str, Standing]:
    """Give how those of these jobs stand that were ever taken off the active list."""
    rows = QUERIES.schedules.standings(connection, names=array(names))
    return {name: Standing(active, changed_at) for name, active, changed_at in rows}


def going_on(connection: Connection, names: Iterable[str]) -> dict[str, str]:
    """Give, in its shortest form, the first execution of each of these jobs that is not over."""
    rows = QUERIES.schedules.first_going_on(connection, names=array(names))
    return {name: shortest(execution) for name, execution in rows}


def page(
    connection: Connection, schedule_ids: Iterable[int], *, limit: int, before: int | None = None
) -> list[dict[str, Any]]:
    """Give what became of due times, the last decided first, from before that number on.

    Each has: id, schedule_id, identity, due_at, after, outcome, reason, execution, decided_at.
    """
    return QUERIES.schedules.due_times_page.mappings(
        connection, ids=array(schedule_ids), limit=limit, before=before
    )


def with_last(connection: Connection) -> list[Last]:
    """Give the schedules in force, each with what became of its last due time."""
    rows = QUERIES.schedules.schedules_with_last(connection)
    return [Last(ScheduleRow(*row[:9]), *row[9:]) for row in rows]


def drop_old(connection: Connection, before: datetime, limit: int) -> int:
    """Remove what was decided earlier, at most so many; give how many that were."""
    rows = QUERIES.schedules.drop_old_due_times(connection, before=before, limit=limit)
    return sum(1 for _ in rows)


def _rows(rows: Iterable[Sequence[Any]]) -> list[ScheduleRow]:
    return [ScheduleRow(*row) for row in rows]
