"""A commit that no node can have any more: its executions say so, and do not wait for ever."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.jobs import SECONDS, WAITS_FOR, Jobs
from tests.support import wait_until

FILES = {"short.yml": "command: echo done\n", "waits.yml": WAITS_FOR}


@pytest.fixture
def place(jobs) -> Jobs:
    return jobs(FILES, WorkerSlots=0)


def waits_for(place: Jobs, execution: dict[str, Any]) -> str | None:
    return (place.at(execution)["waits_for"] or {}).get("what")


def lose(place: Jobs, *, away: bool) -> None:
    """Have the repository forced to something else, or be away, and the mirror lost."""
    place.daemon.stop()
    origin = place.origin
    origin.git("commit", "--quiet", "--amend", "-m", "another")
    origin.git("reflog", "expire", "--expire=now", "--all")
    origin.git("gc", "--quiet", "--prune=now")
    shutil.rmtree(Path(place.options["JobsDir"]) / "repositories")
    if away:
        origin.folder.rename(origin.folder.with_name("elsewhere"))


@pytest.mark.parametrize(
    ("away", "why"), [(False, "has it no more"), (True, "does not appear to be a git repository")]
)
def test_a_commit_that_is_gone_ends_what_waits_on_it(place, away, why):
    waiting = [place.run("short") for _ in range(3)]
    assert waits_for(place, waiting[0]) == "node"
    lose(place, away=away)
    place.start_again(has_jobs=not away, WorkerSlots=2, LostAfter=60)
    wait_until(
        lambda: all(waits_for(place, one) == "commit" for one in waiting),
        SECONDS,
        "it to be said",
    )
    told = place.at(waiting[2])
    assert (told["state"], told["waits_for"]["since"] is not None) == ("QUEUED", True)
    for word in (told["commit"], "Node one", why):
        assert word in told["waits_for"]["reason"]
    place.daemon.stop()
    place.rows("update jex.execution_queue set refused_at = refused_at - interval '61 s'")
    place.start_again(has_jobs=not away, WorkerSlots=2, LostAfter=60)
    for one in waiting:
        done = place.wait_over(one)
        assert (done["state"], done["attempts"]) == ("FAILED", [])
        assert done["waits_for"] is None
        for word in (done["commit"], "No node could begin it for", why):
            assert word in done["reason"]


def test_what_can_be_had_again_is_run(place):
    """Though it could not be had for longer than it is waited for."""
    waiting = place.run("short")
    place.daemon.stop()
    folder = Path(place.options["JobsDir"]) / "repositories"
    kept = folder.with_name("kept")
    folder.rename(kept)
    old = place.origin.git("rev-parse", "HEAD")
    place.origin.git("commit", "--quiet", "--amend", "-m", "another")
    place.start_again(WorkerSlots=1)
    wait_until(lambda: waits_for(place, waiting) == "commit", SECONDS, "the refusal")
    place.daemon.stop()
    place.rows("update jex.execution_queue set refused_at = refused_at - interval '3 days'")
    shutil.rmtree(folder)
    kept.rename(folder)
    place.start_again(WorkerSlots=1)
    done = place.wait_over(waiting)
    assert (done["state"], done["commit"]) == ("COMPLETE", old)
