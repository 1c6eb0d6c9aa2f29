"""Webhooks of job definitions: one hook a URL, known by a name that is made of it.

They stand in no configuration. Whoever stores an event of an execution writes here, in the same
transaction, which URLs of its definition want it. The deliveries are those of the outbox; the URL
stands beside the name in ``hooks``, for a definition can be gone before they are sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from typing import NamedTuple

import uuid_utils

from jexevents.hookwords import name_of_url
from jexevents.lifecycle import command
from jexevents.lifecycle.command import CommandState
from jexevents.model import JobKey, Kind
from jexevents.store.database import Connection, Database
from jexevents.store.literals import array, columns
from jexevents.store.matching import shown
from jexevents.store.queries import QUERIES
from jexevents.store.rows import StoredEvent, stored_event

_COLUMNS = ("hooks", "message_ids", "seqs", "kinds", "job_ids", "jobs")
_AT_ONCE = 500


class Wanted(NamedTuple):
    """An event of an execution that a URL of its definition wants.

    ``seq`` is the event's number in the ledger, ``job_id`` the execution's. ``is_last`` says that
    the same transaction stores none of the execution behind it.
    """

    seq: int
    job_id: str
    url: str
    is_last: bool = True


class Waiting(NamedTuple):
    """A hook of definitions that has deliveries which wait.

    ``refused`` says whether its receiver wants no more. ``due_seconds`` is when something is to be
    looked at, 0 for now.
    """

    name: str
    refused: bool
    due_seconds: float


def write(connection: Connection, wanted: Sequence[Wanted]) -> set[str]:
    """Write deliveries, in the order given; give the names of the hooks, to be woken.

    To be called in the transaction that stores the events, with fresh events alone: what the ledger
    had already was written for when it came. Of one execution the deliveries of a URL are sent in
    the order in which they are written.
    """
    if not wanted:
        return set()
    names = {one.url: name_of_url(one.url) for one in wanted}
    _know(connection, names)
    jobs = _shown(connection, wanted)
    rows = [
        (
            names[one.url],
            str(uuid_utils.uuid7()),
            one.seq,
            Kind.COMMAND.value,
            one.job_id,
            jobs[one.job_id, one.seq],
        )
        for one in wanted
    ]
    QUERIES.hooks.insert_deliveries.later(connection, **columns(_COLUMNS, rows))
    return set(names.values())


def _know(connection: Connection, names: Mapping[str, str]) -> None:
    """Have the hooks known that these URLs (with their names) stand for.

    Mostly they are. Then their rows are only kept from being forgotten, which keeps nobody waiting
    who writes for the same ones.
    """
    held = QUERIES.definition_hooks.hold_urls(connection, names=array(sorted(names.values())))
    known = {name for (name,) in held}
    new = [(name, url) for url, name in names.items() if name not in known]
    if new:
        QUERIES.definition_hooks.keep_urls(connection, **columns(("names", "urls"), new))


def _shown(connection: Connection, wanted: Sequence[Wanted]) -> dict[tuple[str, int], str]:
    """Give what is shown of the executions as they were after each event, by id and number."""
    ids = array({one.job_id for one in wanted})
    keys: dict[str, JobKey] = {}
    states: dict[str, CommandState] = {}
    for row in QUERIES.definition_hooks.shown_executions.mappings(connection, ids=ids):
        job_id = str(row.pop("id"))
        keys[job_id] = JobKey(Kind.COMMAND, row.pop("key"), row.pop("source"), {})
        states[job_id] = CommandState(**row)
    found = {(one.job_id, one.seq): states[one.job_id] for one in wanted if one.is_last}
    found |= _past(connection, [one for one in wanted if not one.is_last])
    return {place: shown(place[0], keys[place[0]], state) for place, state in found.items()}


def _past(connection: Connection, wanted: Sequence[Wanted]) -> dict[tuple[str, int], CommandState]:
    """Give how executions stood after events that others came behind."""
    if not wanted:
        return {}
    ids = array({one.job_id for one in wanted})
    asked = {(one.job_id, one.seq) for one in wanted}
    stories: dict[str, list[StoredEvent]] = {}
    states: dict[str, CommandState] = {}
    found = {}
    # In the order in which they were stored.
    for job_id, seq, *row in QUERIES.definition_hooks.stories(connection, ids=ids):
        story = stories.setdefault(job_id, [])
        story.append(stored_event(row))
        state = states.setdefault(job_id, CommandState())
        if not command.advance(state, story[-1:]):
            state = states[job_id] = command.fold(story)
        if (job_id, seq) in asked:
            found[job_id, seq] = copy(state)
    return found


def depth(database: Database, job_id: str) -> int:
    """Give how many hooks led to an execution, one behind the other; 0 where it is not known.

    Raises StoreUnavailable.
    """
    with database.look() as connection:
        found = [value for (value,) in QUERIES.definition_hooks.depths(connection, job_id=job_id)]
    return max((one for one in found if type(one) is int), default=0)


def forget_idle(database: Database) -> int:
    """Forget the URLs of hooks that have no deliveries any more; give how many.

    One that is refused by its receiver stays, or it would be sent to again. Raises
    StoreUnavailable.
    """
    done, after = 0, ""
    while names := database.run(lambda connection, after=after: _forget_some(connection, after)):
        done, after = done + names[0], names[1]
    return done


def _forget_some(connection: Connection, after: str) -> tuple[int, str] | None:
    """Forget some behind a name; give how many, and the last name that was looked at."""
    rows = QUERIES.definition_hooks.lock_idle_urls(connection, after=after, limit=_AT_ONCE)
    names = [name for (name,) in rows]
    if not names:
        return None
    # Looked at anew, now that they are locked: somebody may have written in between.
    dropped = QUERIES.definition_hooks.drop_idle_urls(connection, names=array(names))
    return dropped, max(names)


class DefinitionHooks:
    """The hooks of definitions of one ledger. Every method raises StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def waiting(self) -> list[Waiting]:
        """Give those that have deliveries which wait, the first due one first."""
        with self._database.look() as connection:
            rows = QUERIES.definition_hooks.waiting_hooks(connection)
        return [Waiting(name, refused, max(0.0, seconds)) for name, refused, seconds in rows]

    def url(self, name: str) -> str | None:
        """Give where a hook leads, None for one that is not known."""
        with self._database.look() as connection:
            return QUERIES.definition_hooks.url_of(connection, name=name)
