"""Answers to those who ask for an output that is on this node."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby

from jexevents.executions.outputs import AttemptOutput, Chunk, Snapshot, Standing
from jexevents.lifecycle.executionid import attempt_id
from jexevents.sidecar import outputforms as forms
from jexevents.sidecar.outputasked import Wish, behind_gaps, span
from jexevents.sidecar.outputforms import Events, Form, Lines, Piece, Plain
from jexevents.sidecar.outputwaiting import Pause, Watch, require_wanted
from jexevents.sidecar.ranges import Asked, asked_range
from jexevents.sidecar.requests import Request
from jexevents.sidecar.responses import Response
from jexevents.sidecar.streams import HEAD, Stream
from jexevents.store.execution_outputs import OutputPlace

# Up to here an answer is made at once; it takes no place among the long ones.
SMALL_BYTES = 1 << 20
_PIECE_BYTES = 1 << 16
# The last lines are looked for in so many of the last bytes.
_TAIL_BYTES = 16 << 20
# What stands for the end of what has none yet (RFC 8673).
_NO_END = 2**53 - 1
_MOST_GAPS = 50

Batches = Iterator[Sequence[Chunk]]


@dataclass(slots=True)
class Answer:
    """The answer to one request."""

    watch: Watch
    request: Request
    wish: Wish
    place: OutputPlace
    output: AttemptOutput
    files: ExitStack = field(default_factory=ExitStack)

    def response(self) -> Response:
        """Give it; raises Problem (416)."""
        try:
            response = self._response()
        except BaseException:
            self.files.close()
            raise
        if isinstance(response.body, (bytes, type(None))):
            self.files.close()
            return response
        body = Stream(response.body, self.files.close)
        return Response(response.status, body, response.headers, response.content_type)

    def _response(self) -> Response:
        wish = self.wish
        # First, so that all is in the files where it says that no more comes.
        over = self._is_over()
        now = self.files.enter_context(self.output.snapshot(wish.which))
        if wish.has_all and over:
            return Response(204)
        etag = self._etag(now) if over else ""
        asked = asked_range(self.request.headers, etag) if wish.takes_range else None
        if wish.follows and (wish.events or not over):
            return self._live(now, asked)
        if asked is not None:
            start, stop = span(asked, now.size, now.gaps)
        else:
            start, stop = self._start(now), now.size
        headers = {**self._known(now, start), **({"ETag": etag} if etag else {})}
        if asked is not None:
            size = now.size if over else "*"
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
        return self._finished(now, start, stop, 200 if asked is None else 206, headers)

    def _finished(
        self, now: Snapshot, start: int, stop: int, status: int, headers: dict[str, str]
    ) -> Response:
        """Give what is there."""
        wish = self.wish
        if wish.times:
            form, chunks = Lines(), now.read(start, stop)
        else:
            form = Plain(forms.told if wish.tells_gaps else forms.skipped)
            chunks = now.read_fast(start, stop)
        kept = stop - start - sum(_overlap(gap, start, stop) for gap in now.gaps)
        if kept <= SMALL_BYTES:
            data = b"".join(map(form.feed, forms.gathered(chunks, _PIECE_BYTES))) + form.finish()
            kind = forms.LINES if wish.times else forms.content_type_of(data, is_whole=True)
            return Response(status, data, headers, kind)
        if not (wish.times or wish.tells_gaps):
            headers["Content-Length"] = str(kept)
        kind = form.content_type if wish.times else self._type_by_beginning(now, start, stop)
        if self.request.method == "HEAD":
            return Response(status, b"", headers, kind)
        self.request.place.take()
        return Response(status, _flow(forms.gathered(chunks, _PIECE_BYTES), form), headers, kind)

    def _live(self, now: Snapshot, asked: Asked | None) -> Response:
        """Give what is there and what comes."""
        start, stop = self._start(now), None
        if asked is not None:
            start = max(0, now.size - (asked.last or 0)) if asked.first is None else asked.first
            start = behind_gaps(start, now.gaps)
            stop = None if asked.first is None or asked.last is None else asked.last + 1
            if stop is not None and start >= stop:
                raise asked.unsatisfiable(now.size, "Nothing of this range was kept.")
        on_gap = forms.told if self.wish.tells_gaps else forms.unforeseen(())
        if asked is None and not self.wish.tells_gaps:
            on_gap = forms.unforeseen(now.gaps)
        form = live_form(self.watch, self.request, self.wish, self.place, start, on_gap)
        status, headers = live_head(self.wish, self.place, asked, start, now.gaps)
        body = _flow(self._batches(start, stop), form)
        # What follows opens the files each time.
        self.files.close()
        return Response(status, body, headers, form.content_type)

    def _batches(self, start: int, stop: int | None) -> Batches:
        """Give what comes; an empty batch now and then where nothing does."""
        follower = self.output.follow(self.wish.which, start)
        pause = Pause(self.watch.sleep)
        while True:
            require_wanted(self.request)
            over = self._is_over()
            if batch := follower.read():
                if _reaches(batch, stop):
                    yield [_clipped(chunk, stop) for chunk in batch if chunk.offset < stop]
                    return
                yield batch
                pause.shorten()
            elif over:
                return
            else:
                yield ()
                pause.wait()

    def _is_over(self) -> bool:
        standing = self.output.standing()
        if standing is Standing.NEW and not self.place.is_past and self.wish.follows:
            self.place = self.watch.look(self.place)
        return standing is Standing.OVER or (standing is Standing.NEW and self.place.is_past)

    def _start(self, now: Snapshot) -> int:
        if self.wish.from_offset is not None:
            return self.wish.from_offset
        return 0 if self.wish.tail is None else now.last_lines(self.wish.tail, _TAIL_BYTES)

    def _type_by_beginning(self, now: Snapshot, start: int, stop: int) -> str:
        first = next(now.read_fast(start, stop), None)
        return forms.content_type_of(first.data[:_PIECE_BYTES] if first else b"", is_whole=False)

    def _known(self, now: Snapshot, start: int) -> dict[str, str]:
        return {**_head(self.wish, self.place, start, now.gaps), "X-Jexevents-Size": str(now.size)}

    def _etag(self, now: Snapshot) -> str:
        place = self.place
        return f'"{attempt_id(place.job_id, place.attempt)}-{self.wish.which}-{now.size}"'


def live_form(
    watch: Watch,
    request: Request,
    wish: Wish,
    place: OutputPlace,
    start: int,
    on_gap: forms.OnGap,
) -> Form:
    """Give the form of an answer that goes on; ``on_gap`` is for plain bytes."""
    if wish.events:
        ending = partial(watch.ending, request, place)
        return Events(place.attempt, start, ending, watch.clock)
    return Lines() if wish.times else Plain(on_gap)


def _flow(batches: Batches, form: Form) -> Iterator[bytes]:
    yield form.head
    for batch in batches:
        for part in _parted(batch):
            yield form.feed(part) or HEAD
        if not batch:
            yield form.quiet() or HEAD
    yield form.finish() or HEAD


def _parted(batch: Sequence[Chunk]) -> Iterator[Sequence[Chunk]]:
    """Part a batch at what is missing: an answer that is cut there has given all before it."""
    if not any(chunk.missing for chunk in batch):
        return iter((batch,) if batch else ())
    return (list(part) for _, part in groupby(batch, lambda chunk: bool(chunk.missing)))


def live_head(
    wish: Wish, place: OutputPlace, asked: Asked | None, start: int, gaps: Sequence[Chunk]
) -> tuple[int, dict[str, str]]:
    """Give status and headers of an answer that goes on; a range of it as RFC 8673 has it."""
    headers = _head(wish, place, start, gaps)
    if asked is None:
        return 200, headers
    last = _NO_END if asked.first is None or asked.last is None else asked.last
    return 206, {**headers, "Content-Range": f"bytes {start}-{last}/*"}


def _head(wish: Wish, place: OutputPlace, start: int, gaps: Sequence[Chunk]) -> dict[str, str]:
    headers = {
        "Accept-Ranges": "bytes" if wish.takes_range else "none",
        "X-Jexevents-Attempt": str(place.attempt),
        "X-Jexevents-Offset": str(start),
    }
    if gaps:
        told = [f"{gap.offset}+{gap.missing} {gap.why}" for gap in gaps[:_MOST_GAPS]]
        more = ["..."] if len(gaps) > _MOST_GAPS else []
        headers["X-Jexevents-Gaps"] = ", ".join([*told, *more])
    return headers


def _overlap(gap: Chunk, start: int, stop: int) -> int:
    return max(0, min(gap.offset + gap.missing, stop) - max(gap.offset, start))


def _reaches(batch: Sequence[Chunk], stop: int | None) -> bool:
    return stop is not None and batch[-1].offset + batch[-1].length >= stop


def _clipped(chunk: Chunk, stop: int) -> Chunk:
    room = stop - chunk.offset
    data, missing = chunk.data[:room], min(chunk.missing, room)
    return Piece(chunk.stream, chunk.time, chunk.offset, data, None, missing, chunk.why)
