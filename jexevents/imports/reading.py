"""Reads the files of one log, one after the other, into entries; says what it met."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import tzinfo

from jexevents.eventlogs.naming import log_name
from jexevents.eventlogs.occurrences import Occurrences
from jexevents.eventlogs.reading import LogEvent, LogReader
from jexevents.imports.chains import Chain
from jexevents.imports.entry import Entry
from jexevents.imports.files import LogFile, Opened
from jexevents.imports.years import NoYear, Years, first_year

# Compressed text unpacks to no more than this at once, whatever it would unpack to.
_CHUNK_BYTES = 1 << 18


@dataclass(slots=True)
class FileReport:
    """What was read of one file so far.

    ``years`` says by what the years were known that its dates lack. ``cut`` is where its last
    event begins if it does not end, ``cut_bytes`` how much of it is there. ``fault`` says why
    reading ended before the file did.
    """

    name: str
    log: str | None = None
    bytes: int = 0
    events: int = 0
    garbage: int = 0
    years: str | None = None
    cut: int | None = None
    cut_bytes: int = 0
    fault: str | None = None

    @property
    def is_whole(self) -> bool:
        """Whether all of it was read, up to the end of an event."""
        return self.cut is None and self.fault is None


class ChainReader:
    """Reads a chain once; ``reports`` says of its files what was met so far."""

    def __init__(
        self,
        chain: Chain,
        zone: tzinfo,
        *,
        year: int | None = None,
        advance: Callable[[int], object] = lambda _bytes: None,
    ) -> None:
        """``advance`` hears how many bytes, as they lie on the disk, were read once more."""
        self._files = chain.files
        self._zone = zone
        self._years = Years(zone, year)
        self._counts = Occurrences()
        self._advance = advance
        self.reports = [FileReport(file.name) for file in chain.files]

    def entries(self) -> Iterator[list[Entry]]:
        """Give what stands in the files, some at a time. What cannot be read, ``reports`` say."""
        for file, report in zip(self._files, self.reports, strict=True):
            try:
                with file.opened() as opened:
                    yield from self._read(file, opened, report)
            except NoYear as error:
                report.fault = f"{error} Give the year of the first one by --year."
            except OSError as error:
                report.fault = error.strerror or str(error)

    def _read(self, file: LogFile, opened: Opened, report: FileReport) -> Iterator[list[Entry]]:
        self._years.begin_file(lambda: self._first_year(file, opened))
        reader = LogReader(self._counts)
        inode = None if opened.is_packed else file.inode
        told = 0
        # Who writes into a pipe may take his time: what there is, is taken at once.
        read = opened.plain.read if file.opens_again else opened.plain.read1
        while chunk := read(_CHUNK_BYTES):
            report.bytes += len(chunk)
            events = reader.feed(chunk)
            if events:
                yield self._entries(events, report, inode)
            if file.opens_again:
                told, before = opened.packed.tell(), told
                self._advance(told - before)
            else:
                self._advance(len(chunk))
        yield self._entries(self._last(file, reader, report), report, inode)

    def _last(self, file: LogFile, reader: LogReader, report: FileReport) -> list[LogEvent]:
        """Give what is left at the end of a file.

        An event that is cut may be written further, if the file is the last of its log; else
        nothing follows, and what there is of it goes the way of all that is no event.
        """
        events = reader.finish()
        if reader.remaining:
            report.cut, report.cut_bytes = reader.offset, reader.remaining
            if file is not self._files[-1]:
                events += reader.abandon()
        return events

    def _entries(
        self, events: list[LogEvent], report: FileReport, inode: int | None
    ) -> list[Entry]:
        if report.log is None and events:
            report.log = log_name(events[0].raw, inode)
        log, year_of = report.log or "", self._years.of
        found = [
            Entry(
                event.raw,
                log,
                event.offset,
                event.occurrence,
                None if event.fault else year_of(event.raw),
                event.fault,
            )
            for event in events
        ]
        faults = sum(event.fault is not None for event in events)
        report.events += len(events) - faults
        report.garbage += faults
        report.years = self._years.how
        return found

    def _first_year(self, file: LogFile, opened: Opened) -> int | None:
        """Look through the whole file for ends of years, and count back from its own time."""
        written_at = opened.packed_at or file.written_at
        if written_at is None or not file.opens_again:
            return None
        with file.opened() as again:
            return first_year(again.plain, written_at, self._zone)
