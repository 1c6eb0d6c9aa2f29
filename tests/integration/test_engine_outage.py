"""An engine that is killed, comes back, or hangs, while containers write."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from jexevents.errors import EngineUnavailable
from tests.engine import TestEngine
from tests.support import wait_until

# Both streams, with and without newlines, lines longer than the engine keeps in one piece.
WRITER = """
n=0
while [ $n -lt 400 ]; do
  n=$((n+1))
  echo "out $n"
  printf "err $n;" >&2
  [ $((n % 100)) = 0 ] && head -c 40000 /dev/zero | tr '\\0' x
  sleep 0.01
done
printf "the end"
"""


def collect(engine: TestEngine, container: str) -> tuple[threading.Thread, dict[str, bytearray]]:
    found = {"stdout": bytearray(), "stderr": bytearray()}

    def read() -> None:
        for frame in engine.containers.follow_to_end(container):
            found[frame.stream] += frame.data

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    return reader, found


def in_the_log(engine: TestEngine, container: str) -> dict[str, bytes]:
    found = {"stdout": b"", "stderr": b""}
    for frame in engine.containers.logs(container, follow=False):
        found[frame.stream] += frame.data
    return found


def test_a_log_is_given_once_over_kills_of_the_engine(
    own_engine: TestEngine, busybox: bytes
) -> None:
    image = own_engine.import_image(busybox)
    container = own_engine.run(image, "sh", "-c", WRITER)
    reader, found = collect(own_engine, container)
    for mark in (b"out 60\n", b"out 180\n"):
        wait_until(lambda mark=mark: mark in found["stdout"], 60, mark)
        own_engine.private.kill()
        with pytest.raises(EngineUnavailable):
            own_engine.client.ping()
        own_engine.private.start()
    reader.join(60)
    assert not reader.is_alive()
    assert own_engine.containers.inspect(container).exit_code == 0
    assert {name: bytes(said) for name, said in found.items()} == in_the_log(own_engine, container)
    numbers = [int(line[4:]) for line in found["stdout"].split(b"\n") if line[:4] == b"out "]
    assert len(set(numbers)) == len(numbers) > 300
    assert numbers == sorted(numbers)
    assert found["stdout"].endswith(b"the end")


def test_a_container_that_ended_while_the_engine_was_away(
    own_engine: TestEngine, busybox: bytes
) -> None:
    image = own_engine.import_image(busybox)
    container = own_engine.run(image, "sh", "-c", "echo a; sleep 1; echo b; exit 5")
    pid = own_engine.containers.inspect(container).pid
    reader, found = collect(own_engine, container)
    wait_until(lambda: found["stdout"] == b"a\n", 20, "the first line")
    own_engine.private.kill()
    wait_until(lambda: not _exists(pid), 20, "the end of the container")
    own_engine.private.start()
    reader.join(30)
    assert not reader.is_alive()
    assert own_engine.wait_ended(container).exit_code == 5
    assert {name: bytes(said) for name, said in found.items()} == in_the_log(own_engine, container)


def _exists(pid: int) -> bool:
    from jexevents import processes

    return processes.identify(pid) is not None


def assert_times_out(call: Callable[[], object]) -> None:
    begun = time.monotonic()
    with pytest.raises(EngineUnavailable) as caught:
        call()
    assert caught.value.timed_out
    assert time.monotonic() - begun < 5


def test_an_engine_that_hangs_is_away_within_bounded_time(own_engine: TestEngine) -> None:
    own_engine.client.connect_seconds = 0.5
    own_engine.client.ping()
    own_engine.private.freeze()
    try:
        assert_times_out(own_engine.client.ping)
        own_engine.client.call_seconds = 1.0
        assert_times_out(own_engine.client.about)
    finally:
        own_engine.private.thaw()
    own_engine.client.ping()
