"""A container engine of our own: dockerd under one folder, and gone when it is stopped.

Debian's packages are enough for it, and root. It has no rules in the firewall: its containers
reach each other and this machine, and nothing beyond.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from jexevents import processes
from jexevents.engine.client import Engine
from jexevents.errors import ConfigError, EngineUnavailable
from jexevents.processes import ProcessId
from jexevents.tryout.enginepackages import Programs

START_SECONDS, STOP_SECONDS, RUN_SECONDS = 60, 20, 30
MARK = "JEXEVENTS_ENGINE"
MAX_FOLDER_CHARACTERS = 64  # a socket's path has at most 107, and containerd's is 37 longer
CGROUPS = Path("/sys/fs/cgroup")
_TAIL_LINES = 12


class PrivateEngine:
    """A dockerd that lives in ``folder``, which is its own and has a short path.

    Containers live through a ``kill`` and the next ``start``; ``stop`` ends them, and removes
    all there was. ``settings`` are further ones for its daemon.json.
    """

    def __init__(
        self, folder: Path, programs: Programs, settings: Mapping[str, object] | None = None
    ) -> None:
        self.folder = Path(folder).resolve()
        self.how = f"a private dockerd in {self.folder}"
        self.url = f"unix://{self.folder}/docker.sock"
        # The name of its bridge, which has at most 15 characters, and of its control groups.
        self.name = f"jex{hashlib.sha256(str(self.folder).encode()).hexdigest()[:9]}"
        self._programs = programs
        self._more = dict(settings or {})
        self._lock: int | None = None

    def start(self) -> None:
        """Start it and wait until it answers; what a killed starter left here is ended first.

        Raises ConfigError if the folder cannot be used or is in use, EngineUnavailable, with the
        last lines of its log, if it does not come up.
        """
        if self._lock is None:
            self._claim()
            self._end()
        elif self._daemons():
            return
        try:
            self._prepare()
            self._wait_ready(self._spawn())
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End it, its containers and its mounts, and remove its folder; safe at any time."""
        if self._lock is None:
            return
        self._end()
        shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._lock)
        self._lock = None

    def kill(self) -> None:
        """Kill it with SIGKILL; its containers run on. ``start`` follows."""
        daemons = self._daemons()
        processes.signal_all([one for one in daemons if _runs(one, "dockerd")], signal.SIGKILL)
        # Its containerd is told to die with it.
        processes.wait_gone(daemons, STOP_SECONDS)
        processes.end(daemons)

    def freeze(self) -> None:
        """Let it hang: it takes connections and answers nothing, until ``thaw``."""
        processes.signal_all(self._daemons(), signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        processes.signal_all(self._daemons(), signal.SIGCONT)

    def __enter__(self) -> PrivateEngine:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    # The folder

    def _claim(self) -> None:
        if len(str(self.folder)) > MAX_FOLDER_CHARACTERS:
            raise ConfigError(
                f"{self.folder} is too long a path for the sockets of an engine.",
                remedy=f"Use one of at most {MAX_FOLDER_CHARACTERS} characters.",
            )
        lock = None
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            os.close(lock)
            raise ConfigError(
                f"{self.folder} is in use by another process, which runs an engine there.",
                remedy="Stop that one, or use another folder.",
            ) from exc
        except OSError as exc:
            raise ConfigError(f"{exc.filename} cannot be used: {exc.strerror}.") from exc
        self._lock = lock

    def _prepare(self) -> None:
        self._make_bridge()
        settings = {**self._settings(), **self._more}
        (self.folder / "daemon.json").write_text(json.dumps(settings))
        # They may name zombies, which nobody has reaped yet, and those are taken for running.
        for left in ("dockerd.pid", "x/containerd/containerd.pid"):
            (self.folder / left).unlink(missing_ok=True)

    def _settings(self) -> dict[str, object]:
        return {
            "hosts": [self.url],
            "data-root": f"{self.folder}/data",
            "exec-root": f"{self.folder}/x",
            "pidfile": f"{self.folder}/dockerd.pid",
            "bridge": self.name,
            "cgroup-parent": f"/{self.name}",
            "exec-opts": ["native.cgroupdriver=cgroupfs"],
            "iptables": False,
            "ip6tables": False,
            "ip-forward": False,
            "ip-masq": False,
            "live-restore": True,
            "shutdown-timeout": 5,
        }

    def _make_bridge(self) -> None:
        if (Path("/sys/class/net") / self.name).exists():
            return
        self._run("ip", "link", "add", self.name, "type", "bridge")
        self._run("ip", "address", "add", f"{_free_net()}.1/24", "dev", self.name)
        self._run("ip", "link", "set", self.name, "up")

    def _run(self, *command: str) -> None:
        program = self._programs.find(command[0]) or command[0]
        done = subprocess.run(
            [program, *command[1:]],
            env={**os.environ, **self._programs.environment()},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise EngineUnavailable(f"{' '.join(command)}: {done.stderr.strip()}")

    # The processes

    def _spawn(self) -> ProcessId | None:
        with (self.folder / "dockerd.log").open("ab") as log:
            child = subprocess.Popen(
                [self._programs.find("dockerd"), "--config-file", f"{self.folder}/daemon.json"],
                env={
                    **self._programs.environment(),
                    "HOME": str(self.folder),
                    # Where a containerd that does not answer in time is made to write its stacks.
                    "TMPDIR": str(self.folder),
                    MARK: str(self.folder),
                },
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        # It is watched and reaped by its pid: the object is not needed any more.
        child.returncode = 0
        return processes.identify(child.pid)

    def _wait_ready(self, daemon: ProcessId | None) -> None:
        engine, deadline = Engine(self.url), time.monotonic() + START_SECONDS
        while True:
            with suppress(EngineUnavailable):
                engine.ping()
                engine.close()
                return
            if not processes.alive(daemon):
                raise self._failed("ended while starting")
            if time.monotonic() > deadline:
                raise self._failed(f"does not answer after {START_SECONDS} s")
            time.sleep(0.02)

    def _failed(self, what: str) -> EngineUnavailable:
        lines = (self.folder / "dockerd.log").read_text(errors="replace").splitlines()
        said = "\n".join([line for line in lines if "level=info" not in line][-_TAIL_LINES:])
        return EngineUnavailable(f"dockerd in {self.folder} {what}; it says:\n{said}")

    def _running(self) -> list[ProcessId]:
        """List all of its processes, and those of its containers."""
        place = str(self.folder)
        return processes.select(
            lambda pid: processes.variable(pid, MARK) == place or self._contains(pid)
        )

    def _contains(self, pid: int) -> bool:
        with suppress(OSError):
            return f"/{self.name}/" in Path(f"/proc/{pid}/cgroup").read_text(errors="replace")
        return False

    def _daemons(self) -> list[ProcessId]:
        return [one for one in self._running() if _runs(one, "dockerd") or _runs(one, "containerd")]

    # The end

    def _end(self) -> None:
        self.thaw()
        self._thaw_containers()
        sockets = self._shim_sockets()
        processes.end(processes.select(self._contains))
        daemons = [one for one in self._daemons() if _runs(one, "dockerd")]
        processes.end(daemons, grace=STOP_SECONDS)
        # A shim that one of them had just started may have come too late for the list.
        while left := self._running():
            processes.end(left)
        for socket in sockets:
            socket.unlink(missing_ok=True)
        self._unmount()
        if (Path("/sys/class/net") / self.name).exists():
            self._run("ip", "link", "delete", self.name)
        for group in self._groups():
            with suppress(OSError):
                group.rmdir()

    def _shim_sockets(self) -> list[Path]:
        """List the sockets of its shims, which stand in a folder that all engines share."""
        found = self.folder.glob("x/containerd/daemon/*/*/*/address")
        return [Path(one.read_text().strip().removeprefix("unix://")) for one in found]

    def _thaw_containers(self) -> None:
        # A paused process does not even end by SIGKILL.
        for group in self._groups():
            with suppress(OSError):
                (group / "freezer.state").write_text("THAWED")

    def _groups(self) -> list[Path]:
        """List its control groups, the inner ones first."""
        tops = [*CGROUPS.glob(f"*/{self.name}"), *CGROUPS.glob(self.name)]
        found = [Path(folder) for top in tops for folder, _, _ in os.walk(top, topdown=False)]
        return [group for group in found if group.is_dir()]

    def _unmount(self) -> None:
        for _ in range(3):
            mounts = self._mounts()
            for place in reversed(mounts):
                self._run("umount", "--lazy", place)
            if not mounts:
                return
        if left := self._mounts():
            # What is behind a mount must not be removed with the folder.
            raise EngineUnavailable(f"{left[0]} cannot be unmounted.")

    def _mounts(self) -> list[str]:
        lines = Path("/proc/self/mounts").read_text(errors="replace").splitlines()
        places = [line.split(" ")[1].encode().decode("unicode_escape") for line in lines]
        return [place for place in places if place.startswith(f"{self.folder}/")]


def sweep(base: Path, programs: Programs) -> None:
    """End what killed starters left in the folders below ``base``; those in use are left alone."""
    for folder in sorted(base.glob("*/")):
        left = PrivateEngine(folder, programs)
        with suppress(ConfigError):
            left._claim()
            left.stop()


def _free_net() -> str:
    """Give the first three numbers of a network that this machine has no route to."""
    routes = Path("/proc/net/route").read_text()
    free = [third for third in range(256) if f"\t00{third:02X}D50A\t" not in routes]
    if not free:
        raise EngineUnavailable("All networks in 10.213.0.0/16 are taken.")
    return f"10.213.{secrets.choice(free)}"


def _runs(process: ProcessId, program: str) -> bool:
    command = processes.command_line(process.pid).partition(" ")[0]
    return command.rpartition("/")[2] == program
