"""Frames of a log, and how a log that is read again is given once."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jexevents.engine.frames import MAX_FRAME_BYTES, Frame, Splitter, as_since
from jexevents.engine.position import SLACK_NS, Position
from jexevents.errors import EngineRefused

SECOND = 1_000_000_000


def packed(stream: int, content: bytes) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(content).to_bytes(4, "big") + content


@pytest.mark.parametrize(
    ("text", "time_ns", "data"),
    [
        (b"1970-01-01T00:00:01.000000002Z x", SECOND + 2, b"x"),
        (b"1970-01-01T00:00:01.5Z ", SECOND + SECOND // 2, b""),
        (b"1970-01-01T00:00:01Z  x\n", SECOND, b" x\n"),
        (b"1970-01-01T02:00:01.25+02:00 \xff\0", SECOND + SECOND // 4, b"\xff\0"),
        # No time, so all of it is what was written.
        (b"1970-13-01T00:00:01Z x", 0, b"1970-13-01T00:00:01Z x"),
        (b"1970-01-01 x", 0, b"1970-01-01 x"),
        (b"", 0, b""),
    ],
)
def test_the_time_stands_before_what_was_written(text: bytes, time_ns: int, data: bytes) -> None:
    assert Splitter().feed(packed(2, text)) == [Frame("stderr", time_ns, data)]


@given(st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=40))), st.randoms())
def test_frames_may_be_cut_anywhere(messages: list, chance: random.Random) -> None:
    stamp = b"2026-11-26T10:00:00.123456789Z "
    content = b"".join(packed(stream, stamp + data) for stream, data in messages)
    splitter, found, at = Splitter(), [], 0
    while at < len(content):
        size = chance.randint(1, 20)
        found += splitter.feed(content[at : at + size])
        at += size
    assert not splitter.torn
    names = {1: "stdout", 2: "stderr"}
    assert [(one.stream, one.data) for one in found] == [(names[s], data) for s, data in messages]
    assert not content or {one.time_ns for one in found} == {1795687200123456789}


def test_a_frame_that_is_not_whole_is_torn() -> None:
    splitter = Splitter()
    assert splitter.feed(packed(1, b"abc")[:-1]) == []
    assert splitter.torn


def test_what_is_no_frame_is_refused() -> None:
    with pytest.raises(EngineRefused, match="not in frames"):
        Splitter().feed(b"just some text of a terminal\n")
    with pytest.raises(EngineRefused, match="not in frames"):
        Splitter().feed(b"\1\0\0\0" + (MAX_FRAME_BYTES + 1).to_bytes(4, "big"))
    with pytest.raises(EngineRefused, match="disk is gone"):
        Splitter().feed(packed(3, b"the disk is gone"))


def test_a_time_as_the_engine_takes_it() -> None:
    assert as_since(1795687200_000000009) == "1795687200.000000009"


# A log: the file, of which each reading gives a part.


def reading(log: list[Frame], since_ns: int | None) -> list[Frame]:
    """Give what the engine gives from a time on: each message on its own is early or not."""
    return [one for one in log if since_ns is None or one.time_ns >= since_ns]


def read_in_parts(log: list[Frame], position: Position, cuts: list[int]) -> list[Frame]:
    found = []
    for cut in [*cuts, len(log)]:
        # The engine was away after ``cut`` messages; those of the log are all there at the end.
        said = reading(log[: max(cut, 0)], position.begin())
        found += [fresh for one in said if (fresh := position.take(one))]
    return found


def written(frames: list[Frame], stream: str) -> bytes:
    return b"".join(one.data for one in frames if one.stream == stream)


@st.composite
def logs(draw, *, disorder: bool) -> list[Frame]:
    """A log as an engine keeps it: lines of two streams, long ones in pieces that have the time
    at which the line began, so that times go back and forth between the streams."""
    now, frames = 10**18, []
    begun: dict[str, int] = {}
    for _ in range(draw(st.integers(0, 30))):
        now += draw(st.sampled_from([0, 1, SECOND, SLACK_NS, 3 * SLACK_NS]))
        if disorder and draw(st.integers(0, 9)) == 0:
            now -= draw(st.sampled_from([1, SECOND, 5 * SLACK_NS]))
        stream = draw(st.sampled_from(["stdout", "stderr"]))
        if stream not in begun or draw(st.booleans()):
            begun[stream] = now
        frames.append(Frame(stream, begun[stream], draw(st.binary(min_size=1, max_size=3))))
    return frames


CUTS = st.lists(st.integers(0, 30), max_size=4).map(sorted)


@given(logs(disorder=True), CUTS)
def test_a_short_log_is_given_once_whatever_its_times(log: list[Frame], cuts: list[int]) -> None:
    found = read_in_parts(log, Position(), cuts)
    assert written(found, "stdout") == written(log, "stdout")
    assert written(found, "stderr") == written(log, "stderr")


@given(logs(disorder=False), CUTS)
def test_a_long_log_is_given_once(log: list[Frame], cuts: list[int]) -> None:
    # Any log is long to this one, once a byte was given.
    found = read_in_parts(log, Position(whole_bytes=0), cuts)
    assert written(found, "stdout") == written(log, "stdout")
    assert written(found, "stderr") == written(log, "stderr")


def test_a_long_log_is_not_read_from_its_beginning() -> None:
    position = Position(whole_bytes=10)
    at = 10**18
    assert position.begin() is None
    assert position.take(Frame("stdout", at, b"x" * 11))
    assert position.begin() == at - SLACK_NS
    assert position.take(Frame("stdout", at, b"x" * 11)) is None
    assert position.take(Frame("stdout", at, b"y")) == Frame("stdout", at, b"y")
    # The piece of a line that began before: its stream is read from there.
    assert position.take(Frame("stderr", at - 2 * SLACK_NS, b"z"))
    assert position.begin() == at - 3 * SLACK_NS


def test_a_clock_that_was_set_back_has_all_read_again() -> None:
    position = Position(whole_bytes=0)
    log = [Frame("stdout", 10**18, b"a"), Frame("stdout", 10**17, b"b")]
    position.begin()
    assert [position.take(one) for one in log] == log
    assert position.begin() is None
    assert [position.take(one) for one in log] == [None, None]


def test_a_clock_that_is_set_back_while_a_long_log_is_read_on() -> None:
    position = Position(whole_bytes=0)
    at = 10**18
    position.begin()
    position.take(Frame("stdout", at, b"a"))
    assert position.begin() is not None
    assert position.take(Frame("stdout", at, b"a")) is None
    for frame in (Frame("stdout", at + 1, b"b"), Frame("stdout", at - 1, b"c")):
        assert position.take(frame) == frame


def test_an_engine_without_times_is_read_from_the_beginning() -> None:
    position = Position(whole_bytes=0)
    position.begin()
    position.take(Frame("stdout", 0, b"abc"))
    assert position.begin() is None
    # It may cut what was written at other places.
    assert position.take(Frame("stdout", 0, b"ab")) is None
    assert position.take(Frame("stdout", 0, b"cde")) == Frame("stdout", 0, b"de")
