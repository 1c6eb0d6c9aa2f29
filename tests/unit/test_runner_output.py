"""What a job writes, from the writer to the reader: bytes, order, bounds, and what is missing."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from jexevents.runner import segments
from jexevents.runner.folder import RunFolder
from jexevents.runner.output import Follower, RunOutput
from jexevents.runner.supervisor import output, segment
from jexevents.runner.supervisor.eventlog import EventLog
from jexevents.runner.supervisor.layout import STDERR, STDOUT, STREAMS
from jexevents.runner.supervisor.output import LEAST_LIMIT, Output

NOW = 1_700_000_000_000_000
SLOW = 2000


@pytest.fixture
def folder(tmp_path: Path, monkeypatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def clear(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def end(folder: Path, written: Output, now: int) -> None:
    written.finish(now)
    (folder / "state.json").write_text(json.dumps({"output": written.numbers()}))


def collected(folder: Path, which: str) -> tuple[bytes, list]:
    """Give the bytes, with 0 for each that is missing, and the gaps."""
    data, gaps = b"", []
    for chunk in RunOutput(folder).read(which):
        assert chunk.offset == len(data)
        if chunk.missing:
            gaps.append(chunk)
        data += chunk.data or b"\0" * chunk.missing
    return data, gaps


WRITES = st.lists(
    st.tuples(
        st.sampled_from([STDOUT, STDERR]),
        st.integers(1, 40_000),
        st.integers(0, 3 * segment.TOGETHER_MICROSECONDS),
    ),
    max_size=30,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(writes=WRITES, limit=st.sampled_from([None, 0, LEAST_LIMIT, 200_001]))
def test_bytes_order_and_bounds(folder: Path, writes, limit) -> None:
    clear(folder)
    sink, now = Output(limit), NOW
    wrote = {"stdout": b"", "stderr": b"", "output": b""}
    follower, followed = Follower(folder), b""
    for number, (stream, length, pause) in enumerate(writes):
        now += pause
        data = bytes([1 + number % 255]) * length
        sink.write(stream, memoryview(data), now)
        wrote[STREAMS[stream]] += data
        wrote["output"] += data
        followed += read_on(follower)
    end(folder, sink, now)
    followed += read_on(follower)
    total = len(wrote["output"])
    bound = total if limit is None else max(limit, LEAST_LIMIT)
    assert sink.kept <= bound
    assert sum(path.stat().st_size for path in streams_of(folder)) == sink.kept
    for which, text in wrote.items():
        found, gaps = collected(folder, which)
        assert len(found) == len(text) == RunOutput(folder).size(which)
        kept = bytearray(text)
        for gap in gaps:
            assert gap.why == "dropped"
            kept[gap.offset : gap.offset + gap.missing] = b"\0" * gap.missing
        assert found == kept
        assert gaps == RunOutput(folder).gaps(which)
        if which == "output":
            assert sum(gap.missing for gap in gaps) == sink.numbers()["dropped"]
            assert found[: bound // 2] == text[: bound // 2], "the first half is whole"
            least = bound // 2 - bound // 16
            assert total <= bound or found[-least:] == text[-least:], "the end is whole"
    if total <= bound:
        assert sink.numbers()["dropped"] == 0
        assert followed == wrote["output"]
    assert len(followed) == total


def read_on(follower: Follower) -> bytes:
    found = b""
    while chunks := follower.read(50_000):
        found += b"".join(chunk.data or b"\0" * chunk.missing for chunk in chunks)
    return found


def streams_of(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name.endswith(("stdout", "stderr"))]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    writes=WRITES,
    limit=st.sampled_from([None, 0, LEAST_LIMIT]),
    losses=st.sets(st.integers(0, 30)),
    block=st.integers(1, 4),
    start=st.floats(0, 1.1),
)
@example([(1, 1, 0), (1, 1, 0), (2, 1, 0), (1, 1, 0)], None, {0}, 2, 0.75)
def test_reading_from_an_offset_on(
    folder: Path, writes, limit, losses, block, start: float
) -> None:
    """However the index is read, block by block or not, it is the same."""
    clear(folder)
    sink, now = Output(limit), NOW
    for number, (stream, length, pause) in enumerate(writes):
        now += pause
        with pytest.MonkeyPatch.context() as patch:
            if number in losses:
                FullDisk(patch, length // 2)
                now += output.PAUSE_MICROSECONDS
            sink.write(stream, memoryview(bytes([1 + number % 255]) * length), now)
        if number in losses:
            now += output.PAUSE_MICROSECONDS
    end(folder, sink, now)
    for which in ("stdout", "stderr", "output"):
        whole, gaps = collected(folder, which)
        at = int(start * len(whole))
        with pytest.MonkeyPatch.context() as patch, RunOutput(folder).snapshot(which) as found:
            patch.setattr(segments, "_BLOCK_RECORDS", block)
            assert (found.size, found.gaps) == (len(whole), gaps)
            stop = at + (len(whole) - at) // 2
            for read in (found.read, found.read_fast):
                assert shown(list(read(at, len(whole))), at) == whole[at:]
                assert shown(list(read(at, stop)), at) == whole[at:stop]
            follower = Follower(folder, which, at)
            assert shown(list(follower.read(10**9)), at) == whole[at:]
            assert follower.read() == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    writes=st.lists(st.tuples(st.sampled_from([STDOUT, STDERR]), st.integers(1, 9)), max_size=40),
    reads=st.sets(st.integers(0, 40)),
    which=st.sampled_from(["stdout", "output"]),
    block=st.integers(1, 4),
    start=st.integers(0, 150),
)
def test_a_follower_that_is_ahead(folder: Path, writes, reads, which, block, start) -> None:
    """What comes before the offset that it waits for is passed by, whenever it looks."""
    clear(folder)
    sink, follower, found = Output(None), Follower(folder, which, start), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segments, "_BLOCK_RECORDS", block)
        for number, (stream, length) in enumerate(writes):
            now = NOW + number * 700  # the last record grows now and then
            sink.write(stream, memoryview(bytes([1 + number]) * length), now)
            found += follower.read() if number in reads else []
        sink.finish(NOW)
        found += follower.read()
    assert shown(found, start) == collected(folder, which)[0][start:]


def shown(chunks: list, at: int) -> bytes:
    """Give the bytes from ``at`` on, with 0 for each that is missing."""
    data = b""
    for chunk in chunks:
        assert chunk.offset == at + len(data)
        data += chunk.data or b"\0" * chunk.missing
    return data


def test_a_follower_from_an_offset_sees_the_last_record_grow(folder: Path) -> None:
    sink = Output(None)
    sink.write(STDOUT, memoryview(b"abc"), NOW)
    follower = Follower(folder, "stdout", 5)
    assert follower.read() == []
    sink.write(STDOUT, memoryview(b"defg"), NOW + 1)
    assert [(chunk.offset, chunk.data) for chunk in follower.read()] == [(5, b"fg")]
    sink.finish(NOW)


def test_last_lines_within_a_bound(folder: Path) -> None:
    sink = Output(None)
    sink.write(STDOUT, memoryview(b"x" * 1000 + b"\n12\n"), NOW)
    sink.finish(NOW)
    with RunOutput(folder).snapshot("stdout") as found:
        assert [found.last_lines(count, 100) for count in (1, 2)] == [1001, 904]
        assert found.last_lines(2) == 0


def test_a_long_index_is_not_read_record_by_record(folder: Path, monkeypatch) -> None:
    sink = Output(None)
    for number in range(30_000):
        sink.write(1 + number % 2, memoryview(b"x" * 63 + b"\n"), NOW + number * SLOW)
    sink.finish(NOW)
    made = []
    piece = segments.Piece
    monkeypatch.setattr(segments, "Piece", lambda *given: made.append(1) or piece(*given))
    with RunOutput(folder).snapshot("output") as found:
        assert found.size == 30_000 * 64
        assert found.last_lines(10) == found.size - 640
    assert len(Follower(folder, "output", 30_000 * 64 - 5).read()[-1].data) == 5
    assert len(made) < 4 * segments._BLOCK_RECORDS


def test_files_are_as_the_job_wrote_them(folder: Path) -> None:
    sink = Output(None)
    for number in range(100):
        sink.write(STDOUT, memoryview(b"out %d\n" % number), NOW + number * SLOW)
        sink.write(STDERR, memoryview(b"err %d\n" % number), NOW + number * SLOW + 7)
    sink.finish(NOW)
    assert (folder / "stdout").read_bytes() == b"".join(b"out %d\n" % n for n in range(100))
    assert (folder / "stderr").read_bytes() == b"".join(b"err %d\n" % n for n in range(100))
    chunks = list(RunOutput(folder).read())
    assert [chunk.data for chunk in chunks[:3]] == [b"out 0\n", b"err 0\n", b"out 1\n"]
    assert [chunk.time - NOW for chunk in chunks[:3]] == [0, 7, SLOW]
    assert [chunk.stream for chunk in chunks[:2]] == ["stdout", "stderr"]


def test_many_small_writes_do_not_swell_the_index(folder: Path) -> None:
    """One byte a time, changing streams, takes 16 bytes each in the index: it is bounded too."""
    limit = 1 << 20
    sink = Output(limit)
    for number in range(100_000):
        sink.write(1 + number % 2, memoryview(b"x"), NOW + number)
    end(folder, sink, NOW)
    size = sum(path.stat().st_size for path in folder.iterdir() if path.suffix == ".index")
    assert size <= limit // 2
    found, gaps = collected(folder, "output")
    assert len(found) == 100_000
    assert gaps


def test_same_stream_within_a_millisecond_is_one_record(folder: Path) -> None:
    sink = Output(None)
    for number in range(1000):
        sink.write(STDOUT, memoryview(b"line\n"), NOW + number)
    sink.finish(NOW)
    assert (folder / "output.index").stat().st_size == 32 + 16


def test_ranges(folder: Path) -> None:
    sink = Output(None)
    sink.write(STDOUT, memoryview(b"0123456789"), NOW)
    sink.write(STDERR, memoryview(b"abcdefghij"), NOW + 1)
    sink.write(STDOUT, memoryview(b"ABC"), NOW + 2)
    sink.finish(NOW)
    reader = RunOutput(folder)
    whole = b"0123456789abcdefghijABC"
    for start in range(len(whole) + 2):
        for stop in (None, 0, start, start + 1, start + 11, 99):
            found = list(reader.read("output", start, stop))
            assert b"".join(each.data for each in found) == whole[start:stop]
            assert not found or found[0].offset == start
    assert b"".join(each.data for each in reader.read("stdout", 8, 12)) == b"89AB"


LINES = st.lists(st.sampled_from([b"a\n", b"bb", b"\n", b"c" * 300_000 + b"\n"]), max_size=8)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(pieces=LINES, count=st.integers(0, 5))
def test_last_lines(folder: Path, pieces, count) -> None:
    clear(folder)
    sink = Output(None)
    for number, piece in enumerate(pieces):
        sink.write(STDOUT, memoryview(piece), NOW + number * SLOW)
    sink.finish(NOW)
    reader, whole = RunOutput(folder), b"".join(pieces)
    found = b"".join(each.data for each in reader.read("stdout", reader.last_lines(count)))
    lines = whole.splitlines(keepends=True)
    assert found == b"".join(lines[len(lines) - count :] if count < len(lines) else lines)


def test_nothing_written_is_nothing(folder: Path) -> None:
    reader = RunOutput(folder)
    assert (reader.size(), reader.gaps(), list(reader.read()), reader.last_lines(3)) == (
        0,
        [],
        [],
        0,
    )
    assert Follower(folder).read() == []
    assert RunOutput(folder / "none").size() == 0


class FullDisk:
    """Has the disk full after so many bytes more."""

    def __init__(self, monkeypatch, room: int) -> None:
        self.room = room
        self._write = os.pwrite
        monkeypatch.setattr(os, "pwrite", self.pwrite)

    def pwrite(self, descriptor: int, data, offset: int) -> int:
        if self.room <= 0:
            raise OSError(28, "No space left on device")
        done = self._write(descriptor, memoryview(data)[: self.room], offset)
        self.room -= done
        return done


@pytest.mark.parametrize("room", [0, 10, 32, 40, 48, 100, 1000, 1032, 1040, 1047])
def test_full_disk_loses_bytes_and_says_so(folder: Path, monkeypatch, room) -> None:
    disk = FullDisk(monkeypatch, room)
    sink = Output(None)
    text = b"x" * 1000
    sink.write(STDOUT, memoryview(text), NOW)
    sink.write(STDERR, memoryview(b"e" * 50), NOW + 10)
    disk.room = 10_000
    sink.write(STDOUT, memoryview(b"again"), NOW + 20)
    sink.write(STDOUT, memoryview(b"late"), NOW + 20 + output.PAUSE_MICROSECONDS)
    end(folder, sink, NOW + 10**6)
    numbers = sink.numbers()
    assert numbers["trouble"] == "No space left on device"
    out, gaps = collected(folder, "stdout")
    assert len(out) == 1009
    assert out.endswith(b"\0late"), "what comes at once after a failure is not tried"
    assert sum(gap.missing for gap in gaps) == numbers["lost"]["stdout"]
    assert {gap.why for gap in gaps} <= {"lost"}
    assert len(collected(folder, "stderr")[0]) == 50
    assert numbers["kept"] == (folder / "stdout").stat().st_size + size(folder / "stderr")
    assert numbers["untold"] == {"stdout": 0, "stderr": 0}


def test_a_clock_that_steps_back_loses_nothing(folder: Path, monkeypatch) -> None:
    disk = FullDisk(monkeypatch, 0)
    sink = Output(None)
    sink.write(STDOUT, memoryview(b"lost"), NOW)
    disk.room = 1000
    sink.write(STDOUT, memoryview(b"kept"), NOW - 3600 * 10**6)
    sink.finish(NOW)
    assert sink.lost[STDOUT] == 4
    assert (folder / "stdout").read_bytes() == b"kept"


def size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def test_disk_that_stays_full_is_told_by_the_state(folder: Path, monkeypatch) -> None:
    FullDisk(monkeypatch, 100)
    sink = Output(None)
    sink.write(STDOUT, memoryview(b"x" * 1000), NOW)
    end(folder, sink, NOW + 10**6)
    out, gaps = collected(folder, "stdout")
    assert len(out) == 1000
    assert gaps[-1].why == "lost"
    assert Follower(folder).read()[-1].missing == gaps[-1].missing
    follower = Follower(folder)
    assert sum(chunk.length for chunk in follower.read()) == 1000
    assert follower.read() == []


def test_events_that_find_no_room(folder: Path, monkeypatch) -> None:
    """Automatic ones are kept till there is room, those of others are refused whole."""
    events = EventLog()
    events.automatic("start", "", NOW)
    disk = FullDisk(monkeypatch, 10)
    with pytest.raises(OSError, match="No space"):
        events.add("mine", "", NOW, by="job", key="k")
    assert events.repeated("k") is None
    assert len((folder / "events.jsonl").read_text().splitlines()) == 1
    disk.room = 10
    events.automatic("fail", "exit 1", NOW)
    assert [event["name"] for event in events.unwritten] == ["fail"]
    with pytest.raises(OSError, match="No space"):
        events.add("late", "", NOW, by="job")
    disk.room = 10_000
    assert events.add("later", "", NOW, by="job", key="k")["seq"] == 3
    assert events.unwritten == []
    assert events.repeated("k")["name"] == "later"
    disk.room = 0
    events.automatic("complete", "exit 0", NOW)
    events.close()
    (folder / "state.json").write_text(json.dumps({"unwritten": events.unwritten}))
    found = RunFolder(folder).events()
    assert [(each["seq"], each["name"]) for each in found] == [
        (1, "start"),
        (2, "fail"),
        (3, "later"),
        (4, "complete"),
    ]


def test_a_line_of_an_event_that_was_cut_off_is_no_event(folder: Path) -> None:
    events = EventLog()
    events.automatic("start", "", NOW)
    with (folder / "events.jsonl").open("a") as file:
        file.write('{"seq": 2, "na')
    assert [each["seq"] for each in RunFolder(folder).events()] == [1]


def test_reading_while_segments_are_dropped(folder: Path) -> None:
    """What was opened can be read, though it is removed meanwhile."""
    sink = Output(0)
    sink.write(STDOUT, memoryview(b"a" * 60_000), NOW)
    reading = RunOutput(folder).read("stdout")
    taken = [next(reading)]
    sink.write(STDOUT, memoryview(b"b" * 200_000), NOW + SLOW)
    taken += reading
    assert b"".join(chunk.data for chunk in taken) == b"a" * 60_000
    follower = Follower(folder)
    assert sum(chunk.length for chunk in follower.read(10**6)) == 260_000
