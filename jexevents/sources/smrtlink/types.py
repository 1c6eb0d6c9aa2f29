"""The types of SMRT Link's events and bundles: each with its version names the schema of a message.

A schema is called ``smrtlink/TYPE.VERSION``. An event that says what an archive holds has the
archive's manifest for its message, and so one table serves both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from jexevents.model import Fault
from jexevents.validation import Schemas

FOLDER = "smrtlink"
PREFIX = f"{FOLDER}/"
# What an event can name: schema smrtlink_event.
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,200}\.(?:[1-9][0-9]{0,5}|1000000)")


def is_name(text: str) -> bool:
    """Tell whether a text is a type and a version, ``TYPE.VERSION``, as events have them."""
    return _NAME.fullmatch(text) is not None


class EventTypes:
    """What is known of types; with ``refuses_unknown`` a message of any other is a fault."""

    def __init__(self, schemas: Schemas, *, refuses_unknown: bool = False) -> None:
        self._schemas = schemas
        self._known = frozenset(name for name in schemas.names() if name.startswith(PREFIX))
        self._refuses_unknown = refuses_unknown

    def knows(self, type_id: str, version: int) -> bool:
        """Tell whether there is a schema for the messages of a type."""
        return f"{PREFIX}{type_id}.{version}" in self._known

    def check(
        self, type_id: str, version: int, message: Mapping[str, Any], *, at: str = "/message"
    ) -> list[Fault]:
        """Say all that is wrong with a message; ``at`` is the pointer to where it stands."""
        name = f"{type_id}.{version}"
        if self.knows(type_id, version):
            faults = self._schemas.check(PREFIX + name, message)
            return [replace(fault, pointer=at + fault.pointer) for fault in faults]
        if not self._refuses_unknown:
            return []
        return [Fault("/eventTypeId", f"one of {', '.join(self._names())}", name)]

    def _names(self) -> list[str]:
        return sorted(name.removeprefix(PREFIX) for name in self._known)
