"""Sees to it that nobody waits for ever for a database that hangs."""

from __future__ import annotations

from collections.abc import Sequence

from jexevents.logs import get_logger
from jexevents.service import Service
from jexevents.store.database import Database

log = get_logger("overdue")

_LOOK_SECONDS = 0.5


class Overdue(Service):
    """Cuts off, pool by pool, the transactions that take longer than their server allows."""

    def __init__(self, databases: Sequence[Database]) -> None:
        super().__init__("overdue")
        self._databases = databases

    def run(self) -> None:
        """Look again and again until stopped."""
        while not self.wait(_LOOK_SECONDS):
            for database in self._databases:
                if cut := database.cut_overdue():
                    log.warning("transactions_cut_off", number=cut)
