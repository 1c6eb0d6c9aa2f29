"""What a log is: its events with their occurrence, its files' names and order, their headers."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import sys
from datetime import timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from jexevents.eventlogs.envelope import message
from jexevents.eventlogs.headers import header_of_file, rotation_header
from jexevents.eventlogs.naming import log_name
from jexevents.eventlogs.occurrences import Occurrences
from jexevents.eventlogs.opening import head, open_log
from jexevents.eventlogs.reading import LogEvent, LogReader
from jexevents.eventlogs.rotated import base_of, rotated
from jexevents.model import Arrival
from jexevents.sources.condor.message import canonical, identity, is_identity, read
from tests.monitoring import HEADER
from tests.unit.condor_samples import NAMES, raw, split

EVENT = b"001 (7.0.0) 2026-11-22 04:10:00 Job executing on host: <a>\n...\n"


def read_all(log: bytes, chunk: int = 1 << 20) -> list[LogEvent]:
    reader = LogReader(Occurrences())
    events = []
    for at in range(0, len(log), chunk):
        events += reader.feed(log[at : at + chunk])
    return events + reader.finish()


# --- occurrences


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_gives_its_pieces(name):
    pieces, _ = split(name)
    events = read_all(raw(name), 777)
    assert [(e.offset, e.end, e.raw, e.fault) for e in events] == [
        (p.offset, p.end, p.raw, p.fault) for p in pieces
    ]


def test_equal_texts_are_counted_whatever_their_line_ends_are():
    log = EVENT + EVENT.replace(b"\n", b"\r\n") + b"garbage\n...\n" + EVENT
    events = read_all(log)
    assert [(e.occurrence, e.fault is None) for e in events] == [
        (0, True),
        (1, True),
        (0, False),
        (2, True),
    ]


def test_the_count_goes_on_over_files():
    counts = Occurrences()
    first = LogReader(counts).feed(EVENT)
    second = LogReader(counts).feed(EVENT)
    assert [one.occurrence for one in first + second] == [0, 1]


@given(st.lists(st.integers(0, 6), max_size=60), st.integers(1, 5))
def test_a_text_is_forgotten_when_the_window_has_gone_by(texts, window):
    counts = Occurrences(window=window)
    last: dict[int, tuple[int, int]] = {}
    for index, text in enumerate(texts):
        count, at = last.get(text, (-1, index))
        expected = count + 1 if index - at <= window else 0
        assert counts.note(b"%d" % text).occurrence == expected
        last[text] = (expected, index)
    assert len(counts) <= window


@given(st.lists(st.integers(0, 6), max_size=60), st.integers(0, 60))
def test_a_count_that_was_kept_goes_on(texts, at):
    whole = Occurrences(window=5)
    seen = [whole.note(b"%d" % text) for text in texts]
    resumed = Occurrences(window=5)
    resumed.restore(seen[max(0, at - 5) : at])
    assert [resumed.note(b"%d" % text)[1] for text in texts[at:]] == [one[1] for one in seen[at:]]


def test_a_hole_in_what_was_kept_is_refused():
    counts = Occurrences()
    seen = [counts.note(b"a") for _ in range(3)]
    with pytest.raises(ValueError, match="expected text 1"):
        Occurrences().restore([seen[0], seen[2]])


@settings(max_examples=30)
@given(st.sampled_from(NAMES), st.randoms(use_true_random=False))
def test_the_cuts_change_no_occurrence(name, rng):
    log = raw(name)
    reader = LogReader(Occurrences())
    events, at = [], 0
    while at < len(log):
        size = rng.randint(1, 3000)
        events += reader.feed(log[at : at + size])
        at += size
    assert events + reader.finish() == read_all(log)


# --- the end of a file


def test_what_is_left_of_a_file_is_told_with_its_fault():
    reader = LogReader(Occurrences())
    reader.feed(EVENT + EVENT[:30])
    assert reader.finish() == []
    assert reader.remaining == 30
    (left,) = reader.abandon()
    assert (left.raw, left.offset) == (EVENT[:30], len(EVENT))
    assert left.fault == "expected the event's end before the log ended"
    assert reader.abandon() == []


def test_a_last_event_without_its_newline_is_whole_when_nothing_follows():
    reader = LogReader(Occurrences())
    assert reader.feed(EVENT[:-1]) == []
    (event,) = reader.abandon()
    assert event.fault is None
    assert identity("", event.raw, 0) == identity("", EVENT, 0)


def test_an_event_is_never_longer_than_a_message_may_be():
    reader = LogReader(Occurrences())
    events = reader.feed(b"\xff" * (5 << 20))
    longest = max(len(json.dumps(message(one, source=None, log="x"))) for one in events)
    assert longest < 16 << 20


# --- headers


def headers() -> list[bytes]:
    live = [b"live23--EventLog-head", b"live23--EventLog.JSON", b"live23--EventLog.XML.1"]
    return [split(name.decode())[0][0].raw for name in live]


@pytest.mark.parametrize("form", range(3))
def test_a_header_is_read_in_all_forms(form):
    header = rotation_header(headers()[form])
    assert header is not None
    assert (
        header[:6]
        == [
            (1795320600, "0.336.1795320600.438058.1.1795320600.440725", 1, 0, 0, 0),
            (1795321517, "0.2804.1795321513.499692.1.1795321517.587633", 1, 0, 0, 30884),
            (1795321582, "0.3135.1795321581.552386.2.1795321582.593132", 2, 30547, 0, 30348),
        ][form]
    )
    assert header.max_rotation == [1, 8, 8][form]


@pytest.mark.parametrize("form", range(3))
def test_a_header_that_is_written_anew_is_the_same_event(form):
    """HTCondor does so when it rotates a file: the size, the events, the time are those of then."""
    text = headers()[form]
    anew = text.replace(b"size=0", b"size=77").replace(b"04:10:00", b"04:11:00")
    anew = anew.replace(b"size=30547 events=0", b"size=30547 events=9").replace(b"04:25", b"04:29")
    assert anew != text
    assert identity("s", anew, 0) == identity("s", text, 0)
    assert canonical(anew) == canonical(text)


def test_the_identity_that_a_header_once_had_is_known_still():
    text = headers()[0]
    before = text.rstrip(b"\n").removesuffix(b"\n...")
    old = hashlib.sha256(b"condor\0s\x000\0" + before).digest()
    assert old != identity("s", text, 0)
    assert is_identity(old, "s", text)
    assert is_identity(identity("s", text, 3), "s", text)
    assert not is_identity(old, "t", text)


def test_other_headers_are_other_events():
    one = HEADER.format(time="2026-11-22 04:10:00", ctime=5, sequence=1, size=0, events=0, offset=0)
    for other in (one.replace("sequence=1", "sequence=2"), one.replace("id=0", "id=1")):
        assert canonical(other.encode()) != canonical(one.encode())


@pytest.mark.parametrize(
    "text",
    [
        b"008 (007.000.000) 2026-11-22 04:10:00 Global JobLog: ctime=1 id=x sequence=1\n...\n",
        b'{"Info": "Global JobLog: ctime=1 id=x sequence=1", "Cluster": 7, "EventTypeNumber": 8}',
        b'<c><a n="Info"><s>Global JobLog: ctime=1 id=x sequence=1</s></a>'
        b'<a n="Cluster"><i>7</i></a></c>',
        b"008 (-01.-01.-01) 2026-11-22 04:10:00 Global JobLog: ctime=1 id=x\n...\n",
        b"001 (-01.-01.-01) 2026-11-22 04:10:00 Global JobLog: ctime=1 id=x sequence=1\n...\n",
        b"",
    ],
)
def test_what_a_job_says_is_no_header(text):
    assert rotation_header(text) is None


@pytest.mark.parametrize("form", range(3))
def test_the_header_of_a_file_is_read_whatever_follows_it(form):
    names = ["live23--EventLog-head", "live23--EventLog.JSON", "live23--EventLog.XML.1"]
    assert header_of_file(raw(names[form])[:4096]) == rotation_header(headers()[form])
    assert header_of_file(headers()[form][:40]) is None


# --- names


def test_a_log_is_named_by_its_header_else_by_inode_and_first_event():
    assert log_name(headers()[0], 5) == "0.336.1795320600.438058.1.1795320600.440725"
    assert log_name(EVENT, 5) != log_name(EVENT, 6)
    assert log_name(EVENT, 5) != log_name(EVENT + b" ", 5)
    assert log_name(EVENT, 5, 1) == log_name(EVENT, 5) + ".1"
    assert log_name(EVENT, 5) == "5." + log_name(EVENT, None)


# --- messages


def test_a_message_is_read_back_byte_for_byte():
    text = EVENT.replace(b"<a>", b"<\xff\xfe\x00\xc3\xa4>")
    (event,) = read_all(text)
    body = json.dumps(message(event, source="pool", log="l")).encode()
    found = read(Arrival(body, "", {}), timezone.utc)
    assert found.checksum == identity("pool", text, 0)
    assert found.position == ("l", 0)


def test_the_source_is_sent_only_where_there_is_one():
    (event,) = read_all(EVENT)
    assert "Source" not in message(event, source=None, log="l")
    assert "Source" not in message(event, source="", log="l")
    assert message(event, source="s", log="l")["Source"] == "s"


# --- rotated files


def touch(folder, *names):
    for number, name in enumerate(names):
        (folder / name).write_bytes(EVENT.replace(b"7.0.0", b"%d.0.0" % (number + 1)))


def test_rotated_files_come_oldest_first(tmp_path):
    touch(tmp_path, "EventLog", "EventLog.1", "EventLog.10", "EventLog.2.gz", "EventLog.9")
    touch(tmp_path, "EventLog.old", "EventLog-20251231", "EventLog-20260101.gz", "EventLog.lock")
    touch(tmp_path, "OtherLog.1", "EventLog.JSON", "EventLogger.1", "EventLog-20260102-1")
    found = [one.path.name for one in rotated(tmp_path / "EventLog")]
    assert found == [
        "EventLog-20251231",
        "EventLog-20260101.gz",
        "EventLog-20260102-1",
        "EventLog.10",
        "EventLog.9",
        "EventLog.2.gz",
        "EventLog.1",
        "EventLog.old",
    ]


def test_headers_say_the_order_better_than_names(tmp_path):
    for name, sequence in (("EventLog.1", 3), ("EventLog.2", 5), ("EventLog.3", 4)):
        text = HEADER.format(
            time="2026-11-22 04:10:00",
            ctime=sequence,
            sequence=sequence,
            size=0,
            events=0,
            offset=0,
        )
        (tmp_path / name).write_text(text + "\n...\n")
    found = [one.path.name for one in rotated(tmp_path / "EventLog")]
    assert found == ["EventLog.1", "EventLog.3", "EventLog.2"]


def test_a_file_that_is_just_being_packed_is_given_once(tmp_path):
    touch(tmp_path, "EventLog.1", "EventLog.1.gz", "EventLog.2.zst")
    found = [one.path.name for one in rotated(tmp_path / "EventLog")]
    assert found == ["EventLog.2.zst", "EventLog.1"]


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("EventLog.1", "EventLog"),
        ("EventLog.old", "EventLog"),
        ("EventLog-20260101.gz", "EventLog"),
        ("job.log", None),
        (".1", None),
    ],
)
def test_the_base_of_a_rotated_file(name, base, tmp_path):
    assert base_of(tmp_path / name) == (base and tmp_path / base)


# --- packed files


def test_packed_files_are_read_as_what_they_hold(tmp_path):
    log = EVENT * 200
    packed = {"plain": log, "gz": gzip.compress(log), "zst": zstd.compress(log)}
    packed["gz-twice"] = gzip.compress(log[:100]) + gzip.compress(log[100:])
    packed["zst-twice"] = zstd.compress(log[:100]) + zstd.compress(log[100:])
    for name, data in packed.items():
        (tmp_path / name).write_bytes(data)
        with open_log(tmp_path / name) as file:
            assert file.read() == log, name
        assert head(tmp_path / name, 70) == log[:70]


def unpack(path):
    with open_log(path) as file:
        while file.read(100):
            pass


def zstd_checked(data: bytes) -> bytes:
    """Compress with a checksum, as the program zstd does."""
    return zstd.compress(data, options={zstd.CompressionParameter.checksum_flag: 1})


@pytest.mark.parametrize("pack", [gzip.compress, zstd_checked])
def test_a_damaged_file_is_named(pack, tmp_path):
    packed = pack(random.Random(1).randbytes(5000))
    path = tmp_path / "log"
    for damaged in (packed[:-300], packed[:-1], packed[:900] + b"damaged!" + packed[908:]):
        path.write_bytes(damaged)
        with pytest.raises(OSError, match=r"damaged or cut off.*log"):
            unpack(path)
