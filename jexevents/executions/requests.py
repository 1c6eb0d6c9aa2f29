"""Executions that are asked for: checked, rendered, and put into the ledger and the queue.

Over HTTP, by a schedule, by a hook, or as the repetition of an earlier one: all come by here.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from jexevents.definitions.definition import Definition, DefinitionsRefused
from jexevents.definitions.rendering import render
from jexevents.definitions.repository import Commit, Standing
from jexevents.definitions.variables import as_json, read_texts, read_values
from jexevents.errors import Conflict, JexError, RepositoryUnavailable, Unavailable, Unknown
from jexevents.executions import events
from jexevents.executions.events import Named
from jexevents.executions.run import FORBID, REPLACE, Run, run_of
from jexevents.executions.telling import Tell, tells_nobody
from jexevents.executions.writing import noted
from jexevents.ingest import other_content
from jexevents.lifecycle.executionid import shortest
from jexevents.model import Event, Fault, Outcome
from jexevents.store.database import Connection
from jexevents.store.ledger import Ledger
from jexevents.store.literals import array, columns
from jexevents.store.offers import Applied
from jexevents.store.queries import QUERIES

# What an execution was asked for by.
BY_REQUEST, BY_SCHEDULE, BY_HOOK, BY_REPEAT = "request", "schedule", "hook", "repeat"
# What two requests with one Idempotency-Key have in common.
_SAME = ("values", "trigger", "repeats", "newest")
_TRIES = 5
_QUEUE = ("job_ids", "executions", "definitions", "priorities", "exclusives", "runs")


class Repository(Protocol):
    """The repository of definitions; jexevents.definitions.repository.Repository is one."""

    @property
    def standing(self) -> Standing:
        """How it stands now."""

    def at(self, commit: str) -> Commit:
        """Load an earlier commit."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One execution that is asked for.

    ``values`` are JSON values by the names of variables, or ``texts`` what a form or a query has;
    ``by`` is the credential's name. ``key`` is an Idempotency-Key. ``trigger`` says what asks,
    ``schedule`` tells of the due time, ``depth`` counts the hooks that led here. ``commit`` is
    an earlier one to run on, ``repeats`` the execution that this one repeats.
    """

    name: str
    values: Mapping[str, Any] = field(default_factory=dict)
    by: str = ""
    key: str | None = None
    texts: Mapping[str, Sequence[str]] | None = None
    trigger: str = BY_REQUEST
    schedule: Mapping[str, Any] | None = None
    depth: int = 0
    commit: str | None = None
    repeats: int | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """An execution that was asked for; not ``is_new`` where the same was asked for before."""

    execution: int
    job_id: str
    is_new: bool = True


@dataclass(slots=True)
class _Ready:
    """One that can be put into the ledger."""

    asked: Asked
    definition: Definition
    run: Run
    values: dict[str, Any]
    named: Named

    @property
    def does_nothing(self) -> bool:
        return self.definition.does_nothing


class _Taken(JexError):
    """Another process was first to take an id."""


def _no_more(_connection: Connection, _made: Sequence[Made]) -> None:
    """Do nothing."""


class Requests:
    """Takes what is asked for. ``ring`` is called when something new waits in the queue.

    ``tell`` writes what hooks of the jobs get; ``wake`` is called with their names. ``make_room``
    is called with the names of jobs of which a new execution replaces those before it.
    """

    def __init__(
        self,
        ledger: Ledger,
        repository: Repository,
        node: str,
        ring: Callable[[], None] = lambda: None,
        *,
        tell: Tell = tells_nobody,
        wake: Callable[[Collection[str]], None] = lambda _hooks: None,
        make_room: Callable[[Collection[str]], object] = lambda _names: None,
    ) -> None:
        self._ledger = ledger
        self._repository = repository
        self._node = node
        self._ring = ring
        self._tell = tell
        self._wake = wake
        self._make_room = make_room
        self._last = 0
        self._lock = threading.Lock()

    def definition(self, name: str, commit: str | None = None) -> tuple[Commit, Definition]:
        """Give a definition in force, or of an earlier commit.

        Raises Unknown, and RepositoryUnavailable where no definitions are in force.
        """
        loaded = self.in_force() if commit is None else self._repository.at(commit)
        found = loaded.definitions.get(name)
        if found is None:
            raise Unknown(f"There is no job {name[:100]!r}.", remedy="GET /jobs lists them.")
        return loaded, found

    def in_force(self) -> Commit:
        """Give the commit in force. Raises RepositoryUnavailable."""
        standing = self._repository.standing
        if standing.in_force is None:
            why = "" if standing.fault is None else f" {standing.fault}"
            raise RepositoryUnavailable(
                f"No definitions of jobs are in force.{why}", reason="nothing-in-force"
            )
        return standing.in_force

    def request(
        self,
        asked: Sequence[Asked],
        also: Callable[[Connection, Sequence[Made]], None] = _no_more,
    ) -> list[Made]:
        """Make the executions that are asked for, all or none; ``also`` is done in the transaction.

        Raises Unknown for a name, Invalid for values, Conflict where the job is off the active list
        or forbids a second run and one goes on, and where an Idempotency-Key was used for something
        else; RepositoryUnavailable, StoreUnavailable.
        """
        ready = [self._ready(one) for one in asked]
        for _ in range(_TRIES):
            try:
                made = self._store(ready, also)
            except _Taken:
                for one in ready:
                    one.named = one.named._replace(execution=self._new_id())
                continue
            if any(one.is_new for one in made):
                self._replace(ready, made)
                self._ring()
            return made
        raise Conflict("No free id was found for the execution.", remedy="Try again.")

    def _replace(self, ready: Sequence[_Ready], made: Sequence[Made]) -> None:
        """Have those end now that the new ones replace; where that cannot be, a look sees to it."""
        names = {
            one.named.definition
            for one, what in zip(ready, made, strict=True)
            if what.is_new and one.run.concurrency == REPLACE and not one.does_nothing
        }
        if names:
            with suppress(Unavailable):
                self._make_room(names)

    def _ready(self, asked: Asked) -> _Ready:
        commit, definition = self._definition(asked)
        variables = definition.variables
        if asked.texts is None:
            values = read_values(variables, asked.values)
        else:
            values = read_texts(variables, asked.texts)
        rendered = render(definition, values)
        folder = commit.folder.relative_to(commit.top)
        run = run_of(definition, rendered, commit.id, folder, asked.depth)
        named = Named(self._new_id(), asked.name)
        return _Ready(asked, definition, run, as_json(variables, values), named)

    def _definition(self, asked: Asked) -> tuple[Commit, Definition]:
        """Give what is to be run; of a request that was made before, as it was then: it is the same
        request, whatever was pushed since."""
        if asked.key is not None:
            identity = events.identity_of_request(asked.name, asked.key)
            before = self._ledger.data_of(asked.name, identity)
            if before is not None:
                # Where that commit is not to be had here, the newest may do as well.
                with suppress(Unknown, RepositoryUnavailable, DefinitionsRefused):
                    return self.definition(asked.name, before.get("commit"))
        return self.definition(asked.name, asked.commit)

    def _new_id(self) -> int:
        with self._lock:
            self._last = max(self._last + 1, time.time_ns() // 1000)
            return self._last

    def _store(
        self, ready: Sequence[_Ready], also: Callable[[Connection, Sequence[Made]], None]
    ) -> list[Made]:
        at = events.now()
        stories = [self._story(one, at) for one in ready]
        made: list[Made] = []
        woken: Collection[str] = ()

        def work(connection: Connection, applied: Sequence[Applied]) -> None:
            nonlocal made, woken
            made = self._made(connection, ready, stories, applied)
            fresh = [one for one, what in zip(ready, made, strict=True) if what.is_new]
            self._require_allowed(connection, fresh)
            self._enqueue(connection, ready, made)
            woken = self._tell(connection, _fresh(ready, stories, applied))
            also(connection, made)

        self._ledger.apply([event for story in stories for event in story], also=work)
        if woken:
            self._wake(woken)
        return made

    def _story(self, one: _Ready, at: datetime) -> list[Event]:
        """Give the events by which an execution begins; all of them where nothing is to be run."""
        story = [events.requested(one.named, at, _told(one), one.asked.key)]
        if one.does_nothing:
            rest = [events.began(one.named, at, self._node), events.completed(one.named, at)]
            key = one.asked.key
            story += rest if key is None else [events.keyed(event, key) for event in rest]
        return story

    def _made(
        self,
        connection: Connection,
        ready: Sequence[_Ready],
        stories: Sequence[Sequence[Event]],
        applied: Sequence[Applied],
    ) -> list[Made]:
        made, place = [], 0
        for one, story in zip(ready, stories, strict=True):
            first = applied[place]
            place += len(story)
            if first.outcome is not Outcome.ACCEPTED:
                made.append(_made_before(connection, one, first))
            elif not first.job_is_new:
                raise _Taken()
            else:
                made.append(Made(one.named.execution, first.job_id))
        return made

    def _require_allowed(self, connection: Connection, ready: Sequence[_Ready]) -> None:
        """Raise Conflict for a job that is off the active list, or that forbids a second run."""
        for name in sorted({one.named.definition for one in ready}):
            QUERIES.execution_queue.lock_definition(connection, name=name)
        names = array({one.named.definition for one in ready})
        for name, since in QUERIES.execution_queue.inactive_jobs(connection, names=names):
            raise _inactive(name, since)
        for one in ready:
            if one.run.concurrency == FORBID and not one.does_nothing:
                _require_alone(connection, one, ready)

    def _enqueue(
        self, connection: Connection, ready: Sequence[_Ready], made: Sequence[Made]
    ) -> None:
        rows = [
            (
                what.job_id,
                what.execution,
                one.named.definition,
                one.run.priority,
                one.run.is_exclusive,
                json.dumps(one.run.as_json()),
            )
            for one, what in zip(ready, made, strict=True)
            if what.is_new and not one.does_nothing
        ]
        if rows:
            QUERIES.execution_queue.enqueue(connection, **columns(_QUEUE, rows))
        for one, what in zip(ready, made, strict=True):
            if what.is_new and one.asked.trigger in (BY_REQUEST, BY_REPEAT):
                noted(one.named, "execution requested", one.asked.by)(connection)


def _fresh(
    ready: Sequence[_Ready], stories: Sequence[Sequence[Event]], applied: Sequence[Applied]
) -> list[tuple[Event, Applied, Run]]:
    """Give the events that are new, with what is run of their executions."""
    told = [(event, one.run) for one, story in zip(ready, stories, strict=True) for event in story]
    return [
        (event, what, run)
        for (event, run), what in zip(told, applied, strict=True)
        if what.outcome is Outcome.ACCEPTED
    ]


def _told(one: _Ready) -> dict[str, Any]:
    """Give what the event ``requested`` says."""
    asked, run = one.asked, one.run
    told: dict[str, Any] = {
        "commit": run.commit,
        "by": asked.by,
        "trigger": asked.trigger,
        "values": one.values,
    }
    if run.command is not None:
        told["command"] = run.command
    if run.script is not None:
        told |= {"script": run.script, "arguments": list(run.arguments)}
    if asked.schedule is not None:
        told["schedule"] = dict(asked.schedule)
    if asked.depth:
        told["depth"] = asked.depth
    if asked.repeats is not None:
        told["repeats"] = shortest(asked.repeats)
        if asked.commit is None:
            told["newest"] = True
    return told


def _made_before(connection: Connection, one: _Ready, applied: Applied) -> Made:
    """Give the execution that the same request made. Raises Conflict where it is another one."""
    row = QUERIES.executions.execution_of_event(connection, seq=applied.seq)
    if row is None:
        raise Conflict(
            "This Idempotency-Key was used before, and what it made was pruned.",
            remedy="Send a new key.",
        )
    job_id, execution, data = row
    told = _told(one)
    if any(data.get(name) != told.get(name) for name in _SAME):
        raise other_content()
    return Made(execution, job_id, is_new=False)


def _require_alone(connection: Connection, one: _Ready, ready: Sequence[_Ready]) -> None:
    ours = [other.named for other in ready if other.named.definition == one.named.definition]
    others = QUERIES.execution_queue.going_on(
        connection,
        definition=one.named.definition,
        but=array(named.execution for named in ours),
    )
    going = [shortest(row[0]) for row in others]
    going += [shortest(named.execution) for named in ours if named.execution < one.named.execution]
    if going:
        name = one.named.definition
        raise Conflict(
            f"The job {name} forbids a second run, and {going[0]} is not over.",
            [Fault("", f"no execution of {name} that is not over", ", ".join(going))],
            remedy="Wait for its end, or end it.",
        )


def _inactive(name: str, since: datetime) -> Conflict:
    when = since.strftime("%Y-%m-%dT%H:%M:%SZ")
    return Conflict(
        f"The job {name} was taken off the active list at {when}.",
        [Fault("", "a job on the active list", "one that is off it")],
        remedy=f"PUT /jobs/{name} puts it back.",
    )
