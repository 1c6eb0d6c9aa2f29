"""What is asked of an output: which stream, from where on, in which form. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from jexevents.executions.outputs import Chunk
from jexevents.sidecar.parameters import Parameter, choice, flag, whole
from jexevents.sidecar.problems import Problem, malformed
from jexevents.sidecar.ranges import Asked
from jexevents.sidecar.requests import Request

STREAMS = ("stdout", "stderr", "output")
EVENT_STREAM = "text/event-stream"
MOST_LINES = 100_000
_MOST_ATTEMPT = 10**6
PARAMETERS = (
    whole("attempt", "Of this attempt; without it, of the current one.", 1, _MOST_ATTEMPT),
    whole("tail", "The last so many lines alone.", 0, MOST_LINES),
    flag("follow", "Go on as long as the job does."),
    flag("times", "JSON lines, each with the time and the stream."),
    choice("gaps", "Whether a line stands where bytes are missing.", ("skip", "text"), "skip"),
)
LAST_EVENT_ID = Parameter(
    name="Last-Event-ID",
    summary="Go on behind the event of this id, for a client of events.",
    expected="the id of an event of this output",
    schema={"type": "string", "pattern": "^([0-9]{1,7}:[0-9]{1,18}(:end)?)?$"},
)
# The attempt, where the next event begins, and a word behind the very last.
_EVENT_ID = re.compile(r"([0-9]{1,7}):([0-9]{1,18})(:end)?")


@dataclass(frozen=True, slots=True)
class Wish:
    """What a request asks for.

    ``attempt`` is None for the current one. ``tail`` counts lines. ``events`` asks for Server-Sent
    Events, ``times`` for JSON lines; ``from_offset`` is where the last event that was received
    ended, ``has_all`` says that this was the very last. ``tells_gaps`` has a line of ours in the
    place of what is missing.
    """

    which: str
    attempt: int | None
    tail: int | None
    follows: bool
    events: bool
    times: bool
    tells_gaps: bool
    from_offset: int | None
    has_all: bool

    @property
    def takes_range(self) -> bool:
        """Whether offsets in the answer are those of the output, so that a Range means them."""
        return not (self.events or self.times or self.tells_gaps or self.tail is not None)


def wish_of(request: Request) -> Wish:
    """Read a request. Raises Problem (400)."""
    # HEAD asks of what is there now: there is nothing to wait for.
    goes_on = request.method != "HEAD"
    events = goes_on and _accepts_events(request.headers.get("Accept", ""))
    asked = request.values
    attempt = asked["attempt"]
    # Read whenever it is there, so that a bad one is told; it means something to events alone.
    last = _last_event(request.headers.get(LAST_EVENT_ID.name, ""))
    offset, has_all = None, False
    if last and events:
        # Who comes again goes on with the attempt that he saw, though there may be a next one.
        seen, offset, has_all = last
        if attempt not in (None, seen):
            raise _unusable(f"one of attempt {attempt}", f"one of attempt {seen}")
        attempt = seen
    return Wish(
        which=request.path.rpartition("/")[2],
        attempt=attempt,
        tail=asked["tail"],
        follows=events or (asked["follow"] and goes_on),
        events=events,
        times=asked["times"] and not events,
        tells_gaps=asked["gaps"] == "text",
        from_offset=offset,
        has_all=has_all,
    )


def follows(request: Request) -> bool:
    """Whether the answer to a request goes on as long as the job does."""
    return wish_of(request).follows


def span(asked: Asked, size: int, gaps: Sequence[Chunk]) -> tuple[int, int]:
    """Give from where to where the answer to a Range is: one piece without a gap.

    What begins in a gap begins behind it, and ends where the next one begins; the last so many
    bytes are those behind the last gap. Raises Problem (416) where nothing is left.
    """
    if asked.first is None:
        start, stop = max(0, size - (asked.last or 0)), size
        start = max([start, *(min(gap.offset + gap.missing, stop) for gap in gaps)])
    else:
        stop = size if asked.last is None else min(asked.last + 1, size)
        start = behind_gaps(asked.first, gaps)
        stop = min([stop, *(gap.offset for gap in gaps if gap.offset >= start)])
    if start < stop:
        return start, stop
    if asked.first is not None and asked.first < size:
        raise asked.unsatisfiable(size, "Nothing of this range was kept.")
    raise asked.unsatisfiable(size, "The output has no such range.")


def behind_gaps(start: int, gaps: Sequence[Chunk]) -> int:
    """Give ``start``, or where the gap ends in which it lies."""
    for gap in gaps:
        if gap.offset <= start < gap.offset + gap.missing:
            start = gap.offset + gap.missing
    return start


def _accepts_events(accept: str) -> bool:
    ranges = (one.partition(";") for one in accept.lower().split(","))
    return any(name.strip() == EVENT_STREAM for name, _, _ in ranges)


def _last_event(text: str) -> tuple[int, int, bool] | None:
    if not text:
        return None
    match = _EVENT_ID.fullmatch(text)
    if match is None:
        raise _unusable(LAST_EVENT_ID.expected, text[:80])
    return int(match[1]), int(match[2]), match[3] is not None


def _unusable(expected: str, got: str) -> Problem:
    return malformed("Last-Event-ID cannot be used.", LAST_EVENT_ID.name, expected, got)
