"""Tasks are registered, taken away, and have their images imported again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jexevents.engine import references
from jexevents.errors import Conflict, Invalid, Malformed, Unknown
from jexevents.faults import shown
from jexevents.ingest import other_content
from jexevents.model import Fault
from jexevents.store import audit
from jexevents.store.database import Connection, Database
from jexevents.store.queries import QUERIES

MISSING, ALWAYS = "missing", "always"
MAX_NAME_BYTES = 255


class NameTaken(Conflict):
    """Another task has this name; ``task_id`` is its."""

    def __init__(self, name: str, task_id: int) -> None:
        super().__init__(
            f"The task {task_id} has the name {name[:100]!r}.",
            [Fault("/name", "a name that no task has", shown(name))],
            remedy="Run that one, or give this one another name.",
        )
        self.task_id = task_id


@dataclass(frozen=True, slots=True)
class Asked:
    """A task that is asked for; ``name`` is the repository where it is None. ``by`` is the name of
    a credential, ``key`` an Idempotency-Key."""

    repository: str
    name: str | None = None
    pull: str = MISSING
    by: str = ""
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Registered:
    """A task; not ``is_new`` where the same request has made it before."""

    task_id: int
    is_new: bool = True


class Registry:
    """The tasks of a ledger. ``ring`` is called when an image is to be imported.

    Methods raise StoreUnavailable while PostgreSQL does not answer.
    """

    def __init__(self, database: Database, ring: Callable[[], None] = lambda: None) -> None:
        self._database = database
        self._ring = ring

    def register(self, asked: Asked) -> Registered:
        """Register a task, whose image is imported then.

        Raises Invalid, NameTaken, and Conflict where the key was used for something else, or for
        a task that is deleted.
        """
        repository, name = _read(asked)

        def work(connection: Connection) -> Registered:
            known = _made_before(connection, asked, repository, name)
            if known is not None:
                return known
            task_id = QUERIES.tasks.register_task(
                connection,
                name=name,
                repository=repository,
                pull=asked.pull,
                credential=asked.by,
                request_key=asked.key,
            )
            if task_id is None:
                return _refuse(connection, asked, repository, name)
            _note(connection, "task registered", asked.by, task_id, name, repository=repository)
            return Registered(task_id)

        made = self._database.run(work)
        if made.is_new:
            self._ring()
        return made

    def delete(self, task_id: int, by: str) -> None:
        """Take a task away; what was asked for of it goes on. Raises Unknown."""

        def work(connection: Connection) -> None:
            name = QUERIES.tasks.delete_task(connection, id=task_id)
            if name is None:
                raise unknown(task_id)
            _note(connection, "task deleted", by, task_id, name)

        self._database.run(work)

    def import_again(self, task_id: int, by: str) -> None:
        """Have the image of a task imported again, by whichever worker; nothing changes where that
        goes on already. Raises Unknown."""

        def work(connection: Connection) -> bool:
            name = QUERIES.tasks.import_again(connection, id=task_id)
            if name is not None:
                _note(connection, "task import", by, task_id, name)
            elif QUERIES.tasks.task(connection, id=task_id) is None:
                raise unknown(task_id)
            return name is not None

        if self._database.run(work):
            self._ring()


def unknown(task_id: int) -> Unknown:
    """Give the fault of a task that is not there."""
    return Unknown(f"There is no task {task_id}.", remedy="GET /task/ lists them.")


def _read(asked: Asked) -> tuple[str, str]:
    """Give repository and name as they are kept. Raises Invalid."""
    repository = asked.repository.strip()
    faults = []
    try:
        references.parse(repository)
    except Malformed as error:
        faults += [Fault("/repository", fault.expected, fault.got) for fault in error.faults]
    name = (repository if asked.name is None else asked.name).strip()
    if not faults and not (name.isprintable() and 0 < len(name.encode()) <= MAX_NAME_BYTES):
        expected = f"1 to {MAX_NAME_BYTES} bytes of printable text"
        faults.append(Fault("/name", expected, shown(name)))
    if faults:
        raise Invalid(f"The task cannot be registered: {faults[0]}.", faults)
    return repository, name


def _made_before(
    connection: Connection, asked: Asked, repository: str, name: str
) -> Registered | None:
    """Give the task that the same request has made. Raises Conflict where it was another one, and
    where that task is deleted: a request that comes late must not bring it back."""
    if asked.key is None:
        return None
    row = QUERIES.tasks.task_of_key(connection, request_key=asked.key)
    if row is None:
        return None
    task_id, deleted, *before = row
    if before != [name, repository, asked.pull]:
        raise other_content()
    if deleted:
        raise Conflict(
            f"This Idempotency-Key was used before, and the task {task_id} that it registered was "
            "deleted.",
            remedy="Send a new key.",
        )
    return Registered(task_id, is_new=False)


def _refuse(connection: Connection, asked: Asked, repository: str, name: str) -> Registered:
    """Say why a task was not made: somebody else was first with its key, or with its name."""
    known = _made_before(connection, asked, repository, name)
    if known is not None:
        return known
    other = QUERIES.tasks.task_named(connection, name=name)
    if other is None:
        raise Conflict("The task of this name was deleted just now.", remedy="Try again.")
    raise NameTaken(name, other)


def _note(
    connection: Connection, action: str, by: str, task_id: int, name: str, **more: str
) -> None:
    audit.note(connection, action, {"task_id": task_id, "task": name, **more}, by)
