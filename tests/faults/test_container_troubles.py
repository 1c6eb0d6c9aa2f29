"""Containers whose image, disk, registry or worker is away: each end says why, the rest goes on."""

from __future__ import annotations

import re
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from jexevents.lifecycle.executionid import attempt_id
from tests.acceptance.support import PYTHON
from tests.engine import Registry
from tests.faults.hurried import LEASE_SECONDS
from tests.faults.hurried import PROGRAM as HURRIED
from tests.faults.servers import ask
from tests.faults.sizes import FULL
from tests.faults.yard import SCRIPT, Yard, logged
from tests.runs import small_disk
from tests.support import missing, unique, wait_until

# A lease, and the looks of those who judge it.
LEASE_OVER_SECONDS = (60 if FULL else LEASE_SECONDS) + 30
IDLE_SECONDS = 5
# More than the disk has, in lines that are few.
LOUD_BYTES = 4_000_000
LOUD = f"head -c {LOUD_BYTES} /dev/zero | tr '\\0' x; exit $((JEXEVENTS_DETAIL + 3))"
WAITS = SCRIPT.replace("case", "while ! [ -e /mounted/go ]; do sleep 0.05; done; case")


def pulled(yard: Yard, registry: Registry) -> tuple[str, int]:
    """Have an image that only a registry has, and a task of it; gives its name and the task's id.

    The engine has it no more.
    """
    own = yard.engine.import_image(yard.busybox, changes=(f"ENV MARK={unique('x')}",))
    name, _ = registry.push(yard.engine, own, f"{unique('tool')}:1")
    yard.engine.images.remove(own, force=True)
    task = yard.task(name, "pulled")
    forget(yard, task)
    return name, task


def forget(yard: Yard, task: int) -> None:
    """Take the image of a task from the engine."""
    image = yard.get(f"/task/{task}/")["image_id"]
    yard.engine.images.remove(image, force=True)


def test_an_image_that_vanishes(yard: Yard, own_registry: Registry) -> None:
    yard.worker(hurried=True)
    other = yard.task()
    name, task = pulled(yard, own_registry)
    shutil.rmtree(own_registry.folder / "data" / "docker/registry/v2/repositories")
    gone, fine = yard.run(task, 3), yard.run(other, 3)
    begun = time.monotonic()
    yard.wait_over(fine, 3)
    yard.wait_over(gone, 3, 130)
    assert time.monotonic() - begun < 130
    assert yard.get(f"/result/{gone}/")["status"] == "ERROR"
    for one in yard.details(gone):
        assert (one["status"], one["exit_code"], one["attempt"]) == ("ERROR", None, 1)
        assert "manifest unknown" in one["reason"], one["reason"]
        assert name.rpartition(":")[0] in one["reason"], one["reason"]
    yard.assert_true(fine, 3)


def test_a_pull_that_hangs(yard: Yard, own_registry: Registry) -> None:
    program = PYTHON if FULL else HURRIED
    daemon = yard.node("one", program, PullIdleSeconds=IDLE_SECONDS)
    _, task = pulled(yard, own_registry)
    pulls, ends = logged(daemon, "image_pull"), logged(daemon, "not_begun")
    own_registry.signal(signal.SIGSTOP)
    result = yard.run(task, 3)
    begun = time.monotonic()
    yard.wait_logged(daemon, "not_begun", ends + 3)
    assert IDLE_SECONDS <= time.monotonic() - begun < 2 * IDLE_SECONDS + 5
    assert logged(daemon, "image_pull") == pulls + 1, "one pull for all who want it"
    assert f"gave no sign for {IDLE_SECONDS} s" in daemon.log()
    # It is tried again; a daemon that ends waits for none.
    yard.wait_logged(daemon, "image_pull", pulls + 2)
    begun = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - begun < 6
    assert '"forced"' not in daemon.log()
    own_registry.signal(signal.SIGCONT)
    daemon.start_again()
    yard.wait_over(result, 3)
    yard.assert_true(result, 3)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MB."""
    with ExitStack() as stack:
        try:
            found = stack.enter_context(small_disk(tmp_path / "disk", "2m"))
        except OSError as error:
            missing("a small disk", error)
        yield found


def test_a_full_disk(disk: Path, yard: Yard) -> None:
    """What fills it ends as it does, and says what is lost; what finds it full waits for room."""
    yard.worker(hurried=True, JobsDir=str(disk / "jobs"))
    task = yard.task()
    loud = yard.run(task, 3, LOUD)
    checked: set[int] = set()
    while len(checked) < 3:
        yard.wait_over(loud, len(checked) + 1)
        ended = {one["detail_id"]: one for one in yard.details(loud) if one["end"]}
        for number in ended.keys() - checked:
            assert_gap_told(yard, loud, number)
            place = disk / "jobs/workers/one/runs" / attempt_of(ended[number])
            (place / "stdout").unlink(missing_ok=True)
            checked.add(number)
    fine = yard.run(task, 2)
    yard.wait_over(fine, 2)
    yard.assert_true(fine, 2)


def assert_gap_told(yard: Yard, result: int, number: int) -> None:
    """Assert that a run has its own end, and that each says what of its output is not there."""
    one = yard.detail(result, number)
    assert (one["state"], one["exit_code"]) == ("FAILED", number + 3)
    (attempt,) = one["attempts"]
    assert attempt["stdout_bytes"] == LOUD_BYTES
    assert attempt["missing_bytes"] > 0
    assert len(yard.output(result, number)) == LOUD_BYTES - attempt["missing_bytes"]
    told = yard.output(result, number, "output?gaps=text")
    gaps = re.findall(rb"\[jexevents: (\d+) bytes of stdout are missing: lost\]", told)
    assert sum(map(int, gaps)) == attempt["missing_bytes"]


def attempt_of(detail: dict[str, Any]) -> str:
    """Give the name of the folder of a run's attempt."""
    return str(attempt_id(detail["uuid"], detail["attempt"]))


def test_a_worker_that_stands_still(yard: Yard, own_registry: Registry) -> None:
    """Longer than its lease: another takes what it has not begun, and waits for the rest."""
    still = yard.worker("still", hurried=True)
    _, pulled_task = pulled(yard, own_registry)
    task = yard.task()
    begun = yard.run(task, 2, WAITS)
    yard.wait_state(begun, "RUNNING", 2)
    again = yard.run(task, 1, WAITS.replace("/mounted/ran", "/mounted/again"),
                     retries={"count": 1, "on": ["lost"], "backoff": 0})  # fmt: skip
    yard.wait_state(again, "RUNNING")
    own_registry.signal(signal.SIGSTOP)
    pulls = logged(still, "image_pull")
    claimed = yard.run(pulled_task, 3, SCRIPT.replace("/mounted/ran", "/mounted/claimed"))
    yard.wait_logged(still, "image_pull", pulls + 1)
    still.send(signal.SIGSTOP)
    own_registry.signal(signal.SIGCONT)
    yard.worker("other", hurried=True)
    yard.wait_over(claimed, 3, LEASE_OVER_SECONDS)
    assert {one["worker"] for one in yard.details(claimed)} == {"other"}
    wait_until(lambda: yard.detail(again)["attempt"] == 2, LEASE_OVER_SECONDS, "another attempt")
    (yard.mounted / "go").touch()
    yard.wait_over(again, 1)
    assert yard.states(begun)["RUNNING"] == 2, "nobody else has what it has begun"
    still.send(signal.SIGCONT)
    yard.wait_over(begun, 2)
    yard.wait_logged(still, "execution_ended", 3)
    yard.assert_true(begun, 2)
    for result, file, ran in ((claimed, "claimed", ["1.1", "2.1", "3.1"]),
                              (again, "again", ["1.1", "1.2"])):  # fmt: skip
        assert sorted((yard.mounted / file).read_text().split()) == ran, result
    (story,) = map(yard.story, yard.details(again))
    assert [name for name in story if name in ("lost", "retried", "fail")][:3] == [
        "lost", "retried", "fail",
    ]  # fmt: skip
    assert {one["worker"] for one in yard.details(begun)} == {"still"}


@pytest.mark.parametrize("away", [signal.SIGKILL, signal.SIGSTOP], ids=lambda one: one.name)
def test_what_was_given_up_while_its_worker_was_away(yard: Yard, away: signal.Signals) -> None:
    worker = yard.worker()
    result = yard.run(yard.task(), 1, WAITS)
    yard.wait_state(result, "RUNNING")
    worker.send(away)
    if away is signal.SIGKILL:
        worker.end()
    order = {"operation": "GIVE_UP", "cause": "the machine burned down"}
    status, answer = yard.ask("POST", f"/result/{result}/detail/1/", order)
    assert status == 200, answer
    given_up = yard.detail(result)
    assert (given_up["state"], given_up["status"]) == ("LOST", "ERROR")
    assert "burned down" in given_up["reason"]
    assert [each.status for each in yard.containers()] == ["running"]
    if away is signal.SIGKILL:
        worker.start_again()
    else:
        worker.send(signal.SIGCONT)
    yard.wait_logged(worker, "execution_ended")
    yard.assert_nothing_left()
    late = yard.detail(result)
    assert late.pop("attempts") != given_up.pop("attempts"), "how much it wrote is known now"
    assert late == given_up, "what is told late changes nothing"
    assert yard.ran() == {"1.1": 1}
    assert ask(yard.database, "select count(*) from jex.execution_attempts"
               " where settled_at is null") == [(0,)]  # fmt: skip
