"""A RabbitMQ of our own: on loopback, under one folder, and gone when it is stopped."""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from jexevents import processes
from jexevents.errors import BrokerUnavailable, ConfigError
from jexevents.processes import ProcessId
from jexevents.tryout.management import Management, vhost_uri
from jexevents.tryout.packages import Programs

START_SECONDS, STOP_SECONDS, CTL_SECONDS = 120, 30, 120
# Below the ports that the system gives to outgoing connections: a client that keeps trying a
# closed port out of those can end up connected to itself.
PORTS = range(20000, 32000)
PORT_NAMES = ("amqp", "management", "distribution", "epmd")
MARK = "JEXEVENTS_BROKER"
LINK_PREFIX = "jexmq-"
LOOPBACK = "127.0.0.1"
SETTINGS = """\
listeners.tcp.default = {host}:{amqp}
management.tcp.ip = {host}
management.tcp.port = {management}
management_agent.disable_metrics_collector = true
disk_free_limit.absolute = 10MB
log.file.level = info
log.file.rotation.size = 1000000
log.file.rotation.count = 2
"""


class PrivateBroker:
    """A RabbitMQ that lives in ``folder``: its data, settings, log, cookie and home.

    The folder serves one starter at a time. Node name and ports stay the same from start to
    start; another port is taken only where somebody else has the old one.
    """

    makes_vhosts = True

    def __init__(self, folder: Path, programs: Programs) -> None:
        self.folder = Path(folder).resolve()
        self.how = f"a private RabbitMQ in {self.folder}, {programs.how}"
        self._programs = programs
        self._lock: int | None = None
        self._link: Path | None = None
        self._node: dict = {}

    @property
    def uri(self) -> str:
        """The AMQP URI of the default virtual host; known once started."""
        return f"amqp://guest:guest@{LOOPBACK}:{self._node['amqp']}/%2F"

    def start(self) -> None:
        """Start it and wait until it answers; what a killed starter left here is ended first.

        Raises ConfigError if the folder cannot be used or is in use, BrokerUnavailable, with
        the last lines of its log, if it does not come up.
        """
        if self._lock is None:
            self._claim()
        elif self._running():
            return
        try:
            # It may still work, and what was declared last is lost to it if it is killed.
            self._end()
            self._prepare()
            self._launch()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop it and all that belongs to it; returns when nothing of it runs."""
        if self._lock is None:
            return
        self._end()
        _remove_link(self._link)
        self._link = None
        os.close(self._lock)
        self._lock = None

    def _end(self) -> None:
        nodes = [process for process in self._running() if _is_node(process.pid)]
        processes.signal_all(nodes, signal.SIGTERM)
        processes.wait_gone(nodes, STOP_SECONDS)
        self.kill()

    def restart(self) -> None:
        """Stop it and start it again on the same port with the same data."""
        self.stop()
        self.start()

    def kill(self) -> None:
        """Kill it as a power cut would: SIGKILL to all of its processes; ``start`` follows."""
        # A program that one of them had just started may have come too late for the list.
        while left := self._running():
            processes.end(left)

    def __enter__(self) -> PrivateBroker:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def rabbitmqctl(self, *args: str) -> str:
        """Run a command of rabbitmqctl, which takes a second or two; gives what it says."""
        command = [str(self._scripts() / "rabbitmqctl"), "--quiet", *args]
        done = subprocess.run(
            command,
            env=self._environment(),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=CTL_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip()
            raise BrokerUnavailable(f"rabbitmqctl {' '.join(args)}: {said}")
        return done.stdout

    def create_vhost(self, name: str) -> str:
        """Make a virtual host; gives its AMQP URI."""
        self._management().create_vhost(name)
        return vhost_uri(self.uri, name)

    def delete_vhost(self, name: str) -> None:
        """Delete a virtual host with all in it."""
        self._management().delete_vhost(name)

    def _management(self) -> Management:
        return Management(f"http://{LOOPBACK}:{self._node['management']}", "guest", "guest")

    # The folder

    def _claim(self) -> None:
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            os.close(self._lock)
            self._lock = None
            raise ConfigError(
                f"{self.folder} is in use by another process, which runs a RabbitMQ there.",
                remedy="Stop that one, or use another folder.",
            ) from exc
        except OSError as exc:
            raise ConfigError(f"{exc.filename} cannot be used: {exc.strerror}.") from exc

    def _prepare(self) -> None:
        self._node = self._known_node()
        _remove_link(self._node.get("link"))
        for name in PORT_NAMES:
            if not _is_free(self._node.get(name, 0)):
                self._node[name] = free_port(self._node.values())
        self._scripts()
        self._plain(self.folder, "folder")
        self._node["link"] = str(self._link) if self._link else None
        (self.folder / "node.json").write_text(json.dumps(self._node))
        settings = SETTINGS.format(host=LOOPBACK, **self._node)
        (self.folder / "rabbitmq.conf").write_text(settings)
        (self.folder / "enabled_plugins").write_text("[rabbitmq_management].\n")
        cookie = self.folder / ".erlang.cookie"
        if not cookie.exists():
            cookie.touch(mode=0o600)
            cookie.write_text(secrets.token_hex(20))
            cookie.chmod(0o400)

    def _known_node(self) -> dict:
        with suppress(OSError, ValueError):
            return json.loads((self.folder / "node.json").read_text())
        # The data are filed under the node's name: it must outlive a change of ports.
        return {"name": f"jexevents-{secrets.token_hex(4)}@localhost"}

    def _environment(self) -> dict[str, str]:
        folder, node = str(self._plain(self.folder, "folder")), self._node
        own = {
            "CONFIG_FILE": f"{folder}/rabbitmq.conf",
            "CONFIG_FILES": f"{folder}/conf.d/*.conf",
            "ADVANCED_CONFIG_FILE": f"{folder}/advanced.config",
            "CONF_ENV_FILE": f"{folder}/rabbitmq-env.conf",
            "ENABLED_PLUGINS_FILE": f"{folder}/enabled_plugins",
            "GENERATED_CONFIG_DIR": f"{folder}/config",
            "SCHEMA_DIR": f"{folder}/schema",
            "MNESIA_BASE": f"{folder}/data",
            "LOG_BASE": f"{folder}/log",
            "PID_FILE": f"{folder}/pid",
            "NODENAME": node["name"],
            "DIST_PORT": str(node["distribution"]),
        }
        return {
            "PATH": self._programs.search_path(),
            "LD_LIBRARY_PATH": self._programs.libraries(),
            "LC_ALL": "C.UTF-8",
            "HOME": folder,
            "ERL_EPMD_PORT": str(node["epmd"]),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "ERL_AFLAGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            # The shell script turns into the node instead of waiting for it.
            "RUNNING_UNDER_SYSTEMD": "true",
            "ERL_CRASH_DUMP_BYTES": "0",
            MARK: str(self.folder),
        } | {f"RABBITMQ_{name}": value for name, value in own.items()}

    # The processes

    def _running(self) -> list[ProcessId]:
        """List all processes of this folder, also those that a killed starter left."""
        place = str(self.folder)
        marked = processes.select(lambda pid: processes.variable(pid, MARK) == place)
        # Where environments cannot be read, what was written down at the start has to do.
        return list({*marked, *(each for each in self._recorded() if processes.alive(each))})

    def _recorded(self) -> list[ProcessId]:
        with suppress(OSError, ValueError, TypeError):
            kept = json.loads((self.folder / "processes.json").read_text())
            return [ProcessId(**each) for each in kept]
        return []

    def _scripts(self) -> Path:
        scripts = self._programs.scripts
        return self._plain(scripts.parent.parent, "lib") / scripts.parent.name / scripts.name

    def _plain(self, path: Path, name: str) -> Path:
        # RabbitMQ's scripts do not quote their own path, and it hands that of its data to a
        # shell: a path with blanks or quotes is reached by a link without.
        if re.fullmatch(r"[\w./+=@:~-]+", str(path)):
            return path
        self._link = self._link or Path(tempfile.mkdtemp(prefix=LINK_PREFIX))
        if not (self._link / name).is_symlink():
            (self._link / name).symlink_to(path)
        return self._link / name

    def _launch(self) -> None:
        with (self.folder / "start.log").open("wb") as log:
            epmd = self._spawn([self._programs.epmd(), "-relaxed_command_check"], log)
            server = self._spawn([str(self._scripts() / "rabbitmq-server")], log)
        started = [asdict(each) for each in (epmd, server) if each]
        (self.folder / "processes.json").write_text(json.dumps(started))
        self._wait_ready(server)

    def _spawn(self, command: list[str], log) -> ProcessId | None:
        child = subprocess.Popen(
            command,
            env=self._environment(),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        # It is watched and reaped by its pid: the object is not needed any more.
        child.returncode = 0
        return processes.identify(child.pid)

    def _wait_ready(self, server: ProcessId | None) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not (self._listens() and self._management().works()):
            if not processes.alive(server):
                raise self._failed("ended while starting")
            if time.monotonic() > deadline:
                raise self._failed(f"does not answer after {START_SECONDS} s")
            time.sleep(0.05)

    def _listens(self) -> bool:
        with suppress(OSError), socket.create_connection((LOOPBACK, self._node["amqp"]), 1):
            return True
        return False

    def _failed(self, what: str) -> BrokerUnavailable:
        lines = (self.folder / "start.log").read_text(errors="replace").splitlines()
        # The reason comes first and is marked; a long account of the processes follows it.
        errors = [line for line in lines if "[error]" in line and line.rpartition(">")[2].strip()]
        said = "\n".join(errors[:12] or [line for line in lines if line.strip()][-12:])
        return BrokerUnavailable(f"RabbitMQ in {self.folder} {what}; it says:\n{said}")


def _is_node(pid: int) -> bool:
    return "beam" in processes.command_line(pid).partition(" ")[0]


def _is_free(port: int) -> bool:
    if not port:
        return False
    with socket.socket() as probe:
        # A port of connections that have just ended is free to a server.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            probe.bind((LOOPBACK, port))
            return True
    return False


def free_port(taken: Collection = ()) -> int:
    """Give a port on loopback that is free, not ``taken``, and not one of those that outgoing
    connections get."""
    for _ in range(1000):
        port = secrets.choice(PORTS)
        if port not in taken and _is_free(port):
            return port
    raise BrokerUnavailable(f"no port from {PORTS.start} to {PORTS.stop} is free on {LOOPBACK}")


def _remove_link(link: str | Path | None) -> None:
    if link and Path(link).name.startswith(LINK_PREFIX):
        shutil.rmtree(link, ignore_errors=True)
