"""Rejects: what could not be accepted and why; administrators try it again, or drop it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jexevents.model import Reason, Role
from jexevents.sidecar.dashboard.asking import (
    asked_of,
    choice,
    link,
    moment,
    pager,
    whole_number,
)
from jexevents.sidecar.dashboard.forms import Form
from jexevents.sidecar.dashboard.site import Site
from jexevents.sidecar.parameters import is_number
from jexevents.sidecar.problems import malformed, not_found
from jexevents.sidecar.rejects import DROP, MOST_AT_ONCE, RETRY, RejectWork, Worked
from jexevents.sidecar.requests import Request
from jexevents.sidecar.responses import Response
from jexevents.sidecar.routes import Route
from jexevents.store.reading import Reading, Row
from jexevents.store.reject_list import Choice

_PATH = "/ui/rejects"
_ROWS = 50
_FILTERS = ("reason", "origin", "since", "until")
_REASONS = tuple(one.value for one in Reason)
# How many are looked at to count them by reason.
_COUNTED = 10_000
# As much as a page shows of a body; by default no more is kept of one.
_BODY_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class RejectPages:
    """The pages."""

    site: Site
    reading: Reading
    work: RejectWork

    def routes(self) -> list[Route]:
        """Give the table of these pages."""
        page, action = self.site.page, self.site.action
        return [
            page(
                _PATH,
                self.listed,
                summary="What could not be accepted, the newest first.",
                query=(*_FILTERS, "before"),
            ),
            page(
                f"{_PATH}/<id>",
                self.one,
                summary="A reject, with every reason.",
                statuses=(200, 404),
            ),
            action(
                _PATH,
                self.operate,
                role=Role.ADMIN,
                summary="Try rejects again, or drop them for good.",
                statuses=(303, 400, 404),
            ),
        ]

    def listed(self, request: Request) -> Response:
        """Show a page of rejects."""
        asked = asked_of(request, (*_FILTERS, "before"))
        chosen = Choice(
            reason=choice("reason", asked["reason"], _REASONS),
            origin=asked["origin"] or None,
            since=moment("since", asked["since"]),
            until=moment("until", asked["until"]),
        )
        before = whole_number("before", asked["before"])
        rows = self.work.rejects.newest(chosen, _ROWS + 1, before)
        counts = self.work.rejects.reasons_of_newest(chosen, _COUNTED) if rows else []
        given = {name: asked[name] for name in _FILTERS}
        return self.site.render(
            request,
            "rejects.html",
            asked=asked,
            reasons=_REASONS,
            counts=[(reason, count, link(_PATH, {**given, "reason": reason}))
                    for reason, count in counts],
            counted=sum(count for _, count in counts),
            most_counted=_COUNTED,
            rows=[_row(one) for one in rows[:_ROWS]],
            pager=pager(_PATH, asked, rows, _ROWS, "id"),
            retry=RETRY,
            drop=DROP,
        )  # fmt: skip

    def one(self, request: Request) -> Response:
        """Show a reject."""
        asked = request.parameters["id"]
        row = self.reading.reject(int(asked)) if is_number(asked) else None
        if row is None:
            raise not_found(f"The ledger knows no reject {asked[:80]!r}; it may be off the list.")
        body = bytes(row["body"])
        shown, is_text = _readable(body[:_BODY_BYTES])
        return self.site.render(
            request,
            "reject.html",
            reject=_row(row),
            body=shown,
            is_text=is_text,
            left_out=max(0, len(body) - _BODY_BYTES),
            retry=RETRY,
            drop=DROP,
        )

    def operate(self, request: Request, form: Form) -> Response:
        """Try some again, or drop them."""
        texts = form.fields.get("id", ())
        if not texts:
            raise malformed("Choose rejects first.", "id", "the numbers of rejects", "none")
        if len(texts) > MOST_AT_ONCE or not all(map(is_number, texts)):
            expected = f"the numbers of rejects, {MOST_AT_ONCE} at most"
            raise malformed("These are no rejects.", "id", expected, f"{len(texts)} texts")
        ids, by, operation = [int(text) for text in texts], request.caller.name, form.get("do")
        if operation == RETRY:
            return self._told(ids, self.work.retry(ids, by))
        if operation == DROP:
            self.work.drop(ids, by)
            return self.site.seen(_PATH, "dropped")
        raise malformed("There is no such operation.", "do", f"{RETRY} or {DROP}", operation[:80])

    def _told(self, ids: list[int], worked: Worked) -> Response:
        counts = worked.counts
        left = counts.get("stored", 0) + counts.get("known", 0)
        stayed = sum(counts.get(name, 0) for name in ("refused", "cut", "unknown_door"))
        if not stayed:
            return self.site.seen(_PATH, "accepted")
        if left:
            return self.site.seen(_PATH, "accepted-some")
        # The one that is looked at says why.
        path = f"{_PATH}/{ids[0]}" if len(ids) == 1 else _PATH
        return self.site.seen(path, "refused-again")


def _readable(body: bytes) -> tuple[str, bool]:
    """Give a body for reading, and whether it is text; bytes in hexadecimal digits where not."""
    try:
        return body.decode("utf-8"), True
    except UnicodeDecodeError as error:
        # A character in two pieces at its end was cut by us, or by who kept the first part.
        if error.reason == "unexpected end of data" and len(body) - error.start < 4:
            return body[: error.start].decode("utf-8"), True
    return body.hex(" ", 2), False


def _row(row: Row) -> dict[str, Any]:
    faults = row["reasons"]
    return {**row, "sha256": bytes(row["sha256"]).hex(), "fault": faults[0] if faults else None}
