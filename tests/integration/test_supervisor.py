"""One execution under its supervisor: status, events, surroundings, and how it is started."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from jexevents import processes
from jexevents.errors import ExecutionEnded, NotStarted, RequestRefused, SupervisorAway
from jexevents.lifecycle.command import REFUSED_NAMES
from jexevents.runner import launching
from jexevents.runner.folder import Held
from jexevents.runner.launching import Ready
from jexevents.runner.supervisor.asking import answerer
from jexevents.runner.supervisor.layout import EVENTS_OF_A_JOB
from tests.runs import Runs, ended, first, heard, holder, marked, names, standing, written
from tests.support import missing, wait_until


@pytest.mark.parametrize(
    ("command", "reason", "code", "number", "event"),
    [
        ("exit 0", "exit", 0, None, "complete"),
        ("exit 3", "exit", 3, None, "fail"),
        ("kill -SEGV $$", "signal", None, signal.SIGSEGV, "fail"),
        ("kill -KILL $$", "signal", None, signal.SIGKILL, "fail"),
    ],
)
def test_status_is_the_first_process_s(runs, command, reason, code, number, event) -> None:
    run, state = runs.run(command)
    assert (state["reason"], state["exit_code"], state["signal"]) == (reason, code, number)
    assert names(run) == ["start", event]
    assert [each["seq"] for each in run.events()] == [1, 2]
    assert all(each["auto"] for each in run.events())
    assert state["begun"] <= state["exited"] <= state["ended"]


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"argv": ["/nowhere/program"]}, "cannot run /nowhere/program: No such file"),
        ({"argv": ["no-such-program"]}, "cannot run no-such-program: it is not on the PATH"),
        ({"argv": ["/etc/passwd"]}, "cannot run /etc/passwd: Permission denied"),
        ({"argv": ["/"]}, "cannot run /: Permission denied"),
        ({"command": "true", "cwd": "/nowhere"}, "change to the folder /nowhere: No such file"),
        ({"command": "true", "user": "no-such-user"}, "there is no user no-such-user"),
        ({"argv": ["/bin/echo", "x" * 3_000_000]}, "cannot run /bin/echo: Argument list too long"),
    ],
)
def test_what_cannot_be_started_says_why(runs, members, words) -> None:
    run, state = runs.run(**members)
    assert (state["reason"], state["exit_code"]) == ("start failed", None)
    assert words in state["cause"]
    assert names(run) == ["fail"]
    assert "begun" not in state


def test_a_missing_interpreter_is_named_as_such(runs, tmp_path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/nowhere/python\n")
    script.chmod(0o755)
    _, state = runs.run(argv=[str(script)])
    assert "the interpreter that its first line names is not there" in state["cause"]


def test_a_script_without_first_line_is_the_shell_s(runs, tmp_path) -> None:
    script = tmp_path / "script"
    script.write_text('echo "given $1"\n')
    script.chmod(0o755)
    run, _ = runs.run(argv=["script", "it"], env={"PATH": f"{tmp_path}:/bin"})
    assert written(run) == b"given it\n"


def of_programs(signals: str | bytes) -> int:
    """Give a set of signals as /proc shows it, without 32 and 33: they belong to the C library,
    no program may set them, and who started the tests may have left one ignored."""
    return int(signals, 16) & ~(0b11 << 31)


def test_nothing_is_inherited(runs, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("OF_THE_DAEMON", "secret")
    open_file = os.open("/etc/passwd", os.O_RDONLY)
    os.set_inheritable(open_file, True)
    program = """
import os, signal
stat = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
print(sorted(os.environ))
print(sorted(int(fd) for fd in os.listdir("/proc/self/fd")), os.readlink("/proc/self/fd/0"))
print(stat["SigBlk"].strip(), stat["SigIgn"].strip(), os.getcwd(), stat["Umask"].strip())
print(os.getpid() == os.getsid(0) == os.getpgid(0))
"""
    run = runs.python(program, cwd=str(tmp_path), umask=0o027)
    ended(run)
    os.close(open_file)
    env, descriptors, rest, leads = written(run).decode().splitlines()
    own = {"JEXEVENTS_CONTROL", "JEXEVENTS_EXECUTION", "JEXEVENTS_PYTHON", "PATH"}
    assert set(eval(env)) - {"LC_CTYPE"} == own  # which Python sets for itself
    assert descriptors == "[0, 1, 2, 3] /dev/null"  # 3 is the listing
    # Python itself ignores SIGPIPE and SIGXFSZ.
    blocked, ignored, folder, umask = rest.split()
    assert (of_programs(blocked), of_programs(ignored)) == (0, 0x1001000)
    assert (folder, umask) == (str(tmp_path), "0027")
    assert leads == "True"


def test_sigpipe_ends_a_writer(runs) -> None:
    run, _ = runs.run("yes | head -n 1; exec 3>&1; grep SigIgn /proc/self/status")
    said, _, ignored = written(run).split()
    assert (said, of_programs(ignored)) == (b"y", 0)


def test_texts_that_are_not_utf8_arrive(runs) -> None:
    word = b"caf\xe9 \xff".decode("utf-8", "surrogateescape")
    run, _ = runs.run(
        argv=["/bin/sh", "-c", 'printf "%s|%s" "$1" "$V"', "sh", word], env={"V": word}
    )
    assert written(run) == b"caf\xe9 \xff|caf\xe9 \xff"


def test_another_user_runs_with_his_groups_and_can_send_events(runs) -> None:
    if os.geteuid() != 0:
        missing("root", "a job of another user is started by root alone")
    for above in runs.folder.parents:
        if above == Path(tempfile.gettempdir()):
            break
        above.chmod(0o711)
    runs.folder.mkdir(mode=0o711)
    nobody = pwd.getpwnam("nobody")
    program = """
import os, sys, json, socket
print(os.getresuid(), os.getresgid(), os.getgroups())
place = os.environ["JEXEVENTS_CONTROL"]
folder = os.path.dirname(place)
for name in ("spec.json", "state.json", "control", "stdout"):
    print(os.access(os.path.join(folder, name), os.R_OK), end=" ")
try:
    os.listdir(folder)
except PermissionError:
    print("hidden")
os.chdir(folder)
with socket.socket(socket.AF_UNIX) as door:
    door.connect("door")
    door.sendall(b'{"event": "here"}\\n')
    print(json.loads(door.recv(4096))["ok"])
"""
    argv = ["/usr/bin/env", "python3", "-I", "-S", "-c", program]
    if subprocess.run([*argv[:2], "-c", ""], user="nobody", check=False).returncode != 0:
        argv[1] = sys.executable
    run, state = runs.run(argv=argv, user="nobody")
    ids, seen, taken = written(run, "stdout").decode().splitlines()
    uid, gid = nobody.pw_uid, nobody.pw_gid
    assert ids == f"{(uid,) * 3} {(gid,) * 3} {os.getgrouplist('nobody', gid)}"
    assert seen == "False False False False hidden"
    assert taken == "True", state
    assert names(run) == ["start", "here", "complete"]


def test_the_folder_shows_nothing_to_others_and_no_secret(runs) -> None:
    secret = "open-sesame-7"
    run, _ = runs.run(
        f"echo {secret}; event status {secret}; echo $TOKEN >&2; /nowhere/{secret}",
        env={"TOKEN": secret},
        secrets=[secret],
    )
    wait_until(lambda: not run._is_locked(), 10, "its supervisor and its sockets to be gone")
    assert stat.S_IMODE(run.path.stat().st_mode) == 0o700
    for path in run.path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
        assert secret.encode() not in path.read_bytes(), path
    assert written(run, "stdout") == b"***\n"
    assert written(run, "stderr").startswith(b"***\n")
    assert run.events()[1]["cause"] == "***"
    assert json.loads((run.path / "spec.json").read_text())["env"]["TOKEN"] == "***"


def test_a_secret_in_what_cannot_be_started_is_masked(runs) -> None:
    _, state = runs.run(argv=["/nowhere/hush"], secrets=["hush"])
    assert state["cause"] == "cannot run /nowhere/***: No such file or directory"


def test_supervisor_is_nobody_s_child_and_small(runs) -> None:
    run = runs.begin("echo up; exec sleep 1000")
    heard(run, b"up")
    supervisor = holder(run)
    lines = Path(f"/proc/{supervisor.pid}/status").read_text().splitlines()
    status = dict(line.split(":\t", 1) for line in lines)
    assert int(status["PPid"]) != os.getpid()
    assert os.getsid(supervisor.pid) == supervisor.pid
    assert int(status["VmRSS"].split()[0]) < 15 * 1024, status["VmRSS"]
    run.signal("kill")
    ended(run)


def test_event_program_creates_events(runs) -> None:
    run, _ = runs.run("event loading 'half a ton'; event complete; event 'Gänse ⛵'; exit 1")
    assert names(run) == ["start", "loading", "complete", "Gänse ⛵", "fail"]
    loading, complete = run.events()[1:3]
    assert (loading["cause"], loading["by"], loading["auto"]) == ("half a ton", "job", False)
    assert complete["auto"] is False
    assert run.events(after=3) == run.events()[3:]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        *((name, 65, f"An event cannot be named '{name}'") for name in REFUSED_NAMES),
        ("''", 65, "1 to 100 characters"),
        ("a/b", 65, "no slash"),
        ("\"$(printf 'a\\nb')\"", 65, "that print"),
        (f"{'x' * 101}", 65, "1 to 100 characters"),
        (f"x {'y' * 4001}", 65, "at most 4000"),
        (f"x {'y' * 70000}", 65, "at most 65536 bytes"),
        ("", 64, "usage: event NAME [CAUSE]"),
        ("a b c", 64, "usage: event NAME [CAUSE]"),
    ],
)
def test_event_program_says_what_is_wrong(runs, words, code, said) -> None:
    run, state = runs.run(f"event {words}")
    assert state["exit_code"] == code
    assert said in written(run, "stderr").decode()
    assert names(run) == ["start", "fail"]


def test_event_program_without_supervisor_says_so(runs) -> None:
    run, _ = runs.run("env -u JEXEVENTS_CONTROL event x; JEXEVENTS_CONTROL=/nowhere/door event x")
    said = written(run, "stderr").decode().splitlines()
    assert "JEXEVENTS_CONTROL is not set" in said[0]
    assert "does not answer" in said[1]


def test_a_job_cannot_flood_its_events_or_signal(runs) -> None:
    program = """
import json, os, socket
os.chdir(os.path.dirname(os.environ["JEXEVENTS_CONTROL"]))
door = socket.socket(socket.AF_UNIX)
door.connect("door")
answers = door.makefile("rb")
def ask(line):
    door.sendall(line + b"\\n")
    return json.loads(answers.readline())
bad = (b'{"signal": "kill"}', b'{"state": true}', b"[]", b"no", b'{"event": 3}', b"[" * 9999)
for line in bad:
    assert ask(line)["fault"] == "invalid", line
silent = [socket.socket(socket.AF_UNIX) for _ in range(200)]
for each in silent:
    each.connect("door")
    each.send(b'{"event"')
door = socket.socket(socket.AF_UNIX)
door.connect("door")
answers = door.makefile("rb")
print(ask(b'{"event": "through"}')["ok"])
print(len(os.listdir(f"/proc/{os.getppid()}/fd")) < 64)
"""
    run = runs.python(program)
    assert ended(run)["exit_code"] == 0, written(run)
    assert written(run) == b"True\nTrue\n"
    assert names(run) == ["start", "through", "complete"]


HOSTILE = [
    rb'{"event": "x", "cause": "a\ud800b"}',
    rb'{"event": "x", "cause": "a\udfffb"}',
    rb'{"event": "x\ud800"}',
    rb'{"event": "x", "key": "\ud800"}',
    rb'{"event": "x", "\ud800": ""}',
    b'{"event": ' + b"9" * 5000 + b"}",
    b'{"event": NaN}',
    b"[" * 60_000,
    b"\xff\x00",
    b"null",
    b"{}",
    b"",
]


@pytest.mark.parametrize("secrets", [(), ("token",)], ids=["no secret", "a secret"])
def test_no_request_ends_a_supervisor(runs, secrets, monkeypatch) -> None:
    run = runs.begin("exec sleep 1000", secrets=secrets)
    monkeypatch.chdir(run.path)  # the path is too long
    for door in ("door", "control"):
        for line in HOSTILE:
            with socket.socket(socket.AF_UNIX) as asking:
                asking.connect(door)
                asking.sendall(line + b"\n")
                answer = json.loads(asking.makefile().readline())
            assert (answer["ok"], answer["fault"]) == (False, "invalid"), line
    assert run.event("x", "caf\udce9")["cause"] == "caf\udce9"
    assert run.complaint() == ""
    run.signal("kill")
    ended(run)


def test_a_fault_of_ours_in_an_answer_ends_nobody(capsys) -> None:
    """That one is logged, and answered."""

    def handle(_request):
        raise KeyError("of ours")

    said, taken = answerer(handle)(b'{"event": "x"}')
    assert json.loads(said)["ok"] is False
    assert taken is None
    assert "KeyError: 'of ours'" in capsys.readouterr().err


def test_number_of_a_job_s_events_is_bounded() -> None:
    from jexevents.runner.supervisor.asking import Unanswerable, check_count

    check_count(EVENTS_OF_A_JOB - 1)
    with pytest.raises(Unanswerable, match="may send"):
        check_count(EVENTS_OF_A_JOB)


def test_requests_of_the_worker(runs) -> None:
    run = runs.begin("echo up; exec sleep 1000")
    heard(run, b"up")
    run.ping()
    assert run.live_state()["output"]["stdout"] == 3
    once = run.event("look", "who asks", key="k1")
    assert run.event("look", "who asks", key="k1") == once
    assert (once["by"], once["auto"]) == ("request", False)
    with pytest.raises(RequestRefused, match="no signal 'burn'"):
        run.signal("burn")
    with pytest.raises(RequestRefused, match="cannot be named 'output'"):
        run.event("output")
    run.signal("kill", "enough", key="k2")
    state = ended(run)
    assert (state["reason"], state["signal"]) == ("killed", signal.SIGKILL)
    assert names(run) == ["start", "look", "kill", "fail"]
    with pytest.raises(SupervisorAway, match="does not answer"):
        run.ping()


def test_a_long_path_is_no_trouble(tmp_path) -> None:
    runs = Runs(tmp_path / ("long" * 40) / "runs")
    try:
        run, state = runs.run("event fine")
        assert state["exit_code"] == 0, written(run)
        assert names(run) == ["start", "fine", "complete"]
    finally:
        runs.close()


def test_one_supervisor_a_folder_ever(runs, tmp_path) -> None:
    spec = runs.spec(f"echo once >> {tmp_path}/count")
    run = runs.create(spec)
    assert run.standing().held is Held.NEW
    with ThreadPoolExecutor(6) as pool:
        begun = list(pool.map(lambda _: run.start(spec), range(6)))
    assert begun.count(True) == 1
    ended(run)
    assert run.start(spec) is False
    assert (tmp_path / "count").read_text() == "once\n"


@pytest.fixture
def ready() -> Iterator[Ready]:
    found = Ready()
    yield found
    found.close()


def waiting(ready: Ready) -> processes.ProcessId:
    """Give the process that waits for its folder."""
    return processes.identify(ready._process.pid)


def test_one_that_is_ready_starts_all(runs, ready) -> None:
    ready.prepare()
    before = waiting(ready)
    for _ in range(3):
        spec = runs.spec("echo here; pwd", cwd="/tmp")
        run = runs.create(spec)
        assert run.start(spec, ready=ready) is True
        ended(run)
        assert written(run) == b"here\n/tmp\n"
        assert waiting(ready) == before
    ready.close()
    assert not processes.alive(before)
    spec = runs.spec("true")
    run = runs.create(spec)
    assert run.start(spec, ready=ready) is True, "without one it takes longer, and no more"
    ended(run)
    assert ready._process is None


def test_what_it_started_outlives_it(runs, ready) -> None:
    spec = runs.spec("exec sleep 1000")
    run = runs.create(spec)
    assert run.start(spec, ready=ready) is True
    held = holder(run)
    assert parent(held.pid) not in (os.getpid(), waiting(ready).pid)
    os.kill(waiting(ready).pid, signal.SIGKILL)
    ready.close()
    assert processes.alive(held)
    run.signal("kill")
    assert ended(run)["reason"] == "killed"


def test_a_long_input_arrives(runs, ready) -> None:
    spec = runs.spec(
        'printf %s "$LONG" | wc -c', env={"LONG": "x" * 120_000, "PATH": "/usr/bin:/bin"}
    )
    run = runs.create(spec)
    assert run.start(spec, ready=ready) is True
    ended(run)
    assert written(run).split() == [b"120000"]


def test_what_was_prepared_holds_only_its_own(runs, ready) -> None:
    """It has no file of those that were begun after it, nor they of it."""
    ready.prepare()
    open_file = os.open("/etc/passwd", os.O_RDONLY)
    os.set_inheritable(open_file, True)
    run = runs.create(spec := runs.spec("ls /proc/self/fd; exec sleep 1000"))
    run.start(spec, ready=ready)
    os.close(open_file)
    heard(run, b"3")
    assert written(run).split() == [b"0", b"1", b"2", b"3"]
    assert os.getsid(holder(run).pid) == holder(run).pid
    assert os.readlink(f"/proc/{holder(run).pid}/cwd") == str(run.path)
    pipes = [os.readlink(f"/proc/{waiting(ready).pid}/fd/0")]
    held = os.listdir(f"/proc/{holder(run).pid}/fd")
    links = {os.readlink(f"/proc/{holder(run).pid}/fd/{number}") for number in held}
    assert not links & set(pipes)


def memory(pid: int) -> bytes:
    """Give all that a process can read of its own, and its environment."""
    found = [Path(f"/proc/{pid}/environ").read_bytes()]
    maps = Path(f"/proc/{pid}/maps").read_text().splitlines()
    with Path(f"/proc/{pid}/mem").open("rb", 0) as file:
        for line in maps:
            place, rights = line.split()[:2]
            first, last = (int(number, 16) for number in place.split("-"))
            if rights.startswith("rw"):
                file.seek(first)
                with suppress(OSError):  # not a page of it yet
                    found.append(file.read(last - first))
    return b"\0".join(found)


def test_nobody_has_the_secrets_of_another(runs, ready) -> None:
    secret = uuid4().hex
    whose, another = (
        runs.spec("exec sleep 1000", env={"S": word}, secrets=(word,)) for word in (secret, "x")
    )
    one, other = runs.create(whose), runs.create(another)
    assert one.start(whose, ready=ready) is True
    assert other.start(another, ready=ready) is True
    try:
        assert secret.encode() in memory(holder(one).pid)
    except PermissionError:
        pytest.skip("this system shows the memory of a process to nobody")
    assert secret.encode() not in memory(holder(other).pid)
    assert secret.encode() not in memory(waiting(ready).pid)


def test_many_start_at_once_by_one_that_is_ready(runs, ready) -> None:
    specs = [runs.spec(f"exit {number}") for number in range(8)]
    made = [runs.create(spec) for spec in specs]
    with ThreadPoolExecutor(8) as pool:
        begun = pool.map(lambda run, spec: run.start(spec, ready=ready), made, specs)
        assert list(begun) == [True] * 8
    assert [ended(run)["exit_code"] for run in made] == list(range(8))


def stopped_one(ready: Ready) -> processes.ProcessId:
    """Have one ready that does nothing any more."""
    ready.prepare()
    stopped = waiting(ready)
    os.kill(stopped.pid, signal.SIGSTOP)
    return stopped


@pytest.mark.parametrize("seen", [True, False], ids=["seen", "not seen"])
def test_one_that_was_killed_while_it_waited_is_replaced(runs, ready, seen, monkeypatch) -> None:
    ready.prepare()
    os.kill(waiting(ready).pid, signal.SIGKILL)
    if not seen:  # it is killed just after the look
        monkeypatch.setattr(subprocess.Popen, "poll", lambda _: None)
    spec = runs.spec("echo once")
    run = runs.create(spec)
    assert run.start(spec, ready=ready) is True
    monkeypatch.undo()
    ended(run)
    assert written(run) == b"once\n"


@pytest.mark.parametrize("long", [False, True], ids=["short", "more than a pipe holds"])
def test_one_that_is_stopped_is_replaced_and_nothing_runs_twice(
    runs, ready, long, monkeypatch
) -> None:
    monkeypatch.setattr(launching, "_PATIENCE_SECONDS", 1.0)
    stopped = stopped_one(ready)
    words = {"env": {"LONG": "x" * 120_000}} if long else {}
    specs = [runs.spec("echo once", **words) for _ in range(3)]
    made = [runs.create(spec) for spec in specs]
    with ThreadPoolExecutor(3) as pool:
        begun = pool.map(lambda run, spec: run.start(spec, ready=ready), made, specs)
        assert list(begun) == [True] * 3
    for run in made:
        ended(run)
        assert written(run) == b"once\n"
    assert not processes.alive(stopped)
    run = runs.create(spec := runs.spec("true"))
    assert run.start(spec, ready=ready) is True
    assert waiting(ready) != stopped


def test_handing_over_to_one_that_is_stopped_waits_for_nobody(ready, monkeypatch) -> None:
    monkeypatch.setattr(launching, "_HAND_SECONDS", 0.1)
    stopped = stopped_one(ready)
    nothing = os.open("/dev/null", os.O_RDWR)
    before = len(os.listdir("/proc/self/fd"))
    while processes.alive(stopped):  # till no more goes in
        assert ready.hand(nothing, nothing) is not None
    ready.close()
    assert len(os.listdir("/proc/self/fd")) == before - 1, "the connection"
    os.close(nothing)


def test_one_that_is_stopped_does_not_hold_up_the_end(ready) -> None:
    stopped = stopped_one(ready)
    ready.close()
    assert not processes.alive(stopped)


def test_a_supervisor_that_is_slow_begins_once_though_who_forked_it_is_killed(
    runs, ready, tmp_path, monkeypatch
) -> None:
    """It stands still before it has its folder, here since somebody else holds that."""
    monkeypatch.setattr(launching, "_PATIENCE_SECONDS", 0.1)
    ready.prepare()
    before = waiting(ready)
    spec = runs.spec(f"echo once >> {tmp_path}/count")
    run = runs.create(spec)
    lock = os.open(run.path / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_SH)
    with ThreadPoolExecutor(1) as pool:
        starting = pool.submit(run.start, spec, ready=ready)
        wait_until(lambda: not processes.alive(before), 20, "the end of who forked it")
        os.close(lock)
        assert starting.result() is True
    ended(run)
    assert (tmp_path / "count").read_text() == "once\n"


def test_what_cannot_be_handed_over_leaves_nothing_open(runs, ready, monkeypatch) -> None:
    pipe, asked = os.pipe, []

    def one_pipe():
        asked.append(1)
        if len(asked) % 2 == 0:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return pipe()

    run = runs.create(spec := runs.spec("true"))
    before = os.listdir("/proc/self/fd")
    monkeypatch.setattr(os, "pipe", one_pipe)
    with pytest.raises(OSError, match="Too many open files"):
        run.start(spec, ready=ready)
    monkeypatch.undo()
    assert os.listdir("/proc/self/fd") == before
    assert run.start(spec, ready=ready) is True


def test_one_that_is_ready_needs_no_file_of_ours(runs, ready, tmp_path, monkeypatch) -> None:
    """An upgrade replaces them while the daemon runs on."""
    installed = tmp_path / "jexevents"
    inner = installed / "runner" / "supervisor"
    shutil.copytree(Path(launching.program.__file__).parent, inner)
    (installed / "__init__.py").touch()
    (installed / "runner" / "__init__.py").touch()
    monkeypatch.setattr(launching.program, "__file__", str(inner / "main.py"))
    run = runs.create(spec := runs.spec("true"))
    assert run.start(spec, ready=ready) is True
    ended(run)
    before = waiting(ready)
    shutil.rmtree(installed)
    run = runs.create(spec := runs.spec("event here; sleep 1000", timeout_seconds=100))
    assert run.start(spec, ready=ready) is True
    wait_until(lambda: "here" in names(run), 20, "its word")
    assert run.signal("stop")["name"] == "stop"
    run.signal("kill")
    assert ended(run)["reason"] == "killed"
    assert run.complaint() == ""
    assert waiting(ready) == before


def test_one_that_waits_ends_with_who_prepared_it(tmp_path) -> None:
    program = """
import os, signal
from jexevents.runner.launching import Ready
ready = Ready()
ready.prepare()
print(ready._process.pid, flush=True)
input()
os.kill(os.getpid(), signal.SIGKILL)
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as daemon:
        pid = int(daemon.stdout.readline())
        found = processes.identify(pid)
        assert processes.alive(found)
        daemon.communicate("now\n")
    assert processes.wait_gone([found], 10)


def parent(pid: int) -> int:
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def test_asking_does_not_keep_a_supervisor_from_its_folder(runs) -> None:
    """Who asks whether one lives holds the lock for an instant, here for a longer one."""
    spec = runs.spec("true")
    run = runs.create(spec)
    lock = os.open(run.path / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_SH)
    with ThreadPoolExecutor(1) as pool:
        starting = pool.submit(run.start, spec)
        wait_until(lambda: starting.done() or openers(run.path / "lock"), 20, "the supervisor")
        os.close(lock)
        assert starting.result() is True
    ended(run)


def openers(path: Path) -> list[int]:
    """List the other processes that have a file open."""
    found = []
    for pid in set(processes.all_pids()) - {os.getpid()}:
        with suppress(OSError):
            files = os.listdir(f"/proc/{pid}/fd")
            found += [pid for file in files if os.readlink(f"/proc/{pid}/fd/{file}") == str(path)]
    return found


def test_what_was_given_up_never_begins(runs) -> None:
    spec = runs.spec("true")
    run = runs.create(spec)
    assert run.give_up("the node left") is True
    assert run.start(spec) is False
    assert run.standing().state["reason"] == "given up"
    begun = runs.begin("true")
    assert begun.give_up("too late") is False


def test_what_does_not_come_whole_does_not_begin(runs, monkeypatch) -> None:
    spec = runs.spec("true")
    run = runs.create(spec)
    monkeypatch.setattr(type(spec), "packed", lambda _: b"\x00half")
    with pytest.raises(NotStarted, match="did not come whole"):
        run.start(spec)
    assert run.standing().held is Held.NEW
    monkeypatch.undo()
    assert run.start(spec) is True
    ended(run)


def test_a_killed_supervisor_takes_its_job_along_and_is_seen_as_lost(runs) -> None:
    run = runs.begin("(setsid sh -c 'echo child; exec sleep 1000') & echo up; wait")
    heard(run, b"child")
    job, supervisor = first(run), holder(run)
    assert run.standing().held is Held.ALIVE
    os.kill(supervisor.pid, signal.SIGKILL)
    wait_until(lambda: not processes.alive(job), 10, "the job to end with its supervisor")
    lost = standing(run, Held.LOST)
    assert "killed" in lost.reason
    assert marked(run), "the child in a session of its own should live on till it is ended"
    assert run.end_remains() >= 1
    assert not marked(run)
    group = lost.state["cgroup"]
    assert group is None or not Path(group).exists()
    assert names(run) == ["start"]


def test_remains_are_found_without_a_control_group(runs) -> None:
    from jexevents.runner import remains

    run = runs.begin("(setsid sleep 1000) & echo up; wait")
    heard(run, b"up")
    os.kill(holder(run).pid, signal.SIGKILL)
    standing(run, Held.LOST)
    assert remains.end(run.path.name, None) >= 1
    assert not marked(run)


def test_end_remains_leaves_the_living_alone(runs) -> None:
    run = runs.begin("echo up; exec sleep 1000")
    heard(run, b"up")
    assert run.end_remains() == 0
    assert processes.alive(first(run))


@pytest.mark.parametrize("phase", ["running", "starting"])
def test_another_boot_is_a_loss_though_the_pid_lives(runs, phase) -> None:
    run, state = runs.run("true")
    processes.wait_gone([holder(run)], 10)
    mine = processes.identify(os.getpid())
    told = {**state, "phase": phase, "boot": "another"}
    told["supervisor"] = {"pid": mine.pid, "started": mine.started.partition(":")[2]}
    (run.path / "state.json").write_text(json.dumps(told))
    lost = run.standing()
    assert (lost.held, lost.reason) == (Held.LOST, "the machine was restarted while the job ran")
    told["boot"] = state["boot"]
    (run.path / "state.json").write_text(json.dumps(told))
    assert run.standing().held is Held.ALIVE, "the pid, its start and the boot are those of one"
    told["supervisor"]["started"] = "1"
    (run.path / "state.json").write_text(json.dumps(told))
    assert run.standing().held is Held.LOST, "the same pid is another process"


def test_a_restart_about_the_start_is_not_taken_for_new(runs) -> None:
    run = runs.create(runs.spec("true"))
    spec = json.loads((run.path / "spec.json").read_text())
    (run.path / "spec.json").write_text(json.dumps({**spec, "boot": "another"}))
    lost = run.standing()
    assert lost.held is Held.LOST
    assert "about the time" in lost.reason


def test_the_starter_may_die_at_once(runs) -> None:
    """As a daemon that is killed: its process group, and then it, while the job runs."""
    spec = runs.spec("echo up; read line < pipe; echo $line")
    work = runs.folder / "work"
    work.mkdir(parents=True)
    os.mkfifo(work / "pipe")
    spec = replace(spec, cwd=str(work))
    run = runs.create(spec)
    program = f"""
import os, pickle, signal, sys
from pathlib import Path
from jexevents.runner.folder import RunFolder
run = RunFolder(Path({str(run.path)!r}))
run.start(pickle.load(sys.stdin.buffer))
os.killpg(0, signal.SIGKILL)
"""
    import pickle

    done = subprocess.run(
        [sys.executable, "-c", program],
        input=pickle.dumps(spec),
        start_new_session=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    heard(run, b"up")
    with (work / "pipe").open("w") as pipe:
        pipe.write("went on\n")
    state = ended(run)
    assert (state["exit_code"], written(run)) == (0, b"up\nwent on\n")


def test_signals_to_the_supervisor(runs) -> None:
    run = runs.begin("trap 'echo told; exit 5' TERM; echo up; sleep 1000 & wait")
    heard(run, b"up")
    supervisor = holder(run)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGTSTP):
        os.kill(supervisor.pid, number)
    run.ping()
    os.kill(supervisor.pid, signal.SIGTERM)
    state = ended(run)
    assert (state["reason"], state["exit_code"]) == ("terminated", 5)
    assert run.events()[1]["by"] == "supervisor"
    assert names(run) == ["start", "terminate", "fail"]


def test_requests_to_an_ended_job_are_refused(runs) -> None:
    """Its first process is over, and only what it left is waited for."""
    run = runs.begin("(trap '' TERM; setsid sleep 1000; :) & echo up", grace_seconds=1000)
    wait_until(lambda: run.live_state().get("exited"), 20, "the first process to end")
    with pytest.raises(ExecutionEnded, match="has ended"):
        run.signal("stop")
    run.signal("kill")
    state = ended(run)
    assert (state["reason"], state["exit_code"]) == ("exit", 0)
    assert state["left_behind"] >= 1
    assert not marked(run)
