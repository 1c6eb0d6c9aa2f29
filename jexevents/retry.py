"""Try rejects again: read as their door reads, stored as if they had been accepted at once.

One that passes is stored under the time of its first arrival and leaves the list in the same
transaction. One that fails stays, with the reasons of now. Nothing is kept in between: a retry
that is killed has done what it had done, and two at once share the work.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field

from jexevents.errors import JexError, Unavailable
from jexevents.ingest import failed, read_all
from jexevents.model import Arrival, Event, Outcome, Reject
from jexevents.sources.doors import Doors
from jexevents.store.audit import COMMAND_LINE
from jexevents.store.ledger import Ledger
from jexevents.store.reading import Row
from jexevents.store.reject_list import Choice, RejectList
from jexevents.store.rejects import RejectsGone


@dataclass(slots=True)
class Tally:
    """What became of rejects that were tried.

    ``stored`` and ``known`` have left the list, the latter since the ledger had their events.
    ``refused`` failed again; ``cut`` and ``unknown_door`` could not be tried; ``gone`` were
    taken off the list by somebody else meanwhile.
    """

    stored: int = 0
    known: int = 0
    refused: int = 0
    cut: int = 0
    unknown_door: int = 0
    gone: int = 0

    @property
    def total(self) -> int:
        """How many it has come to."""
        return sum(asdict(self).values())

    @property
    def stayed(self) -> int:
        """How many are still on the list."""
        return self.refused + self.cut + self.unknown_door


@dataclass(slots=True)
class _Step:
    """What is at hand of one step: events to store, and what was refused."""

    arrivals: dict[int, Arrival] = field(default_factory=dict)
    events: dict[int, Event] = field(default_factory=dict)
    refused: dict[int, Reject] = field(default_factory=dict)


class Retry:
    """Tries rejects again; ``doors`` is the table of readers that the daemon has too."""

    def __init__(self, rejects: RejectList, ledger: Ledger, doors: Doors) -> None:
        self._rejects = rejects
        self._ledger = ledger
        self._doors = doors

    def run(self, choice: Choice, last: int, by: str = COMMAND_LINE) -> Iterator[Tally]:
        """Try the chosen ones up to the number ``last``; give after each step the tally so far.

        ``by`` is the name of the credential of who asks, for the audit. Raises StoreUnavailable;
        the steps that were given are done.
        """
        tally = Tally()
        number = self._rejects.begin("rejects.retry", choice, by)
        for rows in self._rejects.walk(choice, last):
            step = self._read(rows, tally)
            self._store(step, tally)
            tally.refused += len(step.refused)
            self._rejects.note(number, asdict(tally), step.refused)
            yield tally

    def _read(self, rows: Sequence[Row], tally: Tally) -> _Step:
        step = _Step()
        for row in rows:
            if row["cut"]:
                tally.cut += 1
            elif not self._doors.knows(row["origin"]):
                tally.unknown_door += 1
            else:
                step.arrivals[row["id"]] = _arrival(row)
        read = read_all(self._doors, list(step.arrivals.values()))
        for number, one in zip(step.arrivals, read, strict=True):
            if isinstance(one, Event):
                step.events[number] = one
            else:
                step.refused[number] = one
        return step

    def _store(self, step: _Step, tally: Tally) -> None:
        """Store what could be read: all at once, or where that fails one by one."""
        try:
            self._note_refused(step, self._apply(step.events, tally))
        except Unavailable:
            raise
        except Exception:  # noqa: BLE001 - whose fault it is, each alone will tell
            for number, event in step.events.items():
                self._store_alone(number, event, step, tally)

    def _store_alone(self, number: int, event: Event, step: _Step, tally: Tally) -> None:
        try:
            self._note_refused(step, self._apply({number: event}, tally))
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - as when it came: the ledger's fault or its own
            step.refused[number] = failed(step.arrivals[number], error)

    def _note_refused(self, step: _Step, refused: dict[int, JexError]) -> None:
        for number, refusal in refused.items():
            step.refused[number] = failed(step.arrivals[number], refusal)

    def _apply(self, events: dict[int, Event], tally: Tally) -> dict[int, JexError]:
        """Store events, and take their rejects off the list; forget those that are off it.

        Gives why the ledger does not let some in; they stay on the list.
        """
        while events:
            try:
                applied = self._ledger.apply(list(events.values()), retried=list(events))
            except RejectsGone as gone:
                tally.gone += len(gone.ids)
                for number in gone.ids:
                    del events[number]
            else:
                refused = {
                    number: one.refusal
                    for number, one in zip(events, applied, strict=True)
                    if one.refusal is not None
                }
                stored = sum(one.outcome is Outcome.ACCEPTED for one in applied)
                tally.stored += stored
                tally.known += len(applied) - stored - len(refused)
                return refused
        return {}


def _arrival(row: Row) -> Arrival:
    return Arrival(
        body=bytes(row["body"]),
        received_at=row["received_at"],
        origin=row["origin"],
        source=row["source"],
        properties=row["properties"],
        credential=row["credential"],
    )
