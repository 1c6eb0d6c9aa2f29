"""Logs are read whole, whatever they are packed in, and as live reading reads them."""

from __future__ import annotations

import gzip
import io
import json
import os
import sys
import tracemalloc
import zlib
from datetime import timezone
from pathlib import Path

import pytest
from backports import zstd

from jexevents.imports.chains import chains
from jexevents.imports.entry import Entry
from jexevents.imports.files import NoInput, found
from jexevents.imports.parting import part_of
from jexevents.imports.reading import ChainReader, FileReport
from jexevents.imports.sinks import body_of
from jexevents.sources.condor.message import canonical
from tests.unit.condor_samples import FOLDER, NAMES

UTC = timezone.utc


def text(number: int, second: int, job: str = "7.0.0", day: str = "2020-02-03") -> bytes:
    return (
        f"{number:03} ({job}) {day} 04:05:{second:02} Image size of job updated: 9\n...\n".encode()
    )


def header(sequence: int, ctime: int = 1580000000, name: str = "") -> bytes:
    ident = name or f"0.1.{sequence}"
    said = f"Global JobLog: ctime={ctime + sequence} id={ident} sequence={sequence} size=0 events=0"
    return f"008 (-01.-01.-01) 2020-01-26 00:53:20 {said} offset=0 event_off=0\n...\n".encode()


def read(
    *paths: Path, one_log: bool = False, year: int | None = None
) -> tuple[list[Entry], list[FileReport], list[str]]:
    entries: list[Entry] = []
    reports: list[FileReport] = []
    notes: list[str] = []
    for chain in chains(found([str(path) for path in paths]), one_log=one_log):
        reader = ChainReader(chain, UTC, year=year)
        for some in reader.entries():
            entries += some
        reports += reader.reports
        notes += chain.notes
    return entries, reports, notes


def test_packed_is_told_by_the_content(tmp_path: Path) -> None:
    log = b"".join(text(6, second) for second in range(50))
    (tmp_path / "a.log").write_bytes(log)
    (tmp_path / "b.txt").write_bytes(gzip.compress(log[:400]) + gzip.compress(log[400:]))
    (tmp_path / "c").write_bytes(zstd.compress(log[:400]) + zstd.compress(log[400:]))
    raws = [[one.raw for one in read(tmp_path / name)[0]] for name in ("a.log", "b.txt", "c")]
    assert raws[0] == raws[1] == raws[2]
    assert b"".join(raws[0]) == log


def test_equal_texts_are_counted_over_all_files_of_a_log(tmp_path: Path) -> None:
    for number, name in enumerate(("EventLog.2", "EventLog.1.gz", "EventLog"), 1):
        content = header(number) + text(6, 1)
        packed = gzip.compress(content) if name.endswith(".gz") else content
        (tmp_path / name).write_bytes(packed)
    (tmp_path / "Other").write_bytes(text(6, 1))
    # As a shell gives them, which is not as they were written.
    names = ("EventLog", "EventLog.1.gz", "EventLog.2", "Other")
    entries, reports, notes = read(*(tmp_path / name for name in names))
    assert [Path(one.name).name for one in reports] == [
        "EventLog.2",
        "EventLog.1.gz",
        "EventLog",
        "Other",
    ]
    counted = [one.occurrence for one in entries if one.raw == text(6, 1)]
    assert counted == [0, 1, 2, 0]
    assert [one.log for one in reports][:3] == ["0.1.1", "0.1.2", "0.1.3"]
    assert notes == []


def test_a_rotated_file_alone_begins_at_0_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "EventLog.1").write_bytes(header(4) + text(6, 1))
    (tmp_path / "plain.log-20200203").write_bytes(text(6, 1))
    for name in ("EventLog.1", "plain.log-20200203"):
        entries, _, notes = read(tmp_path / name)
        assert [one.occurrence for one in entries][-1] == 0
        assert len(notes) == 1
        assert "counted from 0" in notes[0]


def test_files_between_that_are_not_named_are_told(tmp_path: Path) -> None:
    (tmp_path / "EventLog.3").write_bytes(header(1))
    (tmp_path / "EventLog").write_bytes(header(4))
    _, _, notes = read(tmp_path / "EventLog", tmp_path / "EventLog.3")
    assert len(notes) == 1
    assert "2 of the log's files" in notes[0]


def test_any_files_are_one_log_if_one_says_so(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(text(6, 1) + text(6, 2))
    (tmp_path / "a").write_bytes(text(6, 2) + text(6, 1))
    entries, _, _ = read(tmp_path / "b", tmp_path / "a", one_log=True)
    assert [one.occurrence for one in entries] == [0, 0, 1, 1]
    assert [one.occurrence for one in read(tmp_path / "b", tmp_path / "a")[0]] == [0, 0, 0, 0]


def test_the_same_content_twice_in_a_log_is_refused(tmp_path: Path) -> None:
    (tmp_path / "EventLog.1").write_bytes(text(6, 1))
    (tmp_path / "EventLog.1.gz").write_bytes(gzip.compress(text(6, 1)))
    with pytest.raises(NoInput, match="name one"):
        read(tmp_path / "EventLog.1", tmp_path / "EventLog.1.gz")
    (tmp_path / "link").symlink_to("EventLog.1")
    with pytest.raises(NoInput, match="the same file"):
        read(tmp_path / "EventLog.1", tmp_path / "link")


def test_what_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "good").write_bytes(text(6, 1))
    os.mkfifo(tmp_path / "pipe")
    names = ["good", "gone", ".", "pipe"]
    with pytest.raises(NoInput) as told:
        found([str(tmp_path / name) for name in names])
    said = str(told.value)
    assert "good" not in said
    assert "gone: No such file" in said
    assert "a folder; name the files in it" in said
    assert "pipe: no file" in said
    # Which is there, and nobody can read it at its begin.
    with pytest.raises(NoInput, match="Input/output error"):
        found(["/proc/self/mem"])


def test_an_empty_file_has_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    entries, (report,), _ = read(tmp_path / "empty")
    assert (entries, report.bytes, report.is_whole) == ([], 0, True)


def test_a_cut_event_is_told_by_its_place(tmp_path: Path) -> None:
    (tmp_path / "EventLog.1").write_bytes(text(6, 1) + text(6, 2)[:40])
    (tmp_path / "EventLog").write_bytes(text(6, 3) + text(6, 4)[:40])
    entries, (old, new), _ = read(tmp_path / "EventLog.1", tmp_path / "EventLog")
    assert old.cut == new.cut == len(text(6, 1))
    assert old.cut_bytes == new.cut_bytes == 40
    # To the older one nothing will be added: what there is goes into the rejects.
    assert [one.fault is None for one in entries] == [True, False, True]
    assert not old.is_whole


def test_three_dots_without_their_newline_end_an_event(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(text(6, 1)[:-1])
    entries, (report,), _ = read(tmp_path / "log")
    assert len(entries) == 1
    assert report.is_whole


def test_damage_ends_a_file_and_no_other(tmp_path: Path) -> None:
    log = b"".join(text(6, second, f"{job}.0.0") for job in range(2000) for second in range(3))
    (tmp_path / "a.gz").write_bytes(gzip.compress(log)[:-2000])
    (tmp_path / "b.gz").write_bytes(gzip.compress(log[:5000])[:8] + b"rubbish, and more of it")
    (tmp_path / "c.zst").write_bytes(zstd.compress(log)[:-900])
    (tmp_path / "d").write_bytes(text(6, 1))
    entries, reports, _ = read(*sorted(tmp_path.iterdir()))
    assert [report.fault is None for report in reports] == [False, False, False, True]
    assert reports[0].events > 100
    assert "damaged or cut off" in reports[0].fault
    assert entries[-1].raw == text(6, 1)


def test_what_unpacks_to_very_much_is_never_held(tmp_path: Path) -> None:
    packer = zlib.compressobj(9, wbits=31)
    with (tmp_path / "bomb.gz").open("wb") as file:
        for _ in range(200):
            file.write(packer.compress(b"x" * (1 << 20)))
        file.write(packer.flush())
    assert (tmp_path / "bomb.gz").stat().st_size < 1 << 18
    tracemalloc.start()
    try:
        sizes = [len(one.raw) for one in read_lazily(tmp_path / "bomb.gz")]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sum(sizes) > 50 << 20
    assert peak < 30 << 20


def read_lazily(path: Path):
    (chain,) = chains(found([str(path)]))
    for some in ChainReader(chain, UTC).entries():
        yield from some


def test_years_come_from_the_time_of_the_file(tmp_path: Path) -> None:
    log = text(6, 1, day="12/30") + text(6, 2, day="01/02")
    (tmp_path / "old.log").write_bytes(log)
    os.utime(tmp_path / "old.log", (1262500000, 1262500000))  # 2010-01-03
    with gzip.GzipFile(tmp_path / "old.gz", "wb", mtime=1262500000) as file:
        file.write(log)
    for name in ("old.log", "old.gz"):
        entries, (report,), _ = read(tmp_path / name)
        assert [one.year for one in entries] == [2009, 2010]
        assert report.years == "the file's time"
    entries, (report,), _ = read(tmp_path / "old.log", year=1999)
    assert [one.year for one in entries] == [1999, 2000]


@pytest.mark.parametrize("name", NAMES)
def test_real_logs_as_live_reading_has_them(name: str) -> None:
    path = FOLDER / f"{name}.log"
    entries, (report,), _ = read(path)
    raws = [one.raw for one in entries]
    kept = path.read_bytes()
    for one in entries:
        assert kept[one.offset : one.offset + len(one.raw)] == one.raw
    seen: dict[bytes, int] = {}
    for one in entries:
        if one.fault is None:
            text = canonical(one.raw)
            assert one.occurrence == seen.setdefault(text, 0)
            seen[text] += 1
    assert report.events + report.garbage == len(raws)


def test_events_of_a_job_have_one_process() -> None:
    parts = {part_of(text(number, 1, "123.045.000"), 7) for number in range(14)}
    assert len(parts) == 1
    forms = (
        b'{\n  "Cluster": 123,\n  "Proc": 45\n}',
        b'<c>\n<a n="Cluster"><i>123</i></a>\n<a n="Proc"><i>45</i></a>\n</c>',
    )
    assert {part_of(form, 7) for form in forms} == parts
    assert len({part_of(text(6, 1, f"{job}.0.0"), 4) for job in range(40)}) == 4
    assert part_of(b"rubbish", 4) == part_of(b"{rubbish", 4) == 0


def test_the_message_is_that_of_a_monitor() -> None:
    body = body_of(Entry(b"001 (1.0.0) 02/03 x\xff\n...\n", "log", 5, 2, 2009, None), "pool")
    document = json.loads(body)
    assert document.pop("Hash")
    assert document == {
        "Event": "001 (1.0.0) 02/03 x\udcff\n...\n",
        "Log": "log",
        "Offset": 5,
        "Occurrence": 2,
        "Source": "pool",
        "Year": 2009,
    }
    plain = json.loads(body_of(Entry(b"x", "log", 0, 0, None, None), ""))
    assert not {"Source", "Year"} & plain.keys()


def test_a_pipe_is_read_to_its_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    log = b"".join(text(6, second) for second in range(50))
    for content in (log, gzip.compress(log), zstd.compress(log)):
        reader, writer = os.pipe()
        os.write(writer, content)
        os.close(writer)
        with os.fdopen(reader, "rb") as piped:
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(piped))
            entries, (report,), _ = read(Path("-"))
        assert b"".join(one.raw for one in entries) == log
        assert report.is_whole
    (tmp_path / "log").write_bytes(text(6, 1, day="02/03"))
    os.utime(tmp_path / "log", (1262500000, 1262500000))
    with (tmp_path / "log").open("rb") as file:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(file))
        assert [one.year for one in read(Path("-"))[0]] == [2009]


def test_a_pipe_without_years_needs_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def piped(year: int | None) -> tuple[list[Entry], list[FileReport], list[str]]:
        reader, writer = os.pipe()
        os.write(writer, text(6, 1, day="02/03"))
        os.close(writer)
        with os.fdopen(reader, "rb") as file:
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(file))
            return read(Path("-"), year=year)

    entries, (report,), _ = piped(None)
    assert entries == []
    assert "--year" in report.fault
    assert [one.year for one in piped(2009)[0]] == [2009]
