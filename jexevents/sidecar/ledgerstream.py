"""Events as they are stored, to all who listen: ``/ledger/stream``.

One look a second serves all listeners of a process: whoever finds that the last one is older looks,
the others take what it found. What was found is kept a while, the same for all; who reads too
slowly is told what he missed and costs no memory. While nobody listens nobody looks.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from jexevents.errors import StoreUnavailable
from jexevents.model import Role
from jexevents.rfc3339 import plain
from jexevents.sidecar.paging import KIND
from jexevents.sidecar.parameters import Parameter, is_number, text, uuid
from jexevents.sidecar.problems import malformed
from jexevents.sidecar.requests import Request
from jexevents.sidecar.responses import Response
from jexevents.sidecar.routes import Route
from jexevents.sidecar.streams import HEAD, Cut
from jexevents.store.event_watch import PAGE_ROWS, EventWatch, Row

EVENT_STREAM = "text/event-stream"
KEEP_ALIVE_SECONDS = 15.0
LOOK_SECONDS = 1.0
_RETRY_MILLISECONDS = 2000
# Nobody has listened for so long: what was kept is old, and is not gone on from.
_IDLE_SECONDS = 10.0
_MOST_KEPT, _MOST_KEPT_BYTES = 5000, 8 << 20
# Who comes again is told so many of what he missed, at most.
_MOST_CAUGHT_UP = 10_000
_WAIT_SECONDS = 0.25
_QUIET = b": nothing new\n"
_OF_JOB = ("kind", "key", "state", "phase")
# What filters look at. Nothing else of a row is kept beside its text.
_LOOKED_AT = ("kind", "key", "job_id", "name")
_FILTERS = (
    KIND,
    text("key", "Of jobs with this key."),
    uuid("job", "Of the job with this id."),
    text("name", "Events with this name."),
)
LAST_EVENT_ID = Parameter(
    name="Last-Event-ID",
    summary="Go on behind the event of this id.",
    expected="the id of an event of this stream",
    schema={"type": "string", "pattern": "^[0-9]{0,18}$"},
)


@dataclass(frozen=True, slots=True)
class Told:
    """One event for listeners: its text, and what of its row their filters look at; without that it
    is a word that all get, such as that some were passed over."""

    text: bytes
    row: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """What a listener wants to hear of; None is everything."""

    kind: str | None = None
    key: str | None = None
    job: str | None = None
    name: str | None = None

    def wants(self, told: Told) -> bool:
        """Whether he wants to hear of this."""
        row = told.row
        return row is None or (
            self.kind in (None, row["kind"])
            and self.key in (None, row["key"])
            and self.job in (None, row["job_id"])
            and self.name in (None, row["name"])
        )


class Newest:
    """What was found lately, for all listeners of a process; safe to share between threads.

    Places are counted from 0 on; a listener has one, and takes what stands from there on.
    """

    def __init__(
        self,
        watch: EventWatch,
        *,
        look_seconds: float = LOOK_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._watch = watch
        self._look_seconds = look_seconds
        self._clock = clock
        self._looking = threading.Lock()
        self._changed = threading.Condition()
        self._kept: deque[Told] = deque()
        self._kept_bytes = 0
        self._first = 0
        self._told_to = 0
        self._looked_at = float("-inf")
        self._is_behind = False

    def begin(self, after: int | None) -> tuple[int, Iterator[Told]]:
        """Give the place of a new listener, and what he has to be told before it.

        ``after`` is the number up to which he was told everything, None for a new one. Raises
        StoreUnavailable, as what it gives does.
        """
        with self._looking:
            if self._clock() - self._looked_at > _IDLE_SECONDS:
                self._begin_anew()
            with self._changed:
                place = self._first + len(self._kept)
            if after is None:
                return place, iter((Told(self.mark(place)),))
            return place, self._missed(after, self._watch.seen, self._watch.floor)

    def _begin_anew(self) -> None:
        """Go on with the newest; a listener who reads nothing, so that he did not look, is told."""
        before = self._watch.seen
        self._watch.begin()
        self._looked_at = self._clock()
        is_behind = 0 < before < self._watch.seen
        lost = [_passed_over(before + 1, self._watch.seen)] if is_behind else []
        self._keep(lost, self._watch.floor)

    def _missed(self, after: int, end: int, floor: int) -> Iterator[Told]:
        """Give what came behind a number, up to the one that all listeners were told; page by page,
        so that he who reads slowly has one of them in memory."""
        if end - after > _MOST_CAUGHT_UP:
            yield _passed_over(after + 1, end - _MOST_CAUGHT_UP)
            after = end - _MOST_CAUGHT_UP
        while after < end:
            rows = self._watch.between(after + 1, end)
            yield from (_told(row, floor) for row in rows)
            if len(rows) < PAGE_ROWS:
                break
            after = rows[-1]["seq"]

    def from_place(self, place: int, wanted: Filter) -> tuple[int, list[Told]]:
        """Give what stands from a place on, and the place behind it."""
        with self._changed:
            end = self._first + len(self._kept)
            missed = self._first - place
            kept = list(self._kept) if missed > 0 else _tail(self._kept, end - place)
        found = [told for told in kept if wanted.wants(told)]
        return end, [_fell_behind(missed), *found] if missed > 0 else found

    def mark(self, place: int) -> bytes:
        """Give what tells a listener at the end up to where he was told everything, be it that
        nothing was for him: he comes again with that. A comment where there is more for him."""
        with self._changed:
            is_at_end = place == self._first + len(self._kept)
            return _QUIET + (f"id: {self._told_to}\n\n".encode() if is_at_end else b"\n")

    def wait(self, place: int, seconds: float) -> None:
        """Look, if it is time to; else wait till there is something behind a place."""
        if self._is_due() and self._looking.acquire(False):
            try:
                # What is not found now is found when PostgreSQL is back.
                with suppress(StoreUnavailable):
                    self._look()
            finally:
                self._looked_at = self._clock()
                self._looking.release()
        with self._changed:
            self._changed.wait_for(lambda: self._first + len(self._kept) > place, seconds)

    def _is_due(self) -> bool:
        return self._is_behind or self._clock() - self._looked_at >= self._look_seconds

    def _look(self) -> None:
        noticed = self._watch.look()
        self._is_behind = noticed.is_more
        told = [] if noticed.skipped is None else [_passed_over(*noticed.skipped)]
        told += [_told(row, noticed.floor) for row in noticed.rows]
        self._keep(told, noticed.floor)

    def _keep(self, told: Sequence[Told], floor: int) -> None:
        with self._changed:
            self._told_to = floor
            self._kept.extend(told)
            self._kept_bytes += sum(len(one.text) for one in told)
            while len(self._kept) > _MOST_KEPT or self._kept_bytes > _MOST_KEPT_BYTES:
                self._kept_bytes -= len(self._kept.popleft().text)
                self._first += 1
            if told:
                self._changed.notify_all()


@dataclass(frozen=True, slots=True)
class LedgerStream:
    """The surface."""

    newest: Newest
    clock: Callable[[], float] = field(default=time.monotonic)

    def routes(self) -> list[Route]:
        """Give the table of the surface."""
        return [
            Route(
                method="GET",
                path="/ledger/stream",
                role=Role.READ,
                handler=self.stream,
                query=_FILTERS,
                headers=(LAST_EVENT_ID,),
                produces=(EVENT_STREAM,),
                streams=lambda request: request.method != "HEAD",
                sessions=True,
                summary="Events as they are stored, as Server-Sent Events.",
            ),
        ]

    def stream(self, request: Request) -> Response:
        """Tell of events as long as somebody listens."""
        wanted = Filter(**request.values)
        after = _after(request)
        if request.method == "HEAD":
            return Response(200, b"", content_type=EVENT_STREAM)
        place, missed = self.newest.begin(after)
        body = self._body(request, wanted, place, missed)
        return Response(200, body, {"X-Accel-Buffering": "no"}, EVENT_STREAM)

    def _body(
        self, request: Request, wanted: Filter, place: int, missed: Iterator[Told]
    ) -> Iterator[bytes]:
        yield f"retry: {_RETRY_MILLISECONDS}\n\n".encode()
        try:
            yield from (told.text for told in missed if wanted.wants(told))
        except StoreUnavailable as error:
            # He comes again with the last id that he had.
            raise Cut from error
        said_at = self.clock()
        while True:
            if request.unwanted():
                raise Cut
            place, found = self.newest.from_place(place, wanted)
            if found:
                yield b"".join(told.text for told in found)
                said_at = self.clock()
            elif self.clock() - said_at >= KEEP_ALIVE_SECONDS:
                yield self.newest.mark(place)
                said_at = self.clock()
            else:
                yield HEAD
            self.newest.wait(place, _WAIT_SECONDS)


def _after(request: Request) -> int | None:
    given = request.headers.get(LAST_EVENT_ID.name, "")
    if not given:
        return None
    if not is_number(given):
        name, expected = LAST_EVENT_ID.name, LAST_EVENT_ID.expected
        raise malformed("Last-Event-ID cannot be used.", name, expected, given[:80])
    return int(given)


def _told(row: Row, floor: int) -> Told:
    """Give an event. Its id is the number up to which everything was told: where a lower one may
    still come, that is lower than its own."""
    job = None
    if row["job_id"] is not None:
        job = {
            "id": row["job_id"],
            **{name: row[name] for name in ("kind", "key", "state", "phase")},
        }
    document = {
        "seq": row["seq"],
        "name": row["name"],
        "source": row["source"],
        "job": job,
        "occurred_at": plain(row["occurred_at"]),
        "received_at": plain(row["received_at"]),
        "data": row["data"],
    }
    looked_at = {name: row[name] for name in _LOOKED_AT}
    return Told(_event("event", document, min(row["seq"], floor)), looked_at)


def _passed_over(first: int, last: int) -> Told:
    return Told(_event("lost", {"first": first, "last": last}, last))


def _fell_behind(count: int) -> Told:
    return Told(_event("lost", {"count": count}))


def _event(name: str, document: Mapping[str, Any], number: int | None = None) -> bytes:
    told = "" if number is None else f"id: {number}\n"
    text = json.dumps(document, ensure_ascii=False)
    return f"event: {name}\n{told}data: {text}\n\n".encode()


def _tail(kept: deque[Told], count: int) -> list[Told]:
    return [kept[index] for index in range(len(kept) - count, len(kept))]
