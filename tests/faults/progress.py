"""How many events the ledger has, looked at all the time."""

from __future__ import annotations

import threading
import time
from contextlib import suppress

import psycopg2

_LOOK_SECONDS = 0.02


class Progress:
    """``stored`` is the number of events at the last look that succeeded."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self.stored = 0
        self._changed_at = time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)

    def start(self) -> Progress:
        self._thread.start()
        return self

    def stop(self) -> None:
        self._over.set()
        self._thread.join(10)

    @property
    def quiet_seconds(self) -> float:
        """For how long nothing new has been seen."""
        return time.monotonic() - self._changed_at

    def _note(self, stored: int) -> None:
        if stored != self.stored:
            self.stored, self._changed_at = stored, time.monotonic()

    def _run(self) -> None:
        while not self._over.is_set():
            with suppress(psycopg2.Error):
                self._look_on()
            self._over.wait(_LOOK_SECONDS)

    def _look_on(self) -> None:
        connection = psycopg2.connect(self._uri, connect_timeout=5)
        try:
            connection.autocommit = True
            cursor = connection.cursor()
            # A lock on the table must not hold us as well.
            cursor.execute("set statement_timeout = '1s'")
            while not self._over.wait(_LOOK_SECONDS):
                cursor.execute("select count(*) from jex.events")
                self._note(*cursor.fetchone())
        finally:
            connection.close()
