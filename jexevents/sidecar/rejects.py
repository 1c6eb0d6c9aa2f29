"""Rejects are tried again or dropped, some at a time: all of many is for the command line."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from jexevents.model import Role
from jexevents.sidecar.problems import not_found
from jexevents.sidecar.requests import Request
from jexevents.sidecar.routes import Route
from jexevents.store.reject_list import Choice, RejectList

RETRY, DROP = "RETRY", "DROP"
MOST_AT_ONCE = 100
COUNTS = ("stored", "known", "refused", "cut", "unknown_door", "gone", "dropped")


class Tally(Protocol):
    """What became of rejects that were tried; ``jexevents.retry.Tally`` is one, a dataclass."""

    stored: int
    known: int
    refused: int


class Retrying(Protocol):
    """What tries rejects again; ``jexevents.retry.Retry`` is one."""

    def run(self, choice: Choice, last: int, by: str) -> Iterator[Tally]:
        """Try the chosen ones up to the number ``last``; give after each step the tally so far."""


@dataclass(frozen=True, slots=True)
class Worked:
    """What became of rejects: ``counts`` are those of a retry, and how many were ``dropped``;
    ``missing`` are the numbers that no reject has."""

    counts: dict[str, int] = field(default_factory=dict)
    missing: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class RejectWork:
    """Works on rejects as ``jexevents rejects`` does. Methods raise StoreUnavailable."""

    rejects: RejectList
    retrying: Retrying

    def retry(self, ids: Sequence[int], by: str) -> Worked:
        """Try these again; ``by`` is the name of a credential. Raises Problem (404) where there is
        none of them."""
        choice, missing = self._chosen(ids)
        # Each tally is the one so far: the last one tells of all.
        tallies = deque(self.retrying.run(choice, max(choice.ids), by), maxlen=1)
        return Worked(asdict(tallies[0]) if tallies else {}, missing)

    def drop(self, ids: Sequence[int], by: str) -> Worked:
        """Drop these for good; as ``retry``."""
        choice, missing = self._chosen(ids)
        number = self.rejects.begin("rejects.drop", choice, by)
        dropped = sum(self.rejects.drop(choice, max(choice.ids), number))
        return Worked({"dropped": dropped}, missing)

    def _chosen(self, ids: Sequence[int]) -> tuple[Choice, list[int]]:
        missing = self.rejects.missing(ids)
        found = sorted(set(ids) - set(missing))
        if not found:
            raise not_found("The ledger knows none of these rejects; they may be off the list.")
        return Choice(ids=tuple(found)), missing


@dataclass(frozen=True, slots=True)
class RejectSurface:
    """The surface; what is read of rejects belongs to that of the ledger."""

    work: RejectWork

    def routes(self) -> list[Route]:
        """Give the table of the surface."""
        return [
            Route(
                method="POST",
                path="/ledger/rejects",
                role=Role.ADMIN,
                handler=self.operate,
                request="reject_operation",
                answer="reject_outcome",
                statuses=(200, 404, 422),
                summary="Try rejects again, or drop them for good.",
            ),
        ]

    def operate(self, request: Request) -> dict[str, Any]:
        """Carry out an operation."""
        document = request.json()
        ids, by = [int(one) for one in document["ids"]], request.caller.name
        is_retry = document["operation"] == RETRY
        worked = self.work.retry(ids, by) if is_retry else self.work.drop(ids, by)
        counts = {name: worked.counts.get(name, 0) for name in COUNTS}
        return {"operation": document["operation"], "missing": list(worked.missing), **counts}
