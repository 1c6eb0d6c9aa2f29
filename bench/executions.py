"""What the supervisor of a job costs: the time to the job's start, its output's rate, its memory.

    python -m bench.executions [--starts 100] [--megabytes 1000] [--folder FOLDER]

Start: from the call in the worker to the first instruction of the job's program, by the clock of
the machine. Output: a job that writes as fast as it can, beside ``cat`` from a pipe to a file.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from contextlib import closing
from pathlib import Path
from uuid import uuid4

from jexevents.runner.folder import Held, RunFolder
from jexevents.runner.launching import Ready
from jexevents.runner.spec import Spec

ENV = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
MEGABYTE = 1_000_000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--starts", type=int, default=100, help="jobs started, one after another")
    parser.add_argument("--megabytes", type=int, default=1000, help="written by the loud job")
    parser.add_argument(
        "--folder", type=Path, help="where the executions stand; default: temporary"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        runs = Path(folder)
        measure_starts(runs, options.starts, "by a new supervisor", None)
        with closing(Ready()) as ready:
            ready.prepare()
            measure_starts(runs, options.starts, "by one that is ready", ready)
        measure_output(runs, options.megabytes)


def measure_starts(runs: Path, count: int, how: str, ready: Ready | None) -> None:
    """Start jobs that say when they began, one after another."""
    begun, whole = [], []
    for _ in range(count):
        spec = Spec(uuid4(), argv=["date", "+%s.%N"], env=ENV)
        called = time.time()
        run = RunFolder.create(runs, spec)
        run.start(spec, ready=ready)
        wait_for_end(run)
        whole.append(time.time() - called)
        begun.append(float((run.path / "stdout").read_text()) - called)
    for name, found in (("to the job's start", begun), ("to its recorded end", whole)):
        found.sort()
        p50, p99 = found[len(found) // 2], found[int(len(found) * 0.99)]
        times = f"p50 {p50 * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms"
        print(f"{name}, {how}: {times} ({count} jobs)")


def measure_output(runs: Path, megabytes: int) -> None:
    """Let a job write, and cat take the same."""
    words = f"head -c {megabytes * MEGABYTE} /dev/zero"
    for name, more in (("", {}), (" with a secret", {"secrets": ["a secret of 24 letters"]})):
        spec = Spec(
            uuid4(),
            command=f"{words}; sed -n 's/VmHWM/&/p' /proc/$PPID/status >&2",
            env=ENV,
            **more,
        )
        run = RunFolder.create(runs, spec)
        run.start(spec)
        state = wait_for_end(run)
        seconds = (state["exited"] - state["begun"]) / 1e6
        memory = (run.path / "stderr").read_text().split()[1]
        print(f"output{name}: {megabytes / seconds:.0f} MB/s, at most {int(memory) / 1024:.1f} MiB")
        run.remove()
    begun = time.monotonic()
    subprocess.run(f"{words} | cat > {runs}/cat", shell=True, check=True)
    print(f"cat: {megabytes / (time.monotonic() - begun):.0f} MB/s")


def wait_for_end(run: RunFolder) -> dict:
    """Wait until an execution has ended and give its state."""
    while (found := run.standing()).held is not Held.ENDED:
        time.sleep(0.001)
    return found.state


if __name__ == "__main__":
    main()
