"""`jexevents worker` as an own process: what it runs, how it ends, who sees it."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jexevents.exits import Exit
from tests.acceptance.jobs import Jobs
from tests.acceptance.support import PYTHON, Daemon, make_token, rows
from tests.acceptance.workers import GATED, SECONDS, SECRET, WorkerPlace
from tests.support import free_port, wait_until


@pytest.fixture
def place(
    servers: dict[str, str], start: Callable[..., Daemon], engine: Any, image: str, tmp_path: Path
) -> Iterator[WorkerPlace]:
    made = WorkerPlace(servers, start, engine, image, tmp_path)
    yield made
    made.close()


def test_two_workers_share_what_waits(place: WorkerPlace) -> None:
    front = place.front()
    # Both are there before anything waits: one alone would have done most till the other has begun.
    started = [place.worker_process("--name", name, "--slots", "2") for name in ("a", "b")]
    jobs = [place.ask("sh", "-c", f"sleep 0.3; printf {n}; printf e{n} >&2") for n in range(20)]
    for number, job in enumerate(jobs, 1):
        assert place.ended(job)["state"] == "COMPLETE"
        assert place.story(job) == ["requested", "claimed", "start", "complete"]
        for which, said in (("stdout", f"{number - 1}"), ("stderr", f"e{number - 1}")):
            answer = front.get(f"/result/1/detail/{number}/{which}")
            assert (answer.status, answer.body.decode()) == (200, said), answer
    shares = Counter(map(place.node_of, jobs))
    assert set(shares) == {"a", "b"}
    assert min(shares.values()) >= 3
    place.gone()
    assert [one.stop() for one in started] == [0, 0]


def test_what_a_worker_says_of_itself(place: WorkerPlace) -> None:
    front = place.front()
    worker = place.worker_process("--name", "a", "--slots", "3", "--labels", "gpu, zone=1")
    job = place.ask("sh", "-c", GATED, labels=("gpu",))
    place.running(job)
    shown = wait_until(
        lambda: next((one for one in front.get("/workers").json()["items"] if one["kinds"]), None),
        SECONDS,
        "what it says",
    )
    assert list(place.workers()) == ["a"]
    assert (shown["role"], shown["slots"], shown["kinds"]) == ("worker", 3, ["container"])
    assert (shown["labels"], shown["alive"], shown["draining"]) == (["gpu", "zone=1"], True, False)
    assert shown["engine"]["version"] == place.engine.client.about().version
    assert shown["url"] == f"http://127.0.0.1:{worker.port}"
    (does,) = shown["executions"]
    assert (does["kind"], does["uuid"], does["task"]) == ("container", job, "task")
    assert (does["result_id"], does["detail_id"], does["begun"]) == (1, 1, True)
    listed = place.command("workers").out
    assert "task 1/1" in listed
    assert "alive" in listed

    checks = worker.get("/readyz").json()["checks"]
    assert {name: one["ok"] for name, one in checks.items()} == dict.fromkeys(
        ("database", "broker", "worker", "engine"), True
    )
    assert worker.get("/healthz").status == 200
    assert worker.metric("execution_slots") == 3
    assert worker.metric("executions_running_by_kind", kind="container") == 1
    assert worker.metric("engine_up") == 1
    assert worker.metric("worker_draining") == 0
    assert worker.metric("consumer_connected") is None
    assert worker.get("/jobs").status == 404
    unsigned = worker.get(f"/nodes/executions/{job}/stdout")
    assert unsigned.status == 401
    place.open_gates(job)
    assert place.ended(job)["state"] == "COMPLETE"


def test_killed_in_mid_run_and_started_again(place: WorkerPlace) -> None:
    front = place.front()
    first = place.worker_process("--name", "a")
    job = place.ask("sh", "-c", GATED)
    place.running(job)
    place.kill(first)
    (container,) = place.containers()
    assert container.status == "running"
    place.worker_process("--name", "a")
    place.open_gates(job)
    row = place.ended(job)
    assert (row["state"], row["exit_code"]) == ("COMPLETE", 0)
    assert place.story(job) == ["requested", "claimed", "start", "complete"]
    assert front.get("/result/1/detail/1/stdout").body == b"a\nb\n"
    place.gone()


def test_term_finishes_what_runs(place: WorkerPlace) -> None:
    worker = place.worker_process("--name", "a", "--slots", "1")
    job = place.ask("sh", "-c", GATED)
    place.running(job)
    worker.send(signal.SIGTERM)
    worker.wait_logged("worker_drains")
    later = place.ask("true")
    assert worker.code is None
    assert worker.get("/readyz").json()["checks"]["worker"]["detail"] == "draining"
    place.open_gates(job)
    assert worker.wait(SECONDS) == Exit.OK
    assert place.row(job)["state"] == "COMPLETE"
    assert place.row(later)["state"] == "QUEUED"
    assert place.containers() == []
    told = place.workers()["a"]
    assert (told["alive"], told["ended_at"] is None) == (False, False)


@pytest.mark.parametrize("signals", [(signal.SIGTERM, signal.SIGTERM), (signal.SIGQUIT,)])
def test_what_runs_is_left_to_the_next_start(place: WorkerPlace, signals: tuple[int, ...]) -> None:
    worker = place.worker_process("--name", "a")
    job = place.ask("sh", "-c", GATED)
    place.running(job)
    for number in signals[:-1]:
        worker.send(number)
        worker.wait_logged("worker_drains")
    worker.send(signals[-1])
    assert worker.wait(10) == Exit.OK
    assert [one.status for one in place.containers()] == ["running"]
    assert place.row(job)["state"] == "RUNNING"
    place.worker_process("--name", "a")
    place.open_gates(job)
    assert place.ended(job)["state"] == "COMPLETE"


def test_drained_by_the_command(place: WorkerPlace) -> None:
    worker = place.worker_process("--name", "a", "--slots", "2")
    job = place.ask("sh", "-c", GATED)
    place.running(job)
    done = place.command("worker", "drain", "a")
    assert (done.code, "it has 1 execution" in done.out) == (0, True)
    later = place.ask("true")
    worker.wait_logged("worker_drains")
    assert place.workers()["a"]["draining"] is True
    place.open_gates(job)
    assert worker.wait(SECONDS) == Exit.OK
    assert place.states([job, later]) == ["COMPLETE", "QUEUED"]
    (audited,) = rows(place.options["DBURI"], "select credential, action, detail from jex.audit")
    assert audited == ("command line", "worker drained", {"worker": "a"})
    again = place.command("worker", "drain", "a", "--wait")
    assert (again.code, "has ended" in again.out) == (Exit.OK, True)
    assert place.command("worker", "drain", "nobody").code == Exit.USAGE
    assert "ended" in place.command("workers").out
    # One that starts anew does not know of it.
    place.worker_process("--name", "a", "--slots", "2")
    assert place.ended(later)["state"] == "COMPLETE"


def test_a_daemon_that_is_drained_stays_till_it_is_resumed(place: WorkerPlace) -> None:
    daemon = place.front(ContainerEngine=place.options["ContainerEngine"], NodeName="d")
    admin = make_token(daemon.config, "admin")[1]
    run = make_token(daemon.config, "run", "read")[1]
    first = place.ask("true")
    assert place.ended(first)["state"] == "COMPLETE"
    assert daemon.ask("POST", "/workers/d", {"operation": "DRAIN"}, token=run).status == 403
    assert daemon.ask("POST", "/workers/d", {"operation": "STOP"}, token=admin).status == 422
    assert daemon.ask("POST", "/workers/x", {"operation": "DRAIN"}, token=admin).status == 404
    assert daemon.ask("GET", "/workers/x", token=run).status == 404
    drained = daemon.ask("POST", "/workers/d", {"operation": "DRAIN"}, token=admin)
    assert (drained.status, drained.json()["draining"]) == (200, True)
    assert daemon.ask("GET", "/workers/d", token=run).json()["draining"] is True
    daemon.wait_logged("worker_drains")
    job = place.ask("true")
    looked = time.monotonic()
    wait_until(lambda: time.monotonic() > looked + 6, 10, "a look at the queue to be over")
    assert place.row(job)["state"] == "QUEUED"
    assert place.command("worker", "drain", "d", "--wait").code == Exit.OK
    assert daemon.code is None
    assert place.command("worker", "drain", "d", "--undo").code == Exit.OK
    assert place.ended(job)["state"] == "COMPLETE"
    actions = [row[0] for row in rows(place.options["DBURI"],
                                      "select action from jex.audit where detail ? 'worker' "
                                      "order by id")]  # fmt: skip
    assert actions == ["worker drained", "worker drained", "worker resumed"]


def test_labels(place: WorkerPlace) -> None:
    wanted = place.ask("true", labels=("gpu", "big"))
    plain = place.ask("true")
    place.worker_process("--name", "a", "--labels", "gpu")
    assert place.ended(plain)["state"] == "COMPLETE"
    place.worker_process("--name", "b", WorkerLabels=["gpu", "big", "more"])
    assert place.ended(wanted)["state"] == "COMPLETE"
    assert (place.node_of(plain), place.node_of(wanted)) == ("a", "b")


def test_names_are_held_against_all_who_run(place: WorkerPlace, tmp_path: Path) -> None:
    place.worker_process()
    assert list(place.workers()) == ["front-worker"]
    same = place.worker_process(ready=False, JobsDir=str(tmp_path / "other"))
    assert same.wait() == Exit.CONFIG
    assert "'front-worker'" in same.logged("stopped")[-1]["reason"]

    runs = place.front(ContainerEngine=place.options["ContainerEngine"], NodeName="d")
    other = place.worker_process("--name", "d", ready=False)
    assert other.wait() == Exit.CONFIG
    assert "--name" in other.logged("stopped")[-1]["reason"]
    assert runs.code is None
    # A daemon that runs nothing is no rival: its name is in no row of what runs.
    place.front(NodeName="e")
    place.worker_process("--name", "e")


@pytest.mark.parametrize(
    ("arguments", "options", "words"),
    [
        (("--slots", "0"), {}, "--slots"),
        (("--slots", "-1"), {}, "--slots"),
        (("--labels", "a b"), {}, "--labels"),
        (("--name", "../x"), {}, "--name"),
        (("--listen", "nowhere"), {}, "--listen"),
        (("--url", "ftp://x"), {}, "--url"),
        ((), {"ContainerEngine": "none"}, "ContainerEngine"),
    ],
)
def test_what_makes_no_sense(
    place: WorkerPlace, arguments: tuple[str, ...], options: dict[str, Any], words: str
) -> None:
    worker = place.worker_process(*arguments, ready=False, **options)
    assert worker.wait() == Exit.CONFIG
    assert words in worker.text


def test_without_a_secret_it_is_said_what_is_missing(place: WorkerPlace) -> None:
    place.options["NodeSecret"] = ""
    front = place.front()
    place.worker_process("--name", "a")
    job = place.ask("echo", "x")
    place.ended(job)
    answer = front.get("/result/1/detail/1/stdout")
    assert answer.status == 503
    assert "NodeSecret" in answer.body.decode()
    assert "'a'" in answer.json()["detail"]


def test_a_worker_of_another_machine_needs_a_url(place: WorkerPlace) -> None:
    front = place.front()
    port = free_port()
    worker = place.worker_process("--name", "a", "--listen", f"127.0.0.1:{port}")
    job = place.ask("echo", "x")
    place.ended(job)
    uri = place.options["DBURI"]
    wait_until(lambda: rows(uri, "select local_url from jex.nodes where name = 'a'")[0][0],
               SECONDS, "its note")  # fmt: skip
    assert worker.stop() == Exit.OK
    elsewhere = "update jex.nodes set machine = 'another' where name = 'a'"
    rows(uri, elsewhere)
    answer = front.get("/result/1/detail/1/stdout")
    assert (answer.status, "WorkerURL" in answer.body.decode()) == (503, True)
    place.worker_process("--name", "a", "--listen", f"127.0.0.1:{port}", "--url",
                         f"http://localhost:{port}")  # fmt: skip
    rows(uri, elsewhere)
    assert front.get("/result/1/detail/1/stdout").body == b"x\n"


def test_a_daemon_that_runs_nothing_wakes_workers(place: WorkerPlace) -> None:
    front = place.front()
    worker = place.worker_process("--name", "a")
    token = make_token(front.config, "run", "read")[1]
    task = front.ask("POST", "/task/", {"repository": place.image}, token).json()["task_id"]
    found = front.get(f"/task/{task}/?wait={SECONDS}", token).json()
    assert found["status"] == "READY", found
    wait_until(lambda: worker.get("/readyz").json()["checks"]["broker"]["detail"] == "wakes",
               SECONDS, "the broker")  # fmt: skip
    begun = time.monotonic()
    for _ in range(3):
        order = {"operation": "RUN", "command": ["true"]}
        done = front.ask("POST", f"/task/{task}/?wait={SECONDS}", order, token).json()
        assert done["status"] == "COMPLETE", done
    assert time.monotonic() - begun < 8, "it was woken, and did not wait for its next look"


def test_without_a_broker(place: WorkerPlace) -> None:
    place.options["AMQPURI"] = f"amqp://guest:guest@127.0.0.1:{free_port()}/"
    worker = place.worker_process("--name", "a")
    assert worker.get("/readyz").json()["checks"]["broker"]["detail"] == "does not wake"
    job = place.ask("true")
    assert place.ended(job, 12)["state"] == "COMPLETE"


def test_tokens_are_reread_on_hang_up(place: WorkerPlace) -> None:
    worker = place.worker_process("--name", "a", TokenCacheSeconds=3600)
    assert worker.get("/metrics").status == 200
    secret = make_token(worker.config, "read")[1]
    worker.send(signal.SIGHUP)
    wait_until(lambda: worker.get("/metrics").status == 401, SECONDS, "the tokens")
    assert worker.get("/metrics", secret).status == 200
    assert worker.code is None


def test_commands_run_on_a_worker(
    jobs: Callable[..., Jobs], start: Callable[..., Daemon], servers: dict[str, str]
) -> None:
    shared = {"NodeSecret": SECRET, "ContainerEngine": "none"}
    files = {"says.yml": "command: echo said by $JEXEVENTS_JOB\n"}
    front = jobs(files, WorkerSlots=0, **shared)
    options = {**front.options, **shared}
    worker = start(*PYTHON, "worker", "--slots", "1", **options).wait_ready()
    done = front.run("says", wait=SECONDS)
    assert (done["state"], done["node"]) == ("COMPLETE", "one-worker")
    assert front.get(f"/jobs/says/{done['id']}/output").body == b"said by says\n"
    assert (Path(options["JobsDir"]) / "workers" / "one-worker" / "runs").is_dir()
    assert worker.stop() == Exit.OK
