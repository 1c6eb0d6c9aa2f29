"""Containers as the worker runs them, in a real engine."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from jexevents.errors import EngineRefused, StoreUnavailable
from jexevents.executions.queue import Offer
from jexevents.executions.run import Mount
from jexevents.lifecycle.executionid import attempt_id
from jexevents.model import Kind
from jexevents.runner.containers.health import EngineHealth
from jexevents.runner.containers.images import NodeImages
from jexevents.runner.containers.importing import Importer
from jexevents.store.nodes import NodeName, NodeNote
from jexevents.store.tasks import TaskList
from jexevents.store.workers import Workers
from jexevents.tasks.imports import Imports
from jexevents.tasks.registry import Asked, Registry
from tests.containers import ContainerPlace
from tests.engine import TestEngine
from tests.support import wait_until


@pytest.fixture
def place(database: str, engine, image: str, tmp_path: Path) -> Iterator[ContainerPlace]:
    made = ContainerPlace(database, engine, tmp_path / "runs", image)
    yield made
    for one in made.containers():
        with suppress(EngineRefused):
            engine.containers.remove(one.id, force=True)
    made.database.close()


def test_one_that_runs_to_its_end(place: ContainerPlace) -> None:
    job = place.ask("sh", "-c", "echo out; echo err >&2; exit 3")
    with place.working():
        row = place.ended(job)
        place.gone()
    assert (row["state"], row["exit_code"], row["reason"]) == ("FAILED", 3, "exit 3")
    assert place.story(job) == ["requested", "claimed", "start", "fail"]
    assert place.output(job, "stdout") == b"out\n"
    assert place.output(job, "stderr") == b"err\n"
    assert row["submitted_at"] <= row["started_at"] <= row["finished_at"]


def test_bytes_are_exact(place: ContainerPlace) -> None:
    script = "head -c 300017 /dev/urandom > /x; md5sum < /x >&2; cat /x; printf end"
    job = place.ask("sh", "-c", script)
    with place.working():
        assert place.ended(job)["state"] == "COMPLETE"
    out = place.output(job, "stdout")
    assert out[-3:] == b"end"
    assert hashlib.md5(out[:-3]).hexdigest() == place.output(job, "stderr").split()[0].decode()


def test_many_short_ones_have_all_their_output(place: ContainerPlace) -> None:
    jobs = [place.ask("sh", "-c", f"printf {n}; printf x{n} >&2") for n in range(30)]
    with place.working():
        for number, job in enumerate(jobs):
            assert place.ended(job)["state"] == "COMPLETE"
            assert place.output(job, "stdout") == str(number).encode()
            assert place.output(job, "stderr") == f"x{number}".encode()
        place.gone()


def test_a_program_that_is_not_there(place: ContainerPlace) -> None:
    job = place.ask("no-such-program")
    with place.working():
        row = place.ended(job)
        place.gone()
    assert (row["state"], row["exit_code"]) == ("FAILED", 127)
    assert row["reason"] == "exit 127: a program was not found"
    assert b"no-such-program" in place.output(job, "stderr")


def test_what_cannot_be_started(place: ContainerPlace) -> None:
    job = place.ask("true", user="nobody-has-this-name")
    with place.working():
        row = place.ended(job)
        place.gone()
    assert row["state"] == "FAILED"
    assert "nobody-has-this-name" in row["reason"]
    assert place.story(job) == ["requested", "claimed", "fail"]


def test_out_of_memory_is_said(place: ContainerPlace) -> None:
    job = place.ask("sh", "-c", "x=a; while :; do x=$x$x; done", memory_bytes=16 << 20)
    with place.working():
        row = place.ended(job)
    assert row["state"] == "FAILED"
    assert "out of memory" in row["reason"]
    assert "16777216" in row["reason"]


def test_kill(place: ContainerPlace) -> None:
    job = place.ask("sleep", "1000")
    with place.working():
        place.running(job)
        assert place.order(job, "kill", "no more")["event"]["name"] == "kill"
        row = place.ended(job)
        place.gone()
    assert (row["state"], row["exit_code"]) == ("KILLED", 137)
    assert "no more" in row["reason"]


def test_stop_and_continue(place: ContainerPlace) -> None:
    job = place.ask("sh", "-c", "while :; do echo x; sleep 0.05; done")
    with place.working():
        place.running(job)
        place.order(job, "stop")
        assert place.row(job)["state"] == "STOPPED"
        place.order(job, "continue")
        assert place.row(job)["state"] == "RUNNING"
        answer = place.order(job, "kill")
        row = place.ended(job)
        assert row["state"] == "KILLED", (answer, row["reason"])
    assert place.story(job)[2:] == ["start", "stop", "continue", "kill", "fail"]


def test_a_timeout(place: ContainerPlace) -> None:
    polite = place.ask("sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done",
                       timeout_seconds=0.5)  # fmt: skip
    rude = place.ask("sh", "-c", "trap '' TERM; while :; do sleep 0.1; done", timeout_seconds=0.5)
    with place.working():
        for job, code in ((polite, 0), (rude, 137)):
            row = place.ended(job)
            assert (row["state"], row["exit_code"]) == ("TIMED-OUT", code)
            assert row["reason"].startswith("it had run for 0.5 s")


def test_what_stands_still_has_time(place: ContainerPlace) -> None:
    job = place.ask("sleep", "1", timeout_seconds=1.5)
    with place.working():
        place.running(job)
        place.order(job, "stop")
        other = place.ask("sleep", "2")
        place.ended(other)
        place.order(job, "continue")
        assert place.ended(job)["state"] == "COMPLETE"


def test_environment_and_secrets(place: ContainerPlace) -> None:
    job = place.ask(
        "sh",
        "-c",
        "env | sort; pwd; id -u",
        environment={"A": "b c"},
        secrets=["PASS"],
        workdir="/tmp",
        user="1000",
    )
    with place.working(secrets=lambda names: dict.fromkeys(names, "s3cr3t!")):
        place.ended(job)
    lines = place.output(job).decode().splitlines()
    assert {"A=b c", "PASS=***", "JEXEVENTS_TASK=task", "JEXEVENTS_DETAIL=1"} <= set(lines)
    assert lines[-2:] == ["/tmp", "1000"]
    assert b"s3cr3t!" not in place.output(job)


def test_mounts_only_below_their_folders(place: ContainerPlace, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "in").write_text("hello")
    (data / "away").symlink_to("/etc")
    inside = place.ask("sh", "-c", "cat /d/in; echo there > /d/out",
                       mounts=(Mount(str(data), "/d"),))  # fmt: skip
    by_link = place.ask("true", mounts=(Mount(f"{data}/away", "/d"),))
    with place.working(mount_folders=(str(data),)):
        assert place.ended(inside)["state"] == "COMPLETE"
        row = place.ended(by_link)
    assert place.output(inside) == b"hello"
    assert (data / "out").read_text() == "there\n"
    assert row["state"] == "FAILED"
    assert "may not be mounted" in row["reason"]


def test_output_beyond_its_limit_loses_its_middle(place: ContainerPlace) -> None:
    job = place.ask("sh", "-c", "seq 1 100000", max_output_bytes=64 * 1024)
    with place.working():
        place.ended(job)
    out = place.output(job)
    assert out.startswith(b"1\n2\n")
    assert out.endswith(b"100000\n")
    assert len(out) <= 64 * 1024


def test_an_image_that_is_nowhere_is_left_to_others(place: ContainerPlace) -> None:
    job = place.ask("true", image=f"sha256:{'0' * 64}", pull=False)
    other = place.ask("true")
    with place.working(slots=1):
        assert place.ended(other)["state"] == "COMPLETE"
        assert place.row(job)["state"] == "QUEUED"


def test_a_worker_takes_up_what_runs(place: ContainerPlace) -> None:
    job = place.ask("sh", "-c", "echo a; while ! test -e /go; do sleep 0.05; done; echo b")
    with place.working():
        place.running(job)
    (container,) = place.containers()
    assert container.status == "running"
    with place.working():
        assert place.row(job)["state"] == "RUNNING"
        with place.engine.opened() as library:
            library.containers.get(container.id).exec_run(["touch", "/go"])
        assert place.ended(job)["state"] == "COMPLETE"
        place.gone()
    assert place.output(job) == b"a\nb\n"
    assert place.story(job) == ["requested", "claimed", "start", "complete"]


def test_a_worker_takes_up_what_has_ended(place: ContainerPlace) -> None:
    job = place.ask("sh", "-c", "while ! test -e /go; do sleep 0.05; done; echo b; exit 7")
    with place.working():
        place.running(job)
    (container,) = place.containers()
    with place.engine.opened() as library:
        library.containers.get(container.id).exec_run(["touch", "/go"])
    place.engine.wait_ended(container.id)
    with place.working():
        assert place.ended(job)["exit_code"] == 7
    assert place.output(job) == b"b\n"


@pytest.fixture
def own_place(
    database: str, own_engine: TestEngine, busybox: bytes, tmp_path: Path
) -> Iterator[ContainerPlace]:
    """One with an engine that may be killed."""
    image = own_engine.import_image(busybox)
    made = ContainerPlace(database, own_engine, tmp_path / "runs", image)
    yield made
    made.database.close()


def test_an_end_that_the_engine_has_lost_is_no_success(
    own_place: ContainerPlace, own_engine: TestEngine
) -> None:
    place = own_place
    job = place.ask("sh", "-c", "while ! test -e /go; do sleep 0.05; done; exit 7")
    with place.working():
        place.running(job)
        (container,) = place.containers()
        root = Path(f"/proc/{own_engine.containers.inspect(container.id).pid}/root")
        own_engine.lose_end(container.id, (root / "go").touch)
        assert own_engine.containers.inspect(container.id).exit_code == 0
        row = place.ended(job)
        place.gone()
    assert (row["state"], row["exit_code"]) == ("LOST", None)
    assert row["reason"].endswith("does not know how: it says exit 0.")


def test_a_success_over_an_absence_of_the_engine_is_one(
    own_place: ContainerPlace, own_engine: TestEngine
) -> None:
    place = own_place
    job = place.ask("sh", "-c", "while ! test -e /go; do sleep 0.05; done")
    with place.working():
        place.running(job)
        (container,) = place.containers()
        root = Path(f"/proc/{own_engine.containers.inspect(container.id).pid}/root")
        own_engine.private.kill()
        own_engine.private.start()
        (root / "go").touch()
        assert place.ended(job)["state"] == "COMPLETE"
        place.gone()


@pytest.mark.parametrize("code", [0, 7])
def test_what_had_ended_before_it_was_to_be_killed_was_not_killed(
    place: ContainerPlace, code: int
) -> None:
    job = place.ask("sh", "-c", f"while ! test -e /go; do sleep 0.05; done; exit {code}")
    with place.working():
        row = place.running(job)
    (container,) = place.containers()
    with place.engine.opened() as library:
        library.containers.get(container.id).exec_run(["touch", "/go"])
    place.engine.wait_ended(container.id)
    # As a worker does that hears of the order first, and of the end a moment later.
    notes = next(place.folder.glob("*/container.json"))
    known = json.loads(notes.read_text())
    notes.write_text(json.dumps({**known, "asked": "killed", "why": "late"}))
    with place.working():
        row = place.ended(job)
    assert (row["state"], row["exit_code"]) == ("FAILED" if code else "COMPLETE", code)


def test_what_was_removed_by_others_is_lost(place: ContainerPlace) -> None:
    job = place.ask("sleep", "1000")
    with place.working():
        place.running(job)
        (container,) = place.containers()
        place.engine.containers.remove(container.id, force=True)
        row = place.ended(job)
    assert row["state"] in ("LOST", "FAILED")


@pytest.mark.parametrize("what", ["claim", "begin"])
@pytest.mark.parametrize("is_stored", [True, False], ids=["stored", "lost"])
def test_a_claim_that_came_to_nothing_needs_no_lease_to_end(
    place: ContainerPlace, monkeypatch: pytest.MonkeyPatch, what: str, is_stored: bool
) -> None:
    """Where PostgreSQL goes away in a claim or a begin, done or not: 60 s would be a lease."""
    asked, away = getattr(place.queue, what), [StoreUnavailable("It is away.")]

    def broken(*given: Any) -> Any:
        if away and (what == "begin" or place.queue.next_due(given[1]) is not None):
            if is_stored:
                asked(*given)
            raise away.pop()
        return asked(*given)

    monkeypatch.setattr(place.queue, what, broken)
    with place.working():
        job = place.ask("true")
        assert place.ended(job, 30)["state"] == "COMPLETE"
    assert not away


@pytest.mark.parametrize("what", ["take", "ready"])
@pytest.mark.parametrize("is_stored", [True, False], ids=["stored", "lost"])
def test_an_import_that_came_to_nothing_needs_no_lease_to_end(
    place: ContainerPlace, monkeypatch: pytest.MonkeyPatch, what: str, is_stored: bool
) -> None:
    imports, tasks = Imports(place.database), TaskList(place.database)
    asked, away = getattr(imports, what), [StoreUnavailable("It is away.")]

    def broken(*given: Any, **more: Any) -> Any:
        if not away:
            return asked(*given, **more)
        if is_stored:
            asked(*given, **more)
        raise away.pop()

    monkeypatch.setattr(imports, what, broken)
    task = Registry(place.database).register(Asked(place.image)).task_id
    images = NodeImages(place.engine.images, idle_seconds=30, whole_seconds=120)
    health = EngineHealth(place.engine.client)
    health.look()
    importer = Importer(imports, images, health, "one")
    importer.start()
    wait_until(lambda: tasks.find(task)["status"] == "READY", 30, "the image")
    importer.stop()
    assert importer.join(20)
    assert not away


def test_what_is_given_up_is_killed(place: ContainerPlace) -> None:
    job = place.ask("sleep", "1000")
    with place.working():
        row = place.running(job)
        from jexevents.executions.events import Named

        named = Named(row["execution"], "task", row["detail"])
        assert place.queue.give_up(job, named, 1, "told so")
        place.gone()
    assert place.row(job)["state"] == "LOST"
    notes = json.loads(next(place.folder.glob("*/container.json")).read_text())
    assert notes["asked"] == "killed"


def test_an_order_at_the_moment_of_the_end_comes_behind_it(place: ContainerPlace) -> None:
    worker = place.worker()
    (executor,) = worker._executors.values()
    job = place.ask("true")
    (claimed,) = place.queue.claim(1, worker._offer())
    attempt = executor.begin(claimed)
    wait_until(lambda: attempt.watch.closed or attempt.read() or attempt.is_over, 30, "its end")
    end = attempt.report()
    attempt._outcome = None
    attempt._life.notes.event("kill", 1, key="late")
    attempt._fresh = attempt._life.notes.events
    assert [event["name"] for event in attempt.report().events] == ["start"]
    assert [event["name"] for event in end.events] == ["start", "complete"]
    executor.clean(attempt)
    attempt.let_go()
    assert place.row(job)["state"] == "QUEUED"


def test_one_that_was_made_before_the_machine_went_down_may_have_run(
    place: ContainerPlace,
) -> None:
    worker = place.worker()
    (executor,) = worker._executors.values()
    job = place.ask("echo", "a")
    (claimed,) = place.queue.claim(1, worker._offer())
    assert place.queue.begin(claimed, "another boot")
    place.engine.containers.create(executor._spec(claimed, f"jexevents-{attempt_id(job, 1)}", {}))
    with place.working():
        row = place.ended(job)
        place.gone()
    assert row["state"] == "LOST"
    assert "restarted" in row["reason"]
    assert place.output(job) == b""


def test_a_drain_holds_before_the_worker_hears_of_it(place: ContainerPlace) -> None:
    place.ask("true")
    offer = Offer([Kind.CONTAINER])
    name = NodeName(place.database, "one", "worker", runs=True)
    name.note = NodeNote(slots=1)
    workers = Workers(place.database)
    try:
        assert name.hold()
        assert workers.drain("one", draining=True)
        assert place.queue.claim(1, offer) == []
        assert workers.held("one") == 0
        assert workers.drain("one", draining=False)
        (claimed,) = place.queue.claim(1, offer)
        assert workers.held("one") == 1
        (row,) = workers.all()
        (does,) = row["executions"]
        assert (does["uuid"], does["begun"], does["since"]) == (claimed.job_id, False, None)
    finally:
        name.release()


def test_a_kill_is_told_before_the_end_that_it_makes(
    place: ContainerPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = place.ask("sh", "-c", "while :; do sleep 0.05; done")
    containers = place.engine.containers
    kill = containers.kill

    def slow_kill(name: str, signal: str = "SIGKILL") -> None:
        kill(name, signal)
        wait_until(lambda: containers.inspect(name).ended, 30, "the end of the container")
        # Who follows the container has all the time to note its end first.
        threading.Event().wait(0.5)

    monkeypatch.setattr(containers, "kill", slow_kill)
    with place.working():
        place.running(job)
        place.order(job, "kill")
        assert place.ended(job)["state"] == "KILLED"
    assert place.story(job)[2:] == ["start", "kill", "fail"]


def test_a_drained_worker_removes_its_containers_before_it_says_so(
    place: ContainerPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = place.ask("true")
    containers = place.engine.containers
    remove, may_remove, drained = containers.remove, threading.Event(), threading.Event()

    def slow_remove(name: str, **how: Any) -> None:
        may_remove.wait(10)
        remove(name, **how)

    monkeypatch.setattr(containers, "remove", slow_remove)
    with place.working() as worker:
        worker.on_drained = drained.set
        place.ended(job)
        wait_until(lambda: worker.running == 0, 30, "all to be settled")
        worker.drain("test")
        assert not drained.wait(0.5)
        may_remove.set()
        assert drained.wait(10)
        assert place.containers() == []
