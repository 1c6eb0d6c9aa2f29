"""The arithmetic of the bench: percentiles, scores, pacing, memory, what is read from /proc."""

from __future__ import annotations

import math
import os
import socket
import subprocess
import sys
import time
from itertools import islice, pairwise

import pytest

from bench import cpu
from bench.errors import BenchFailed
from bench.figures import Goal, Rate, medians, milliseconds, percentile
from bench.measurements import latency, memory
from bench.pacing import schedule, wait_until
from bench.wire import Reader


@pytest.mark.parametrize(
    ("share", "value"), [(0, 1), (0.01, 1), (0.5, 50), (0.505, 51), (0.99, 99), (1, 100)]
)
def test_percentiles(share: float, value: float) -> None:
    assert percentile(list(range(100, 0, -1)), share) == value


def test_a_percentile_of_nothing_is_refused() -> None:
    with pytest.raises(BenchFailed, match="greater sizes"):
        percentile([], 0.5)


def test_milliseconds() -> None:
    figures = milliseconds([0.001] * 98 + [0.5, 2.0])
    assert figures == {"count": 100, "p50": 1, "p99": 500, "max": 2000}


@pytest.mark.parametrize(
    ("goal", "score", "met"),
    [
        (Goal("more", 0.3, "", 0.6), 0.5, False),
        (Goal("more", 0.6, "", 0.6), 1, True),
        (Goal("less", 50, "ms", 25, "min"), 0.5, False),
        (Goal("less", 5, "ms", 25, "min"), 5, True),
        (Goal("none", 0, "", 0, "min"), math.inf, True),
        (Goal("none", 3, "", 0, "min"), 0, False),
        (Goal("shrank", -1, "MiB", 10, "min"), math.inf, True),
        (Goal("told", 3), None, None),
    ],
)
def test_goals(goal: Goal, score: float | None, met: bool | None) -> None:
    assert (goal.score, goal.met) == (score, met)


def test_a_rate_is_that_of_the_middle_round() -> None:
    assert Rate("x", (10, 1, 3)).median == 3
    assert medians([{"a": 1.0}, {"a": 3.0, "b": 5.0}]) == {"a": 2.0, "b": 5.0}


def test_a_schedule_adds_no_errors_up() -> None:
    assert list(islice(schedule(100, 4), 3)) == [100, 100.25, 100.5]
    shares = [list(islice(schedule(0, 300, first, 8), 100)) for first in range(8)]
    assert sorted(due for share in shares for due in share) == [n / 300 for n in range(800)]


def test_waiting_ends_when_due_and_not_before() -> None:
    now, slept = [10.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds / 2 + 0.1

    wait_until(11.0, lambda: now[0], sleep)
    assert now[0] >= 11.0
    assert len(slept) > 1
    slept.clear()
    wait_until(9.0, lambda: now[0], sleep)
    assert slept == []


def test_memory_is_summed_up_without_what_is_loaded_first() -> None:
    mib = memory.MIB
    held = [10 * mib] * 10 + [50 * mib] * 80 + [53 * mib] * 10
    found = memory.summed_up(held, 60 * mib)
    assert (found["peak_mib"], found["end_mib"], found["growth_mib"]) == (60, 53, 3)
    assert memory.summed_up([mib], mib)["growth_mib"] == 0


def test_large_bodies_stand_among_small_ones() -> None:
    sizes = [len(body) for body in memory.with_huge(4, 100_000, 20_000)]
    assert [sum(size > bound for size in sizes) for bound in (0, 19_000, 99_000)] == [1608, 8, 4]
    assert sizes[-1] < 5000


def test_probes_are_spread_evenly_and_know_their_events() -> None:
    chosen = list(latency.probes(2000))
    numbers = [number for number, _, _ in chosen]
    assert all(100 <= after - before <= 110 for before, after in pairwise(numbers))
    assert {step for _, _, step in chosen} == {latency.EXECUTING, latency.TERMINATED}


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_answers_are_put_together(size: int) -> None:
    answer = b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nabcde"
    reader = Reader()
    for _ in range(2):
        pieces = [answer[at : at + size] for at in range(0, len(answer), size)]
        found = [reader.feed(piece) for piece in pieces]
        assert found[:-1] == [None] * (len(pieces) - 1)
        assert found[-1] == (404, b"abcde")


def test_what_is_no_answer_is_told() -> None:
    with pytest.raises(BenchFailed, match="closed"):
        Reader().feed(b"")
    with pytest.raises(BenchFailed, match="Content-Length"):
        Reader().feed(b"HTTP/1.1 200 OK\r\n\r\n")


def test_processor_time_of_a_process_and_of_its_children() -> None:
    work = "import time\nwhile time.process_time() < 0.3: pass"
    run = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {work!r}])"
    program = f"{run}\nprint(flush=True)\ninput()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", program], **pipes) as process:
        process.stdout.readline()
        # The child has ended by now.
        assert cpu.of_family(process.pid) >= 0.25 + cpu.of_process(process.pid)
        assert cpu.parent(process.pid) == os.getpid()
        process.stdin.close()


def test_processor_time_of_children_that_run() -> None:
    work = "import sys, time\nwhile time.process_time() < 0.3: pass\nprint(flush=True)\ninput()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    before = cpu.of_family(os.getpid()) - cpu.of_process(os.getpid())
    with subprocess.Popen([sys.executable, "-c", work], **pipes) as process:
        process.stdout.readline()
        of_children = cpu.of_family(os.getpid()) - cpu.of_process(os.getpid())
        assert of_children >= before + 0.25
        process.stdin.close()


def test_memory_of_a_process() -> None:
    held, most = cpu.memory(os.getpid())
    assert 1 << 20 < held <= most


def test_the_listener_of_a_port_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert cpu.listener(port) == os.getpid()
    assert cpu.listener(port) is None


def test_strangers_are_those_that_are_not_counted() -> None:
    meter, until = cpu.Meter({"own": lambda: 0.0}), time.process_time() + 0.2
    while time.process_time() < until:
        pass
    assert 0 <= meter.strangers() <= 1
    assert meter.per_event(10) == {"own": 0.0}
