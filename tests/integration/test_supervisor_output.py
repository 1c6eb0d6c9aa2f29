"""The output of real jobs: to the byte, in order, live, masked, bounded, and on a full disk."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jexevents import processes
from jexevents.errors import NotStarted, StorageFull
from jexevents.runner.folder import Held
from jexevents.runner.output import Follower, RunOutput
from jexevents.runner.supervisor.streams import READ_BYTES
from tests.runs import Runs, ended, first, heard, holder, names, small_disk, written
from tests.support import missing, wait_until


@pytest.fixture
def full_runs(tmp_path: Path) -> Iterator[Runs]:
    """Runs on a disk of 512 KiB."""
    try:
        with small_disk(tmp_path / "disk", "512k") as folder:
            found = Runs(folder / "runs")
            yield found
            found.close()
    except OSError as error:
        missing("a small disk", error)


BYTES = """
import hashlib, os, random, sys
generator = random.Random(7)
sums = {1: hashlib.sha256(), 2: hashlib.sha256()}
for _ in range(400):
    stream = generator.choice((1, 2))
    data = generator.randbytes(generator.choice((0, 1, 100, 4096, 65537, 300000)))
    sums[stream].update(data)
    while data:
        data = data[os.write(stream, data):]
open(sys.argv[1], "w").write(sums[1].hexdigest() + " " + sums[2].hexdigest())
"""


def test_output_is_exact_to_the_byte(runs, tmp_path) -> None:
    run = runs.python(BYTES, str(tmp_path / "sums"))
    state = ended(run)
    sums = (tmp_path / "sums").read_text().split()
    for stream, wanted in zip(("stdout", "stderr"), sums, strict=True):
        assert hashlib.sha256((run.path / stream).read_bytes()).hexdigest() == wanted
        assert hashlib.sha256(written(run, stream)).hexdigest() == wanted
        assert state["output"][stream] == (run.path / stream).stat().st_size
    assert len(written(run)) == state["output"]["kept"]


ORDER = """
import fcntl, os, struct, termios
def taken(stream):
    while struct.unpack("i", fcntl.ioctl(stream, termios.FIONREAD, b"1234"))[0]:
        pass
for number in range(200):
    stream = 1 + number % 3 % 2
    os.write(stream, b"%d " % number)
    taken(stream)
"""


def test_order_is_that_of_arrival(runs) -> None:
    run = runs.python(ORDER)
    ended(run)
    assert written(run) == b"".join(b"%d " % number for number in range(200))
    times = [chunk.time for chunk in RunOutput(run.path).read()]
    assert times == sorted(times)
    state = run.state()
    assert state["begun"] - 10**6 <= times[0] <= times[-1] <= state["ended"]


TOGETHER = """
import os, signal
os.kill(os.getppid(), signal.SIGSTOP)
for stream in (2, 1):
    os.write(stream, b"%d" % stream)
os.kill(os.getppid(), signal.SIGCONT)
"""


def test_order_holds_when_the_supervisor_is_late(runs) -> None:
    """Both streams wait when it looks: the one that was written first comes first."""
    for _ in range(5):
        run = runs.python(TOGETHER)
        ended(run)
        assert written(run) == b"21"


def test_secrets_are_masked_over_the_borders_of_reads(runs) -> None:
    secret = "s3cr3t-" * 5
    program = """
import os, sys
secret = os.environ["SECRET"].encode()
whole = b"".join(b"%07d" % number + secret for number in range(20000))
for stream in (1, 2):
    data = whole
    step = 1
    while data:
        data = data[os.write(stream, data[:step]):]
        step = step * 3 % 99991
"""
    run = runs.python(program, env={"SECRET": secret}, secrets=[secret, "unused"])
    ended(run)
    wanted = b"".join(b"%07d***" % number for number in range(20000))
    assert len(wanted) > READ_BYTES / 2
    for stream in ("stdout", "stderr"):
        assert written(run, stream) == wanted


def test_the_beginning_of_a_secret_comes_out_at_the_end(runs) -> None:
    run, state = runs.run("printf 'pass:hush-hus'; printf 'hush-' >&2", secrets=["hush-hush"])
    assert written(run, "stdout") == b"pass:hush-hus"
    assert written(run, "stderr") == b"hush-"
    assert state["output"]["kept"] == 18


def test_output_can_be_followed_while_it_comes(runs) -> None:
    runs.folder.mkdir()
    os.mkfifo(runs.folder / "ready")
    run = runs.begin("while read line; do echo got $line; done < ready", cwd=str(runs.folder))
    follower, found = Follower(run.path), b""
    with (runs.folder / "ready").open("w") as ready:
        for number in range(20):
            print(number, file=ready, flush=True)
            wanted = b"got %d\n" % number
            came = wait_until(follower.read, 20, f"line {number}")
            while not b"".join(chunk.data for chunk in came).endswith(wanted):
                came += follower.read()
            found += b"".join(chunk.data for chunk in came)
    ended(run)
    assert found == b"".join(b"got %d\n" % number for number in range(20))
    assert follower.read() == []


def test_the_middle_of_too_much_is_dropped(runs) -> None:
    limit = 200_000
    run, state = runs.run("seq 1 300000", max_output_bytes=limit)
    wrote = "".join(f"{number}\n" for number in range(1, 300_001)).encode()
    output = state["output"]
    assert output["stdout"] == len(wrote)
    assert output["kept"] <= limit
    assert output["dropped"] == len(wrote) - output["kept"]
    chunks = list(RunOutput(run.path).read("stdout"))
    [gap] = [chunk for chunk in chunks if chunk.missing]
    assert (gap.why, gap.missing) == ("dropped", output["dropped"])
    before = b"".join(chunk.data for chunk in chunks if chunk.offset < gap.offset)
    behind = b"".join(chunk.data for chunk in chunks if chunk.offset > gap.offset)
    assert before == wrote[: limit // 2]
    assert behind == wrote[gap.offset + gap.missing :]
    assert len(behind) >= limit * 7 // 16 - 1
    assert sum(path.stat().st_size for path in run.path.glob("*std*")) <= limit
    reader = RunOutput(run.path)
    tail = b"".join(c.data for c in reader.read("stdout", reader.last_lines(2, "stdout")))
    assert tail == b"299999\n300000\n"


def test_memory_is_flat_whatever_comes(runs, tmp_path) -> None:
    os.mkfifo(tmp_path / "ready")
    run = runs.begin(
        f"head -c 300000000 /dev/zero; echo; echo done >&2; read line < {tmp_path}/ready",
        max_output_bytes=1_000_000,
    )
    heard_error = lambda: b"done" in written(run, "stderr")  # noqa: E731
    wait_until(heard_error, 60, "all to be written")
    status = Path(f"/proc/{holder(run).pid}/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0])
    assert peak < 15 * 1024, f"{peak} kB"
    (tmp_path / "ready").write_text("go\n")
    assert ended(run)["output"]["stdout"] == 300_000_001


def test_fifty_thousand_lines(runs) -> None:
    program = """
import os
for number in range(50000):
    os.write(1 + number % 2, b"line %d\\n" % number)
"""
    run = runs.python(program)
    ended(run)
    lines = b"".join(b"line %d\n" % n for n in range(0, 50000, 2))
    assert written(run, "stdout") == lines
    assert len(written(run).splitlines()) == 50000


def test_a_full_disk_does_not_hold_up_the_job_and_its_end_is_kept(full_runs) -> None:
    run = full_runs.begin(f"head -c 3000000 /dev/zero; event full {LONG}; test $? = 65 && exit 5")
    state = ended(run)
    assert (state["reason"], state["exit_code"]) == ("exit", 5)
    output = state["output"]
    assert output["stdout"] == 3_000_000
    assert output["lost"]["stdout"] > 2_000_000
    assert output["trouble"] == "No space left on device"
    assert names(run) == ["start", "fail"], "the job's own event was refused, and it heard so"
    reader = RunOutput(run.path)
    assert reader.size("stdout") == 3_000_000
    gaps = reader.gaps("stdout")
    assert sum(gap.missing for gap in gaps) == output["lost"]["stdout"]
    assert {gap.why for gap in gaps} == {"lost"}
    data = b"".join(chunk.data for chunk in reader.read("stdout"))
    assert data == b"\0" * (3_000_000 - output["lost"]["stdout"])


# More than is left of the last block of a file, whatever is full.
LONG = "x" * 4000


def fill(folder: Path) -> Path:
    """Take all the room that there is."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while file.write(b"x" * size):
                    pass
            except OSError:
                pass
    return filler


def test_signals_and_requests_on_a_full_disk(full_runs) -> None:
    run = full_runs.begin("echo up; exec sleep 1000")
    heard(run, b"up")
    filler = fill(full_runs.folder)
    with pytest.raises(StorageFull, match="cannot be kept"):
        run.event("look", LONG)
    assert run.signal("stop", LONG) is None, "it is done all the same"
    wait_until(lambda: run.live_state()["phase"] == "stopped", 10, "the stop")
    filler.unlink()
    assert run.event("look")["seq"] == 2
    fill(full_runs.folder)
    run.signal("kill")
    state = ended(run)
    assert state["reason"] == "killed"
    assert names(run) == ["start", "look", "kill", "fail"]
    assert [event["seq"] for event in run.events()] == [1, 2, 3, 4]


def test_nothing_begins_without_room_for_its_end(full_runs) -> None:
    spec = full_runs.spec("touch begun", cwd=str(full_runs.folder))
    run = full_runs.create(spec)
    filler = fill(full_runs.folder)
    with pytest.raises(NotStarted, match="No space left"):
        run.start(spec)
    assert run.standing().held is Held.NEW
    filler.unlink()
    assert run.start(spec) is True
    ended(run)
    assert (full_runs.folder / "begun").exists()


def test_a_late_reader_of_a_closed_pipe_is_no_matter(runs) -> None:
    """The job goes on when it has closed one stream, and the other is still read."""
    run, _ = runs.run("exec >&-; echo still >&2; exit 0")
    assert written(run, "stderr") == b"still\n"


def test_throughput_does_not_starve_requests(runs) -> None:
    run = runs.begin(f"exec {sys.executable} -c 'while 1: print(\"y\" * 9999)'", max_output_bytes=0)
    heard_some = lambda: RunOutput(run.path).size("stdout") > 10**6  # noqa: E731
    wait_until(heard_some, 30, "output")
    run.ping()
    run.signal("kill")
    assert ended(run, 20)["reason"] == "killed"
    assert not processes.alive(first(run))
