"""How far a container's log has been given, and where another reading of it begins. Pure.

A log is read more than once: the engine goes away and comes back, and what it says while it is
followed may lack the end. What was given already is left out, byte by byte and for each stream.
Within a stream the order is the same at each reading. Between the two it need not be, nor go the
times of one with those of the other: the rest of a line keeps the time at which the line began.

A short log is read again as a whole, and as many bytes of each stream are left out as were given.
A long one is read again from a time on.
"""

from __future__ import annotations

from dataclasses import dataclass

from jexevents.engine.frames import Frame

# Up to this much a log is read as a whole again, which takes a fraction of a second.
WHOLE_BYTES = 8 << 20
# A message gets its time just before it is written, so another stream's may come in between.
SLACK_NS = 60 * 1_000_000_000


@dataclass(slots=True)
class _Stream:
    """What was given of one stream, and what is to be left out of the reading in hand."""

    given: int = 0
    last_ns: int = 0
    at_last: int = 0  # bytes given with that time
    skip: int = 0
    before_ns: int = 0  # all before this time is left out


class Position:
    """The place in one log."""

    def __init__(self, whole_bytes: int = WHOLE_BYTES) -> None:
        self._whole_bytes = whole_bytes
        self._streams: dict[str, _Stream] = {}
        self._disordered = False

    @property
    def given(self) -> int:
        """How many bytes were given of both streams."""
        return sum(one.given for one in self._streams.values())

    def begin(self) -> int | None:
        """Begin another reading; gives the time (ns) from which to read, None for all."""
        whole = self._disordered or self.given <= self._whole_bytes
        for one in self._streams.values():
            one.skip = one.given if whole else one.at_last
            one.before_ns = 0 if whole else one.last_ns
        if whole:
            return None
        return max(0, min(one.last_ns for one in self._streams.values()) - SLACK_NS)

    def take(self, frame: Frame) -> Frame | None:
        """Give what is new of a frame, None for nothing."""
        one = self._streams.setdefault(frame.stream, _Stream())
        if frame.time_ns < one.before_ns:
            return None
        if one.before_ns and frame.time_ns > one.before_ns:
            one.skip = 0
        if one.skip:
            left_out = min(one.skip, len(frame.data))
            one.skip -= left_out
            if left_out == len(frame.data):
                return None
            frame = frame._replace(data=frame.data[left_out:])
        one.before_ns = 0
        self._note(one, frame)
        return frame

    def _note(self, one: _Stream, frame: Frame) -> None:
        if frame.time_ns < one.last_ns or not frame.time_ns:
            # The clock was set back, or there is none: times say nothing of the order.
            self._disordered = True
        if frame.time_ns != one.last_ns:
            one.last_ns, one.at_last = frame.time_ns, 0
        one.at_last += len(frame.data)
        one.given += len(frame.data)
