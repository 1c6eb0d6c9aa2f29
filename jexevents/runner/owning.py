"""Whose a folder of jobs is: one node's, and one process's at a time.

What stands there is looked after by the node whose rows tell of it. To any other one its outputs
would be rubbish, and its checkouts be held by nobody.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from jexevents.errors import ConfigError
from jexevents.logs import get_logger

log = get_logger("runner")

_OWNER = "node"
_LOOK_SECONDS = 0.1
# A process that was killed a moment ago may not be gone yet.
PATIENCE_SECONDS = 5.0


@contextmanager
def owned(folder: Path, runs: Path, node: str, seconds: float = PATIENCE_SECONDS) -> Iterator[None]:
    """Keep a folder of jobs, whose executions are in ``runs``, for this process and node.

    Raises ConfigError where another process has it for so many seconds, and where it has executions
    of another node. One that cannot be written to is no fault yet: who runs nothing needs none.
    """
    try:
        folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        owner = os.open(folder / _OWNER, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        log.warning("jobs_folder_unusable", folder=str(folder), reason=str(error))
        yield
        return
    try:
        _take(owner, folder, time.monotonic() + seconds)
        _sign(owner, folder, runs, node)
        yield
    finally:
        os.close(owner)


def _take(owner: int, folder: Path, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                raise ConfigError(
                    f"Another live daemon or worker works in the folder of jobs {folder}.",
                    remedy="Give each daemon a JobsDir of its own, each worker beside it a --name.",
                ) from error
            time.sleep(_LOOK_SECONDS)


def require_own(folder: Path, runs: Path, node: str) -> None:
    """Look whether a folder of jobs can be this node's, and change nothing. Raises ConfigError."""
    with suppress(OSError):
        _require_own((folder / _OWNER).read_bytes(), folder, runs, node)


def _require_own(signed: bytes, folder: Path, runs: Path, node: str) -> bool:
    """Whether it is signed by this node already. Raises ConfigError where it is another's."""
    before = signed.decode("utf-8", "replace").strip()
    if before not in ("", node) and _has_any(runs):
        raise ConfigError(
            f"The folder of jobs {folder} has executions of the node {before!r}, and this is "
            f"{node!r}.",
            remedy="Set NodeName (of a worker: --name) to that name, or JobsDir to another folder.",
        )
    return before == node


def _sign(owner: int, folder: Path, runs: Path, node: str) -> None:
    if _require_own(os.pread(owner, 1000, 0), folder, runs, node):
        return
    with suppress(OSError):
        os.ftruncate(owner, 0)
        os.pwrite(owner, f"{node}\n".encode(), 0)


def _has_any(runs: Path) -> bool:
    with suppress(FileNotFoundError):
        return any(path.is_dir() for path in runs.iterdir())
    return False
