"""Events as they come: who watches an execution, slow ones and rude ones among them."""

from __future__ import annotations

import json
import os
import selectors
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from jexevents import processes
from jexevents.errors import RequestRefused, StorageFull, SupervisorAway
from jexevents.runner import control
from jexevents.runner.folder import Held, RunFolder
from jexevents.runner.supervisor.watching import BEHIND_BYTES, WATCHERS
from jexevents.runner.watch import Watch
from tests.runs import Runs, ended, heard, holder, names, small_disk, standing
from tests.support import missing, wait_until

SECONDS = 30
# A job that waits, so that events are only those that are asked for.
WAITS = "echo up; exec sleep 1000"
LONG = "x" * 3900


@pytest.fixture
def waiting(runs: Runs) -> RunFolder:
    run = runs.begin(WAITS)
    heard(run, b"up")
    return run


def came(watch: Watch, count: int) -> list[dict[str, Any]]:
    """Wait for so many events, by way of a selector, as a worker does."""
    found: list[dict[str, Any]] = []
    with selectors.DefaultSelector() as selector:
        selector.register(watch, selectors.EVENT_READ)
        while len(found) < count and not watch.closed:
            assert selector.select(SECONDS), f"only {found} came"
            found += watch.read()
    return found


def rest(watch: Watch) -> list[dict[str, Any]]:
    """Give all that comes till the other end closes."""
    return came(watch, 1 << 60)


def test_events_come_as_they_are_written(waiting) -> None:
    with waiting.watch() as watch:
        assert [event["name"] for event in came(watch, 1)] == ["start"]
        for number in range(20):
            event = waiting.event("step", f"no. {number}")
            assert came(watch, 1) == [event]
        assert watch.read() == []
        waiting.signal("kill")
        last = rest(watch)
        # It is closed when the end is written, so nobody needs to wait for that.
        assert waiting.standing().held is Held.ENDED
        assert [event["name"] for event in last] == ["kill", "fail"]
        assert watch.last == 23
    assert watch.fileno() == -1


def test_events_of_the_job_itself_come_too(runs) -> None:
    runs.folder.mkdir()
    os.mkfifo(runs.folder / "ready")
    run = runs.begin("read line < ready; event half-way; event done", cwd=str(runs.folder))
    with run.watch(after=1) as watch:
        (runs.folder / "ready").write_text("go\n")
        assert [event["name"] for event in rest(watch)] == ["half-way", "done", "complete"]


@pytest.mark.parametrize("after", [0, 1, 7, 29, 30])
def test_what_is_there_comes_at_once_from_the_number_on(waiting, after) -> None:
    for number in range(29):
        waiting.event("step", f"{number} {LONG}")
    wanted = waiting.events(after)
    with waiting.watch(after) as watch:
        assert came(watch, 30 - after) == wanted


def test_a_number_that_is_not_there_yet_is_waited_for(waiting) -> None:
    with waiting.watch(after=5) as watch:
        events = [waiting.event("step") for _ in range(6)]
        assert [event["seq"] for event in events] == [2, 3, 4, 5, 6, 7]
        assert came(watch, 2) == events[4:]


def test_many_watch_and_each_hears_all(waiting) -> None:
    watches = [waiting.watch() for _ in range(WATCHERS)]
    for _ in range(5):
        waiting.event("step", LONG)
    waiting.signal("kill")
    for watch in watches:
        assert [event["seq"] for event in rest(watch)] == list(range(1, 9))
        watch.close()


def test_of_too_many_the_oldest_goes(waiting) -> None:
    watches = [waiting.watch() for _ in range(WATCHERS + 2)]
    waiting.event("step")
    for watch in watches:
        came(watch, 2)
    assert [watch.closed for watch in watches] == [True] * 2 + [False] * WATCHERS
    for watch in watches:
        watch.close()
    waiting.ping()


def test_who_does_not_read_is_dropped_and_holds_up_nobody(waiting) -> None:
    deaf, other = waiting.watch(), waiting.watch()
    count = 3 * BEHIND_BYTES // len(LONG)
    for _ in range(count):
        waiting.event("step", LONG)
        assert came(other, 1)
    wait_until(lambda: len(sockets(waiting)) <= 4, SECONDS, "it to be dropped")
    got = rest(deaf)
    assert 1 < len(got) < count
    # What he has missed is in the folder.
    assert deaf.last == got[-1]["seq"]
    assert [each["seq"] for each in got] == list(range(1, deaf.last + 1))
    assert waiting.events(deaf.last)[0]["seq"] == deaf.last + 1
    assert memory(waiting) < 15 * 1024
    deaf.close()
    other.close()


def test_who_is_slow_gets_all_that_was_there(waiting) -> None:
    """More than fits into the socket, and than may come while somebody does not read."""
    for _ in range(3 * BEHIND_BYTES // len(LONG)):
        waiting.event("step", LONG)
    with waiting.watch() as watch:
        wanted = waiting.events()
        wait_until(lambda: is_readable(watch), SECONDS, "the first")
        waiting.ping()
        assert came(watch, len(wanted)) == wanted
    assert memory(waiting) < 15 * 1024


def test_who_is_behind_and_reads_is_not_dropped(waiting) -> None:
    with control.connect(waiting.path, {"watch": 0}, SECONDS) as connection:
        connection.setblocking(True)
        steps, taken = BEHIND_BYTES // len(LONG), b""
        for number in range(4 * steps):
            waiting.event("step", LONG)
            if number > steps:
                taken += connection.recv(len(LONG))
        waiting.signal("kill")
        while piece := connection.recv(1 << 16):
            taken += piece
    assert [json.loads(line) for line in taken.splitlines()] == waiting.events()


def test_who_does_not_read_does_not_keep_the_end_from_being_written(waiting) -> None:
    with waiting.watch() as deaf:
        # More than fits into the socket, and too little to be dropped for.
        for _ in range(BEHIND_BYTES * 3 // 2 // len(LONG)):
            waiting.event("step", LONG)
        supervisor = holder(waiting)
        waiting.signal("kill")
        ended(waiting, 10)
        assert processes.wait_gone([supervisor], SECONDS)
        got = rest(deaf)
        assert got
        assert [*got, *waiting.events(deaf.last)] == waiting.events()


def test_a_watcher_may_leave_at_any_time(waiting) -> None:
    before = len(sockets(waiting))
    for _ in range(3 * WATCHERS):
        waiting.watch().close()
    wait_until(lambda: len(sockets(waiting)) == before, SECONDS, "all to be gone")
    waiting.event("step")
    assert names(waiting) == ["start", "step"]


def test_a_watcher_has_nothing_more_to_say(waiting) -> None:
    connection = control.connect(waiting.path, {"watch": 0}, SECONDS)
    connection.send(b'{"signal": "kill"}\n')
    with Watch(connection, 0) as watch:
        rest(watch)
    waiting.ping()
    assert names(waiting) == ["start"]


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"watch": -1}, "the number of an event"),
        ({"watch": True}, "the number of an event"),
        ({"watch": "1"}, "the number of an event"),
        ({"watch": 1.0}, "the number of an event"),
        ({"watch": 1 << 60}, "the number of an event"),
        ({"watch": 1, "key": "k"}, "no member 'key'"),
    ],
)
def test_what_is_wrong_with_a_request_is_said(waiting, request_, said) -> None:
    with pytest.raises(RequestRefused, match=said):
        control.connect(waiting.path, request_, SECONDS)


def test_the_job_may_not_watch(runs) -> None:
    program = """
import os, socket
os.chdir(os.path.dirname(os.environ["JEXEVENTS_CONTROL"]))
door = socket.socket(socket.AF_UNIX)
door.connect("door")
door.sendall(b'{"watch": 0}\\n')
print(door.makefile().readline())
"""
    run = runs.python(program)
    ended(run)
    assert json.loads((run.path / "stdout").read_text())["fault"] == "invalid"


def test_nobody_to_watch_is_said(runs) -> None:
    run, _ = runs.run("true")
    assert processes.wait_gone([holder(run)], SECONDS)
    with pytest.raises(SupervisorAway, match="does not answer"):
        run.watch()


def test_a_killed_supervisor_is_noticed(waiting) -> None:
    with waiting.watch() as watch:
        assert came(watch, 1)
        os.kill(holder(waiting).pid, signal.SIGKILL)
        assert rest(watch) == []
        standing(waiting, Held.LOST)


def test_events_that_only_the_last_state_has_come_at_the_end(tmp_path) -> None:
    try:
        with small_disk(tmp_path / "disk", "512k") as folder:
            runs = Runs(folder / "runs")
            run = runs.begin(WAITS)
            heard(run, b"up")
            with run.watch(after=1) as watch, (folder / "filler").open("wb", buffering=0) as file:
                fill(file)
                # As much as is left of the last block of the file of events.
                with suppress(StorageFull):
                    while True:
                        run.event("step", "x" * 100)
                assert run.signal("kill", LONG) is None
                seen = rest(watch)
            assert [event["name"] for event in run.state()["unwritten"]] == ["fail"]
            assert seen == run.events(after=1)
            assert seen[-1]["name"] == "fail"
            runs.close()
    except OSError as error:
        missing("a small disk", error)


def fill(file: Any) -> None:
    """Take all the room that there is."""
    for size in (65536, 4096, 1):
        try:
            while file.write(b"x" * size):
                pass
        except OSError:
            pass


def is_readable(watch: Watch) -> bool:
    with selectors.DefaultSelector() as selector:
        selector.register(watch, selectors.EVENT_READ)
        return bool(selector.select(0))


def sockets(run: RunFolder) -> list[str]:
    """List the sockets that a supervisor has open."""
    folder = Path(f"/proc/{holder(run).pid}/fd")
    links = [os.readlink(each) for each in folder.iterdir()]
    return [link for link in links if link.startswith("socket:")]


def memory(run: RunFolder) -> int:
    """Give the most that a supervisor has had, in kB."""
    status = Path(f"/proc/{holder(run).pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])
