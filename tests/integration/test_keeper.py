"""What is kept of executions on a node, and for how long."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from jexevents.executions.retention import Retention
from jexevents.runner.folder import Held, RunFolder
from jexevents.runner.keeping import Keeper
from jexevents.store.database import Database
from tests.runs import Runs

DAY = 86400.0
NOBODY = 65534


class NoRepository:
    """Stands for one of which nothing is held."""

    def held(self) -> dict:
        return {}

    def prune(self) -> None:
        """Do nothing."""


@pytest.fixture
def keeper(database: str, tmp_path: Path) -> Iterator[Keeper]:
    pool = Database(database)
    yield Keeper(
        Retention(pool, "one"),
        NoRepository(),
        tmp_path / "runs",
        keep_seconds=30 * DAY,
        in_hand=set,
        ready=lambda _seconds: True,
    )
    pool.close()


def test_what_nobody_knows_of_is_kept_if_it_ran(runs: Runs, keeper: Keeper) -> None:
    """The ledger may be another one by mistake."""
    ended, old = (runs.run("echo kept")[0] for _ in range(2))
    never = runs.create(runs.spec("echo"))
    given_up = runs.create(runs.spec("echo"))
    assert given_up.give_up("so")
    alive = runs.begin("sleep 60")
    long_ago = time.time() - 31 * DAY
    os.utime(old.path, (long_ago, long_ago))
    os.utime(alive.path, (long_ago, long_ago))
    keeper.keep()
    assert [one.path.is_dir() for one in (ended, old, never, given_up, alive)] == [
        True, False, False, False, True,
    ]  # fmt: skip
    assert (ended.path / "stdout").read_bytes() == b"kept\n"
    assert alive.standing().held is Held.ALIVE


def as_nobody(work: Callable[[], None]) -> int:
    """Do something in a process of a user who may do little; give its exit status."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
        work()
        os._exit(0)
    finally:
        os._exit(1)


def test_folders_that_a_job_has_closed_are_removed(tmp_path: Path) -> None:
    """As Go leaves its modules; root could remove them anyhow, so this is somebody else."""
    folder = tmp_path / str(uuid4())
    inner = folder / "work" / "a" / "b"
    inner.mkdir(parents=True)
    (inner / "file").write_text("x")
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o500)
    (folder / "work" / "a" / "link").symlink_to(outside)
    if os.geteuid() == 0:
        for path in (folder, *folder.rglob("*"), outside):
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
        for path in folder.parents:
            if path.stat().st_uid == 0 and path.name.startswith(("pytest-", "popen-", "test_")):
                path.chmod(path.stat().st_mode | 0o055)
    inner.chmod(0)
    inner.parent.chmod(0o500)
    assert as_nobody(RunFolder(folder).remove_work) == 0
    assert not (folder / "work").exists()
    assert outside.stat().st_mode & 0o777 == 0o500
