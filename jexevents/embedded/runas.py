"""A program of its own, run by launch.py: becomes a user, then turns into another program.

PostgreSQL refuses to run as root. The unprivileged user that it runs as then may not be able
to pass through a folder above the data or the wheel (/root, say), and nothing outside the
data may be opened to it. So the one capability that passes through folders is handed on,
only where the way is closed without it. This runs outside the caller, since changing the
user of a process with threads by hand is not safe; it imports nothing but the standard
library (``python -I -S``).

Its one argument is a JSON object: uid, gid, groups (null: stay who we are), reach (paths that
must be reachable), detach (leave the caller's session and report the pid), argv. Trouble is
one line on stdout and exit 3.
"""

from __future__ import annotations

import json
import os
import sys

CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_SETPCAP = 1, 2, 8
PR_SET_KEEPCAPS, PR_SET_SECUREBITS, PR_CAP_AMBIENT = 8, 28, 47
PR_CAP_AMBIENT_RAISE = 2
# Without this bit access(2) ignores capabilities, and PostgreSQL finds its own program by it.
SECBIT_NO_SETUID_FIXUP = 1 << 2
CAPABILITY_VERSION_3 = 0x20080522
REFUSED = 3


def main(spec: dict) -> None:
    """Become the user of ``spec`` and turn into its program; does not return."""
    if spec["uid"] is not None:
        become(spec["uid"], spec["gid"], spec["groups"], spec["reach"])
    if spec["detach"]:
        detach()
    os.execv(spec["argv"][0], spec["argv"])


def become(uid: int, gid: int, groups: list[int], reach: list[str]) -> None:
    """Give up root for this user, keeping the means to reach the paths if need be."""
    linux = sys.platform == "linux"
    if linux:
        libc().prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups(groups)
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    closed = [path for path in reach if not os.access(path, os.R_OK | os.X_OK)]
    if closed and not (linux and keep_passage()):
        refuse(f"the user id {uid}, which PostgreSQL runs as here, cannot reach {closed[0]}")


def keep_passage() -> bool:
    """Keep the capability to pass through closed folders over the change of program."""
    permitted = permitted_capabilities()
    for capability in (CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE):
        if permitted >> capability & 1:
            set_capabilities(permitted, permitted, 0)
            libc().prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0)
            only = 1 << capability
            set_capabilities(only, only, only)
            return libc().prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) == 0
    return False


def permitted_capabilities() -> int:
    """Read the set of capabilities that this process may use."""
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("CapPrm:"))
    return int(line.split()[1], 16)


def set_capabilities(effective: int, permitted: int, inheritable: int) -> None:
    """Set this process's capabilities; each set is a bit mask."""
    import ctypes

    low, high = 0xFFFFFFFF, 32
    sets = (effective, permitted, inheritable)
    words = [value & low for value in sets] + [value >> high for value in sets]
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    if libc().capset(header, (ctypes.c_uint32 * 6)(*words)) != 0:
        refuse("the capabilities of the server's process cannot be set")


def libc():
    """Give the C library of this process."""
    import ctypes

    return ctypes.CDLL(None, use_errno=True)


def detach() -> None:
    """Go on in a child with a session of its own; the parent reports its pid and ends."""
    child = os.fork()
    if child:
        os.write(1, f"{child}\n".encode())
        os._exit(0)
    os.setsid()
    os.dup2(2, 1)


def refuse(reason: str) -> None:
    """End with the reason on stdout."""
    print(reason)
    sys.exit(REFUSED)


if __name__ == "__main__":
    try:
        main(json.loads(sys.argv[1]))
    except OSError as exc:
        refuse(str(exc))
