"""Which values of a definition are known to be wrong, so that the others can be looked at.

Nothing is said about a value by what is wrong already: else a fault would bring others that are
none once it is mended.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from jexevents.faults import pointer
from jexevents.model import Fault

NO_MEMBER = "no such member"

Path = tuple["str | int", ...]


class Wrongs:
    """The places of faults; those of members that the schema does not know are kept apart."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._at: set[str] = set()
        self._strange: set[str] = set()
        self._around: set[str] = set()
        self._have_strange: set[str] = set()
        for fault in faults:
            is_strange = fault.expected == NO_MEMBER
            (self._strange if is_strange else self._at).add(fault.pointer)
            around = fault.pointer.rpartition("/")[0]
            if is_strange:
                self._have_strange.add(around)
            while around:
                self._around.add(around)
                around = around.rpartition("/")[0]

    def at(self, path: Path) -> bool:
        """Whether a value is wrong itself, or is missing."""
        return pointer(path) in self._at

    def within(self, path: Path) -> bool:
        """Whether a value, or anything in it, is wrong or not known to the schema."""
        place = pointer(path)
        return place in self._at or place in self._strange or place in self._around

    def has_strange(self, path: Path) -> bool:
        """Whether a mapping has members that are not known: one may mean what is left out."""
        return pointer(path) in self._have_strange

    def rest(self, value: Any, path: Path) -> Any:
        """Give a mapping without the members that are wrong; what is no mapping as it is."""
        if not isinstance(value, Mapping):
            return value
        return {
            name: self.rest(inner, (*path, name))
            for name, inner in value.items()
            if not self._is_out((*path, name))
        }

    def _is_out(self, path: Path) -> bool:
        place = pointer(path)
        return place in self._at or place in self._strange
