"""Programs out of Debian's or Ubuntu's packages, fetched by apt and unpacked into a private
folder. Nothing is installed system-wide and no service is started; it works for root and for
anyone else."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from jexevents.errors import Unavailable

Say = Callable[[str], None]
APT_SECONDS = 900
TAIL_LINES = 4


def unpacked(
    cache: Path,
    name: str,
    wanted: Sequence[str],
    say: Say,
    *,
    whole: Callable[[Path], bool],
    finish: Callable[[Path], None] = lambda _root: None,
) -> Path:
    """Give the folder with the ``wanted`` packages and those they need, as far as this system
    lacks them; ``cache`` keeps it for next time.

    ``name`` is what it is called there; ``say`` is told each step. ``whole`` tells whether a
    folder holds all that is needed; ``finish`` makes what was unpacked usable where it stands.
    Raises Unavailable, with what apt says.
    """
    for tool in ("apt-get", "dpkg"):
        if not shutil.which(tool):
            raise Unavailable(f"this system has no {tool}")
    try:
        root = cache.resolve() / f"{name}-{_system()}"
        with _alone(root):
            if not whole(root):
                _fetch(root, wanted, say, finish)
    except OSError as exc:
        raise Unavailable(f"{exc.filename or cache}: {exc.strerror}") from exc
    return root


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


def _fetch(root: Path, wanted: Sequence[str], say: Say, finish: Callable[[Path], None]) -> None:
    with tempfile.TemporaryDirectory(prefix=f"{root.name}-", dir=root.parent) as work:
        archives, place = Path(work) / "archives", Path(work) / "unpacked"
        (archives / "partial").mkdir(parents=True)
        place.mkdir()
        # apt fetches as its own user, which has to come in; it falls back to ours otherwise.
        Path(work).chmod(0o755)
        _download(wanted, archives, Path(work) / "lists", say)
        for package in sorted(archives.glob("*.deb")):
            _run(["dpkg", "-x", str(package), str(place)])
        finish(place)
        shutil.rmtree(root, ignore_errors=True)
        place.rename(root)


def _download(wanted: Sequence[str], archives: Path, lists: Path, say: Say) -> None:
    options = ["-o", f"Dir::Cache::archives={archives}", "-o", "Debug::NoLocking=1"]
    try:
        _install(wanted, options, say)
    except Unavailable:
        # No lists, or lists too old: get them, apart from the system's own.
        (lists / "partial").mkdir(parents=True)
        options += ["-o", f"Dir::State::lists={lists}", "-o", f"Dir::Cache={archives}"]
        say("fetching the list of packages")
        _run(["apt-get", "-qq", "update", *options])
        _install(wanted, options, say)


def _install(wanted: Sequence[str], options: list[str], say: Say) -> None:
    command = ["apt-get", "install", "--no-install-recommends", *options]
    plan = _run([*command, "-V", "--assume-no", *wanted], fine=(0, 1))
    version = re.search(rf"\b{re.escape(wanted[0])} \(([^)-]+)", plan)
    size = re.search(r"Need to get ([\d.,]+ \w+)", plan)
    if not size and not version:
        raise Unavailable(f"apt does not offer {wanted[0]}: {_tail(plan)}")
    named = f"{wanted[0]} {version[1]}" if version else " ".join(wanted)
    say(f"fetching {named} by apt ({size[1] if size else 'size unknown'})")
    _run([*command, "-qq", "-y", "--download-only", *wanted])


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
        raise Unavailable(f"{command[0]} did not end in {APT_SECONDS} s") from exc
    if done.returncode not in fine:
        raise Unavailable(f"{' '.join(command[:2])}: {_tail(done.stdout)}")
    return done.stdout


def _tail(text: str) -> str:
    return "; ".join(text.strip().splitlines()[-TAIL_LINES:])
