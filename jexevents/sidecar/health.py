"""Whether the process answers, and whether it can do its work: for supervisors and balancers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from jexevents.sidecar.problems import RETRY_AFTER_SECONDS
from jexevents.sidecar.requests import Request
from jexevents.sidecar.responses import Response
from jexevents.sidecar.routes import Route


@dataclass(frozen=True, slots=True)
class Check:
    """What one check found: ``detail`` in words; ``seconds`` an age or duration, if it is one."""

    ok: bool
    detail: str
    seconds: float | None = None


Readiness = Callable[[], Mapping[str, Check]]


def routes(readiness: Readiness) -> tuple[Route, ...]:
    """Give the table of this surface.

    ``readiness`` gives the checks by name (database, broker, last batch); it may take as long
    as a request may, and raise Unavailable.
    """
    return (
        Route(
            method="GET",
            path="/healthz",
            role=None,
            handler=_alive,
            summary="Say that the process answers; asks nobody.",
            answer="health",
            any_host=True,
        ),
        Route(
            method="GET",
            path="/readyz",
            role=None,
            handler=lambda request: _ready(readiness),
            summary="Say whether what the daemon needs is there, check by check.",
            answer="readiness",
            statuses=(200, 503),
            told=(503,),
            any_host=True,
        ),
    )


def _alive(_request: Request) -> dict[str, str]:
    return {"status": "ok"}


def _ready(readiness: Readiness) -> Response:
    checks = readiness()
    ready = all(check.ok for check in checks.values())
    body = {
        "status": "ready" if ready else "unready",
        "checks": {name: _told(check) for name, check in checks.items()},
    }
    if ready:
        return Response(200, body)
    return Response(503, body, {"Retry-After": str(RETRY_AFTER_SECONDS)})


def _told(check: Check) -> dict[str, object]:
    told: dict[str, object] = {"ok": check.ok, "detail": check.detail}
    return told if check.seconds is None else {**told, "seconds": round(check.seconds, 3)}
