"""An execution outlives the daemon, and what the daemon needs (facts/runner-troubles)."""

from __future__ import annotations

import fcntl
import json
import signal
import time
from datetime import datetime
from pathlib import Path

import pytest

from jexevents import processes
from jexevents.processes import ProcessId
from jexevents.runner.folder import Held
from tests.acceptance.jobs import SECONDS, WAITS_FOR, Jobs, holder_in
from tests.support import wait_until

FILES = {
    "waits.yml": "command: echo begun; while ! test -e {{ file }}; do sleep 0.02; done; "
    "echo ended; exit {{ code }}\n"
    "vars: [{name: file}, {name: code, type: int, default: 0}]\n",
    "one_at_a_time.yml": WAITS_FOR + "concurrency: forbid\n",
    "in_a_row.yml": WAITS_FOR + "concurrency: queue\n",
    "newest.yml": WAITS_FOR + "concurrency: replace\n",
    "deaf.yml": "command: trap '' TERM; touch {{ file }}; while :; do sleep 0.1; done\n"
    "vars: [{name: file}]\nconcurrency: replace\n",
    "again.yml": "command: echo try $JEXEVENTS_ATTEMPT; test $JEXEVENTS_ATTEMPT = 3\n"
    "retries: {count: 2, backoff: 0.1}\n",
    "lost_again.yml": WAITS_FOR + "retries: {count: 1, backoff: 0, on: [lost]}\n",
    "short.yml": "command: echo done\n",
}


@pytest.fixture
def place(jobs) -> Jobs:
    return jobs(FILES)


def supervisor_of(place: Jobs, execution: dict, attempt: int = 1) -> ProcessId:
    return holder_in(place.place(execution, attempt).state())


def begun(place: Jobs, name: str, flag: Path, **values: object) -> dict:
    execution = place.run(name, file=str(flag), **values)
    place.wait_state(execution, "RUNNING")
    return execution


def note_as_begun(place: Jobs, waiting: dict) -> None:
    """Have it as if the daemon was gone between the note of a begin and the start."""
    place.rows(
        "update jex.execution_queue set node = 'one', claim = 1, begun_at = now(),"
        " lease_until = now() + interval '60 s'"
    )
    place.place(waiting).path.mkdir(parents=True)
    place.rows(
        "insert into jex.execution_attempts (job_id, attempt, node, boot)"
        f" values ('{waiting['uuid']}', 1, 'one', '{processes.boot()}')"
    )


def test_a_killed_daemon_takes_up_what_runs(place, tmp_path):
    flag = tmp_path / "flag"
    going = begun(place, "waits", flag, code=7)
    supervisor = supervisor_of(place, going)
    place.kill()
    assert processes.alive(supervisor)
    place.start_again()
    assert place.at(going)["state"] == "RUNNING"
    flag.touch()
    done = place.wait_over(going)
    assert (done["state"], done["exit_code"], done["attempt"]) == ("FAILED", 7, 1)
    assert place.written(done) == b"begun\nended\n"
    assert [event["event"] for event in done["events"]] == [
        "requested", "claimed", "start", "fail",
    ]  # fmt: skip


def test_what_ended_meanwhile_has_its_true_end(place, tmp_path):
    flag = tmp_path / "flag"
    going = begun(place, "waits", flag, code=9)
    place.kill()
    flag.touch()
    wait_until(
        lambda: place.place(going).standing().held is Held.ENDED, SECONDS, "its end in its folder"
    )
    place.start_again()
    done = place.wait_over(going)
    assert (done["state"], done["exit_code"]) == ("FAILED", 9)
    assert place.written(done) == b"begun\nended\n"


def test_stopped_gracefully_the_job_runs_on(place, tmp_path):
    flag = tmp_path / "flag"
    going = begun(place, "waits", flag)
    assert place.daemon.stop() == 0
    assert processes.alive(supervisor_of(place, going))
    place.start_again()
    flag.touch()
    assert place.wait_over(going)["state"] == "COMPLETE"


def test_a_killed_supervisor_is_lost_with_all_that_it_held(place, tmp_path):
    going = begun(place, "waits", tmp_path / "never")
    processes.signal_all([supervisor_of(place, going)], signal.SIGKILL)
    done = place.wait_over(going)
    assert (done["state"], done["phase"]) == ("LOST", "ERROR")
    assert "killed" in done["reason"]
    wait_until(lambda: not place.processes(), SECONDS, "its processes to be gone")


def test_a_reboot_is_told_by_the_boot_not_by_the_pid(place, tmp_path):
    """As after a restart of the machine: the pid lives, and is another process's."""
    going = begun(place, "waits", tmp_path / "never")
    place.kill()
    folder = place.place(going)
    processes.end([supervisor_of(place, going), *place.processes()])
    state = folder.state()
    state["boot"] = "00000000-0000-0000-0000-000000000000"
    state["supervisor"]["pid"] = state["job"]["pid"] = 1
    (folder.path / "state.json").write_text(json.dumps(state))
    place.start_again()
    done = place.wait_over(going)
    assert done["state"] == "LOST"
    assert "restarted" in done["reason"]


def test_a_folder_that_is_gone_is_lost(place, tmp_path):
    going = begun(place, "waits", tmp_path / "never")
    place.kill()
    processes.end(place.processes())
    place.place(going).remove()
    place.start_again()
    done = place.wait_over(going)
    assert (done["state"], "gone" in done["reason"]) == ("LOST", True)


def test_begun_and_not_started_is_started_once(place, tmp_path):
    """The daemon was killed between the note of a begin and the start of the supervisor."""
    flag = tmp_path / "flag"
    flag.touch()
    place.daemon.stop()
    place.start_again(WorkerSlots=0)
    waiting = place.run("waits", file=str(flag))
    place.kill()
    place.rows(
        "update jex.execution_queue set node = 'one', claim = 1, begun_at = now(),"
        " lease_until = now() + interval '60 s'"
    )
    place.rows(
        "insert into jex.execution_attempts (job_id, attempt, node, boot)"
        f" values ('{waiting['uuid']}', 1, 'one', '{processes.boot()}')"
    )
    place.place(waiting).path.mkdir(parents=True)
    place.start_again()
    done = place.wait_over(waiting)
    assert (done["state"], done["attempt"]) == ("COMPLETE", 1)
    assert place.written(done) == b"begun\nended\n"


def test_claimed_and_not_begun_is_free_again(place, tmp_path):
    flag = tmp_path / "flag"
    flag.touch()
    place.daemon.stop()
    place.start_again(WorkerSlots=0)
    waiting = place.run("waits", file=str(flag))
    place.kill()
    place.rows(
        "update jex.execution_queue set node = 'one', claim = 1,"
        " lease_until = now() + interval '1 hour'"
    )
    place.start_again()
    assert place.wait_over(waiting)["state"] == "COMPLETE"


def test_forbid_lets_the_next_run_after_a_crash(place, tmp_path):
    going = begun(place, "one-at-a-time", tmp_path / "never")
    refused = place.ask("POST", "/jobs/one-at-a-time", {"file": "/"})
    assert refused.status == 409
    assert str(going["id"]) in refused.json()["detail"]
    place.kill()
    # The supervisor first: one that lives on writes down how its job ended.
    processes.end([supervisor_of(place, going), *place.processes()])
    place.start_again()
    assert place.wait_over(going)["state"] == "LOST"
    assert place.run("one-at-a-time", wait=SECONDS, file="/")["state"] == "COMPLETE"


def test_queue_runs_one_after_the_other(place, tmp_path):
    flags = [tmp_path / name for name in "abc"]
    first, second, third = (place.run("in-a-row", file=str(flag)) for flag in flags)
    place.wait_state(first, "RUNNING")
    for flag in (flags[2], flags[1]):
        flag.touch()
    assert [place.at(one)["state"] for one in (second, third)] == ["QUEUED", "QUEUED"]
    flags[0].touch()
    ends = [place.wait_over(one) for one in (first, second, third)]
    assert [one["state"] for one in ends] == ["COMPLETE"] * 3
    assert ends[0]["finished_at"] <= ends[1]["started_at"]
    assert ends[1]["finished_at"] <= ends[2]["started_at"]


def test_replace_ends_what_goes_on(place, tmp_path):
    first = begun(place, "newest", tmp_path / "never")
    second = place.run("newest", wait=SECONDS, file="/")
    assert second["state"] == "COMPLETE"
    done = place.at(first)
    assert (done["state"], done["phase"]) == ("KILLED", "CANCELLED")
    assert done["finished_at"] <= second["started_at"]


def test_replace_waits_for_no_look(place, tmp_path):
    going = begun(place, "newest", tmp_path / "never")
    begin = time.monotonic()
    for _ in range(4):
        before, going = going, begun(place, "newest", tmp_path / "never")
        assert place.at(before)["state"] == "KILLED"
    assert time.monotonic() - begin < 8, "a look is every 5 s"


def test_what_is_replaced_and_does_not_heed_it_is_killed_in_time(place, tmp_path):
    flag = tmp_path / "deaf"
    first = place.run("deaf", file=str(flag))
    wait_until(flag.exists, SECONDS, "the job to be deaf")
    begin = time.monotonic()
    place.wait_state(place.run("deaf", file="/"), "RUNNING")
    assert 9.5 < time.monotonic() - begin < 12
    assert place.at(first)["exit_signal"] == signal.SIGKILL


def test_what_is_ordered_while_it_starts_is_done_at_once_when_it_has(place, tmp_path):
    """Begun in an earlier life, it waits for its checkout."""
    place.daemon.stop()
    (lock,) = (Path(place.options["JobsDir"]) / "repositories").glob("*/checkouts.lock")
    place.start_again(WorkerSlots=0)
    waiting = place.run("waits", file=str(tmp_path / "never"))
    with lock.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        note_as_begun(place, waiting)
        wait_until(lambda: "execution_taken_up" in place.daemon.text, SECONDS, "the start")
        assert place.put(waiting, "kill").status == 202
    done = place.wait_over(waiting)
    assert done["state"] == "KILLED"
    started, finished = (
        datetime.fromisoformat(done[name].replace("Z", "+00:00"))
        for name in ("started_at", "finished_at")
    )
    assert (finished - started).total_seconds() < 1


def test_tried_again_until_it_succeeds(place):
    done = place.run("again", wait=SECONDS)
    assert (done["state"], done["attempt"]) == ("COMPLETE", 3)
    assert [one["attempt"] for one in done["attempts"]] == [1, 2, 3]
    assert [event["event"] for event in done["events"]].count("retried") == 2
    for attempt in (1, 2, 3):
        output = place.place(done, attempt).path / "stdout"
        assert output.read_text() == f"try {attempt}\n"


def wait_for_look(place):
    """Wait until the worker has looked at all that it has once more."""
    (before,) = place.rows("select judged_at from jex.runner_state")
    wait_until(
        lambda: place.rows("select judged_at from jex.runner_state") != [before],
        SECONDS,
        "the worker to look",
    )


def test_a_late_report_of_what_was_given_up_changes_nothing(place, tmp_path):
    flag = tmp_path / "flag"
    going = begun(place, "waits", flag)
    place.kill()
    place.start_again(NodeName="two", JobsDir=str(tmp_path / "other"))
    order = {"event": "kill", "give_up": True, "cause": "the node is gone"}
    path = f"/jobs/waits/{going['id']}"
    assert place.ask("PUT", path, order).status == 403
    answer = place.daemon.ask("PUT", path, order, token=place.admin)
    assert answer.status == 200, answer.body
    assert answer.json()["state"] == "LOST"
    assert place.at(going)["reason"] == "the node is gone"
    place.daemon.stop()
    supervisor = supervisor_of(place, going)
    # It hangs for some looks, and is told of once.
    processes.signal_all([supervisor], signal.SIGSTOP)
    place.start_again(NodeName="one")
    for _ in range(2):
        wait_for_look(place)
    assert place.daemon.text.count("given_up_is_ended") == 1
    processes.signal_all([supervisor], signal.SIGCONT)
    wait_until(lambda: not processes.alive(supervisor), SECONDS, "what was given up to be ended")
    wait_until(
        lambda: [event["event"] for event in place.at(going)["events"]][-1] == "fail",
        SECONDS,
        "the late report",
    )
    done = place.at(going)
    assert (done["state"], done["reason"], done["attempt"]) == ("LOST", "the node is gone", 1)
    assert done["attempts"][0]["settled_at"]


def test_postgresql_away_the_job_runs_on(jobs, tmp_path):
    """The daemon cannot reach its database while the job begins to end; it reports later."""
    from tests.faults.servers import Postgres  # its own server, which is stopped here

    server = Postgres(tmp_path / "pg")
    try:
        flag = tmp_path / "flag"
        place = jobs(FILES, DBURI=server.create())
        going = begun(place, "waits", flag, code=5)
        server.stop()
        flag.touch()
        wait_until(lambda: place.place(going).standing().held is Held.ENDED, SECONDS, "its end")
        assert place.get("/jobs").status == 503
        server.start()
        wait_until(lambda: place.get("/jobs").status == 200, SECONDS, "the database")
        done = place.wait_over(going)
        assert (done["state"], done["exit_code"]) == ("FAILED", 5)
        assert place.run("short", wait=SECONDS)["state"] == "COMPLETE"
        place.daemon.stop()
    finally:
        server.mend()
        server.stop()


def test_the_job_speaks_while_the_daemon_is_away(jobs, tmp_path):
    flag = tmp_path / "flag"
    waits = f"while ! test -e {flag}; do sleep 0.02; done"
    place = jobs({"speaks.yml": f"command: {waits}; event spoken 'to nobody' && echo heard\n"})
    going = place.run("speaks")
    place.wait_state(going, "RUNNING")
    place.kill()
    flag.touch()
    wait_until(
        lambda: place.place(going).standing().held is Held.ENDED, SECONDS, "its end in its folder"
    )
    place.start_again()
    done = place.wait_over(going)
    assert place.written(done) == b"heard\n"
    assert place.get(f"/jobs/speaks/{going['id']}/spoken").json()["cause"] == "to nobody"


def test_without_a_repository_what_runs_is_looked_after(place, tmp_path):
    flag = tmp_path / "flag"
    going, other = (begun(place, "waits", one, code=6) for one in (flag, tmp_path / "never"))
    waiting = place.run("waits", file="/", code=0)
    place.kill()
    options = {name: value for name, value in place.options.items() if name != "JobsRepository"}
    place.daemon = place._start(**options).wait_ready()
    assert place.get("/jobs").status == 503
    flag.touch()
    done = place.wait_over(going)
    assert (done["state"], done["exit_code"]) == ("FAILED", 6)
    assert place.put(other, "kill").status in (200, 202)
    assert place.wait_over(other)["state"] == "KILLED"
    assert place.at(waiting)["state"] == "QUEUED"
    assert place.daemon.stop() == 0


def test_what_waits_for_others_does_not_hold_up_what_is_due_soon(place, tmp_path):
    begun(place, "in-a-row", tmp_path / "never")
    waiting = place.run("in-a-row", file="/")
    done = place.run("again", wait=SECONDS)
    assert (done["state"], done["attempt"]) == ("COMPLETE", 3)
    ((seconds,),) = place.rows(
        "select extract(epoch from finished_at - submitted_at)::float8 from jex.jobs"
        f" where id = '{done['uuid']}'"
    )
    assert seconds < 4
    assert place.at(waiting)["state"] == "QUEUED"
