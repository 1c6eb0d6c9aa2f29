"""Cutting logs into events, in chunks of any size, and what to do with what is none."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jexevents.sources.condor.split import Piece, Splitter
from tests.unit.condor_samples import NAMES, oracle, prefix_oracle, raw, split

TEXT = b"000 (001.000.000) 2026-01-01 00:00:00 Job submitted from host: <a>\n...\n"
MORE_TEXT = b"001 (001.000.000) 2026-01-01 00:00:01 Job executing on host: <b>\n\tx\n...\n"
JSON = b'{\n  "EventTypeNumber": 0,\n  "A": "}{\\"..."\n}\n'
XML = b'<c>\n    <a n="P"><c>\n        <a n="q"><i>1</i></a>\n    </c></a>\n</c>\n'


def cut(log: bytes, chunk: int = 0, **options) -> tuple[list[Piece], Splitter]:
    splitter = Splitter(**options)
    pieces = []
    for start in range(0, len(log), chunk or len(log) or 1):
        pieces += splitter.feed(log[start : start + (chunk or len(log))])
    return pieces + splitter.finish(), splitter


def raws(log: bytes, **options) -> list[bytes]:
    return [piece.raw for piece in cut(log, **options)[0] if piece.fault is None]


@pytest.mark.parametrize("name", NAMES)
def test_offsets_are_those_of_the_reader(name):
    ends = {piece.end for piece in split(name)[0] if piece.fault is None}
    assert {event["offset_after"] for event in oracle(name)["events"]} <= ends


@pytest.mark.parametrize("name", NAMES)
def test_the_size_of_the_chunks_does_not_matter(name):
    whole = split(name)[0]
    for chunk in (1, 7, 1000) if len(raw(name)) < 20_000 else (1000,):
        assert cut(raw(name), chunk)[0] == whole


@pytest.mark.parametrize("name", NAMES)
def test_every_byte_is_in_a_piece_or_blank_or_remains(name):
    pieces, remaining = split(name)
    log = raw(name)
    covered = sum(len(piece.raw) for piece in pieces)
    blanks = len(log) - covered - remaining
    assert 0 <= blanks <= log.count(b"\n")
    for piece in pieces:
        assert log[piece.offset : piece.end] == piece.raw


def _prefixes() -> list:
    """Every prefix with an expectation; on one of them the reader dies."""
    return [
        pytest.param(name.removesuffix(".log"), row, id=f"{name}-{row['prefix_bytes']}")
        for name, rows in sorted(prefix_oracle().items())
        for row in rows
        if row["n_events"] is not None
    ]


@pytest.mark.parametrize(("name", "row"), _prefixes())
def test_prefixes_are_read_as_the_reader_reads_them(name, row):
    prefix = raw(name)[: row["prefix_bytes"]]
    pieces, _ = cut(prefix)
    end = pieces[-1].end if pieces else 0
    last = prefix.rpartition(b"\n")[2]
    if (len(pieces), end) == (row["n_events"], row["offset_after_last"]):
        return
    if oracle(name)["format"] == "xml":
        # The reader does not wait for the whole of the last </c>.
        assert len(pieces) == row["n_events"] - 1
        assert b"</c>".startswith(last)
    else:
        # The reader gives no event of this kind without its last newline.
        assert (len(pieces), last) == (row["n_events"] + 1, b"...")


def test_the_last_terminator_needs_no_newline_at_the_end():
    splitter = Splitter()
    assert splitter.feed(TEXT + MORE_TEXT[:-1]) == [Piece(0, len(TEXT), TEXT, None)]
    assert splitter.remaining == len(MORE_TEXT) - 1
    assert [piece.raw for piece in splitter.finish()] == [MORE_TEXT[:-1]]
    assert splitter.remaining == 0
    assert splitter.finish() == []


@pytest.mark.parametrize("size", range(1, len(MORE_TEXT) - 4))
def test_a_half_written_event_is_not_given(size):
    splitter = Splitter()
    assert len(splitter.feed(TEXT + MORE_TEXT[:size])) == 1
    assert splitter.finish() == []
    assert splitter.remaining == size
    assert splitter.offset == len(TEXT)
    assert [piece.raw for piece in splitter.feed(MORE_TEXT[size:])] == [MORE_TEXT]


@pytest.mark.parametrize("event", [JSON, XML])
def test_a_half_written_ad_is_not_given(event):
    for size in range(1, len(event) - 1):
        splitter = Splitter()
        assert splitter.feed(event[:size]) + splitter.finish() == []
        assert splitter.remaining == size
        assert [piece.raw for piece in splitter.feed(event[size:])] == [event[:-1]]
        assert splitter.remaining in (0, 1)


def test_carriage_returns_belong_to_lines():
    text = (TEXT + MORE_TEXT).replace(b"\n", b"\r\n")
    assert b"".join(raws(text)) == text
    assert len(raws(text)) == 2
    assert len(raws(text[:-1])) == 2


def test_a_message_of_dots_is_no_terminator():
    event = b"008 (001.000.000) 2026-01-01 00:00:00 ...\n...\n"
    assert raws(event + TEXT) == [event, TEXT]
    event = TEXT[:-4] + b"    ...\n ...\n....\n...x\n...\n"
    assert raws(event + TEXT) == [event, TEXT]


def test_a_log_may_change_its_form():
    log = TEXT + JSON + XML + MORE_TEXT + XML + JSON + TEXT
    expected = [TEXT, JSON[:-1], XML[:-1], MORE_TEXT, XML[:-1], JSON[:-1], TEXT]
    assert raws(log) == expected
    assert [piece.raw for piece in cut(log, 1)[0]] == expected


def test_json_on_one_line_each():
    log = b'{"a": {"b": "}"}}\n{"c": "\\\\"}\r\n  {"d": 1}{"e": 2}'
    assert raws(log) == [b'{"a": {"b": "}"}}', b'{"c": "\\\\"}', b'{"d": 1}', b'{"e": 2}']


def test_what_stands_around_xml_ads_is_passed_over():
    head = b'<?xml version="1.0"?>\n<!DOCTYPE classads SYSTEM "classads.dtd">\n<classads>\n'
    log = head + XML + XML + b"</classads>\n"
    for chunk in (0, 1):
        pieces, splitter = cut(log, chunk)
        assert [piece.raw for piece in pieces] == [XML[:-1]] * 2
        assert splitter.remaining == 0


def test_blank_lines_between_events_are_nothing():
    pieces, splitter = cut(b"\n\n" + TEXT + b"\r\n \n" + TEXT + b"\n\n")
    assert [piece.raw for piece in pieces] == [TEXT, TEXT]
    assert pieces[0].offset == 2
    assert splitter.remaining == 0


@pytest.mark.parametrize(
    "garbage",
    [
        b"\tCpus : 1\n...\n",
        b"...\n",
        b"not an event\n",
        b"0000 (1.0.0) x\nrest\n...\n",
        b"<unknown>\n...\n",
        b"\xff\xfe\x00\n...\n",
    ],
)
@pytest.mark.parametrize("event", [TEXT, JSON, XML])
def test_after_garbage_it_goes_on_at_the_next_event(garbage, event):
    for chunk in (0, 1, 5):
        pieces, _ = cut(TEXT + garbage + event + TEXT, chunk)
        good = [piece.raw for piece in pieces if piece.fault is None]
        assert good == [TEXT, event if event == TEXT else event[:-1], TEXT]
        bad = [piece for piece in pieces if piece.fault]
        assert b"".join(piece.raw for piece in bad) == garbage.lstrip()


@pytest.mark.parametrize(
    ("half", "event"),
    [
        (b"001 (001.000.000) 2026-01-01 00:00:01 Job exec\n", TEXT),
        (b"001 (001.000.000) 01/01 00:00:01 Job exec\n\tx\n", TEXT),
        (b'{\n  "a": 1,\n  "b\n', JSON),
        (b'{\n  "a": {\n', JSON),
        (b'<c>\n    <a n="x"><s>\n', XML),
    ],
)
def test_a_new_event_ends_one_that_was_never_finished(half, event):
    for chunk in (0, 1, 9):
        pieces, _ = cut(half + event + event, chunk)
        assert [piece.raw.strip() for piece in pieces if piece.fault is None] == [event.strip()] * 2
        assert [piece.raw for piece in pieces if piece.fault] == [half]
        assert "before the next one" in str(pieces[0].fault)


def test_what_does_not_end_is_given_up():
    pieces, splitter = cut(b"x" * 250 + b"\n...\n" + TEXT, 10, max_piece_bytes=100)
    assert [piece.raw for piece in pieces if piece.fault is None] == [TEXT]
    bad = [piece for piece in pieces if piece.fault]
    assert b"".join(piece.raw for piece in bad) == b"x" * 250 + b"\n...\n"
    assert max(len(piece.raw) for piece in bad) <= 110
    assert splitter.remaining == 0


def test_an_event_that_is_too_long_is_a_fault_up_to_its_end():
    long = TEXT[:-4] + b"\tline\n" * 100 + b"...\n"
    pieces, _ = cut(long + MORE_TEXT, 10, max_piece_bytes=300)
    assert [piece.raw for piece in pieces if piece.fault is None] == [MORE_TEXT]
    assert b"".join(piece.raw for piece in pieces if piece.fault) == long


def test_offsets_go_on_from_where_a_reader_stopped():
    first = Splitter()
    first.feed(TEXT + MORE_TEXT[:30])
    second = Splitter(first.offset)
    pieces = second.feed(MORE_TEXT)
    assert pieces == [Piece(len(TEXT), len(TEXT + MORE_TEXT), MORE_TEXT, None)]


@pytest.mark.parametrize(
    "log",
    [
        b"x" * 3_000_000,
        b"\n..\n." * 500_000,
        b"{" * 3_000_000,
        b'{"' + b"a" * 3_000_000,
        b'{"' + b"\\\\" * 1_000_000,
        b"<c>" * 700_000,
        b"000 (1.0.0) 2026-01-01 00:00:00 x\n" * 30_000,
        TEXT * 40_000,
        JSON * 20_000,
        XML * 20_000,
    ],
    ids=lambda log: repr(log[:12]),
)
def test_work_is_linear(log):
    """Four times the bytes may take four times as long; a square would take sixteen."""
    quarter = _seconds(log[: len(log) // 4])
    assert _seconds(log) < 10 * quarter + 0.5


def _seconds(log: bytes) -> float:
    started = time.process_time()
    cut(log, 4096)
    return time.process_time() - started


def test_bytewise_feeding_of_one_long_event_is_linear():
    started = time.process_time()
    cut(TEXT[:-4] + b"\tline\n" * 30_000, 1)
    assert time.process_time() - started < 10


_FRAGMENTS = st.sampled_from(
    [TEXT, MORE_TEXT, JSON, XML, b"...\n", b"\n", b"{", b"}", b'"', b"<c>"]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(_FRAGMENTS | st.binary(max_size=20)), st.integers(1, 50), st.integers(50, 300))
def test_nothing_is_lost_and_chunks_do_not_matter(parts, chunk, most):
    log = b"".join(parts)
    pieces, splitter = cut(log, chunk, max_piece_bytes=most)
    end = 0
    for piece in pieces:
        assert log[piece.offset : piece.end] == piece.raw
        assert _is_passed_over(log[end : piece.offset])
        end = piece.end
    assert _is_passed_over(log[end : splitter.offset])
    assert splitter.offset + splitter.remaining == len(log)
    if most > len(log):
        assert pieces == cut(log, max_piece_bytes=most)[0]


def _is_passed_over(between: bytes) -> bool:
    return not between.strip(b" \t\r\n") or between.strip().startswith(b"<")
