"""Who did what: one row for each action of an administrator."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from jexevents.store.database import Connection
from jexevents.store.queries import QUERIES


def note(connection: Connection, action: str, detail: Mapping[str, Any]) -> None:
    """Note an action of the command line, in the transaction that does it."""
    # Who may run the command line has the database's own password: there is no token to name.
    QUERIES.audit.insert_audit(
        connection, credential="command line", action=action, detail=json.dumps(detail)
    )
