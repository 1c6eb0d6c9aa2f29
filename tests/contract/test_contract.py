"""schemathesis tries the interface of a live daemon by its OpenAPI document, and finds nothing."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.jobs import Jobs
from tests.acceptance.support import environment, message, publish, submission
from tests.support import wait_until

SETTINGS = (Path(__file__).parent / "schemathesis.toml").read_text("utf-8")
PROGRAM = (sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()")
# So long in CI, from the same seed each time; `make contract` takes five minutes, and draws anew.
FULL = os.environ.get("JEXEVENTS_TEST_CONTRACT_SECONDS")
SECONDS = int(FULL or "40")
SEED = () if FULL else ("--seed", "1")
FILES = {"quick.yml": "command: echo {{ word }}\nvars: [{name: word, default: hello}]\n"}
APP_ID = "c7f05682-23c8-4182-b9a2-e09650a5f49b"
SYSTEM = "2319db24-f46e-11e6-a35c-3c15c2cc8f88"


@pytest.fixture
def place(jobs: Callable[..., Jobs]) -> Jobs:
    return jobs(FILES, PublicURL="https://jex.example.org", NodeSecret="of these nodes alone")


def test_nothing_is_found(place: Jobs, tmp_path: Path) -> None:
    settings = tmp_path / "schemathesis.toml"
    settings.write_text(SETTINGS + known_values(fill(place)))
    done = subprocess.run(
        [
            *PROGRAM, "--config-file", str(settings), "--no-color", "run",
            f"http://127.0.0.1:{place.daemon.port}/openapi.json",
            "--url", f"http://127.0.0.1:{place.daemon.port}",
            "--header", f"Authorization: Bearer {place.admin}",
            "--max-time", str(SECONDS), "--continue-on-failure", *SEED,
        ],
        cwd=tmp_path,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=2 * SECONDS + 240,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert place.daemon.logged("http_failed") == []


def fill(place: Jobs) -> Mapping[str, Sequence[Any]]:
    """Have something of everything; give what it is called in paths."""
    execution = place.run("quick", wait=30, word="seen")
    assert execution["state"] == "COMPLETE", execution
    publish(place.options["AMQPURI"], [message(submission(7)), b"no event"])
    condor = place.daemon.wait_job("7", place.admin)
    wait_until(lambda: sent(place, "GET", "/ledger/rejects")["items"], 30, "the reject")
    job = {"Submitter": "a", "AppID": APP_ID, "CommandLine": "/bin/true", "CondorID": "8"}
    inserted = sent(place, "POST", "/jobs", job)
    pipeline = sent(place, "POST", "/pipelinejobs", {
        "pipeline_uuid": "10650844-1baa-55c5-a481-5e945b19c065", "data": {},
        "archive_path": "/products/v2/a", "archive_system": "data-sd2e-community",
    })  # fmt: skip
    event = sent(place, "POST", "/api/v1/events", {
        "smrtlinkId": SYSTEM, "uuid": APP_ID, "eventTypeId": "sl_test_event",
        "eventTypeVersion": 1, "createdAt": "2026-01-02T03:04:05Z", "message": {"a": 1},
    })  # fmt: skip
    task = sent(place, "POST", "/task", {"repository": "lab/align:1.2", "name": "align"})
    nonce = sent(place, "POST", "/nonces", {"note": "one"})
    return {
        "job": ["quick", "quick", "nothing"],
        "execution": [repr(execution["id"])],
        "event": ["complete", "start", "none"],
        "uuid": [condor["id"], inserted["UUID"], pipeline["uuid"], event["uuid"], SYSTEM,
                 execution["uuid"]],
        "task_id": [task["task_id"]],
        "id": [1, nonce["id"]],
        "name": ["one", "problem", "agavejobs.jsonschema", "sl_test_event.1"],
        "actor_id": ["pipelinejobs"],
    }  # fmt: skip


def sent(place: Jobs, method: str, path: str, body: Any = None) -> dict[str, Any]:
    answer = place.daemon.ask(method, path, body, token=place.admin)
    assert 200 <= answer.status < 300, (path, answer.body)
    return answer.json()


def known_values(values: Mapping[str, Sequence[Any]]) -> str:
    """Have parameters of paths be what there is, four times in five."""
    bound = "".join(
        f'"path.{name}" = {{dictionary = "{name}", probability = 0.8}}\n' for name in values
    )
    return bound + "".join(
        f"\n[dictionaries.{name}]\nvalues = {json.dumps(list(found))}\n"
        for name, found in values.items()
    )


def test_what_is_left_out_has_its_reason() -> None:
    blocks = re.split(r"\n\n", SETTINGS.strip())
    for block in blocks[1:]:
        told = [line for line in block.splitlines() if line.startswith("#")]
        assert len(" ".join(told)) > 30, block
