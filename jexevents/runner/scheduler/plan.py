"""When each schedule is to be looked at next, as this process knows it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from heapq import heapify, heappop, heappush
from typing import Any, NamedTuple

from jexevents.logs import get_logger
from jexevents.schedules import next_after, read_in_force
from jexevents.store.schedules import ScheduleRow

log = get_logger("scheduler")


class _Entry(NamedTuple):
    fingerprint: str
    since: datetime
    members: Mapping[str, Any]
    priority: int
    next_at: datetime | None


class Plan:
    """The next due time of each schedule in force, of one edition of their rows.

    It may be older than the rows: then a time has come at which nothing is due, and that is all.
    """

    def __init__(self, edition: int) -> None:
        self.edition = edition
        self._entries: dict[int, _Entry] = {}
        self._heap: list[tuple[datetime, int]] = []

    @classmethod
    def of(cls, rows: Iterable[ScheduleRow], edition: int, now: datetime, old: Plan | None) -> Plan:
        """Make one of the rows; what ``old`` knows of the same due times is not computed again.

        Without it every schedule whose due times the rules of a zone move is to be looked at now.
        """
        plan = cls(edition)
        for row in rows:
            plan._entries[row.id] = plan._entry(row, now, old)
        plan._heap = [
            (entry.next_at, number)
            for number, entry in plan._entries.items()
            if entry.next_at is not None
        ]
        heapify(plan._heap)
        return plan

    def due(self, now: datetime) -> list[int]:
        """Give the schedules whose time has come: the first one first, of one time by priority."""
        found: dict[int, datetime] = {}
        while self._heap and self._heap[0][0] <= now:
            at, number = heappop(self._heap)
            if self._entries[number].next_at == at:
                found[number] = at
        for number, at in found.items():
            heappush(self._heap, (at, number))
        return sorted(found, key=lambda one: (found[one], -self._entries[one].priority, one))

    def seconds_from(self, now: datetime) -> float | None:
        """Give how long it is until the next one; None where nothing comes."""
        while self._heap:
            at, number = self._heap[0]
            if self._entries[number].next_at == at:
                return (at - now).total_seconds()
            heappop(self._heap)
        return None

    def put(self, number: int, at: datetime | None) -> None:
        """Note when a schedule is to be looked at next, None for never."""
        self._entries[number] = self._entries[number]._replace(next_at=at)
        if at is not None:
            heappush(self._heap, (at, number))

    def drop(self, number: int) -> None:
        """Forget a schedule that is not in force any more."""
        self.put(number, None)

    def _entry(self, row: ScheduleRow, now: datetime, old: Plan | None) -> _Entry:
        before = None if old is None else old._entries.get(row.id)
        if before is not None and before[:3] == (row.fingerprint, row.since, row.members):
            return before
        priority, next_at = _next(row, now, is_first=old is None)
        return _Entry(row.fingerprint, row.since, row.members, priority, next_at)


def _next(row: ScheduleRow, now: datetime, *, is_first: bool) -> tuple[int, datetime | None]:
    """Give the priority of a schedule, and when it is to be looked at next."""
    try:
        schedule = read_in_force(row.members, row.first_seen, row.since)
        if is_first and schedule.by_clock:
            return schedule.priority, now
        due = next_after(schedule, min(row.decided_until, now))
    except Exception:
        # Whoever can read it decides it; nothing of it is lost.
        log.exception("schedule_unusable", job=row.definition, place=row.place)
        return 0, None
    return schedule.priority, None if due is None else due.at
