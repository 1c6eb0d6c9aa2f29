"""A control group for the tree of one job, where this process may make one.

It is used for one thing: to have the tree stand still while it is looked at. No limit is set.
"""

from __future__ import annotations

import os
import time

_WAIT_SECONDS = 0.25
_STEP_SECONDS = 0.0005


class Cgroup:
    """One control group, of the unified hierarchy (``v2``) or of version 1's freezer."""

    def __init__(self, path: str, *, v2: bool) -> None:
        self.path, self.v2 = path, v2
        self._freezer = "cgroup.freeze" if v2 else "freezer.state"
        self._words = ("1", "0") if v2 else ("FROZEN", "THAWED")
        self._says = ("cgroup.events", "frozen 1") if v2 else ("freezer.state", "FROZEN")

    def opening(self) -> int:
        """Give a descriptor; who writes 0 into it belongs to the group. Raises OSError."""
        return os.open(f"{self.path}/cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)

    def freeze(self) -> bool:
        """Have all in it stand still, none forking any more; False where that cannot be had.

        A process in the middle of a disk's or a server's answer stands still only afterwards; it is
        not waited for long: it cannot fork either.
        """
        try:
            self._write(self._words[0])
            end = time.monotonic() + _WAIT_SECONDS
            while not self._is_frozen() and time.monotonic() < end:
                time.sleep(_STEP_SECONDS)
        except OSError:
            return False
        return True

    def thaw(self) -> None:
        """Have all go on."""
        try:
            self._write(self._words[1])
        except OSError:
            pass  # removed from outside, and so empty

    def pids(self) -> list[int]:
        """List the processes in it."""
        try:
            return [int(line) for line in _read(f"{self.path}/cgroup.procs").split()]
        except OSError:
            return []

    def remove(self) -> bool:
        """Remove it; False where something is in it still."""
        try:
            os.rmdir(self.path)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True

    def _is_frozen(self) -> bool:
        name, words = self._says
        return words in _read(f"{self.path}/{name}")

    def _write(self, word: str) -> None:
        descriptor = os.open(f"{self.path}/{self._freezer}", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(descriptor, word.encode())
        finally:
            os.close(descriptor)


def make(name: str) -> tuple[Cgroup, int] | None:
    """Make a group below the one that this process is in; gives it with its ``opening``. None where
    no hierarchy allows that."""
    for folder, v2 in _places():
        group = Cgroup(f"{folder}/{name}", v2=v2)
        try:
            os.mkdir(group.path, 0o755)
        except OSError:
            continue
        if os.path.exists(f"{group.path}/{group._freezer}"):
            try:
                return group, group.opening()
            except OSError:
                pass  # not ours to use
        group.remove()
    return None


def at(path: str) -> Cgroup:
    """Give the group that was made at ``path`` earlier."""
    return Cgroup(path, v2=os.path.exists(f"{path}/cgroup.freeze"))


def _places() -> list[tuple[str, bool]]:
    """List the folders of the groups that this process is in, the unified hierarchy first."""
    try:
        mounts, own = _read("/proc/self/mountinfo"), _read("/proc/self/cgroup")
    except OSError:
        return []
    found = []
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        root, mount = before.split(" ")[3:5]
        kind, _, options = after.partition(" ")
        if kind == "cgroup2":
            found.append((_below(mount, root, _own(own, "")), True))
        elif kind == "cgroup" and "freezer" in options.split(" ")[-1].split(","):
            found.append((_below(mount, root, _own(own, "freezer")), False))
    return sorted([(path, v2) for path, v2 in found if path], key=lambda place: not place[1])


def _own(own: str, controller: str) -> str:
    for line in own.splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(",") if controller else not controllers:
            return path
    return ""


def _below(mount: str, root: str, path: str) -> str:
    """Give the folder of the group ``path`` in a hierarchy of which ``root`` is mounted."""
    if not path or "/.." in path:
        return ""
    if root != "/":
        if path != root and not path.startswith(root + "/"):
            return ""
        path = path[len(root) :]
    return (mount + path).rstrip("/")


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return file.read()
