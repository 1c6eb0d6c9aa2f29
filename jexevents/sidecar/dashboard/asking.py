"""What a page is asked for: filters that stand in its URL, and the pages of a list. What a filter
leaves empty it does not ask for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from jexevents import rfc3339
from jexevents.errors import Unacceptable
from jexevents.sidecar.parameters import is_number
from jexevents.sidecar.problems import malformed
from jexevents.sidecar.requests import Request

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Pager:
    """Where the first page of a list is, for who is on a later one, and where the next one is; None
    where there is none."""

    first: str | None
    further: str | None


def asked_of(request: Request, names: Iterable[str]) -> dict[str, str]:
    """Give the texts of these filters, by their names; an empty one where nothing is asked for."""
    return {name: request.query.get(name, "").strip() for name in names}


def choice(name: str, text: str, words: Sequence[str]) -> str | None:
    """Give the word that is asked for. Raises Problem (400) for one that is not among ``words``."""
    if text and text not in words:
        raise malformed(f"There is no such {name}.", name, " or ".join(words), text[:80])
    return text or None


def moment(name: str, text: str) -> datetime | None:
    """Read a time: as a field of a form has it, which is meant in UTC, or a date, which is its
    first moment there, or as RFC 3339 has it.

    Raises Problem (400).
    """
    if not text:
        return None
    try:
        # A field leaves seconds out where they are none.
        rest = {10: "T00:00:00Z", 16: ":00Z"}.get(len(text))
        return rfc3339.parse(_zoned(text) if rest is None else f"{text}{rest}").at
    except Unacceptable as error:
        expected = f"a date, a time such as 2026-01-31T13:45 (UTC), or {rfc3339.EXPECTED}"
        raise malformed(f"{name} is no time.", name, expected, text[:80]) from error


def _zoned(text: str) -> str:
    return text if text[-1:] in "zZ" or text[-6:-5] in ("+", "-") else f"{text}Z"


def whole_number(name: str, text: str) -> int | None:
    """Read a number that an id can be. Raises Problem (400)."""
    if not text:
        return None
    if not is_number(text):
        raise malformed(f"{name} is no number.", name, "digits, 18 at most", text[:80])
    return int(text)


def link(path: str, query: Mapping[str, Any], fragment: str = "") -> str:
    """Give the path of a page with what is asked of it; what is empty or None is left out."""
    given = {name: value for name, value in query.items() if value not in (None, "")}
    found = f"{path}?{urlencode(given)}" if given else path
    return f"{found}#{fragment}" if fragment else found


def pager(
    path: str,
    query: Mapping[str, Any],
    rows: Sequence[Row],
    limit: int,
    cursor: str,
    by: str = "before",
    fragment: str = "",
) -> Pager:
    """Give the pager of a list of which one row more than ``limit`` was asked for.

    ``by`` is the parameter that says where a page begins, the value ``cursor`` of the row before.
    """
    further = None
    if len(rows) > limit:
        further = link(path, {**query, by: rows[limit - 1][cursor]}, fragment)
    is_later = query.get(by) not in (None, "")
    first = link(path, {**query, by: None}, fragment) if is_later else None
    return Pager(first, further)
