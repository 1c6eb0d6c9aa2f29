"""Whether this process may work: the schema is right, the name is its own, the database there."""

from __future__ import annotations

import threading
import time

from jexevents.ending import Ending
from jexevents.errors import SchemaVersionError, StoreUnavailable
from jexevents.exits import Exit
from jexevents.logs import get_logger
from jexevents.service import Service
from jexevents.store import migrate
from jexevents.store.database import Database
from jexevents.store.nodes import NodeName

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
    ) -> None:
        super().__init__("presence", lambda died: ending.fail(Exit.SOFTWARE, f"{died.name} died"))
        self._database = database
        self._name = NodeName(database, name, role, url)
        self._words = f"{role} {name!r}"
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
        while not self.wait(_LOOK_SECONDS):
            self.look()
        self._name.release()

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
        if self._name.hold():
            self._refused_since = None
            return None
        now = time.monotonic()
        if self._refused_since is None:
            self._refused_since = now
        problem = f"Another live {self._words} works on this database."
        if now - self._refused_since >= _NAME_PATIENCE_SECONDS:
            remedy = "Give each process of a role a NodeName of its own."
            self._ending.fail(Exit.CONFIG, f"{problem} {remedy}")
        return problem
