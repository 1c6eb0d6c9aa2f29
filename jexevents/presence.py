"""Whether this process may work: the schema is right, the name is its own, the database there."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from jexevents.ending import Ending
from jexevents.errors import SchemaVersionError, StoreUnavailable
from jexevents.exits import Exit
from jexevents.logs import get_logger
from jexevents.service import Service
from jexevents.store import migrate
from jexevents.store.database import Database
from jexevents.store.nodes import NodeName, NodeNote

log = get_logger("presence")

_LOOK_SECONDS = 2.0
# The server may need a moment to see that a process killed a second ago is gone, or that a
# session of this one was cut off. Any request may look, so looks are no measure of it.
_NAME_PATIENCE_SECONDS = 8.0
# A look that takes longer is a problem itself, and nobody waits for it longer.
_PATIENCE_SECONDS = 3.0
_SLOW = "PostgreSQL takes long to answer."


class Presence(Service):
    """Looks every other second whether the database answers, and holds the node's name there.

    ``tell`` says what is noted there of this process; ``heard`` is called after each look that was
    answered, with whether it is to claim nothing. One that ``runs`` executions holds its name
    against all others that do.

    Ends the process with exit code 78 where the schema is not that of this version at the
    first look, or where another live process of the role has the name. A schema that goes
    wrong later (a database being restored, or wiped) is a problem till it is mended.
    """

    def __init__(
        self,
        database: Database,
        name: str,
        role: str,
        ending: Ending,
        url: str | None = None,
        *,
        runs: bool = False,
    ) -> None:
        super().__init__("presence", lambda died: ending.fail(Exit.SOFTWARE, f"{died.name} died"))
        self._database = database
        self._name = NodeName(database, name, role, url, runs=runs)
        self.tell: Callable[[], NodeNote] = NodeNote
        self.heard: Callable[[bool], None] = lambda _draining: None
        self._bell = threading.Event()
        self._ending = ending
        self._schema_checked = False
        self._schema_was_right = False
        self._refused_since: float | None = None
        self._looking = threading.Lock()
        self._looks_since: float | None = None
        self._problem: str | None = "the database was not asked yet"

    @property
    def problem(self) -> str | None:
        """What is wrong, None if nothing is."""
        since = self._looks_since
        if since is not None and time.monotonic() - since > _PATIENCE_SECONDS:
            return _SLOW
        return self._problem

    def run(self) -> None:
        """Look again and again until stopped."""
        while not self.stopping.is_set():
            self._bell.wait(_LOOK_SECONDS)
            self._bell.clear()
            if not self.stopping.is_set():
                self.look()
        self._name.end()

    def interrupt(self) -> None:
        """Wake it."""
        self._bell.set()

    def look_soon(self) -> None:
        """Look now, and note what is new of what ``tell`` says; never waits."""
        self._bell.set()

    def look(self, wait_seconds: float = _PATIENCE_SECONDS) -> None:
        """Look now; ``problem`` says afterwards what is wrong, or is None.

        One thread looks at a time: the others wait for it ``wait_seconds`` at most.
        """
        if not self._looking.acquire(timeout=wait_seconds):
            self._problem = _SLOW
            return
        self._looks_since = time.monotonic()
        try:
            self._problem = self._look()
        except StoreUnavailable as error:
            # Who knows what comes back: perhaps a database that was just made anew.
            self._schema_checked = False
            self._refused_since = None
            self._problem = str(error)
        except SchemaVersionError as error:
            self._problem = str(error)
            if not self._schema_was_right:
                self._ending.fail(Exit.CONFIG, str(error))
        finally:
            self._looks_since = None
            self._looking.release()

    def require(self) -> None:
        """Raise StoreUnavailable unless this process may write to the ledger now."""
        if self._schema_checked and self.problem is None:
            return
        self.look()
        problem = self.problem
        if problem is not None:
            raise StoreUnavailable(problem)

    def _look(self) -> str | None:
        if not self._schema_checked:
            migrate.check(self._database)
            self._schema_checked = self._schema_was_right = True
        self._name.note = self.tell()
        if self._name.hold():
            self._refused_since = None
            self.heard(self._name.is_draining)
            return None
        now = time.monotonic()
        if self._refused_since is None:
            self._refused_since = now
        problem = self._name.taken
        if now - self._refused_since >= _NAME_PATIENCE_SECONDS:
            remedy = "Give each process a NodeName of its own, and each worker a --name."
            self._ending.fail(Exit.CONFIG, f"{problem} {remedy}")
        return problem
