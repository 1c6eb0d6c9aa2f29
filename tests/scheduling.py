"""Schedulers over a test's own database, with a clock that the test moves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from jexevents.definitions.building import definitions_of
from jexevents.definitions.definition import Definitions
from jexevents.definitions.repository import Commit, Standing
from jexevents.executions.requests import Asked, Requests
from jexevents.runner.scheduler import Looks
from jexevents.store.database import Connection, Database
from jexevents.store.ledger import Ledger
from jexevents.store.schedules import Overtaken

# For tests in which the clock is none of their business.
START_OF_TESTS = datetime(2026, 3, 2, 12, tzinfo=timezone.utc)


def commit(name: str, **texts: str) -> Commit:
    """Give a commit with the definitions of these texts, by the names of jobs."""
    found = {}
    for job, text in texts.items():
        read = definitions_of(f"{job}.yml", text.encode())
        assert not read.problems, read.problems
        found |= {one.name: one for one in read.definitions}
    return Commit(name, Definitions(found), Path("/nowhere"), Path("/nowhere"))


@dataclass
class Repository:
    """What is in force for one daemon."""

    standing: Standing = field(default_factory=Standing)
    commits: dict[str, Commit] = field(default_factory=dict)

    def put(self, one: Commit) -> None:
        self.standing = Standing(in_force=one)
        self.commits[one.id] = one

    def at(self, commit: str) -> Commit:
        return self.commits[commit]


class Daemon:
    """The scheduler of one daemon; ``now`` gives what the clock shows."""

    def __init__(self, database: Database, now: Callable[[], datetime], node: str = "n") -> None:
        self.database = database
        self.repository = Repository()
        self.requests = Requests(Ledger(database), self.repository, node)
        self.asked: list[Asked] = []
        self.looks = Looks(
            database,
            lambda: self.repository.standing.in_force,
            self.request,
            clock=lambda _connection: now(),
        )

    def request(self, asked: Sequence[Asked], also: Any) -> Any:
        made = self.requests.request(asked, also)
        self.asked += asked
        return made

    def look(self) -> float:
        """Look until nothing is to be done at once; give how long it is to the next look."""
        for _ in range(100):
            try:
                pause = self.looks.look()
            except Overtaken:
                continue
            if pause:
                return pause
        raise AssertionError("it looks and looks")


class Place:
    """A database, daemons over it, and the clock of them all."""

    def __init__(self, uri: str, now: datetime) -> None:
        self.database = Database(uri)
        self.now = now

    def daemon(self, in_force: Commit | None = None, node: str = "n") -> Daemon:
        one = Daemon(self.database, lambda: self.now, node)
        if in_force is not None:
            one.repository.put(in_force)
        return one

    def at(self, now: datetime) -> None:
        self.now = now

    def later(self, **time: float) -> None:
        self.now += timedelta(**time)

    def ask(self, text: str, **values: Any) -> list[Mapping[str, Any]]:
        """Give the rows of a statement, or nothing."""

        def work(connection: Connection) -> list[Mapping[str, Any]]:
            with connection.cursor() as cursor:
                cursor.execute(text, values)
                if cursor.description is None:
                    return []
                names = [column.name for column in cursor.description]
                return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

        return self.database.run(work)

    def told(self, job: str | None = None) -> list[tuple[str, str]]:
        """Give what became of due times, in the order in which it was decided: when, what."""
        rows = self.ask(
            "select d.due_at, d.outcome from due_times d join schedules s on s.id = d.schedule_id"
            " where %(job)s::text is null or s.definition = %(job)s order by d.id",
            job=job,
        )
        return [(row["due_at"].strftime("%m-%d %H:%M"), row["outcome"]) for row in rows]

    def reasons(self) -> list[str]:
        return [row["reason"] for row in self.ask("select reason from due_times order by id")]

    def executions(self, job: str | None = None) -> list[str]:
        """Give the jobs of the executions that were made, the first one first."""
        rows = self.ask(
            "select definition from executions where %(job)s::text is null"
            " or definition = %(job)s order by execution",
            job=job,
        )
        return [row["definition"] for row in rows]

    def end_all(self) -> None:
        """Have nothing go on any more."""
        self.ask("delete from execution_queue")
