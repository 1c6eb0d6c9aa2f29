"""Jobs that do what they can to get out of hand, each held by its supervisor."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import pytest

from jexevents.runner.folder import RunFolder
from jexevents.runner.output import RunOutput
from jexevents.runner.supervisor.closing import LINGER_SECONDS
from tests.faults.conftest import FULL
from tests.runs import STORM, WAYS, Runs, ended, heard, holder, marked, names, small_disk, written
from tests.support import missing, wait_until

STORM_CHILDREN = 500 if FULL else 100
HIDDEN = 200 if FULL else 20
AT_ONCE = 50 if FULL else 5
DISKS = 5 if FULL else 1
LOUD_SECONDS = 30 if FULL else 1
TIMEOUT_SECONDS, GRACE_SECONDS = (8, 3) if FULL else (1.5, 0.5)
LINES_A_SECOND = 50_000
# What a machine with much else to do may take on top.
PATIENCE_SECONDS = 15


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return request.param


def seconds(state: dict[str, Any], since: str, until: str) -> float:
    return (state[until] - state[since]) / 1e6


def test_a_storm_of_short_lived_children_is_gone_within_the_grace(runs: Runs) -> None:
    run = runs.python(STORM, str(STORM_CHILDREN), "0.15", grace_seconds=10)
    heard(run, b"storm")
    told_at = time.time()
    run.signal("kill")
    state = ended(run, 10 + PATIENCE_SECONDS)
    assert state["reason"] == "killed"
    assert state["ended"] / 1e6 - told_at < 10
    assert not marked(run)


def test_a_storm_that_runs_out_of_time_is_gone_after_the_grace(runs: Runs) -> None:
    timeout, grace = TIMEOUT_SECONDS, GRACE_SECONDS
    run = runs.python(
        STORM, str(STORM_CHILDREN), "0.15", timeout_seconds=timeout, grace_seconds=grace
    )
    state = ended(run, timeout + grace + PATIENCE_SECONDS)
    assert b"storm" in written(run), "the time was over before the storm began"
    assert state["reason"] == "time-out"
    assert timeout <= state["run_seconds"] < timeout + grace + PATIENCE_SECONDS
    assert not marked(run)
    assert names(run) == ["start", "time-out"]


DAEMONS = """
import os, signal, sys, time
for number in range(int(sys.argv[1])):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.setsid()
            os.chdir("/")
            if number % 2:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
            os.closerange(0, 64)
            time.sleep(1000)
        os._exit(0)
    os.wait()
print("all", flush=True)
sys.exit(int(sys.argv[2]))
"""


def test_double_forks_end_with_their_job(runs: Runs) -> None:
    run = runs.python(DAEMONS, str(HIDDEN), "7", grace_seconds=GRACE_SECONDS)
    state = ended(run, LINGER_SECONDS + GRACE_SECONDS + PATIENCE_SECONDS)
    assert (state["reason"], state["exit_code"]) == ("exit", 7)
    assert state["left_behind"] == HIDDEN
    assert seconds(state, "exited", "ended") >= LINGER_SECONDS
    assert not marked(run)


DEAF = """
import os, signal, sys, time
for number in range(1, signal.NSIG):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
for _ in range(int(sys.argv[1])):
    if os.fork() == 0:
        os.setsid()
        break
else:
    print("deaf", flush=True)
while True:
    time.sleep(1000)
"""


def test_who_ignores_term_is_killed_after_the_grace(runs: Runs) -> None:
    timeout, grace = TIMEOUT_SECONDS, GRACE_SECONDS
    run = runs.python(DEAF, str(HIDDEN), timeout_seconds=timeout, grace_seconds=grace)
    heard(run, b"deaf")
    run.signal("terminate")
    state = ended(run, timeout + grace + PATIENCE_SECONDS)
    assert (state["reason"], state["signal"]) == ("time-out", signal.SIGKILL)
    assert timeout + grace <= state["run_seconds"] < timeout + grace + PATIENCE_SECONDS
    assert not marked(run)
    assert names(run) == ["start", "terminate", "time-out"]


def test_who_closes_its_outputs_runs_on(runs: Runs, tmp_path: Path) -> None:
    """So many of them at once; each ends as it says, once all have closed theirs."""
    ready = tmp_path / "go"
    words = "exec >&- 2>&-; echo > {0}/{1}; while ! test -e {2}; do sleep 0.05; done; exit {1}"
    begun = [runs.begin(words.format(tmp_path, number, ready)) for number in range(1, AT_ONCE + 1)]
    for number, run in enumerate(begun, 1):
        wait_until((tmp_path / f"{number}").exists, PATIENCE_SECONDS, f"job {number}")
        assert run.live_state()["phase"] == "running"
    ready.touch()
    for number, run in enumerate(begun, 1):
        state = ended(run)
        assert (state["reason"], state["exit_code"]) == ("exit", number)
        assert written(run) == b""


GREEDY = """
import os, sys, time
while not os.path.exists(sys.argv[3]):
    time.sleep(0.02)
chunk, wrote = b"x" * 65536, 0
with open(sys.argv[1], "wb", buffering=0) as file:
    # All that is left, to the last byte; and it talks meanwhile.
    while len(chunk) > 16:
        try:
            file.write(chunk)
        except OSError:
            chunk = chunk[: len(chunk) // 2]
        line = b"%09d\\n" % wrote
        os.write(1, line * 100)
        wrote += 100 * len(line)
os.write(1, b"!" * 1_000_000)
open(sys.argv[2], "w").write(str(wrote + 1_000_000))
sys.exit(7)
"""


@pytest.mark.parametrize("number", range(DISKS))
def test_who_fills_the_disk_ends_as_it_says(tmp_path: Path, number: int) -> None:
    """Three at once on one disk: each has its end, and knows what of its output was lost."""
    try:
        with small_disk(tmp_path / "disk", f"{2 + 6 * number}m") as disk:
            runs = Runs(disk / "runs")
            try:
                begun = [
                    runs.python(
                        GREEDY,
                        str(disk / f"fill{each}"),
                        str(tmp_path / f"wrote{each}"),
                        str(tmp_path / "go"),
                    )
                    for each in range(3)
                ]
                (tmp_path / "go").touch()
                for each, run in enumerate(begun):
                    ended(run)
                    assert_told(run, int((tmp_path / f"wrote{each}").read_text()))
                for each in range(3):
                    (disk / f"fill{each}").unlink()
                run, state = runs.run("echo fine")
                assert (state["exit_code"], written(run)) == (0, b"fine\n")
            finally:
                runs.close()
    except OSError as error:
        missing("a small disk", error)


def assert_told(run: RunFolder, wrote: int) -> None:
    """Assert that an execution on a full disk has its end, and all of its output or says not."""
    state = run.state()
    assert (state["reason"], state["exit_code"]) == ("exit", 7)
    assert [event["name"] for event in run.events()] == ["start", "fail"]
    reader = RunOutput(run.path)
    chunks = list(reader.read("stdout"))
    assert sum(chunk.missing for chunk in chunks) == state["output"]["lost"]["stdout"] > 0
    assert sum(len(chunk.data) + chunk.missing for chunk in chunks) == wrote
    assert reader.size("stdout") == state["output"]["stdout"] == wrote


LOUD = """
import os, sys, time
begun, seconds, rate = time.monotonic(), int(sys.argv[1]), int(sys.argv[2])
for step in range(seconds * 100):
    lines = range(step * rate // 100, (step + 1) * rate // 100)
    for stream in (1, 2):
        os.write(stream, b"".join(b"line %d\\n" % line for line in lines if line % 2 == stream % 2))
    time.sleep(max(0, begun + (step + 1) / 100 - time.monotonic()))
with open(sys.argv[3] + ".part", "w") as file:
    file.write(str(time.monotonic() - begun))
os.rename(sys.argv[3] + ".part", sys.argv[3])
time.sleep(1000)
"""


def test_fifty_thousand_lines_a_second(runs: Runs, tmp_path: Path) -> None:
    took = tmp_path / "took"
    run = runs.python(LOUD, str(LOUD_SECONDS), str(LINES_A_SECOND), str(took))
    answers: list[float] = []

    def done() -> bool:
        asked_at = time.monotonic()
        run.ping()
        answers.append(time.monotonic() - asked_at)
        return took.exists()

    wait_until(done, LOUD_SECONDS * 1.2 + PATIENCE_SECONDS, "the job to have said all")
    peak = memory(run)
    run.signal("kill")
    ended(run)
    count = LOUD_SECONDS * LINES_A_SECOND
    for stream, first in (("stdout", 1), ("stderr", 0)):
        wanted = b"".join(b"line %d\n" % line for line in range(first, count, 2))
        assert written(run, stream) == wanted
    assert float(took.read_text()) < LOUD_SECONDS * 1.2 + 1, "the job was held up"
    assert max(answers) < 2, "it answered late"
    assert peak < 15 * 1024, f"{peak} kB"


def memory(run: RunFolder) -> int:
    """Give the most that a supervisor has had, in kB."""
    status = Path(f"/proc/{holder(run).pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])
