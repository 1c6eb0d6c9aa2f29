"""Starts the embedded server again where it has died under those who use it."""

from __future__ import annotations

from pathlib import Path

from jexevents.backoff import Backoff
from jexevents.embedded.server import EmbeddedPostgres
from jexevents.errors import ConfigError, Unavailable
from jexevents.logs import get_logger
from jexevents.service import Service

log = get_logger("embedded")

_LOOK_SECONDS = 1.0
_RETRY_MAX_SECONDS = 60.0


class Attending(Service):
    """Looks every second whether the server of a folder runs, and starts it where it does not.

    Whoever began to use it finds it again where it was.
    """

    def __init__(self, path: Path) -> None:
        super().__init__("embedded-postgresql")
        self._server = EmbeddedPostgres(path)
        self._waits = Backoff(_RETRY_MAX_SECONDS, _LOOK_SECONDS)

    def run(self) -> None:
        """Look again and again until stopped."""
        try:
            pause = _LOOK_SECONDS
            while not self.wait(pause):
                pause = self._look()
        finally:
            self._server.stop()

    def _look(self) -> float:
        """See that it runs; give how many seconds later to look again."""
        if self._server.is_running():
            return _LOOK_SECONDS
        folder = str(self._server.folder.path)
        log.warning("embedded_postgresql_gone", folder=folder)
        try:
            self._server.start()
        except (ConfigError, Unavailable) as error:
            pause = max(_LOOK_SECONDS, self._waits.next())
            log.error("embedded_postgresql_not_started", folder=folder, reason=str(error),
                      retry_in_seconds=round(pause, 1))  # fmt: skip
            return pause
        self._waits.reset()
        log.warning("embedded_postgresql_started_again", folder=folder)
        return _LOOK_SECONDS
