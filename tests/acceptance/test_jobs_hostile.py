"""Jobs, disks and moments that would harm who runs them."""

from __future__ import annotations

import fcntl
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from jexevents import processes
from tests.acceptance.jobs import SECONDS, WAITS_FOR, Jobs
from tests.acceptance.test_jobs_survive import begun, note_as_begun, supervisor_of
from tests.support import wait_until

NUL = r"""#!/bin/sh
exec "$JEXEVENTS_PYTHON" -c '
import json, os, socket
with socket.socket(socket.AF_UNIX) as supervisor:
    folder, name = os.path.split(os.environ["JEXEVENTS_CONTROL"])
    os.chdir(folder)
    supervisor.connect(name)
    supervisor.sendall(json.dumps({"event": "told", "cause": "a\0b"}).encode() + b"\n")
    print(supervisor.recv(1000))
'
"""
FILES = {
    "waits.yml": WAITS_FOR,
    "latin.yml": "command: event told \"$(printf 'caf\\351')\"\n",
    "nul.yml": "script: nul\n",
    "scripts/nul": NUL,
    "short.yml": "command: echo done\n",
    "lost_again.yml": WAITS_FOR + "retries: {count: 1, backoff: 0, on: [lost]}\n",
    "closed.yml": "command: mkdir -p a/b && touch a/b/c && chmod 500 a/b\n",
}


@pytest.fixture
def place(jobs) -> Jobs:
    return jobs(FILES)


@pytest.mark.parametrize(("job", "heard"), [("latin", "caf\ufffd"), ("nul", "a\ufffdb")])
def test_a_job_says_what_no_text_can_hold(place, job, heard):
    done = place.run(job, wait=SECONDS)
    assert done["state"] == "COMPLETE", place.daemon.text[-3000:]
    (told,) = [event for event in done["events"] if event["event"] == "told"]
    assert told["cause"] == heard
    assert place.run("short", wait=SECONDS)["state"] == "COMPLETE"


@pytest.mark.parametrize("content", [b"", b"\0" * 400, b"[]", b'{"phase": "run'])
def test_a_state_that_cannot_be_read_is_lost(place, tmp_path, content):
    """As a loss of power leaves it."""
    going = begun(place, "waits", tmp_path / "never")
    place.kill()
    folder = place.place(going)
    processes.end([supervisor_of(place, going), *place.processes()])
    (folder.path / "state.json").write_bytes(content)
    place.start_again()
    done = place.wait_over(going)
    assert (done["state"], "cannot be read" in done["reason"]) == ("LOST", True)


def test_what_runs_in_a_folder_that_is_gone_is_ended(place, tmp_path):
    going = begun(place, "waits", tmp_path / "never")
    place.kill()
    job, supervisor = place.place(going).state()["job"], supervisor_of(place, going)
    place.place(going).remove()
    place.start_again()
    assert place.wait_over(going)["state"] == "LOST"
    wait_until(lambda: not os.path.exists(f"/proc/{job['pid']}"), SECONDS, "the job to be ended")
    wait_until(lambda: not processes.alive(supervisor), SECONDS, "the end of its supervisor")


def test_begun_and_forgotten_is_taken_up_without_a_restart(place, tmp_path):
    """PostgreSQL took the note of a begin, and was gone before it said so."""
    place.daemon.stop()
    place.start_again(WorkerSlots=0)
    waiting = place.run("short")
    note_as_begun(place, waiting)
    done = place.wait_over(waiting)
    assert (done["state"], done["attempt"]) == ("COMPLETE", 1)


def test_who_was_to_be_killed_is_not_tried_again(place, tmp_path):
    """Its supervisor was gone before it could do so."""
    going = begun(place, "lost-again", tmp_path / "never")
    supervisor = supervisor_of(place, going)
    processes.signal_all([supervisor], signal.SIGSTOP)
    assert place.put(going, "kill").status == 202
    processes.signal_all([supervisor], signal.SIGKILL)
    done = place.wait_over(going)
    assert (done["state"], done["attempt"]) == ("LOST", 1)


def test_a_supervisor_that_hangs_holds_up_no_other(place, tmp_path):
    going = begun(place, "waits", tmp_path / "never")
    supervisor = supervisor_of(place, going)
    place.kill()
    processes.signal_all([supervisor], signal.SIGSTOP)
    place.start_again()
    begin = time.monotonic()
    for _ in range(3):
        assert place.run("short", wait=19)["state"] == "COMPLETE"
    assert time.monotonic() - begin < 10
    processes.signal_all([supervisor], signal.SIGCONT)
    assert place.put(going, "kill").status in (200, 202)
    assert place.wait_over(going)["state"] == "KILLED"


def test_a_wrong_wait_makes_nothing(place):
    for wait in ("soon", "-1", "301", "0000000000301"):
        assert place.ask("POST", f"/jobs/short?wait={wait}").status == 400
    done = place.run("short", wait=SECONDS)
    for wait in ("soon", "0000000000301"):
        path = f"/jobs/short/{done['id']}?wait={wait}"
        assert place.ask("POST", path).status == 400
        assert place.get(path).status == 400
    assert place.rows("select count(*) from jex.executions") == [(1,)]


def test_a_folder_of_jobs_is_one_nodes(place, tmp_path):
    begun(place, "waits", tmp_path / "never")
    other = place._start(**{**place.options, "NodeName": "two"})
    assert other.wait() == 78
    assert "JobsDir of its own" in other.text
    place.kill()
    other = place._start(**{**place.options, "NodeName": "two"})
    assert other.wait() == 78
    assert "'one'" in other.text
    assert "NodeName" in other.text
    place.start_again()
    assert place.run("short", wait=SECONDS)["state"] == "COMPLETE"


def test_it_stops_in_time_while_starts_hang(jobs, tmp_path):
    """Whatever a start waits for, here for the lock of the checkouts."""

    place = jobs(FILES, WorkerSlots=8)
    (lock,) = (tmp_path / "place0" / "jobs" / "repositories").glob("*/checkouts.lock")
    with lock.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        going = [place.run("short") for _ in range(8)]
        wait_until(
            lambda: (
                place.rows("select count(*) from jex.execution_queue where node = 'one'") == [(8,)]
            ),
            SECONDS,
            "the claims",
        )
        begin = time.monotonic()
        assert place.daemon.stop() == 0
        assert time.monotonic() - begin < 9
    place.start_again()
    for one in going:
        assert place.wait_over(one)["state"] == "COMPLETE"


def test_it_stops_in_time_while_who_forks_supervisors_is_stopped(jobs):
    place = jobs(FILES, WorkerSlots=8)
    assert place.run("short", wait=SECONDS)["state"] == "COMPLETE"
    (forking,) = processes.select(
        lambda pid: (
            processes.command_line(pid).endswith("/supervisor/main.py -")
            and parent_of(pid) == place.daemon._process.pid
        )
    )
    processes.signal_all([forking], signal.SIGSTOP)
    going = [place.run("short") for _ in range(8)]
    wait_until(
        lambda: place.rows("select count(*) from jex.execution_attempts") == [(9,)],
        SECONDS,
        "the begins",
    )
    begin = time.monotonic()
    assert place.daemon.stop() == 0
    assert time.monotonic() - begin < 9
    assert not processes.alive(forking)
    place.start_again()
    for one in going:
        assert place.wait_over(one)["state"] == "COMPLETE"
        assert place.written(one) == b"done\n"


def parent_of(pid: int) -> int:
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def test_it_is_measured(place, tmp_path):
    daemon = place.daemon

    def shown(name: str, **labels: str) -> float | None:
        return daemon.metric(name, place.token, **labels)

    going = [begun(place, "waits", tmp_path / "never") for _ in range(2)]
    waiting = place.run("waits", file="/")
    wait_until(lambda: shown("executions_waiting") == 1, SECONDS, "one that waits")
    assert shown("execution_slots") == shown("executions_running") == 2
    wait_until(lambda: shown("executions_held") == 2, SECONDS, "two that run")
    assert shown("repository_fault") == 0
    assert time.time() - shown("repository_fetched_timestamp_seconds") < SECONDS
    wait_until(
        lambda: time.time() - shown("schedule_looked_timestamp_seconds") < SECONDS,
        SECONDS,
        "a look at what is due",
    )
    assert place.put(waiting, "kill").status == 200
    assert place.put(going[0], "kill").status == 200
    processes.signal_all([supervisor_of(place, going[1])], signal.SIGKILL)
    for one in (*going, waiting):
        place.wait_over(one)
    assert place.run("short", wait=SECONDS)["state"] == "COMPLETE"
    ends = dict.fromkeys(("cancelled", "killed", "lost", "complete"), 1)
    wait_until(
        lambda: {end: shown("execution_ends_total", end=end) for end in ends} == ends,
        SECONDS,
        f"{ends}; there are {[shown('execution_ends_total', end=end) for end in ends]}",
    )
    place.origin.commit(waits__yml="command: [")
    place.refresh()
    assert shown("repository_fault") == 1


def test_a_start_that_outlasts_its_claim_harms_not_the_next(jobs, tmp_path):
    """Its node claims the same anew, while it waits for a checkout."""
    place = jobs(FILES, WorkerSlots=12)
    (lock,) = (tmp_path / "place0" / "jobs" / "repositories").glob("*/checkouts.lock")
    with lock.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        going = [place.run("short") for _ in range(4)]
        claims = "select count(*) from jex.events where name = 'claimed'"
        wait_until(lambda: place.rows(claims) == [(4,)], SECONDS, "the claims")
        place.rows("update jex.execution_queue set node = null, lease_until = null")
        place.run("short")  # so that it looks
        wait_until(lambda: place.rows(claims)[0][0] >= 8, SECONDS, "the claims again")
    for one in going:
        done = place.wait_over(one)
        assert (done["state"], done["attempt"]) == ("COMPLETE", 1)
        assert place.written(done) == b"done\n"
