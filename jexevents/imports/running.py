"""Reads logs and has what stands in them stored, and sums up what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import tzinfo
from typing import Any

from jexevents.imports.chains import Chain
from jexevents.imports.reading import ChainReader, FileReport
from jexevents.imports.sinks import Sink
from jexevents.imports.storing import Counts


@dataclass
class Summary:
    """What came of an import.

    ``counts`` says what became of events in the ledger, and is None where the broker has them: then
    ``sent`` is how many it took over. ``stopped`` says that it was ended before its end.
    """

    files: list[FileReport] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    counts: Counts | None = None
    sent: int = 0
    seconds: float = 0.0
    stopped: bool = False

    @property
    def events(self) -> int:
        """How many events were read."""
        return sum(file.events for file in self.files)

    @property
    def garbage(self) -> int:
        """How many stretches were read that are no events."""
        return sum(file.garbage for file in self.files)

    @property
    def bytes(self) -> int:
        """How many bytes were read, unpacked."""
        return sum(file.bytes for file in self.files)

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / self.seconds if self.seconds else 0.0

    @property
    def is_clean(self) -> bool:
        """Whether all that stands in the files is in the ledger, or with the broker."""
        rejected = self.counts.rejected if self.counts else self.garbage
        return not (rejected or self.stopped) and all(file.is_whole for file in self.files)

    def document(self) -> dict[str, Any]:
        """Give it as JSON values (schema import_summary)."""
        counts = self.counts
        return {
            "events": self.events,
            "garbage": self.garbage,
            "bytes": self.bytes,
            "seconds": round(self.seconds, 3),
            "events_a_second": round(self.rate, 1),
            "new": counts and counts.new,
            "duplicates": counts and counts.duplicates,
            "rejected": counts and counts.rejected,
            "jobs_new": counts and counts.jobs_new,
            "sent": None if counts else self.sent,
            "stopped": self.stopped,
            "notes": list(self.notes),
            "files": [asdict(file) for file in self.files],
        }


def run(
    chains: Sequence[Chain],
    sink: Sink,
    zone: tzinfo,
    summary: Summary,
    *,
    year: int | None = None,
    advance: Callable[[int, int], object] = lambda _bytes, _events: None,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Have all that stands in ``chains`` put into ``sink``; ``summary`` says what came of it.

    It does so, too, where this ends before its end: by an exception of the sink, or
    KeyboardInterrupt. ``advance`` hears how many bytes (as they lie on the disk) and events were
    read once more. Raises Unavailable.
    """
    begun = clock()
    try:
        for chain in chains:
            reader = ChainReader(chain, zone, year=year, advance=lambda size: advance(size, 0))
            summary.notes += chain.notes
            summary.files += reader.reports
            for entries in reader.entries():
                sink.put(entries)
                advance(0, len(entries))
        sink.finish()
    except BaseException:
        summary.stopped = True
        sink.end()
        raise
    finally:
        summary.seconds = clock() - begun
        if summary.counts is not None:
            summary.counts = sink.counts
        summary.sent = sink.sent
