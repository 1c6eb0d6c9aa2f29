"""Events of SMRT Link in files: whole or not at all, and never a fault of the ledger's."""

from __future__ import annotations

import json
import threading
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
def files(tmp_path: Path) -> EventFiles:
    return EventFiles(tmp_path / "a" / "events")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a" / "events" / SYSTEM / f"{UUID}.json"


def test_one_line_and_nothing_beside_it(files: EventFiles, path: Path) -> None:
    files.stored("amqp:q", [event()], [Outcome.ACCEPTED])
    text = path.read_text("utf-8")
    assert text.count("\n") == 1
    assert text.endswith("\n")
    assert json.loads(text) == {**event().data, "smrtlinkId": SYSTEM}
    assert "Zoë" in text
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_a_repetition_is_written_where_there_is_no_file(files: EventFiles, path: Path) -> None:
    files.stored("amqp:q", [event()], [Outcome.DUPLICATE])
    assert path.exists()
    path.write_text("changed by hand")
    files.stored("amqp:q", [event()], [Outcome.DUPLICATE])
    assert path.read_text() == "changed by hand"


def test_what_was_not_stored_is_not_written(files: EventFiles, path: Path) -> None:
    reject = Reject(None, (Fault("", "a", "b"),), Reason.SCHEMA)
    files.stored(
        "amqp:q",
        [event(), reject, event()],
        [Outcome.REJECTED, Outcome.REJECTED, Outcome.FORBIDDEN],
    )
    assert not path.parent.exists()


def test_a_disk_that_refuses_costs_no_event(files: EventFiles, path: Path) -> None:
    path.parent.parent.joinpath(SYSTEM).write_text("no folder")
    files.stored("amqp:q", [event()], [Outcome.ACCEPTED])
    assert path.parent.is_file()


def test_nobody_sees_half_a_file(files: EventFiles, path: Path) -> None:
    long = event(message={"user": "x" * 100_000})
    files.stored("amqp:q", [long], [Outcome.ACCEPTED])
    done = threading.Event()
    seen: list[str] = []

    def read() -> None:
        while not done.is_set():
            seen.append(path.read_text("utf-8"))

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(50):
        files.stored("amqp:q", [long], [Outcome.ACCEPTED])
    done.set()
    reader.join()
    assert len(set(seen)) == 1


def test_a_folder_that_cannot_be_made_is_a_fault_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="SMRTLinkEventDir"):
        EventFiles(tmp_path / "file" / "events")
