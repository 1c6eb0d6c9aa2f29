"""One look at what is due: read, decide, and write it all in one transaction, or nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

from jexevents.definitions.definition import Definition
from jexevents.errors import Conflict, JexError, StoreTooSlow, Unavailable
from jexevents.executions.requests import Asked, Made
from jexevents.logs import get_logger
from jexevents.observers import NOBODY, RunObserver
from jexevents.runner.scheduler.commits import changes_of, may_look
from jexevents.runner.scheduler.plan import Plan
from jexevents.runner.scheduler.settling import Facts, Found, Settled, settled
from jexevents.schedules import Outcome, backlog, first_look, next_after, read_in_force
from jexevents.store import schedules as store
from jexevents.store.database import Connection, Database
from jexevents.store.schedules import Overtaken, ScheduleRow, State

log = get_logger("scheduler")

# What one transaction takes on: so many due times that are told and the last schedule's beyond
# them, of so many schedules.
MOST_AT_ONCE = 3000
# How long a schedule is left alone with which something unforeseen went wrong.
ASIDE = timedelta(seconds=60)
LONGEST_SECONDS = 5.0
# While it is for others to look, or what is in force is being told to all.
_OTHERS_SECONDS = 1.0
SCHEDULES_AT_ONCE = 500


class InForce(Protocol):
    """The definitions of the commit in force; jexevents.definitions.repository.Commit is such."""

    @property
    def id(self) -> str:
        """The commit."""

    @property
    def definitions(self) -> Mapping[str, Definition]:
        """Its definitions, by name."""


Also = Callable[[Connection, Sequence[Made]], None]
# Makes executions, all or none, and does ``also`` in the transaction, behind them: it is
# jexevents.executions.requests.Requests.request.
Request = Callable[[Sequence[Asked], Also], Any]


class _Batch(NamedTuple):
    """What was read at one look, and what is to become of it."""

    read: State
    now: datetime
    settled: Sequence[Settled]


class Looks:
    """Looks at what is due, by the definitions in force; used by one thread.

    ``definitions`` gives those, None while there are none. ``request`` makes executions. ``clock``
    reads PostgreSQL's clock. ``observer`` hears what became of what was due.
    """

    def __init__(
        self,
        database: Database,
        definitions: Callable[[], InForce | None],
        request: Request,
        *,
        clock: Callable[[Connection], datetime] = store.clock,
        observer: RunObserver = NOBODY,
    ) -> None:
        self._database = database
        self._definitions = definitions
        self._request = request
        self._clock = clock
        self._observer = observer
        self._plan: Plan | None = None
        # Those to be looked at a day further back: the rules of their zones may be newer ones.
        self._further: set[int] = set()

    def look(self) -> float:
        """Look once; give how many seconds later the next look is to be taken.

        Raises Overtaken where another daemon looked meanwhile, and StoreUnavailable; nothing was
        written then.
        """
        mine = self._definitions()
        if mine is None:
            return LONGEST_SECONDS
        with self._database.look() as connection:
            # The clock is read last: whoever has looked before did so at an earlier time.
            read = store.state(connection)
            now = self._clock(connection)
            if not may_look(mine.id, read, now):
                return _OTHERS_SECONDS
            if read.looked_at is not None and now < read.looked_at:
                batch = None
            else:
                plan = self._planned(connection, read, now)
                batch = self._batch(connection, mine, read, now, plan.due(now))
        if batch is None:
            self._set_back(read, now)
        elif batch.settled:
            self._decide(batch)
        elif read.scheduled != mine.id:
            self._put_in_force(mine, read, now)
        else:
            return self._rest(plan, now)
        return 0.0

    def drop_old(self, keep: timedelta, limit: int) -> int:
        """Remove what was decided longer ago than that; give how much, ``limit`` at most."""
        with self._database.transaction() as connection:
            return store.drop_old(connection, self._clock(connection) - keep, limit)

    def _rest(self, plan: Plan, now: datetime) -> float:
        with self._database.look() as connection:
            store.note_look(connection, now)
        seconds = plan.seconds_from(now)
        return LONGEST_SECONDS if seconds is None else min(max(seconds, 0.0), LONGEST_SECONDS)

    # --- what there is

    def _planned(self, connection: Connection, read: State, now: datetime) -> Plan:
        if self._plan is None or self._plan.edition != read.edition:
            rows = store.in_force(connection)
            if self._plan is None:
                self._further = {row.id for row in rows}
            self._plan = Plan.of(rows, read.edition, now, self._plan)
        return self._plan

    def _batch(
        self, connection: Connection, mine: InForce, read: State, now: datetime, ids: list[int]
    ) -> _Batch:
        """Decide about schedules whose time has come: as many as one transaction takes."""
        done: list[Settled] = []
        while ids and not done:
            some, ids = ids[:SCHEDULES_AT_ONCE], ids[SCHEDULES_AT_ONCE:]
            found = list(self._found(store.in_force(connection, some), read, now, some))
            known = store.known(
                connection,
                [(one.row.id, due.identity) for one in found for due in one.backlog.dues],
            )
            names = {one.row.definition for one in found}
            going = store.going_on(connection, names) if names else {}
            busy = {name: f"Execution {execution}" for name, execution in going.items()}
            standings = store.standings(connection, names) if names else {}
            facts = Facts(now, read.looked_at, standings, busy)
            for one in sorted(found, key=_turn):
                definition = mine.definitions.get(one.row.definition)
                done.append(settled(one, definition, known, facts))
        return _Batch(read, now, done)

    def _found(
        self, rows: Sequence[ScheduleRow], read: State, now: datetime, ids: Sequence[int]
    ) -> Iterator[Found]:
        """Give those that have due times up to now; a broken one keeps none from being found."""
        by_id = {row.id: row for row in rows}
        told = 0
        for number in ids:
            row = by_id.get(number)
            if row is None:
                self._plan.drop(number)
            elif told <= MOST_AT_ONCE:
                one = self._found_of(row, read, now)
                if one is not None:
                    told += len(one.backlog.dues)
                    yield one

    def _found_of(self, row: ScheduleRow, read: State, now: datetime) -> Found | None:
        try:
            schedule = read_in_force(row.members, row.first_seen, row.since)
            after = min(row.decided_until, now)
            if row.id in self._further and schedule.by_clock:
                after = min(after, first_look(schedule, row.since, read.looked_at, now))
            due = backlog(schedule, after, now)
            if due.older is not None or due.dues:
                return Found(row, schedule, due)
            self._settled(row, schedule, after)
        except MemoryError:
            raise
        except Exception:
            log.exception("schedule_broken", job=row.definition, place=row.place)
            self._plan.put(row.id, now + ASIDE)
        return None

    def _settled(self, row: ScheduleRow, schedule: Any, until: datetime) -> None:
        due = next_after(schedule, until)
        self._plan.put(row.id, None if due is None else due.at)
        self._further.discard(row.id)

    # --- what is written

    def _decide(self, batch: _Batch) -> None:
        try:
            self._write(batch)
        except (Overtaken, MemoryError):
            raise
        except Exception as error:  # whose fault it is, each alone will tell
            if isinstance(error, Unavailable) and not _is_too_much(error, batch):
                raise
            log.info("due_times_decided_one_by_one", reason=str(error))
            self._decide_one_by_one(batch)

    def _decide_one_by_one(self, batch: _Batch) -> None:
        read = batch.read
        for one in batch.settled:
            try:
                self._decide_alone(_Batch(read, batch.now, [one]))
            except (Unavailable, Overtaken, MemoryError):
                raise
            except Exception:
                row = one.row
                log.exception("schedule_broken", job=row.definition, place=row.place)
                self._plan.put(row.id, batch.now + ASIDE)
            else:
                read = replace(read, decisions=read.decisions + 1)

    def _decide_alone(self, batch: _Batch) -> None:
        (one,) = batch.settled
        try:
            self._write(batch)
        except (Unavailable, Overtaken):
            raise
        except JexError as refusal:
            outcome = self._outcome_of(one.row.definition, refusal)
            self._write(batch._replace(settled=[one.refused(outcome, _why(outcome, refusal))]))

    def _outcome_of(self, name: str, refusal: JexError) -> Outcome:
        if not isinstance(refusal, Conflict):
            return Outcome.MISSED
        with self._database.look() as connection:
            standing = store.standings(connection, [name]).get(name)
        is_paused = standing is not None and not standing.active
        return Outcome.PAUSED if is_paused else Outcome.STILL_RUNNING

    def _write(self, batch: _Batch) -> None:
        """Make the executions and write the rows, if nobody was faster."""
        items = sorted((item for one in batch.settled for item in one.items), key=lambda i: i.turn)
        asked = [item.asked for item in items if item.asked is not None]
        ids = [one.row.id for one in batch.settled]

        def also(connection: Connection, made: Sequence[Made]) -> None:
            store.hold(connection, batch.read)
            made_in_turn = iter(made)
            told = [
                item.told
                if item.asked is None
                else item.told._replace(execution=next(made_in_turn).execution)
                for item in items
            ]
            store.write(connection, batch.now, told, ids)

        if asked:
            self._request(asked, also)
        else:
            self._database.run(lambda connection: also(connection, ()))
        for one in batch.settled:
            self._settled(one.row, one.schedule, batch.now)
        outcomes = Counter(item.told.outcome for item in items)
        if outcomes:
            self._observer.decided(outcomes)
            log.info(
                "due_times_decided", **{word.replace("-", "_"): n for word, n in outcomes.items()}
            )

    def _put_in_force(self, mine: InForce, read: State, now: datetime) -> None:
        """Make the schedules those of the definitions in force; all that was due is decided."""

        def work(connection: Connection) -> tuple[int, int]:
            store.hold(connection, read)
            changes = changes_of(mine.definitions, store.all_rows(connection), now)
            store.put_in_force(connection, mine.id, now, *changes)
            return len(changes.new), len(changes.gone)

        new, gone = self._database.run(work)
        log.info("schedules_in_force", commit=mine.id, new=new, gone=gone)

    def _set_back(self, read: State, now: datetime) -> None:
        def work(connection: Connection) -> int:
            store.hold(connection, read)
            return store.set_back(connection, now)

        forgotten = self._database.run(work)
        # What is due next is computed anew, from the time that it is now.
        self._plan = None
        log.warning(
            "clock_set_back", looked_at=str(read.looked_at), now=str(now), decided_anew=forgotten
        )


def _turn(found: Found) -> tuple[datetime, int]:
    dues = found.backlog.dues
    at = dues[0].at if dues else found.backlog.older.until
    return at, -found.schedule.priority


def _is_too_much(error: Exception, batch: _Batch) -> bool:
    """Whether less at once may help."""
    return isinstance(error, StoreTooSlow) and len(batch.settled) > 1


def _why(outcome: Outcome, refusal: JexError) -> str:
    return str(refusal) if outcome is not Outcome.MISSED else f"It could not run: {refusal}"
