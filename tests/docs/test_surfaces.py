"""Each surface has a page of its own, and the page names every route of the surface."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from jexevents.sidecar import health, metrics, schemas
from jexevents.sidecar.apidocs.surface import ApiDocs
from jexevents.sidecar.cloudevents import CloudEventSurface
from jexevents.sidecar.hooks import HookSurface
from jexevents.sidecar.jex import Jex
from jexevents.sidecar.jobs import JobSurface
from jexevents.sidecar.ledger import LedgerSurface
from jexevents.sidecar.ledgerstream import LedgerStream
from jexevents.sidecar.nonces import NonceSurface
from jexevents.sidecar.outputs import OutputSurface
from jexevents.sidecar.pipelinejobs import PipelineSurface
from jexevents.sidecar.rejects import RejectSurface
from jexevents.sidecar.results import ResultSurface
from jexevents.sidecar.routes import Route
from jexevents.sidecar.schedules import ScheduleSurface
from jexevents.sidecar.smrtlink import SmrtLinkSurface
from jexevents.sidecar.tasks import TaskSurface
from jexevents.sidecar.uploads import UploadSurface
from jexevents.sidecar.workers import WorkerSurface
from jexevents.validation import SCHEMAS
from tests.docs.test_coverage import ROUTES
from tests.support import ROOT

# The tables alone; no handler is called.
_N: Any = None


def _outputs(*, of_tasks: bool) -> list[Route]:
    routes = OutputSurface(_N, _N, _N, "").routes()
    return [route for route in routes if route.path.startswith("/result/") is of_tasks]


PAGES: dict[str, Sequence[Route]] = {
    "jex": Jex(_N, _N, "", _N).routes(),
    "ledger": [*LedgerSurface(_N).routes(), *LedgerStream(_N).routes()],
    "rejects": RejectSurface(_N).routes(),
    "pipelinejobs": [*PipelineSurface(_N, _N, "", "", 1, _N).routes(),
                     *NonceSurface(_N, _N).routes()],
    "smrtlink": SmrtLinkSurface(_N, "", _N).routes(),
    "smrtlink-files": UploadSurface(_N, _N, 1, _N).routes(),
    "cloudevents": CloudEventSurface(_N, 1, _N).routes(),
    "executions": [*JobSurface(_N, _N, _N, _N, _N, _N, "").routes(),
                   *_outputs(of_tasks=False)],
    "schedules": ScheduleSurface(_N, _N, "").routes(),
    "tasks": [*TaskSurface(_N, _N, _N, _N, _N, "").routes(),
              *ResultSurface(_N, _N, _N, _N, "").routes(), *_outputs(of_tasks=True)],
    "workers": WorkerSurface(_N).routes(),
    "hooks": HookSurface(_N, _N, _N).routes(),
    "metrics": metrics.routes(_N),
    "operations": health.routes(_N),
    "http": [*schemas.routes(_N), *ApiDocs([], SCHEMAS).routes()],
}  # fmt: skip


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_every_route_of_its_surface(page: str) -> None:
    text = (ROOT / f"docs/{page}.md").read_text("utf-8")
    named = {f"{route.method} {route.path}" for route in PAGES[page]}
    assert {name for name in named if f"`{name}`" not in text} == set()


def test_no_surface_is_without_a_page() -> None:
    told = {f"{route.method} {route.path}" for routes in PAGES.values() for route in routes}
    assert {f"{route.method} {route.path}" for route in ROUTES} - told == set()
