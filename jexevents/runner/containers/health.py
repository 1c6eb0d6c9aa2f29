"""Whether the engine of this node answers, looked at every few seconds."""

from __future__ import annotations

from collections.abc import Callable

from jexevents.engine.client import About, Engine
from jexevents.errors import EngineUnavailable
from jexevents.logs import get_logger
from jexevents.service import Service

log = get_logger("engine")

_LOOK_SECONDS = 5.0
_NOT_ASKED = "It was not asked yet."


class EngineHealth(Service):
    """Asks the engine now and then; ``came`` is called when it answers anew."""

    def __init__(self, engine: Engine, came: Callable[[], None] = lambda: None) -> None:
        super().__init__("engine")
        self._engine = engine
        self.came = came
        self.about: About | None = None
        self.problem: str | None = _NOT_ASKED

    @property
    def answers(self) -> bool:
        """Whether it answered when it was last asked."""
        return self.problem is None

    def missed(self, error: EngineUnavailable) -> None:
        """Note that it does not answer."""
        if self.problem in (None, _NOT_ASKED):
            log.warning("engine_away", reason=str(error))
        self.problem = str(error)

    def run(self) -> None:
        """Ask again and again until stopped."""
        while True:
            self.look()
            if self.wait(_LOOK_SECONDS):
                return

    def look(self) -> None:
        """Ask now."""
        try:
            if self.about is None or self.problem is not None:
                self.about = self._engine.about()
            else:
                self._engine.ping()
        except EngineUnavailable as error:
            self.missed(error)
            return
        if self.problem is not None:
            log.info("engine_answers", engine=self._engine.address, version=self.about.version)
            self.problem = None
            self.came()
