"""Runs of tasks that are asked for: put into the ledger and the queue, all or none of a result."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jexevents.errors import Conflict, JexError, Unknown
from jexevents.executions import events
from jexevents.executions.events import Named
from jexevents.executions.requests import BY_REPEAT, BY_REQUEST
from jexevents.executions.run import ContainerRun
from jexevents.ingest import other_content
from jexevents.model import Event, Fault
from jexevents.store import audit
from jexevents.store.database import Connection
from jexevents.store.ledger import Ledger
from jexevents.store.literals import array, columns
from jexevents.store.offers import Applied
from jexevents.store.queries import QUERIES
from jexevents.store.results import Results
from jexevents.tasks import parameters as reading
from jexevents.tasks.parameters import Policy
from jexevents.tasks.registry import unknown
from jexevents.tasks.status import counts_of, detail_key, is_over, status_of

RUN, REPEAT = "RUN", "REPEAT"
FAILED, ALL = "failed", "all"
_TRIES = 5
_QUEUE = ("job_ids", "executions", "details")


@dataclass(frozen=True, slots=True)
class Asked:
    """Runs that are asked for, ``times`` of them; ``by`` is the name of a credential, ``key`` an
    Idempotency-Key, which is one over the task."""

    task_id: int
    times: int = 1
    parameters: Mapping[str, Any] = field(default_factory=dict)
    by: str = ""
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """A result; not ``is_new`` where the same request has made it before."""

    result_id: int
    is_new: bool = True


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A result to be made. ``request`` is what two requests with one key have in common; ``run_of``
    gives the task's name and what is run, and raises where that is not allowed."""

    asked: Asked
    request: Mapping[str, Any]
    run_of: Callable[[Connection], tuple[str, ContainerRun]]
    trigger: str = BY_REQUEST
    repeats: int | None = None


class _Taken(JexError):
    """The ledger has a job by the key that a new run would have."""


class Runs:
    """Takes what is asked for. ``ring`` is called when something new waits in the queue.

    Methods raise StoreUnavailable while PostgreSQL does not answer.
    """

    def __init__(
        self,
        ledger: Ledger,
        results: Results,
        policy: Policy,
        ring: Callable[[], None] = lambda: None,
    ) -> None:
        self._ledger = ledger
        self._results = results
        self._policy = policy
        self._ring = ring

    def run(self, asked: Asked) -> Made:
        """Have a task run so many times.

        Raises Unknown, Invalid for the parameters, Conflict where the task is not READY, and where
        the Idempotency-Key was used for something else.
        """
        run = reading.read(asked.parameters, self._policy, asked.times)

        def run_of(connection: Connection) -> tuple[str, ContainerRun]:
            row = QUERIES.tasks.lock_task(connection, id=asked.task_id)
            if row is None:
                raise unknown(asked.task_id)
            name, repository, status, image, only_local, error = row
            if status != "READY":
                raise _not_ready(name, status, error)
            return name, reading.with_image(run, image, repository, not only_local)

        request = {"operation": RUN, "times": asked.times, "parameters": dict(asked.parameters)}
        return self._make(_Wanted(asked, request, run_of))

    def repeat(self, result_id: int, only: str, by: str, key: str | None = None) -> Made:
        """Run again what failed of a result, or all of it, on the same image.

        Raises Unknown; Invalid where its parameters are not allowed any more; Conflict where it is
        not over, nothing of it failed, or its task was deleted, and where the Idempotency-Key was
        used for something else.
        """
        row = self._results.find(result_id)
        if row is None:
            raise unknown_result(result_id)
        request = {"operation": REPEAT, "result_id": result_id, "only": only}
        times = row["times"] if only == ALL else counts_of(row)["ERROR"]

        def run_of(connection: Connection) -> tuple[str, ContainerRun]:
            _require_repeatable(result_id, row, times)
            run = reading.read(row["parameters"], self._policy, times)
            name, kept, deleted = QUERIES.results.result_asked(connection, id=result_id)
            if deleted:
                raise Conflict(
                    f"The task {name[:100]!r} of the result {result_id} was deleted.",
                    remedy="Register its image again, and run that.",
                )
            before = ContainerRun.of_json(kept)
            return name, reading.with_image(run, before.image, before.repository, before.pull)

        asked = Asked(row["task_id"], times, row["parameters"], by, key)
        return self._make(_Wanted(asked, request, run_of, BY_REPEAT, result_id))

    def _make(self, wanted: _Wanted) -> Made:
        for _ in range(_TRIES):
            try:
                made = self._store(wanted)
            except _Taken:
                continue
            if made.is_new:
                self._ring()
            return made
        raise Conflict("No free number was found for the result.", remedy="Try again.")

    def _store(self, wanted: _Wanted) -> Made:
        made: Made | None = None
        named: list[Named] = []
        run: ContainerRun | None = None

        def decide(connection: Connection) -> Sequence[Event]:
            nonlocal made, named, run
            made, named = _made_before(connection, wanted), []
            if made is not None:
                return ()
            name, run = wanted.run_of(connection)
            made = _new(connection, wanted, run)
            if not made.is_new:
                return ()
            named = _names(name, made.result_id, wanted.asked.times)
            at = events.now()
            told = _told(wanted, made.result_id, run)
            return [
                events.requested(one, at, {**told, "detail": place})
                for place, one in enumerate(named, 1)
            ]

        def also(connection: Connection, applied: Sequence[Applied]) -> None:
            if named:
                _enqueue(connection, named, applied, run)
                _audit(connection, wanted, named[0].definition, made.result_id)

        self._ledger.apply([], also=also, decide=decide)
        return made


def _made_before(connection: Connection, wanted: _Wanted) -> Made | None:
    """Give the result that the same request has made. Raises Conflict where it was another one."""
    asked = wanted.asked
    if asked.key is None:
        return None
    row = QUERIES.results.result_of_key(connection, task_id=asked.task_id, request_key=asked.key)
    if row is None:
        return None
    if row[1] != wanted.request:
        raise other_content()
    return Made(row[0], is_new=False)


def _new(connection: Connection, wanted: _Wanted, run: ContainerRun) -> Made:
    asked = wanted.asked
    result_id = QUERIES.results.insert_result(
        connection,
        task_id=asked.task_id,
        times=asked.times,
        run=json.dumps(run.as_json()),
        parameters=json.dumps(asked.parameters),
        request=json.dumps(wanted.request),
        repeats=wanted.repeats,
        credential=asked.by,
        request_key=asked.key,
    )
    if result_id is not None:
        return Made(result_id)
    known = _made_before(connection, wanted)
    if known is None:
        raise _Taken()
    return known


def _names(task: str, result_id: int, times: int) -> list[Named]:
    """Give the runs their names; their ids are one microsecond apart, so that they go in order."""
    first = time.time_ns() // 1000
    return [Named(first + place, task, detail_key(result_id, place + 1)) for place in range(times)]


def _told(wanted: _Wanted, result_id: int, run: ContainerRun) -> dict[str, Any]:
    """Give what the first event of every run says."""
    told = {
        "image": run.image,
        "result": result_id,
        "by": wanted.asked.by,
        "trigger": wanted.trigger,
        "parameters": wanted.asked.parameters,
    }
    return told if wanted.repeats is None else {**told, "repeats": wanted.repeats}


def _enqueue(
    connection: Connection, named: Sequence[Named], applied: Sequence[Applied], run: ContainerRun
) -> None:
    if not all(one.job_is_new for one in applied):
        raise _Taken()
    rows = [
        (what.job_id, one.execution, one.detail) for one, what in zip(named, applied, strict=True)
    ]
    QUERIES.execution_queue.enqueue_containers(
        connection,
        task=named[0].definition,
        priority=run.priority,
        run=json.dumps(run.as_json()),
        labels=array(run.labels),
        **columns(_QUEUE, rows),
    )


def _audit(connection: Connection, wanted: _Wanted, task: str, result_id: int) -> None:
    asked = wanted.asked
    detail = {"task_id": asked.task_id, "task": task, "result": result_id, "times": asked.times}
    if wanted.repeats is not None:
        detail["repeats"] = wanted.repeats
    action = "task run" if wanted.repeats is None else "result repeated"
    audit.note(connection, action, detail, asked.by)


def _not_ready(name: str, status: str, error: str | None) -> Conflict:
    why = f": {error}" if status == "ERROR" and error else ""
    return Conflict(
        f"The task {name[:100]!r} is {status}{why}",
        [Fault("", "a task that is READY", status)],
        remedy=(
            "Have its image imported again with the operation IMPORT."
            if status == "ERROR"
            else "Wait until its image is imported."
        ),
    )


def _require_repeatable(result_id: int, row: Mapping[str, Any], times: int) -> None:
    status = status_of(row)
    if not is_over(row):
        raise Conflict(
            f"The result {result_id} is {status}.",
            [Fault("", "a result that is over", status)],
            remedy="Wait for its end, or cancel it.",
        )
    if times < 1:
        raise Conflict(
            f"Nothing of the result {result_id} has failed: it is {status}.",
            [Fault("/only", "all, or failed where a run has failed", "failed")],
        )


def unknown_result(result_id: int) -> Unknown:
    """Give the fault of a result that is not there."""
    return Unknown(f"There is no result {result_id}.", remedy="GET /result/ lists them.")
