"""RabbitMQ's programs: those installed, or on Debian and Ubuntu fetched by apt and unpacked
into a private folder. Nothing is installed system-wide and no service is started; it works
for root and for anyone else."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from jexevents.errors import BrokerUnavailable

Say = Callable[[str], None]
PACKAGE = "rabbitmq-server"
DEBIAN_SCRIPTS = "usr/lib/rabbitmq/bin"
APT_SECONDS = 900
TAIL_LINES = 4

# Debian's erl knows but one place, /usr/lib/erlang; this one looks where it stands itself.
ERL = """#!/bin/sh
ROOTDIR=$(cd "$(dirname "$0")/.." && pwd)
for BINDIR in "$ROOTDIR"/erts-*/bin; do :; done
EMU=beam
PROGNAME=erl
export ROOTDIR BINDIR EMU PROGNAME
exec "$BINDIR/erlexec" ${1+"$@"}
"""


@dataclass(frozen=True)
class Programs:
    """Where RabbitMQ's scripts are; ``root`` is where its packages were unpacked, if so."""

    scripts: Path
    root: Path | None
    how: str

    def search_path(self) -> str:
        """Give the PATH with which the scripts find Erlang."""
        own = [str(self.root / "usr/lib/erlang/bin")] if self.root else []
        return os.pathsep.join([*own, os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])

    def libraries(self) -> str:
        """Give the folders of shared libraries that were unpacked too."""
        found = self.root.glob("usr/lib/*-linux-gnu*") if self.root else []
        return os.pathsep.join(str(folder) for folder in found)

    def epmd(self) -> str:
        """Give Erlang's port mapper; BrokerUnavailable where it cannot be found."""
        found = shutil.which("epmd", path=self.search_path())
        for folder in ("/usr/lib/erlang/bin", "/usr/local/lib/erlang/bin"):
            found = found or shutil.which("epmd", path=folder)
        if not found:
            raise BrokerUnavailable("Erlang's program epmd is not on the PATH.")
        return found


def installed() -> Programs:
    """Give the RabbitMQ of this system; BrokerUnavailable if there is none."""
    # Debian's program on the PATH changes to the user rabbitmq; the one behind it does not.
    behind = Path("/") / DEBIAN_SCRIPTS
    found = shutil.which(PACKAGE, path=f"{behind}:{os.environ.get('PATH', '')}:/usr/sbin")
    if not found:
        raise BrokerUnavailable("no program rabbitmq-server is installed")
    return Programs(Path(found).parent, None, f"the installed {found}")


def fetched(cache: Path, say: Say) -> Programs:
    """Give RabbitMQ out of Debian's or Ubuntu's packages, kept in ``cache`` for next time."""
    for tool in ("apt-get", "dpkg"):
        if not shutil.which(tool):
            raise BrokerUnavailable(f"this system has no {tool}")
    try:
        root = cache.resolve() / f"rabbitmq-{_system()}"
        with _alone(root):
            if not (root / DEBIAN_SCRIPTS).is_dir():
                _fetch(root, say)
    except OSError as exc:
        raise BrokerUnavailable(f"{exc.filename or cache}: {exc.strerror}") from exc
    return Programs(root / DEBIAN_SCRIPTS, root, f"Debian's packages in {root}")


def _system() -> str:
    release = Path("/etc/os-release").read_text()
    named = dict(re.findall(r'^(ID|VERSION_ID)="?([^"\n]*)', release, re.MULTILINE))
    return "-".join([*named.values(), os.uname().machine])


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    root.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{root}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fetch(root: Path, say: Say) -> None:
    with tempfile.TemporaryDirectory(prefix=f"{root.name}-", dir=root.parent) as work:
        archives, unpacked = Path(work) / "archives", Path(work) / "unpacked"
        (archives / "partial").mkdir(parents=True)
        unpacked.mkdir()
        # apt fetches as its own user, which has to come in; it falls back to ours otherwise.
        Path(work).chmod(0o755)
        _download(archives, Path(work) / "lists", say)
        for package in sorted(archives.glob("*.deb")):
            _run(["dpkg", "-x", str(package), str(unpacked)])
        _relocate(unpacked)
        shutil.rmtree(root, ignore_errors=True)
        unpacked.rename(root)


def _download(archives: Path, lists: Path, say: Say) -> None:
    options = ["-o", f"Dir::Cache::archives={archives}", "-o", "Debug::NoLocking=1"]
    try:
        _install(options, say)
    except BrokerUnavailable:
        # No lists, or lists too old: get them, apart from the system's own.
        (lists / "partial").mkdir(parents=True)
        options += ["-o", f"Dir::State::lists={lists}", "-o", f"Dir::Cache={archives}"]
        say("fetching the list of packages")
        _run(["apt-get", "-qq", "update", *options])
        _install(options, say)


def _install(options: list[str], say: Say) -> None:
    command = ["apt-get", "install", "--no-install-recommends", *options]
    plan = _run([*command, "-V", "--assume-no", PACKAGE], fine=(0, 1))
    version = re.search(rf"\b{PACKAGE} \(([^)-]+)", plan)
    size = re.search(r"Need to get ([\d.,]+ \w+)", plan)
    if not version:
        raise BrokerUnavailable(f"apt does not offer {PACKAGE}: {_tail(plan)}")
    say(f"fetching RabbitMQ {version[1]} by apt ({size[1] if size else 'size unknown'})")
    _run([*command, "-qq", "-y", "--download-only", PACKAGE])


def _relocate(unpacked: Path) -> None:
    if not (unpacked / DEBIAN_SCRIPTS / PACKAGE).exists():
        raise BrokerUnavailable(f"the package {PACKAGE} holds no {DEBIAN_SCRIPTS}/{PACKAGE}")
    erl = unpacked / "usr/lib/erlang/bin/erl"
    if erl.exists():
        erl.write_text(ERL)


def _run(command: list[str], fine: tuple[int, ...] = (0,)) -> str:
    env = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            command,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=APT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise BrokerUnavailable(f"{command[0]} did not end in {APT_SECONDS} s") from exc
    if done.returncode not in fine:
        raise BrokerUnavailable(f"{' '.join(command[:2])}: {_tail(done.stdout)}")
    return done.stdout


def _tail(text: str) -> str:
    return "; ".join(text.strip().splitlines()[-TAIL_LINES:])
