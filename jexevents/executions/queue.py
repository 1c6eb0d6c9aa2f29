"""What waits, who has it, and what became of it: claims, begins, reports, judgements.

Each method is one transaction. What they decide, they decide with the rows of the queue locked: so
of a late report and a judgement the one that comes first counts, and the other changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from jexevents.executions import events
from jexevents.executions.events import Named
from jexevents.executions.run import Run
from jexevents.executions.telling import Tell, tells_nobody
from jexevents.lifecycle import command
from jexevents.lifecycle.executionid import shortest
from jexevents.logs import get_logger
from jexevents.model import Event, Outcome
from jexevents.store.database import Connection, Database
from jexevents.store.ledger import Ledger
from jexevents.store.literals import array, columns
from jexevents.store.offers import Applied
from jexevents.store.queries import QUERIES

log = get_logger("executions")

LEASE_SECONDS = 60.0
# Looks come every few seconds; after a longer gap PostgreSQL was away, or nobody was there.
_GAP_SECONDS = 20.0
_REPORTS = ("job_ids", "attempts", "sequences", "stdouts", "stderrs", "missings", "settled")


@dataclass(frozen=True, slots=True)
class Claimed:
    """An attempt that a node has: which one, and what is run."""

    job_id: str
    named: Named
    attempt: int
    claim: int
    run: Run


@dataclass(frozen=True, slots=True)
class Unsettled:
    """An attempt that was begun on a node, whose end is not in the ledger.

    ``run`` is None where the attempt was given up. ``sequence`` is the last of its own events that
    is known.
    """

    job_id: str
    named: Named
    attempt: int
    boot: str
    sequence: int
    run: Run | None


@dataclass(slots=True)
class Report:
    """What is told of an attempt: events of its supervisor, how much it wrote, whether it is over.

    ``end`` is the supervisor's last state, where it ended; ``lost`` says why nothing more will be
    heard, where it did not. ``failure`` says why it could not be started.
    """

    job_id: str
    named: Named
    attempt: int
    events: Sequence[Mapping[str, Any]] = ()
    senders: Mapping[str, str] = field(default_factory=dict)
    end: Mapping[str, Any] | None = None
    lost: str | None = None
    failure: str | None = None

    @property
    def is_last(self) -> bool:
        """Whether nothing more will be told."""
        return self.end is not None or self.lost is not None or self.failure is not None


class Queue:
    """The queue of one ledger, as the node ``node`` sees it.

    ``tell`` writes what hooks of the jobs get; ``wake`` is called with their names. ``ring`` is
    called when somebody may have something to begin, ``ended`` for each attempt that is over, with
    how: the name of its last event, or ``killed``.
    """

    def __init__(
        self,
        ledger: Ledger,
        database: Database,
        node: str,
        *,
        tell: Tell = tells_nobody,
        wake: Callable[[Collection[str]], None] = lambda _hooks: None,
        ring: Callable[[], None] = lambda: None,
        ended: Callable[[str], None] = lambda _end: None,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self._ledger = ledger
        self._database = database
        self._node = node
        self._tell = tell
        self._wake = wake
        self._ring = ring
        self._tell_end = ended
        self._lease_seconds = lease_seconds

    # --- claims

    def next_due(self, *, later: bool = False) -> float | None:
        """Give in how many seconds the first of what waits is due, below 0 for some time ago; None
        if nothing waits. With ``later``, of what is not due yet."""
        with self._database.look() as connection:
            return QUERIES.execution_queue.next_due_execution(connection, later=later)

    def claim(self, limit: int, but_commits: Collection[str] = ()) -> list[Claimed]:
        """Take up to ``limit`` of what is next, but nothing on these commits."""
        found: list[Claimed] = []

        def decide(connection: Connection) -> list[Event]:
            nonlocal found
            QUERIES.execution_queue.lock_claims(connection)
            rows = QUERIES.execution_queue.next_in_line(
                connection, limit=limit, but_commits=array(but_commits)
            )
            found = [
                Claimed(job_id, Named(execution, name), attempt, claim, Run.of_json(run))
                for job_id, execution, name, attempt, claim, run in rows
            ]
            found = _one_of_each(found)
            if found:
                QUERIES.execution_queue.take(
                    connection,
                    node=self._node,
                    lease_seconds=self._lease_seconds,
                    job_ids=array(one.job_id for one in found),
                )
            at = _now()
            return [
                events.claimed(one.named, at, one.attempt, self._node, one.claim) for one in found
            ]

        self._apply(decide, lambda: {one.job_id: one.run for one in found})
        return found

    def begin(self, claimed: Claimed, boot: str) -> bool:
        """Note that what was claimed begins now; False where it is this node's no more."""
        with self._database.transaction() as connection:
            return bool(
                QUERIES.execution_queue.begin_attempt(
                    connection,
                    job_id=claimed.job_id,
                    attempt=claimed.attempt,
                    node=self._node,
                    claim=claimed.claim,
                    boot=boot,
                )
            )

    def give_back(self, claimed: Iterable[Claimed], delay_seconds: float = 0.0) -> None:
        """Let others have what was claimed and not begun, after so many seconds."""
        ids = [one.job_id for one in claimed]
        if ids:
            with self._database.transaction() as connection:
                QUERIES.execution_queue.give_back(
                    connection, job_ids=array(ids), node=self._node, delay_seconds=delay_seconds
                )
            self._ring()

    def give_back_all(self) -> None:
        """Let others have what an earlier life of this node claimed, and did not begin."""
        with self._database.transaction() as connection:
            QUERIES.execution_queue.give_back_all(connection, node=self._node)

    def unsettled(self) -> list[Unsettled]:
        """Give what was begun on this node and whose end is not known."""
        with self._database.look() as connection:
            rows = QUERIES.execution_queue.unsettled(connection, node=self._node)
        return [
            Unsettled(
                job_id,
                Named(execution, definition),
                attempt,
                boot,
                sequence,
                Run.of_json(run) if current else None,
            )
            for job_id, attempt, boot, sequence, execution, definition, run, current in rows
        ]

    def held(self) -> set[tuple[str, int]]:
        """Give the attempts (job id, number) that are this node's."""
        with self._database.look() as connection:
            rows = QUERIES.execution_queue.held_by(connection, node=self._node)
        return {(job_id, attempt) for job_id, attempt in rows}

    # --- reports

    def report(self, reports: Sequence[Report]) -> set[tuple[str, int]]:
        """Store what is told of attempts; give those (job id, number) that had been given up.

        What is told of these is kept and changes nothing.
        """
        late: set[tuple[str, int]] = set()
        runs: dict[str, Run] = {}

        def decide(connection: Connection) -> list[Event]:
            late.clear()
            runs.clear()
            rows = QUERIES.execution_queue.lock_queued(
                connection, job_ids=array({one.job_id for one in reports})
            )
            queued = {row[0]: _Queued(*row) for row in rows}
            told: list[Event] = []
            for one in reports:
                row = queued.get(one.job_id)
                told += _told(one, self._node, _known(connection, one))
                if row is None or (row.attempt, row.node) != (one.attempt, self._node):
                    late.add((one.job_id, one.attempt))
                    continue
                runs[one.job_id] = row.what
                if one.is_last:
                    told += self._ended(connection, row, _end_of(one), _why(one))
            self._note(connection, reports)
            return told

        self._apply(decide, lambda: runs)
        if any(one.is_last for one in reports):
            self._ring()
        return late

    def _ended(
        self, connection: Connection, row: _Queued, end: str | None, why: str
    ) -> list[Event]:
        """Take an execution whose attempt ended out of the queue, or have it tried again.

        ``end`` is None for an end that nobody wants another attempt after. So is one that somebody
        has asked for, whatever came of that.
        """
        delay = None if end is None else row.what.retry_seconds(row.attempt, end)
        if delay is not None and QUERIES.execution_queue.asked_to_end(
            connection, job_id=row.job_id, attempt=row.attempt
        ):
            delay = None
        if delay is None:
            QUERIES.execution_queue.leave_queue(connection, job_ids=array([row.job_id]))
            return []
        attempt = row.attempt + 1
        QUERIES.execution_queue.try_again(
            connection, job_id=row.job_id, attempt=attempt, delay_seconds=delay
        )
        reason = f"Attempt {row.attempt} of {row.what.retries.count + 1}: {why}"
        return [events.retried(row.named, _now(), attempt, reason, delay)]

    def _note(self, connection: Connection, reports: Sequence[Report]) -> None:
        rows = [
            (
                one.job_id,
                one.attempt,
                max((event["seq"] for event in one.events), default=0),
                *_sizes(one.end),
                one.is_last,
            )
            for one in reports
        ]
        QUERIES.execution_queue.note_reports(connection, **columns(_REPORTS, rows))

    def depth(self) -> tuple[int, int]:
        """Say how many executions wait, and how many are in somebody's hands."""
        with self._database.look() as connection:
            waiting, held = QUERIES.execution_queue.queue_depth(connection)
        return waiting, held

    # --- judgements

    def judge(self, lost_after_seconds: float) -> None:
        """Free what was claimed and not begun by nodes that went silent, and give up what was begun
        by those that have been silent for too long; see that what is replaced makes room.

        No lease and no node is judged until a whole lease has passed with PostgreSQL there.
        """
        with self._database.transaction() as connection:
            (may_judge,) = QUERIES.execution_queue.judge(
                connection, gap_seconds=_GAP_SECONDS, lease_seconds=self._lease_seconds
            )
            freed = QUERIES.execution_queue.free_expired(connection) if may_judge else []
        for execution, name in freed:
            log.warning("claim_expired", job=name, execution=shortest(execution))
        if may_judge:
            self._give_up_silent(lost_after_seconds)
        if freed:
            self._ring()

    def _give_up_silent(self, lost_after_seconds: float) -> None:
        with self._database.look() as connection:
            rows = QUERIES.execution_queue.silent(connection, lease_seconds=self._lease_seconds)
        for job_id, execution, name, attempt, node, run, seconds in rows:
            can_be_tried_again = Run.of_json(run).retry_seconds(attempt, "lost") is not None
            if can_be_tried_again or seconds >= lost_after_seconds:
                reason = f"The node {node} has not been heard of for {seconds:.0f} s."
                self.give_up(job_id, Named(execution, name), attempt, reason)

    def give_up(
        self,
        job_id: str,
        named: Named,
        attempt: int,
        reason: str,
        by: str = "",
        *,
        tries_again: bool = True,
    ) -> bool:
        """Give up an attempt of which nothing is heard; False where it is not the current one.

        It is tried again where its definition says so, and ``tries_again``.
        """
        done, runs = False, {}

        def decide(connection: Connection) -> list[Event]:
            nonlocal done
            rows = QUERIES.execution_queue.lock_queued(connection, job_ids=array([job_id]))
            queued = [_Queued(*row) for row in rows]
            if not queued or queued[0].attempt != attempt or queued[0].begun_at is None:
                return []
            (row,) = queued
            done, runs[job_id] = True, row.what
            known = _known(connection, Report(job_id, named, attempt, lost=reason))
            told = events.lost(named, _now(), attempt, known, reason, by)
            end = "lost" if tries_again else None
            return [told, *self._ended(connection, row, end, reason)]

        self._apply(decide, lambda: runs)
        if done:
            log.warning("given_up", job=named.definition, execution=shortest(named.execution),
                        attempt=attempt, reason=reason)  # fmt: skip
            self._ring()
        return done

    def cancel(self, job_id: str, named: Named, cause: str, by: str = "") -> bool:
        """Take an execution out of the queue that has not begun; False where it has, or is over."""
        done, runs = False, {}

        def decide(connection: Connection) -> list[Event]:
            nonlocal done
            rows = QUERIES.execution_queue.lock_queued(connection, job_ids=array([job_id]))
            queued = [_Queued(*row) for row in rows]
            if not queued or queued[0].begun_at is not None:
                return []
            (row,) = queued
            done, runs[job_id] = True, row.what
            QUERIES.execution_queue.leave_queue(connection, job_ids=array([job_id]))
            return [events.cancelled(named, _now(), row.attempt, cause, by)]

        self._apply(decide, lambda: runs)
        if done:
            self._ring()
        return done

    def add(self, job_id: str, event: Event) -> bool:
        """Store an event of an execution that has not begun; False where it has, or is over."""
        done, runs = False, {}

        def decide(connection: Connection) -> list[Event]:
            nonlocal done
            rows = QUERIES.execution_queue.lock_queued(connection, job_ids=array([job_id]))
            queued = [_Queued(*row) for row in rows]
            done = bool(queued) and queued[0].begun_at is None
            if done:
                runs[job_id] = queued[0].what
            return [event] if done else []

        self._apply(decide, lambda: runs)
        return done

    # ---

    def _apply(
        self, decide: Callable[[Connection], Sequence[Event]], runs: Callable[[], Mapping[str, Run]]
    ) -> None:
        """Store what is decided, and what hooks of the jobs get of it."""
        told: Sequence[Event] = ()
        woken: Collection[str] = ()
        ends: Sequence[str] = ()

        def first(connection: Connection) -> Sequence[Event]:
            nonlocal told
            told = decide(connection)
            return told

        def also(connection: Connection, applied: Sequence[Applied]) -> None:
            nonlocal woken, ends
            known = runs()
            fresh = [
                (event, one, known[one.job_id])
                for event, one in zip(told, applied, strict=True)
                if one.outcome is Outcome.ACCEPTED and one.job_id in known
            ]
            ends = [end for event, _, _ in fresh if (end := command.end_of(event)) is not None]
            woken = self._tell(connection, fresh) if fresh else ()

        self._ledger.apply([], also=also, decide=first)
        for end in ends:
            self._tell_end(end)
        if woken:
            self._wake(woken)


class _Queued:
    """A row of the queue, locked."""

    def __init__(
        self,
        job_id: str,
        execution: int,
        definition: str,
        attempt: int,
        _priority: int,
        node: str | None,
        claim: int,
        begun_at: datetime | None,
        run: Mapping[str, Any],
    ) -> None:
        self.job_id = job_id
        self.named = Named(execution, definition)
        self.attempt = attempt
        self.node = node
        self.claim = claim
        self.begun_at = begun_at
        self.what = Run.of_json(run)


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _one_of_each(found: Sequence[Claimed]) -> list[Claimed]:
    """Leave out what must wait for another one that is claimed with it."""
    taken: set[str] = set()
    left = []
    for one in found:
        if not (one.run.is_exclusive and one.named.definition in taken):
            left.append(one)
            taken.add(one.named.definition)
    return left


def _known(connection: Connection, report: Report) -> int:
    """Give the last number of an attempt's own events, which only one that is lost is asked for."""
    if report.lost is None:
        return 0
    known = QUERIES.execution_queue.known_sequence(
        connection, job_id=report.job_id, attempt=report.attempt
    )
    return max([known or 0, *(event["seq"] for event in report.events)])


def _told(report: Report, node: str, known: int) -> list[Event]:
    """Make what is told of an attempt into events; ``known`` is the last number of its own."""
    end = report.end or {}
    told = [
        events.of_supervisor(
            report.named, report.attempt, event, node, end, report.senders.get(event.get("key"), "")
        )
        for event in report.events
    ]
    if report.failure is not None:
        told.append(events.failed(report.named, _now(), report.attempt, report.failure))
    if report.lost is not None:
        told.append(events.lost(report.named, _now(), report.attempt, known, report.lost))
    return told


def _end_of(report: Report) -> str | None:
    """Say how an attempt ended, in the words that retries are given for; None for none of them."""
    if report.lost is not None:
        return "lost"
    if report.failure is not None:
        return command.FAILS
    asked = report.end.get("reason") in command.ON_REQUEST
    names = [event["name"] for event in report.events if event["auto"]]
    end = names[-1] if names else None
    return None if asked or end not in (command.FAILS, command.TIMES_OUT) else end


def _why(report: Report) -> str:
    if report.end is None:
        return report.lost or report.failure or ""
    end = report.end
    if end.get("cause"):
        return str(end["cause"])
    if end.get("signal") is not None:
        return f"Ended by signal {end['signal']}."
    return f"Ended with exit status {end.get('exit_code')}."


def _sizes(end: Mapping[str, Any] | None) -> tuple[int | None, int | None, int | None]:
    output = (end or {}).get("output")
    if not output:
        return None, None, None
    missing = output.get("dropped", 0) + sum(output.get("lost", {}).values())
    return output.get("stdout"), output.get("stderr"), missing
