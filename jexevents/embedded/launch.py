"""Starts PostgreSQL's programs as the right user: ourselves, or as root an unprivileged one."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from jexevents.embedded import runas
from jexevents.errors import ConfigError, StoreUnavailable
from jexevents.processes import ProcessId, identify

UNPRIVILEGED = ("postgres", "nobody")


@dataclass(frozen=True)
class Account:
    """The user that the server runs as; ``foreign`` where that is not who we are."""

    uid: int
    gid: int
    foreign: bool

    @property
    def name(self) -> str:
        """Give the user's name, or its number where it has none."""
        try:
            return pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return str(self.uid)

    def groups(self) -> list[int]:
        """List the ids of the user's groups."""
        return os.getgrouplist(self.name, self.gid)


def account_for(folder: Path) -> Account:
    """Give the user that serves ``folder``: whoever starts it; as root the folder's owner or,
    where that is root too, the first of UNPRIVILEGED that exists."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid(), foreign=False)
    owner = folder.stat()
    if owner.st_uid != 0:
        return Account(owner.st_uid, owner.st_gid, foreign=True)
    return _unprivileged()


def _unprivileged() -> Account:
    for name in UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid, foreign=True)
    raise ConfigError(
        "PostgreSQL does not run as root, and there is no user postgres or nobody to run it as.",
        remedy="Start jexevents as an ordinary user, or name another server in DBURI.",
    )


@dataclass(frozen=True)
class Launcher:
    """Starts programs as ``account`` with ``folder`` as their current one."""

    account: Account
    folder: Path
    reach: tuple[Path, ...]

    def run(self, argv: list[str], timeout: float) -> tuple[int, str]:
        """Run a program to its end; gives its exit code and all it said."""
        command = self._command(argv, detach=False)
        try:
            done = subprocess.run(
                command,
                **self._surroundings(),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired as exc:
            raise StoreUnavailable(f"{argv[0]} did not end in {timeout:g} s.") from exc
        said = done.stdout.decode(errors="replace").strip()
        if done.returncode == runas.REFUSED:
            raise self._refused(said)
        return done.returncode, said

    def spawn(self, argv: list[str], log: int) -> ProcessId | None:
        """Start a program in a session of its own that outlives us; its output goes to the
        descriptor ``log``. None where it has ended already."""
        command = self._command(argv, detach=True)
        surroundings = self._surroundings()
        done = subprocess.run(
            command, **surroundings, stdout=subprocess.PIPE, stderr=log, timeout=60, check=False
        )
        said = done.stdout.decode(errors="replace").strip()
        if done.returncode != 0:
            raise self._refused(said)
        return identify(int(said))

    def _command(self, argv: list[str], *, detach: bool) -> list[str]:
        account = self.account
        spec = {
            "uid": account.uid if account.foreign else None,
            "gid": account.gid,
            "groups": account.groups() if account.foreign else [],
            "reach": [str(path) for path in self.reach],
            "detach": detach,
            "argv": argv,
        }
        return [sys.executable, "-I", "-S", runas.__file__, json.dumps(spec)]

    def _surroundings(self) -> dict:
        # PG* variables would change the server's port and more, LC_* the sorting of its data.
        env = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
        return {
            "env": env,
            "cwd": self.folder,
            "stdin": subprocess.DEVNULL,
            "start_new_session": True,
        }

    def _refused(self, said: str) -> ConfigError:
        return ConfigError(
            f"PostgreSQL cannot be started as the user {self.account.name}: {said}.",
            remedy=(
                f"Put PATH (and the Python environment) where {self.account.name} can go, start "
                "jexevents as an ordinary user, or name another server in DBURI."
            ),
        )
