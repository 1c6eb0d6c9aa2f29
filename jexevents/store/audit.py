"""Who did what: one row for every action of an administrator."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from jexevents.store.database import Connection
from jexevents.store.queries import QUERIES

# Who may run the command line has the database's own password: there is no token to name.
COMMAND_LINE = "command line"


def note(
    connection: Connection,
    action: str,
    detail: Mapping[str, Any],
    credential: str = COMMAND_LINE,
) -> int:
    """Note an action of somebody whose credential has this name; give the number of the note."""
    return QUERIES.audit.insert_audit(
        connection, credential=credential, action=action, detail=json.dumps(detail)
    )


def note_progress(connection: Connection, number: int, detail: Mapping[str, Any]) -> None:
    """Add to a note how far the action has come."""
    QUERIES.audit.update_audit(connection, id=number, detail=json.dumps(detail))
