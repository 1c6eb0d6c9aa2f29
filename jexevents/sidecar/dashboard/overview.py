"""The first page: how it stands with all of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any

from jexevents.errors import Invalid, StoreTooSlow
from jexevents.model import Phase
from jexevents.schedules import read_in_force, upcoming
from jexevents.sidecar.dashboard.asking import asked_of, choice
from jexevents.sidecar.dashboard.charts import stacked
from jexevents.sidecar.dashboard.filters import lasting
from jexevents.sidecar.dashboard.kept import Kept
from jexevents.sidecar.dashboard.site import Site
from jexevents.sidecar.health import Check, Readiness
from jexevents.sidecar.requests import Request
from jexevents.sidecar.responses import Response
from jexevents.sidecar.routes import Route
from jexevents.store.job_search import Found, JobSearch
from jexevents.store.outbox import Outbox
from jexevents.store.overview import OverviewStore
from jexevents.store.schedules import ScheduleRow
from jexevents.store.workers import Workers


@dataclass(frozen=True, slots=True)
class Span:
    """A time up to now, in so many bars of so many hours."""

    name: str
    bars: int
    bar_hours: float

    @property
    def length(self) -> timedelta:
        """How long it is."""
        return timedelta(hours=self.bars * self.bar_hours)


_SPANS = (Span("day", 48, 0.5), Span("week", 56, 3), Span("month", 60, 12), Span("year", 52, 168))
_FILTERS = ("span",)
_FAILED, _AHEAD = 8, 8
# Of more schedules than these the next due times are not worked out for this page.
_MOST_SCHEDULES = 500


@dataclass(frozen=True)
class Overview:
    """The page. ``hooks`` are the configured ones, as they may be shown."""

    site: Site
    store: OverviewStore
    search: JobSearch
    workers: Workers
    outbox: Outbox
    hooks: Sequence[Mapping[str, Any]]
    readiness: Readiness
    now: Callable[[], datetime] = lambda: datetime.now(timezone.utc)

    def __post_init__(self) -> None:
        """Keep what is dear."""
        charts = {span.name: Kept(partial(self._made_chart, span)) for span in _SPANS}
        object.__setattr__(self, "_charts", charts)
        object.__setattr__(self, "_ahead", Kept(self._made_ahead))
        object.__setattr__(self, "_failed", Kept(self._found_failed))
        object.__setattr__(self, "_sent", Kept(self._hooks))

    def routes(self) -> list[Route]:
        """Give the table of these pages."""
        summary = "How it stands with all of it."
        return [self.site.page("/", self.overview, summary=summary, query=_FILTERS)]

    def overview(self, request: Request) -> Response:
        """Show it."""
        spans = [span.name for span in _SPANS]
        span = choice("span", asked_of(request, _FILTERS)["span"], spans) or spans[0]
        waiting, held = self.store.waiting()
        since = self.now() - _SPANS[0].length
        return self.site.render(
            request,
            "overview.html",
            chart=self._charts[span].get(),
            span=span,
            spans=spans,
            rate=self.store.rate(),
            failed=self._failed.get(),
            workers=self.workers.all(),
            waiting=waiting,
            held=held,
            hooks=self._sent.get(),
            ahead=self._ahead.get(),
            rejects=self.store.rejects_since(since),
            health=[_check(name, check) for name, check in self.readiness().items()],
            since=since,
        )

    def _made_chart(self, span: Span) -> dict[str, Any] | None:
        """Make the chart of a span; its bars stand still, the last one grows. None where there are
        more jobs than PostgreSQL can count in its time."""
        width = span.bar_hours * 3600
        end = _rounded_up(self.now(), width)
        start = end - span.length
        try:
            counts = self.store.jobs_by_time(start, end, width)
        except StoreTooSlow:
            return None
        return stacked(counts, start, end, span.bars)

    def _made_ahead(self) -> list[dict[str, Any]]:
        rows, now = self.store.schedules()
        coming = [due for row in rows[:_MOST_SCHEDULES] if (due := _next(row, now))]
        return sorted(coming, key=lambda one: one["at"])[:_AHEAD]

    def _found_failed(self) -> Found:
        return self.search.page(limit=_FAILED, phase=Phase.ERROR.value)

    def _hooks(self) -> list[dict[str, Any]]:
        """Give each hook that is configured, and each other one that has something to send."""
        counts = {count.hook: count for count in self.outbox.counts()}
        names = [hook["Name"] for hook in self.hooks]
        others = sorted(set(counts) - set(names))
        return [{"name": name, "count": counts.get(name)} for name in [*names, *others]]


def _next(row: ScheduleRow, now: datetime) -> dict[str, Any] | None:
    try:
        coming = upcoming(read_in_force(row.members, row.first_seen, row.since), now, 1)
    except Invalid:
        # Another machine may know a zone that this one does not; the page of schedules says so.
        return None
    return {"name": row.definition, "at": coming[0].at} if coming else None


def _rounded_up(at: datetime, seconds: float) -> datetime:
    whole = at.timestamp() // seconds * seconds + seconds
    return datetime.fromtimestamp(whole, timezone.utc)


def _check(name: str, check: Check) -> dict[str, Any]:
    age = "" if check.seconds is None else f" {lasting(check.seconds)} ago"
    return {"name": name.replace("_", " "), "ok": check.ok, "detail": f"{check.detail}{age}"}
