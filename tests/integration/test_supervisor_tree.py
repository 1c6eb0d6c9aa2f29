"""The processes of a job are one thing, whatever they do: signals, time-outs, and what is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jexevents import processes
from jexevents.runner.supervisor import cgroups
from tests.runs import STORM, WAYS, Runs, ended, first, heard, marked, names, written
from tests.support import ROOT, wait_until


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return request.param


def states(run) -> set[str]:
    """Give the states that /proc shows of the job's processes; one may be gone meanwhile."""
    found = set()
    for process in marked(run):
        try:
            stat = Path(f"/proc/{process.pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        found.add(stat.rpartition(")")[2].split()[0])
    return found


def test_which_way_is_taken(runs, way) -> None:
    group = runs.run("true")[1]["cgroup"]
    if way == "walk":
        assert group is None
    else:
        made = cgroups.make("jexevents-test-probe")
        if made:
            os.close(made[1])
            made[0].remove()
        assert bool(group) == bool(made)
        assert group is None or not Path(group).exists(), "the group is removed at the end"


HIDERS = """
(setsid sh -c 'echo one; exec sleep 1000') &
(setsid sh -c '(setsid sleep 1000 &) ; echo two' &)
python3 -c '
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.chdir("/"); os.umask(0)
        print("three", flush=True)
        time.sleep(1000)
    os._exit(0)
os.wait()' &
echo zero
wait
sleep 1000
"""


@pytest.mark.parametrize(
    ("name", "reason", "number"),
    [("terminate", "terminated", signal.SIGTERM), ("kill", "killed", signal.SIGKILL)],
)
def test_signals_end_all_that_hides(runs, name, reason, number) -> None:
    run = runs.begin(HIDERS)
    for word in (b"zero", b"one", b"two", b"three"):
        heard(run, word)
    assert len(marked(run)) >= 4
    run.signal(name, "enough")
    state = ended(run, 20)
    assert (state["reason"], state["signal"]) == (reason, number)
    assert not marked(run)
    assert names(run) == ["start", name, "fail"]


def test_stop_and_continue_reach_all_and_time_stands_still(runs) -> None:
    run = runs.begin(HIDERS, timeout_seconds=3600)
    for word in (b"zero", b"one", b"two", b"three"):
        heard(run, word)
    run.signal("stop")
    wait_until(lambda: states(run) == {"T"}, 10, "all to be stopped")
    assert run.state()["phase"] == "stopped"
    run.signal("stop")
    run.signal("continue")
    wait_until(lambda: "T" not in states(run), 10, "all to go on")
    assert run.state()["phase"] == "running"
    run.signal("stop")
    run.signal("terminate")
    assert ended(run, 20)["reason"] == "terminated", "a stopped tree hears of it"
    assert names(run) == ["start", "stop", "stop", "continue", "stop", "terminate", "fail"]


def test_time_that_is_stopped_does_not_count(runs) -> None:
    run = runs.begin("echo up; exec sleep 1000", timeout_seconds=1.5, grace_seconds=5)
    heard(run, b"up")
    run.signal("stop")
    stopped = run.live_state()
    # Longer than the whole limit, by the clock of another process.
    other = runs.begin("exec sleep 1000", timeout_seconds=2)
    assert ended(other)["reason"] == "time-out"
    assert run.live_state()["phase"] == stopped["phase"] == "stopped"
    run.signal("continue")
    state = ended(run)
    assert state["reason"] == "time-out"
    assert 1.5 <= state["run_seconds"] < 3.4, state
    assert state["exited"] - state["begun"] > 2_000_000
    assert names(run) == ["start", "stop", "continue", "time-out"]


def test_time_out_terminates_then_kills(runs) -> None:
    run = runs.begin(
        "trap 'echo no' TERM; echo up; while :; do sleep 1000 & wait; done",
        timeout_seconds=0.5,
        grace_seconds=0.7,
    )
    state = ended(run, 20)
    assert (state["reason"], state["signal"]) == ("time-out", signal.SIGKILL)
    assert written(run) == b"up\nno\n"
    took = (state["exited"] - state["begun"]) / 1e6
    assert 1.2 <= took < 3, took
    assert run.events()[-1]["name"] == "time-out"
    assert "0.5 s" in state["cause"]
    assert not marked(run)


def test_a_time_out_that_is_heeded_is_one_whatever_the_exit_code(runs) -> None:
    run = runs.begin("trap 'exit 0' TERM; sleep 1000 & wait", timeout_seconds=0.3, grace_seconds=60)
    state = ended(run, 20)
    assert (state["reason"], state["exit_code"]) == ("time-out", 0)


def test_answers_to_terminate_are_not_terminated(runs) -> None:
    """What a job starts in answer, to clean up, is let run."""
    run = runs.begin(
        "trap 'sh -c \"trap : TERM; sleep 0.3; echo clean\"; exit 0' TERM; echo up; "
        "sleep 1000 & wait"
    )
    heard(run, b"up")
    run.signal("terminate")
    state = ended(run, 20)
    assert (state["reason"], state["exit_code"]) == ("terminated", 0)
    assert written(run) == b"up\nclean\n"


@pytest.fixture(params=[0, 8], ids=["idle machine", "busy machine"])
def load(request: pytest.FixtureRequest) -> Iterator[None]:
    """Have other processes compute beside the job, each with a share of its own."""
    loop = [sys.executable, "-c", "while True: pass"]
    loops = [subprocess.Popen(loop, start_new_session=True) for _ in range(request.param)]
    yield
    for process in loops:
        process.kill()
        process.wait()


@pytest.mark.usefixtures("load")
def test_a_storm_can_be_stopped(runs) -> None:
    run = runs.python(STORM, "50", "0.02")
    heard(run, b"storm")
    run.signal("stop")
    # Nobody forks any more when that is answered, be it that the last have yet to stand still.
    found = {process.pid for process in marked(run)}
    wait_until(lambda: states(run) == {"T"}, 30, "all to be stopped")
    assert {process.pid for process in marked(run)} == found
    assert len(found) > 50
    run.signal("kill")
    ended(run, 30)


def test_what_the_first_process_leaves_is_ended(runs) -> None:
    run = runs.begin("setsid sleep 1000 & setsid sleep 1000 & echo over", grace_seconds=20)
    state = ended(run, 15)
    assert (state["reason"], state["exit_code"], state["left_behind"]) == ("exit", 0, 2)
    assert not marked(run)
    assert names(run) == ["start", "complete"]


def test_what_is_left_and_ignores_term_is_killed(runs) -> None:
    run = runs.begin(
        "(trap '' TERM; setsid sleep 1000 & echo deaf; wait) & sleep 0.2; echo over",
        grace_seconds=0.5,
    )
    state = ended(run, 15)
    assert state["exit_code"] == 0
    assert state["left_behind"] >= 1
    assert not marked(run)


def test_what_is_left_may_finish_its_words(runs) -> None:
    """As the filter behind a pipe of bash, for which nobody waits."""
    run = runs.begin("(read line < ready; echo late) & exit 4", cwd=fifo(runs))
    with told(runs):
        state = ended(run)
    assert (state["exit_code"], state["left_behind"]) == (4, 0)
    assert written(run) == b"late\n"


def fifo(runs: Runs) -> str:
    runs.folder.mkdir(exist_ok=True)
    os.mkfifo(runs.folder / "ready")
    return str(runs.folder)


@contextmanager
def told(runs: Runs) -> Iterator[None]:
    """Write a line into the fifo, which does not wait for a reader, and leave it open."""
    descriptor = os.open(runs.folder / "ready", os.O_RDWR)
    try:
        os.write(descriptor, b"now\n")
        yield
    finally:
        os.close(descriptor)


def test_closed_outputs_end_nothing(runs) -> None:
    run = runs.begin("exec >&- 2>&-; read line < ready; exit 9", cwd=fifo(runs))
    run.ping()
    assert run.state()["phase"] == "running"
    with told(runs):
        assert ended(run)["exit_code"] == 9


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_held_pipe_does_not_hold_up_the_end(runs) -> None:
    """Somebody outside of the tree has the pipe open; the tree is gone, so it is over."""
    run = runs.begin("echo up; read line < ready", cwd=fifo(runs))
    heard(run, b"up")
    held = os.open(f"/proc/{first(run).pid}/fd/1", os.O_WRONLY)
    try:
        with told(runs):
            assert ended(run, 15)["reason"] == "exit"
    finally:
        os.close(held)


def test_a_supervisor_at_rest_takes_no_time(runs) -> None:
    from tests.runs import holder

    run = runs.begin("exec >&- 2>&-; echo x > up; exec sleep 1000", cwd=fifo(runs))
    wait_until((runs.folder / "up").exists, 10, "the job")
    run.ping()
    pid = holder(run).pid
    before = processor_seconds(pid)
    other = runs.begin("exec sleep 1000", timeout_seconds=1.5)
    assert ended(other)["reason"] == "time-out"
    assert processor_seconds(pid) - before < 0.1
    assert processes.alive(first(run))


FORKING = """
import os, sys
sys.path.append(sys.argv[1])
from jexevents.runner.supervisor import cgroups, start
if sys.argv[2] == "moved":
    def refuse(group):
        raise OSError("as on an older kernel, and in most containers")
    start.fork_into = refuse
group, procs = cgroups.make(f"jexevents-test-{os.getpid()}")
report, reporting = os.pipe()
pid, joining = start._fork(group, procs)
if pid == 0:
    start._join(joining, reporting)
    print(os.getpid() in group.pids(), joining == start._BORN_INSIDE, flush=True)
    os._exit(5)
print(os.waitpid(pid, 0)[1] >> 8, os.read(report, 10), group.v2, group.remove())
"""


@pytest.mark.parametrize("way", ["born", "moved"])
def test_a_process_is_in_its_group_from_the_beginning(way: str) -> None:
    made = cgroups.make("jexevents-test-probe")
    if not made:
        pytest.skip("this machine lets nobody make a group")
    os.close(made[1])
    made[0].remove()
    command = [sys.executable, "-I", "-S", "-c", FORKING, str(ROOT), way]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    inside, born, code, report, v2, removed = done.stdout.split()
    assert (inside, code, report, removed) == ("True", "5", "b'+'", "True")
    if way == "moved" or v2 == "False":
        assert born == "False"
    elif born == "False":
        pytest.skip("this kernel, or what holds it, does not let a process begin in a group")


@pytest.mark.parametrize("v2", [True, False], ids=["version 2", "version 1"])
def test_control_groups_of_either_version(v2: bool) -> None:
    folders = [folder for folder, is_v2 in cgroups._places() if is_v2 is v2]
    group = cgroups.Cgroup(f"{folders[0]}/jexevents-test-{os.getpid()}", v2=v2) if folders else None
    try:
        os.mkdir(group.path)
    except (OSError, AttributeError):
        pytest.skip("this machine lets nobody make a group of this version")
    child = subprocess.Popen(["sh", "-c", "echo up; while :; do :; done"], stdout=subprocess.PIPE)
    try:
        joining = group.opening()
        os.write(joining, str(child.pid).encode())
        os.close(joining)
        assert child.stdout.readline() == b"up\n"
        assert group.freeze()
        frozen_at = processor_seconds(child.pid)
        assert group.pids() == [child.pid]
        busy = subprocess.run(["seq", "1", "2000000"], stdout=subprocess.DEVNULL, check=True)
        assert (busy.returncode, processor_seconds(child.pid)) == (0, frozen_at)
        assert not group.remove(), "somebody is in it"
        group.thaw()
        wait_until(lambda: processor_seconds(child.pid) > frozen_at, 10, "it to go on")
    finally:
        group.thaw()
        child.kill()
        child.communicate()
        assert wait_until(group.remove, 5, "the group to be empty")
