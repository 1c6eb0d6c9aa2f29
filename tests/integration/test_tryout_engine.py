"""The private container engine: its life, its death, and what it leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jexevents import processes
from jexevents.engine.client import Engine
from jexevents.engine.containers import Containers
from jexevents.errors import ConfigError, EngineUnavailable
from jexevents.tryout import dockerd
from jexevents.tryout.dockerd import PrivateEngine
from jexevents.tryout.enginepackages import Programs
from tests import engine as engines
from tests.engine import TestEngine
from tests.support import ROOT, describe, wait_until

STARTER = """
import sys
from pathlib import Path
from jexevents.tryout.dockerd import PrivateEngine
from jexevents.tryout.enginepackages import Programs
engine = PrivateEngine(Path(sys.argv[1]), Programs(Path(sys.argv[2])))
engine.start()
print("started", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def base(engine_programs: Programs) -> Iterator[Path]:
    """A folder for engines beside the one that other tests use; its path is short, too."""
    beside = engines.base_folder(engine_programs)
    found = beside.with_name(f"{beside.name}-t")
    dockerd.sweep(found, engine_programs)
    yield found
    dockerd.sweep(found, engine_programs)
    found.rmdir()


def remains(engine: PrivateEngine) -> list[str]:
    """List all that is there of an engine: processes, mounts, bridge, groups, folder."""
    running = processes.select(
        lambda pid: (
            str(engine.folder) in processes.command_line(pid)
            or processes.variable(pid, dockerd.MARK) == str(engine.folder)
            or engine._contains(pid)
        )
    )
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    bridge = Path("/sys/class/net") / engine.name
    groups = list(Path("/sys/fs/cgroup").rglob(engine.name))
    return [
        *([describe(running)] if running else []),
        *(one for one in mounts if str(engine.folder) in one),
        *([str(bridge)] if bridge.exists() else []),
        *map(str, groups),
        *([str(engine.folder)] if engine.folder.exists() else []),
    ]


def with_containers(private: PrivateEngine, busybox: bytes) -> set[Path]:
    """Run containers in it, one of them paused; gives the sockets of their shims."""
    found = TestEngine(private.url, private.how)
    image = found.import_image(busybox)
    found.run(image, "sleep", "1000", network="bridge")
    found.containers.pause(found.run(image, "sh", "-c", "trap '' TERM; sleep 1000"))
    found.containers.create(found.spec(image, "true"))
    return set(private._shim_sockets())


def test_nothing_of_it_is_left(base: Path, engine_programs: Programs, busybox: bytes) -> None:
    private = PrivateEngine(base / "a", engine_programs)
    private.stop()
    private.start()
    sockets = with_containers(private, busybox)
    assert len(sockets) == 2
    assert all(one.exists() for one in sockets)
    assert remains(private)
    private.stop()
    assert remains(private) == []
    assert not any(one.exists() for one in sockets)
    private.stop()


def test_what_a_killed_starter_left_is_swept_and_what_is_in_use_is_not(
    base: Path, engine_programs: Programs, busybox: bytes
) -> None:
    left = PrivateEngine(base / "left", engine_programs)
    command = [sys.executable, "-c", STARTER, str(left.folder), str(engine_programs.root)]
    pipe = subprocess.PIPE
    starter = subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True)
    try:
        assert starter.stdout.readline() == "started\n"
        sockets = with_containers(left, busybox)
        with pytest.raises(ConfigError, match="in use by another process"):
            left.start()
        dockerd.sweep(base, engine_programs)
        Engine(left.url).ping()
    finally:
        starter.kill()
        starter.communicate()
    assert remains(left)
    dockerd.sweep(base, engine_programs)
    assert remains(left) == []
    assert not any(one.exists() for one in sockets)


def test_containers_live_through_a_kill(
    base: Path, engine_programs: Programs, busybox: bytes
) -> None:
    with PrivateEngine(base / "k", engine_programs) as private:
        found = TestEngine(private.url, private.how)
        made = found.run(found.import_image(busybox), "sleep", "1000")
        pid = found.containers.inspect(made).pid
        private.kill()
        with pytest.raises(EngineUnavailable):
            Engine(private.url).ping()
        private.start()
        private.start()
        state = Containers(Engine(private.url)).inspect(made)
        assert (state.status, state.pid) == ("running", pid)
    assert remains(private) == []


def test_a_path_that_is_too_long_for_a_socket(base: Path, engine_programs: Programs) -> None:
    with pytest.raises(ConfigError, match="too long a path"):
        PrivateEngine(base / ("x" * 60), engine_programs).start()
    base.mkdir(exist_ok=True)


def test_an_engine_that_ends_while_starting_is_quoted(
    base: Path, engine_programs: Programs
) -> None:
    private = PrivateEngine(base / "e", engine_programs, {"storage-driver": "no-such-driver"})
    with pytest.raises(EngineUnavailable, match="driver not supported") as caught:
        private.start()
    assert "level=info" not in str(caught.value)
    assert remains(private) == []


def test_the_engine_of_the_tests_is_one_that_answers_if_any_does(
    own_engine: TestEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", own_engine.url)
    found = engines.answering()
    assert found.client.about().id == own_engine.client.about().id
    found.close()
    own_engine.client.ping()
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere")
    assert engines.answering() is None


def test_what_its_containerd_says_in_need_is_kept_in_its_folder(
    base: Path, engine_programs: Programs
) -> None:
    with PrivateEngine(base / "one", engine_programs) as private:
        containerd = int((private.folder / "x/containerd/containerd.pid").read_text())
        os.kill(containerd, signal.SIGUSR1)
        wait_until(lambda: list(private.folder.glob("containerd.*.log")), 30, "the stacks")
