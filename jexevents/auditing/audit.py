"""Goes through a ledger and tells what is incomplete; see docs/audit-log.md."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from itertools import groupby
from operator import attrgetter

from jexevents.auditing.chains import Link, Missing, missing_files
from jexevents.auditing.finding import Finding, Lack
from jexevents.auditing.gaps import GAP, gap_said
from jexevents.rfc3339 import format_utc
from jexevents.sources.condor.rotation import HEADER, header_said
from jexevents.sources.doors import IMPORT_DOOR
from jexevents.store.completeness import Completeness, Header, IncompleteJob, Leap, Rejected

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What counts as too much, and which time is looked at.

    A job that has not ended is told if nothing was heard of it for ``silent``; a log's clock, if it
    goes ``back`` or ``ahead`` by more than these from one event to the next. ``since`` and
    ``until`` are aware, and choose findings by their time.
    """

    silent: timedelta = timedelta(days=7)
    back: timedelta = timedelta(minutes=5)
    ahead: timedelta = timedelta(days=7)
    since: datetime | None = None
    until: datetime | None = None

    def take(self, finding: Finding) -> bool:
        """Whether its time is in the time that is looked at."""
        return (self.since is None or finding.at >= self.since) and (
            self.until is None or finding.at < self.until
        )


def _nothing(_jobs: int) -> None:
    """Do nothing."""


@dataclass(frozen=True)
class Audit:
    """One look; ``advance`` hears how many jobs more were gone through. Raises StoreUnavailable."""

    completeness: Completeness
    bounds: Bounds
    now: datetime
    advance: Callable[[int], None] = field(default=_nothing)

    def findings(self) -> Iterator[Finding]:
        """Give all that is incomplete: of jobs, of logs, of what was rejected."""
        for found in self._all():
            if self.bounds.take(found):
                yield found

    def _all(self) -> Iterator[Finding]:
        yield from self._of_jobs()
        yield from self._of_headers()
        since = self.bounds.since
        # The event before the first one that counts is needed too.
        leaps = self.completeness.leaps(
            self.bounds.back, self.bounds.ahead, since and since - self.bounds.ahead - _DAY
        )
        yield from map(_of_leap, leaps)
        rejected = self.completeness.rejected(IMPORT_DOOR, since, self.bounds.until)
        yield from map(_of_rejects, rejected)

    def _of_jobs(self) -> Iterator[Finding]:
        silent_before = self.now - self.bounds.silent
        for page in self.completeness.jobs(silent_before):
            for job in page.incomplete:
                yield from _of_job(job, silent_before)
            self.advance(page.jobs)

    def _of_headers(self) -> Iterator[Finding]:
        headers = self.completeness.headers(HEADER)
        for source, rows in groupby(headers, attrgetter("source")):
            for missing in missing_files(_links(rows)):
                yield _of_missing(source, missing)
        yield from map(_of_told, self.completeness.headers(GAP))


def _links(rows: Iterable[Header]) -> Iterator[Link]:
    for row in rows:
        header = header_said(row.info)
        if header is not None:
            yield Link(header, row.seq)


def _of_job(job: IncompleteJob, silent_before: datetime) -> Iterator[Finding]:
    named = {"source": job.source, "job": job.id, "key": job.key}
    detail = {"state": job.state, "events": job.events}
    if job.first_at is None or job.last_at is None:
        if job.created_at < silent_before:
            yield Finding(Lack.NO_EVENT, at=job.created_at, detail=detail, **named)
        return
    if not job.has_submit:
        yield Finding(Lack.NO_SUBMIT, at=job.first_at, detail=detail, **named)
    if not job.closed and job.last_at < silent_before:
        yield Finding(Lack.NO_END, at=job.last_at, detail=detail, **named)


def _of_missing(source: str, missing: Missing) -> Finding:
    before, after = missing.before.header, missing.after.header
    return Finding(
        Lack.GAP,
        source,
        datetime.fromtimestamp(after.ctime, timezone.utc),
        log=after.id,
        seq=missing.after.seq,
        count=missing.files,
        detail={
            "from_sequence": before.sequence + 1,
            "to_sequence": after.sequence - 1,
            "before": before.id,
            "bytes": missing.size,
        },
    )


def _of_told(row: Header) -> Finding:
    said = gap_said(row.info)
    return Finding(Lack.TOLD_GAP, row.source, row.at, log=said.get("log"), seq=row.seq, detail=said)


def _of_leap(leap: Leap) -> Finding:
    moved = leap.at - leap.before_at
    return Finding(
        Lack.CLOCK_BACK if moved < timedelta(0) else Lack.CLOCK_AHEAD,
        leap.source,
        leap.at,
        job=leap.job_id,
        log=leap.log,
        offset=leap.offset,
        seq=leap.seq,
        detail={
            "before_seq": leap.before_seq,
            "before_at": format_utc(leap.before_at),
            "seconds": moved.total_seconds(),
        },
    )


def _of_rejects(rejected: Rejected) -> Finding:
    return Finding(
        Lack.REJECTED,
        rejected.source,
        rejected.first_at,
        count=rejected.count,
        detail={
            "reason": rejected.reason,
            "origin": rejected.origin,
            "first_id": rejected.first_id,
        },
    )
