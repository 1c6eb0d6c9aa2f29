"""Pages and filters as our own lists have them: how they are asked for and answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from jexevents import rfc3339
from jexevents.errors import Unacceptable
from jexevents.model import Kind, Phase, Reason
from jexevents.sidecar.problems import malformed
from jexevents.sidecar.requests import Request
from jexevents.sidecar.responses import Response
from jexevents.validation import is_uuid

DEFAULT_LIMIT, MAX_LIMIT = 100, 1000
_BEFORE = "before"
PAGE = ("limit", _BEFORE)

_CHOICES = {
    "kind": tuple(kind.value for kind in Kind),
    "phase": tuple(phase.value for phase in Phase),
    "reason": tuple(reason.value for reason in Reason),
}
_TIMES = ("since", "until")
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


def limit_of(request: Request) -> int:
    """Give how many entries are asked for. Raises Problem (400)."""
    limit = number_or_none(request, "limit")
    if limit is None:
        return DEFAULT_LIMIT
    if not 1 <= limit <= MAX_LIMIT:
        raise malformed("The limit cannot be used.", "limit", f"1 to {MAX_LIMIT}", str(limit))
    return limit


def number_or_none(request: Request, name: str) -> int | None:
    """Give a number out of the query. Raises Problem (400)."""
    text = request.query.get(name)
    if text is None:
        return None
    if not is_number(text):
        raise malformed(f"{name} is no number.", name, "digits, 18 at most", text[:80])
    return int(text)


def is_number(text: str) -> bool:
    """Tell whether text is a number that an id can be."""
    return text.isascii() and text.isdigit() and len(text) <= 18


def uuid_or_none(request: Request, name: str) -> str | None:
    """Give a job's id out of the query. Raises Problem (400)."""
    text = request.query.get(name)
    if text is not None and not is_uuid(text):
        raise malformed(f"{name} is no id.", name, "the id of a job", text[:80])
    return text


def filter_of(request: Request, name: str) -> Any:
    """Give what a filter of the query asks for, None if nothing. Raises Problem (400)."""
    text = request.query.get(name)
    if text is None:
        return None
    if name in _TIMES:
        return _time(name, text)
    return choice_of(request, name, _CHOICES[name]) if name in _CHOICES else text


def choice_of(request: Request, name: str, choices: Sequence[str]) -> str | None:
    """Give the one of ``choices`` that the query asks for, None if none. Raises Problem (400)."""
    text = request.query.get(name)
    if text is not None and text not in choices:
        raise malformed(f"There is no such {name}.", name, " or ".join(choices), text[:80])
    return text


def _time(name: str, text: str) -> Any:
    try:
        return rfc3339.parse(text).at
    except Unacceptable as error:
        raise malformed(f"{name} is no time.", name, rfc3339.EXPECTED, text[:80]) from error
