"""The list of jobs of all kinds, with filters that stand in the URL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any
from urllib.parse import urlencode

from jexevents import rfc3339
from jexevents.errors import Unacceptable
from jexevents.lifecycle.states import states_of
from jexevents.model import Kind, Phase
from jexevents.sidecar.dashboard.filters import between
from jexevents.sidecar.dashboard.site import Site
from jexevents.sidecar.paging import BEFORE_JOB
from jexevents.sidecar.problems import malformed
from jexevents.sidecar.requests import Request
from jexevents.sidecar.responses import Response
from jexevents.sidecar.routes import Route
from jexevents.store.job_search import JobSearch

_ROWS = 50
_FILTERS = ("text", "kind", "phase", "state", "submitter", "source", "since", "until")


@dataclass(frozen=True, slots=True)
class JobPages:
    """The page."""

    site: Site
    search: JobSearch

    def routes(self) -> list[Route]:
        """Give the table of these pages."""
        return [
            self.site.page(
                "/ui/jobs",
                self.jobs,
                summary="Jobs of all kinds, the newest first.",
                query=(*_FILTERS, BEFORE_JOB),
            ),
        ]

    def jobs(self, request: Request) -> Response:
        """Show the jobs that are asked for; a filter that is left empty asks for nothing."""
        asked = {name: request.query.get(name, "").strip() for name in _FILTERS}
        states = states_of(None)
        before = request.values["before"]
        found = self.search.page(
            limit=_ROWS,
            before=before,
            text=asked["text"] or None,
            kind=_choice("kind", asked["kind"], [one.value for one in Kind]),
            phase=_choice("phase", asked["phase"], [one.value for one in Phase]),
            state=_choice("state", asked["state"], states),
            submitter=asked["submitter"] or None,
            source=asked["source"] or None,
            since=_time("since", asked["since"]),
            until=_time("until", asked["until"]),
        )
        given = {name: text for name, text in asked.items() if text}
        return self.site.render(
            request,
            "jobs.html",
            rows=[{**row, "ran": _ran(row)} for row in found.rows],
            asked=asked,
            any_asked=bool(given),
            kinds=[one.value for one in Kind],
            phases=[one.value for one in Phase],
            states=states,
            paged=before is not None,
            first=_path(given),
            further=None if found.before is None else _path({**given, "before": found.before}),
            looked_to=found.looked_to,
        )


def _path(query: Mapping[str, str]) -> str:
    return f"/ui/jobs?{urlencode(query)}" if query else "/ui/jobs"


def _ran(row: Mapping[str, Any]) -> str:
    """Say how long a job ran, or has been running."""
    end = row["finished_at"]
    if end is None and row["phase"] == Phase.RUNNING.value:
        end = datetime.now(timezone.utc)
    return between(row["started_at"], end)


def _choice(name: str, text: str, words: Any) -> str | None:
    if text and text not in words:
        raise malformed(f"There is no such {name}.", name, " or ".join(words), text[:80])
    return text or None


def _time(name: str, text: str) -> datetime | None:
    """Read a time: as a field of a form has it, which is meant in UTC, or as RFC 3339 has it."""
    if not text:
        return None
    try:
        # A field leaves seconds out where they are none.
        return rfc3339.parse(f"{text}:00Z" if len(text) == 16 else _zoned(text)).at
    except Unacceptable as error:
        expected = f"a time such as 2026-01-31T13:45 (UTC), or {rfc3339.EXPECTED}"
        raise malformed(f"{name} is no time.", name, expected, text[:80]) from error


def _zoned(text: str) -> str:
    return text if text[-1:] in "zZ" or text[-6:-5] in ("+", "-") else f"{text}Z"
