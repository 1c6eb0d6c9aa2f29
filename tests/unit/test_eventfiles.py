"""Events of SMRT Link in files: whole or not at all, and never a fault of the ledger's."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from jexevents.errors import ConfigError
from jexevents.eventfiles import EventFiles
from jexevents.model import Event, Fault, Outcome, Reason, Reject
from jexevents.sources.smrtlink.events import system_event
from tests.ledger import NOON

SYSTEM = "972c5bbe-f94a-11e6-b5cd-3c15c2cc8f88"
UUID = "83927d00-f46c-11e6-9f9b-3c15c2cc8f88"


def event(**members: object) -> Event:
    document = {
        "smrtLinkId": SYSTEM,
        "uuid": UUID,
        "createdAt": "2026-02-16T08:36:21.082-08:00",
        "eventTypeId": "eula_signed",
        "message": {"user": "Zoë\n"},
        **members,
    }
    return system_event(document, received_at=NOON, raw=b"")


@pytest.fixture
def files(tmp_path: Path) -> Iterator[EventFiles]:
    writer = EventFiles(tmp_path / "a" / "events")
    writer.start()
    yield writer
    writer.stop()
    assert writer.join(10)


def store(files: EventFiles, *events: Event, outcome: Outcome = Outcome.ACCEPTED) -> None:
    """Have events written as those of requests are: it is done, then."""
    files.stored("http:smrtlink", list(events), [outcome] * len(events))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a" / "events" / SYSTEM / f"{UUID}.json"


def test_one_line_and_nothing_beside_it(files: EventFiles, path: Path) -> None:
    store(files, event())
    text = path.read_text("utf-8")
    assert text.count("\n") == 1
    assert text.endswith("\n")
    assert json.loads(text) == {**event().data, "smrtlinkId": SYSTEM}
    assert "Zoë" in text
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_a_repetition_is_written_where_there_is_no_file(files: EventFiles, path: Path) -> None:
    store(files, event(), outcome=Outcome.DUPLICATE)
    assert path.exists()
    path.write_text("changed by hand")
    store(files, event(), outcome=Outcome.DUPLICATE)
    assert path.read_text() == "changed by hand"


def test_what_was_not_stored_is_not_written(files: EventFiles, path: Path) -> None:
    reject = Reject(None, (Fault("", "a", "b"),), Reason.SCHEMA)
    files.stored(
        "http:smrtlink",
        [event(), reject, event()],
        [Outcome.REJECTED, Outcome.REJECTED, Outcome.FORBIDDEN],
    )
    assert not path.parent.exists()


def test_a_disk_that_refuses_costs_no_event(files: EventFiles, path: Path) -> None:
    path.parent.parent.joinpath(SYSTEM).write_text("no folder")
    store(files, event())
    assert path.parent.is_file()


def test_nobody_sees_half_a_file(files: EventFiles, path: Path) -> None:
    long = event(message={"user": "x" * 100_000})
    store(files, long)
    done = threading.Event()
    seen: list[str] = []

    def read() -> None:
        while not done.is_set():
            seen.append(path.read_text("utf-8"))

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(50):
        store(files, long)
    done.set()
    reader.join()
    assert len(set(seen)) == 1


def test_a_folder_that_cannot_be_made_is_a_fault_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="SMRTLinkEventDir"):
        EventFiles(tmp_path / "file" / "events")


def test_what_waits_at_the_end_is_written(tmp_path: Path) -> None:
    writer = EventFiles(tmp_path)
    numbers = [f"83927d00-f46c-11e6-9f9b-{number:012}" for number in range(50)]
    writer.start()
    writer.stored("amqp:q", [event(uuid=one) for one in numbers], [Outcome.ACCEPTED] * 50)
    writer.stop()
    assert writer.join(10)
    assert sorted(path.stem for path in tmp_path.glob("*/*.json")) == numbers


def test_a_disk_that_hangs_keeps_nobody_waiting(tmp_path: Path) -> None:
    writer = EventFiles(tmp_path, waiting=2)
    # Nobody writes: the thread was not started, as if it hung.
    writer.stored("amqp:q", [event()] * 5, [Outcome.ACCEPTED] * 5)
    writer.start()
    writer.stop()
    assert writer.join(10)


def test_what_was_begun_by_one_that_was_killed_is_removed(tmp_path: Path) -> None:
    (tmp_path / SYSTEM).mkdir()
    old, new = (tmp_path / SYSTEM / f".{name}.part" for name in ("old", "new"))
    for path in (old, new):
        path.write_text("{")
    os.utime(old, (1, 1))
    writer = EventFiles(tmp_path)
    writer.start()
    store(writer, event())
    writer.stop()
    assert writer.join(10)
    assert (old.exists(), new.exists()) == (False, True)


def test_an_empty_file_is_none(files: EventFiles, path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    store(files, event(), outcome=Outcome.DUPLICATE)
    assert path.stat().st_size > 0
