"""The forms of an output, and what a Range means where something is missing; pure."""

from __future__ import annotations

import base64
import json
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from jexevents.peers import framed
from jexevents.sidecar import outputforms as forms
from jexevents.sidecar.outputasked import span
from jexevents.sidecar.outputforms import Events, Lines, Piece, Plain, Texts
from jexevents.sidecar.problems import Problem
from jexevents.sidecar.ranges import Asked
from jexevents.sidecar.streams import HEAD, Cut

AT = 1_790_000_000_000_001


def chunk(data: bytes, offset: int = 0, stream: str = "stdout") -> Piece:
    return Piece(stream, AT, offset, data)


def gap(offset: int, missing: int, stream: str = "stdout") -> Piece:
    return Piece(stream, 0, offset, b"", None, missing, "dropped")


def fed(texts: Texts, chunks: list[Piece]) -> list[Piece]:
    return [*(piece for one in chunks for piece in texts.feed(one)), *texts.flush()]


@given(st.text(), st.lists(st.integers(0, 40), max_size=8))
def test_text_in_any_pieces_stays_text(text: str, cuts: list[int]) -> None:
    data = text.encode()
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    chunks = [chunk(data[a:b], a) for a, b in pairwise(places)]
    pieces = fed(Texts(), chunks)
    assert "".join(piece.text for piece in pieces).encode() == data
    assert [piece.offset for piece in pieces[1:]] == [piece.end for piece in pieces[:-1]]


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=6), st.booleans(), st.booleans())))
def test_any_bytes_come_back_in_their_order(writes: list[tuple[bytes, bool, bool]]) -> None:
    chunks, at = [], 0
    for data, is_stdout, is_missing in writes:
        stream = "stdout" if is_stdout else "stderr"
        one = gap(at, len(data), stream) if is_missing else chunk(data, at, stream)
        chunks.append(one)
        at = one.end
    pieces = fed(Texts(), chunks)
    told = b"".join(piece.data or b"\0" * piece.missing for piece in pieces)
    assert told == b"".join(one.data or b"\0" * one.missing for one in chunks)
    at = 0
    for piece in pieces:
        assert piece.offset == at
        at = piece.end
        shown = piece.document()
        if "base64" in shown:
            assert base64.b64decode(shown["base64"]) == piece.data
        elif "text" in shown:
            assert shown["text"].encode() == piece.data
        if not piece.missing:
            place = next(one for one in chunks if one.offset <= piece.offset < one.end)
            assert place.stream == piece.stream


def test_a_character_whose_rest_does_not_come_holds_nothing_up() -> None:
    texts = Texts()
    half = "ä".encode()[:1]
    assert texts.feed(chunk(half)) == []
    other = texts.feed(chunk(b"b", 1, "stderr"))
    assert [(one.stream, one.data, one.text) for one in other] == [
        ("stdout", half, None), ("stderr", b"b", "b"),
    ]  # fmt: skip
    assert texts.feed(chunk(half, 2)) == []
    assert [one.data for one in texts.feed(gap(3, 5))] == [half, b""]
    assert texts.feed(chunk(half, 8)) == []
    assert [one.data for one in texts.flush()] == [half]


def test_lines() -> None:
    lines = Lines()
    said = lines.feed([chunk("aä".encode()[:2]), gap(2, 3)]) + lines.finish()
    at = "2026-09-21T14:13:20.000001Z"
    assert [json.loads(line) for line in said.splitlines()] == [
        {"at": at, "stream": "stdout", "offset": 0, "text": "a"},
        {"at": at, "stream": "stdout", "offset": 1, "base64": "ww=="},
        {"at": None, "stream": "stdout", "offset": 2, "missing": 3, "why": "dropped"},
    ]


def test_a_line_break_of_the_output_is_none_of_the_event() -> None:
    events = Events(1, 0, lambda at: {"offset": at})
    said = events.feed([chunk(b"a\r\n\n\rdata: x\n\nevent: end\n")])
    assert said.count(b"\n") == 4
    assert b"\r" not in said
    assert events.finish() == b'event: end\nid: 1:25:end\ndata: {"offset": 25}\n\n'


def test_events_say_now_and_then_that_nothing_is_new() -> None:
    now = 100.0
    events = Events(1, 0, lambda at: {}, lambda: now)
    assert events.quiet() == b""
    now += forms.KEEP_ALIVE_SECONDS
    assert events.quiet() == b": nothing new\n\n"
    assert events.quiet() == b""


def test_gaps_of_plain_bytes() -> None:
    data = [chunk(b"ab"), gap(2, 3), gap(5, 1, "stderr"), chunk(b"c\n", 6), gap(8, 2)]
    assert Plain(forms.skipped).feed(data) == b"abc\n"
    assert Plain(forms.told).feed(data).decode().splitlines() == [
        "ab",
        "[jexevents: 3 bytes of stdout are missing: dropped]",
        "[jexevents: 1 bytes of stderr are missing: dropped]",
        "c",
        "[jexevents: 2 bytes of stdout are missing: dropped]",
    ]
    known = forms.unforeseen([gap(2, 1)])  # it has grown since, by both streams
    assert Plain(known).feed(data[:4]) == b"abc\n"
    with pytest.raises(Cut):
        Plain(known).feed(data[4:])


@pytest.mark.parametrize(
    ("data", "whole", "partly"),
    [
        (b"", forms.UTF8, forms.TEXT),
        ("ä".encode(), forms.UTF8, forms.TEXT),
        (b"\xff", forms.TEXT, forms.TEXT),
        (b"a\0", forms.BINARY, forms.BINARY),
    ],
)
def test_content_types(data: bytes, whole: str, partly: str) -> None:
    assert forms.content_type_of(data, is_whole=True) == whole
    assert forms.content_type_of(data, is_whole=False) == partly


GAPS = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), max_size=4)


@given(GAPS, st.integers(0, 30), st.one_of(st.none(), st.integers(0, 60)),
       st.one_of(st.none(), st.integers(0, 60)))  # fmt: skip
def test_spans(gaps, more: int, first: int | None, last: int | None) -> None:
    """A span is what is kept, in one piece, and the first of what was asked for (or the last)."""
    assume(last is not None if first is None else last is None or first <= last)
    missing, at = [], 0
    for skip, length in gaps:
        missing.append(gap(at + skip, length))
        at += skip + length
    size = at + more
    is_kept = [not any(one.offset <= n < one.end for one in missing) for n in range(size)]
    asked = Asked(first, last, "bytes=...")
    if first is None:
        wanted = [n for n in range(max(0, size - last), size) if is_kept[n]]
    else:
        wanted = [n for n in range(first, size) if (last is None or n <= last) and is_kept[n]]
    # Behind the last gap there may be nothing, though something is before it.
    if not wanted or (first is None and not is_kept[-1]):
        with pytest.raises(Problem) as refused:
            span(asked, size, missing)
        assert refused.value.status == 416
        assert refused.value.headers["Content-Range"] == f"bytes */{size}"
        return
    start, stop = span(asked, size, missing)
    assert all(is_kept[start:stop])
    assert start < stop
    if first is not None:
        assert start == wanted[0]
        assert stop == size or not is_kept[stop] or stop - 1 == last
    else:
        assert stop == size
        assert start == max(0, size - last) or not is_kept[start - 1]


def test_frames() -> None:
    now = [0.0]
    said = framed(iter([HEAD, b"abc", HEAD, b"", b"d"]), lambda: now[0])
    assert list(said) == [b"\0\0\0\3abc", b"\0\0\0\1d"]

    def later():
        for piece in (HEAD, b"a", HEAD):
            now[0] += 1.5
            yield piece

    assert list(framed(later(), lambda: now[0])) == [b"\0\0\0\1a"]
    now[0] = 0.0
    said = framed(iter([HEAD]), iter([0.0, 2.0]).__next__)
    assert list(said) == [b"\0\0\0\0"]
