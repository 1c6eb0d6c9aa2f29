"""Imports images of tasks that were registered: found on this node, or pulled, and pinned."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from jexevents.engine.images import Image, pin
from jexevents.errors import EngineRefused, EngineUnavailable, Malformed, PullEnded, Unavailable
from jexevents.logs import get_logger
from jexevents.runner.containers.health import EngineHealth
from jexevents.runner.containers.images import NodeImages
from jexevents.runner.pool import Pool
from jexevents.service import Service
from jexevents.tasks.imports import Import, Imports

log = get_logger("tasks")

_LOOK_SECONDS = 5.0
# How often the progress of what is under way is noted, which keeps its lease too.
_NOTE_SECONDS = 1.0
_AT_ONCE = 3
_END_SECONDS = 1.0


@dataclass(slots=True)
class _Going:
    """An import that is under way."""

    what: Import
    stop: threading.Event = field(default_factory=threading.Event)
    progress: Any = None


class Importer(Service):
    """Takes imports for the node ``node`` while its engine answers, a few at once."""

    def __init__(
        self, imports: Imports, images: NodeImages, health: EngineHealth, node: str
    ) -> None:
        super().__init__("importer")
        self._imports = imports
        self._images = images
        self._health = health
        self._node = node
        self._pool = Pool("import", _AT_ONCE)
        self._wanted = threading.Event()
        self._going: dict[int, _Going] = {}
        # Whether the ledger may have imports as taken by this node that it does not do: those of an
        # earlier life, or what came to nothing here.
        self._has_strays = True

    def ring(self) -> None:
        """Say that something may be there to import; never blocks."""
        self._wanted.set()

    def interrupt(self) -> None:
        """Wake it."""
        self._wanted.set()

    def run(self) -> None:
        """Work until stopped."""
        while not self.stopping.is_set():
            try:
                self._work()
            except Unavailable as error:
                self._has_strays = True
                log.debug("imports_wait", reason=str(error))
            self._wanted.wait(_NOTE_SECONDS if self._going else _LOOK_SECONDS)
            self._wanted.clear()
        for going in list(self._going.values()):
            going.stop.set()
        self._pool.end(_END_SECONDS)
        with suppress(Unavailable):
            self._imports.give_back(self._node)

    def _work(self) -> None:
        if self._has_strays:
            # One that ends just now says so again.
            self._has_strays = False
            self._imports.give_back(self._node, but=list(self._going))
        for going in list(self._going.values()):
            task = going.what.task_id
            if not self._imports.progress(task, self._node, going.progress):
                going.stop.set()
        self._imports.judge()
        while self._health.answers and len(self._going) < _AT_ONCE:
            found = self._imports.take(self._node)
            if found is None:
                return
            going = self._going[found.task_id] = _Going(found)
            self._pool.do(lambda one=going: self._do(one))

    def _do(self, going: _Going) -> None:
        task = going.what.task_id
        try:
            self._import(going)
        except EngineUnavailable as error:
            self._health.missed(error)
        except Unavailable as error:
            log.debug("import_not_told", task=task, reason=str(error))
        except (EngineRefused, PullEnded, Malformed) as error:
            if not self.stopping.is_set():
                words = error.words if isinstance(error, EngineRefused) else str(error)
                self._imports.failed(task, self._node, words)
        finally:
            # Where PostgreSQL or the engine is away it has no end, and is for anybody again.
            self._going.pop(task, None)
            self._has_strays = True
            self.ring()

    def _import(self, going: _Going) -> None:
        what = going.what
        image = self._found(what) or self._images.pull(
            what.repository, lambda progress: setattr(going, "progress", progress), going.stop
        )
        pinned = pin(what.repository, image)
        self._imports.ready(
            what.task_id,
            self._node,
            image=pinned or image.id,
            image_id=image.id,
            only_local=pinned is None,
            size_bytes=image.size_bytes,
        )

    def _found(self, what: Import) -> Image | None:
        return None if what.pull == "always" else self._images.find(what.repository)
