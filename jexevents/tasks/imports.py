"""Images that are to be imported, as a list of work for those nodes that have an engine."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from jexevents.logs import get_logger
from jexevents.store.database import Database
from jexevents.store.literals import array
from jexevents.store.queries import QUERIES

log = get_logger("tasks")

LEASE_SECONDS = 60.0
# A node that was not heard of for so long is not waited for.
SEEN_SECONDS = 60.0
MAX_WORDS = 4000


@dataclass(frozen=True, slots=True)
class Import:
    """An image that a node is to get; ``pull`` is ``missing`` or ``always``."""

    task_id: int
    name: str
    repository: str
    pull: str


class Imports:
    """The list. ``ring`` is called when another node has something to import, ``told`` when a task
    has come to another status.

    Methods raise StoreUnavailable while PostgreSQL does not answer.
    """

    def __init__(
        self,
        database: Database,
        ring: Callable[[], None] = lambda: None,
        told: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._ring = ring
        self._told = told

    def take(self, node: str, lease_seconds: float = LEASE_SECONDS) -> Import | None:
        """Take what is next for a node, None for nothing.

        That is what this node has not tried; also what another has taken and let its lease end.
        """
        with self._database.transaction() as connection:
            row = QUERIES.tasks.take_import(connection, node=node, lease_seconds=lease_seconds)
        if row is None:
            return None
        self._told()
        return Import(*row)

    def progress(
        self,
        task_id: int,
        node: str,
        progress: Mapping[str, Any] | None,
        lease_seconds: float = LEASE_SECONDS,
    ) -> bool:
        """Note how far an import has come, and keep it; False where it is not this node's any more,
        or its task was deleted: then there is nobody to pull for."""
        return self._done(
            QUERIES.tasks.note_progress,
            task_id,
            node,
            progress=None if progress is None else json.dumps(progress),
            lease_seconds=lease_seconds,
        )

    def ready(
        self,
        task_id: int,
        node: str,
        *,
        image: str,
        image_id: str,
        only_local: bool,
        size_bytes: int | None,
    ) -> bool:
        """Note that a node has the image: what runs is ``image``, a name with a digest, or the id
        where it is ``only_local``. False where the import is not this node's any more."""
        done = self._done(
            QUERIES.tasks.import_ready,
            task_id,
            node,
            image=image,
            image_id=image_id,
            only_local=only_local,
            size_bytes=size_bytes,
        )
        if done:
            log.info("task_ready", task=task_id, image=image, node=node)
            self._told()
        return done

    def failed(self, task_id: int, node: str, words: str) -> bool:
        """Note that a node cannot get the image, in the engine's words.

        It waits for another worker that lives, has an engine and has not tried it; where there is
        none, the task ends as ERROR. False where the import is not this node's any more.
        """
        words = words.replace("\0", "\N{REPLACEMENT CHARACTER}")[:MAX_WORDS]
        with self._database.transaction() as connection:
            status = QUERIES.tasks.import_failed(
                connection, id=task_id, node=node, words=words, seen_seconds=SEEN_SECONDS
            )
        if status is None:
            return False
        log.warning("import_failed", task=task_id, node=node, status=status, reason=words)
        if status == "SUBMITTED":
            self._ring()
        self._told()
        return True

    def give_back(self, node: str, but: Iterable[int] = ()) -> None:
        """Let others import what a node has taken, but for the tasks with these ids."""
        with self._database.transaction() as connection:
            given = QUERIES.tasks.give_back_imports(connection, node=node, but=array(but))
        if given:
            self._ring()

    def judge(self) -> None:
        """End what was tried somewhere and waits for a worker of which nothing is heard."""
        with self._database.transaction() as connection:
            ended = list(QUERIES.tasks.judge_imports(connection, seen_seconds=SEEN_SECONDS))
        for task_id, name in ended:
            log.warning("import_given_up", task=task_id, name=name)
        if ended:
            self._told()

    def _done(self, query: Any, task_id: int, node: str, **more: Any) -> bool:
        with self._database.transaction() as connection:
            return bool(query(connection, id=task_id, node=node, **more))
