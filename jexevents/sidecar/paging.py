"""Pages and filters as our own lists have them: how they are asked for and answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from jexevents.model import Kind, Phase, Reason
from jexevents.sidecar.parameters import Parameter, choice, instant, uuid, whole
from jexevents.sidecar.requests import Request
from jexevents.sidecar.responses import Response

DEFAULT_LIMIT, MAX_LIMIT = 100, 1000
_BEFORE = "before"

LIMIT = whole("limit", "How many entries at most.", 1, MAX_LIMIT, DEFAULT_LIMIT)
BEFORE = whole(_BEFORE, "The entry before which the page begins: what next says.")
BEFORE_JOB = uuid(_BEFORE, "The job before which the page begins: what next says.")
AFTER = whole("after", "The number behind which the page begins: what next says.")
# The page of a list whose entries have numbers, and that of one of jobs.
PAGE: tuple[Parameter, ...] = (LIMIT, BEFORE)
PAGE_OF_JOBS: tuple[Parameter, ...] = (LIMIT, BEFORE_JOB)

KIND = choice("kind", "Of this kind.", [kind.value for kind in Kind])
PHASE = choice("phase", "In this phase.", [phase.value for phase in Phase])
REASON = choice("reason", "For this reason.", [reason.value for reason in Reason])
SINCE = instant("since", "At or after this time.")
UNTIL = instant("until", "Before this time.")
Row = Mapping[str, Any]


def page(
    request: Request, rows: Sequence[Row], limit: int, cursor: str, show: Any
) -> Mapping[str, Any]:
    """Give rows as a page; one row more than ``limit`` was asked for, to see if more follow.

    Fewer rows than were found are a page that was cut because they are long.
    """
    shown, following = _cut(request, rows, limit, cursor)
    return {"items": [show(row) for row in shown], "next": following}


def bare_page(
    request: Request,
    rows: Sequence[Row],
    limit: int,
    cursor: str,
    show: Any,
    by: str = _BEFORE,
) -> Response:
    """Give rows as the seeds' lists have them: an array, what follows in a Link (RFC 8288).

    ``by`` is the parameter that asks for what follows.
    """
    shown, following = _cut(request, rows, limit, cursor, by)
    headers = {} if following is None else {"Link": f'<{following}>; rel="next"'}
    return Response(200, [show(row) for row in shown], headers)


def _cut(
    request: Request, rows: Sequence[Row], limit: int, cursor: str, by: str = _BEFORE
) -> tuple[Sequence[Row], str | None]:
    """Give the rows of a page, and the path of the page that follows, None if none does."""
    shown = rows[:limit]
    if not shown or max(len(rows), shown[0].get("found", 0)) <= len(shown):
        return shown, None
    query = {**request.query, by: str(shown[-1][cursor])}
    return shown, f"{request.path}?{urlencode(query)}"
