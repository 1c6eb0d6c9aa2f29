"""The four steps of Stevedore's own document, from a shell: real engine, real registry, two workers
beside a daemon (seed stevedore)."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.support import Daemon, make_token
from tests.acceptance.workers import WorkerPlace
from tests.engine import PASSWORD, USER, Registry

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")


@pytest.fixture
def place(
    servers: dict[str, str], start: Callable[..., Daemon], engine: Any, image: str, tmp_path: Path
) -> Iterator[WorkerPlace]:
    made = WorkerPlace(servers, start, engine, image, tmp_path)
    yield made
    made.close()


class Shell:
    """curl, with a token that may run."""

    def __init__(self, daemon: Daemon) -> None:
        self._url = f"http://127.0.0.1:{daemon.port}"
        self._token = make_token(daemon.config, "run", "read")[1]

    def curl(self, path: str, *words: str) -> Any:
        """Call a path; gives the JSON of the answer, or its text where it is none."""
        done = subprocess.run(
            ["curl", "-sS", "-H", f"Authorization: Bearer {self._token}", *words, self._url + path],
            capture_output=True,
            text=True,
            check=True,
        )
        try:
            return json.loads(done.stdout)
        except ValueError:
            return done.stdout


def test_the_four_steps(place: WorkerPlace, registry: Registry, image: str) -> None:
    # 1. An image, where workers can pull it.
    name, digest = registry.push(place.engine, image, "lab/align:1.2")
    shell = Shell(place.front())
    for worker in ("a", "b"):
        place.worker_process("--name", worker, "--slots", "2")
    # 2. It is registered, and imported.
    task = shell.curl("/task/", "--data", json.dumps({"repository": name, "name": "align"}))
    assert (task["name"], task["repository"]) == ("align", name)
    path = f"/task/{task['task_id']}/"
    task = shell.curl(f"{path}?wait=60")
    assert (task["status"], task["image"]) == ("READY", f"{name.rpartition(':')[0]}@{digest}")
    assert [one["name"] for one in shell.curl("/task/")] == ["align"]
    # 3. It is run.
    order = {
        "operation": "RUN",
        "times": 12,
        "command": ["sh", "-c", "sleep 0.3; echo part $JEXEVENTS_DETAIL $SPEED; echo no >&2"],
        "environment": {"SPEED": "fast"},
        "memory": "64m",
    }
    made = shell.curl(path, "--data", json.dumps(order))
    result = f"/result/{made['result_id']}/"
    # 4. What became of it: which ran, how often, how long, how they ended.
    found = shell.curl(f"{result}?wait=120")
    assert (found["status"], found["counts"]["COMPLETE"]) == ("COMPLETE", 12)
    assert 0 < found["duration"] == pytest.approx(found["end"] - found["start"], abs=1e-3)
    details = shell.curl(f"{result}detail/")
    assert [one["detail_id"] for one in details] == list(range(1, 13))
    assert {one["worker"] for one in details} == {"a", "b"}
    assert {(one["exit_code"], one["image"]) for one in details} == {(0, task["image"])}
    for one in details:
        own = f"{result}detail/{one['detail_id']}"
        assert shell.curl(f"{own}/stdout") == f"part {one['detail_id']} fast\n"
        assert shell.curl(f"{own}/stderr") == "no\n"
    place.gone()


def test_a_form_as_the_original_took_it(place: WorkerPlace, image: str) -> None:
    shell = Shell(place.front())
    place.worker_process("--name", "a")
    task = shell.curl("/task", "-d", f"repository={image}", "-d", "name=local")
    path = f"/task/{task['task_id']}"
    assert shell.curl(f"{path}?wait=60")["only_local"] is True
    words = ["-d", "operation=RUN", "-d", "times=2", "-d", "command=sh -c 'exit 4'"]
    found = shell.curl(f"{path}?wait=60", *words)
    assert (found["status"], found["counts"]["ERROR"]) == ("ERROR", 2)
    again = shell.curl(f"/result/{found['result_id']}?wait=60", "-d", "operation=REPEAT")
    assert (again["repeats"], again["times"]) == (found["result_id"], 2)


def test_credentials_are_those_of_docker(
    place: WorkerPlace,
    secured_registry: Registry,
    image: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name, _ = secured_registry.push(place.engine, image, "lab/closed:1")
    shell = Shell(place.front())
    folder = tmp_path / "docker"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    place.worker_process("--name", "a")
    task = shell.curl("/task/", "-d", f"repository={name}", "-d", "name=closed")
    path = f"/task/{task['task_id']}/"
    found = shell.curl(f"{path}?wait=60")
    assert found["status"] == "ERROR"
    assert "no basic auth credentials" in found["error"]
    word = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    known = {"auths": {secured_registry.host: {"auth": word}}}
    (folder / "config.json").write_text(json.dumps(known))
    shell.curl(path, "-d", "operation=IMPORT")
    assert shell.curl(f"{path}?wait=60")["status"] == "READY"
    found = shell.curl(f"{path}?wait=60", "-d", "operation=RUN", "-d", "command=true")
    assert found["status"] == "COMPLETE"
