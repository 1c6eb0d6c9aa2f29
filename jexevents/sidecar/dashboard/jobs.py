"""The list of jobs of all kinds, with filters that stand in the URL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from jexevents.lifecycle.states import states_of
from jexevents.model import Kind, Phase
from jexevents.sidecar.dashboard.asking import asked_of, choice, link, moment
from jexevents.sidecar.dashboard.filters import between
from jexevents.sidecar.dashboard.site import Site
from jexevents.sidecar.paging import BEFORE_JOB
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
        asked = asked_of(request, _FILTERS)
        states = states_of(None)
        before = request.values["before"]
        found = self.search.page(
            limit=_ROWS,
            before=before,
            text=asked["text"] or None,
            kind=choice("kind", asked["kind"], [one.value for one in Kind]),
            phase=choice("phase", asked["phase"], [one.value for one in Phase]),
            state=choice("state", asked["state"], states),
            submitter=asked["submitter"] or None,
            source=asked["source"] or None,
            since=moment("since", asked["since"]),
            until=moment("until", asked["until"]),
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
            first=link("/ui/jobs", given),
            further=found.before and link("/ui/jobs", {**given, "before": found.before}),
            looked_to=found.looked_to,
        )


def _ran(row: Mapping[str, Any]) -> str:
    """Say how long a job ran, or has been running."""
    end = row["finished_at"]
    if end is None and row["phase"] == Phase.RUNNING.value:
        end = datetime.now(timezone.utc)
    return between(row["started_at"], end)
